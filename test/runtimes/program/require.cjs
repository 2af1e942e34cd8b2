/** Node: the package, and axios, by `require`. */
const axios = require('axios')
const { createSession, findSessionError, SessionError } = require('refresh-once')
const { attachSession } = require('refresh-once/axios')
const { withSession } = require('refresh-once/fetch')

async function main({ url, tokens }) {
  const session = createSession({
    tokens,
    refresh: ({ tokens, signal }) =>
      fetch(`${url}/token`, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken }),
        signal,
      }),
  })
  const api = axios.create({ baseURL: url })
  attachSession(api, session)
  const guarded = withSession(session, { origins: [url] })
  const ids = Array.from({ length: 10 }, (_, id) => String(id))
  const answers = await Promise.all([
    ...ids.map(async (id) => (await api.post(`/api/effects?id=axios-${id}`, { id })).data),
    ...ids.map(async (id) => (await guarded(`${url}/api/effects?id=fetch-${id}`, { method: 'POST' })).json()),
  ])
  await session.signOut()
  const refused = await api.get('/api/items').catch((error) => error)
  const expired = await session.getAccessToken().catch((error) => error)
  return {
    times: answers.map(({ times }) => times),
    status: refused.response.status,
    sameClass: expired instanceof SessionError && findSessionError(expired) === expired,
  }
}

main(JSON.parse(process.env.GIVEN)).then((result) => {
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
})
