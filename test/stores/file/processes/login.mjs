/** The session that members of a cluster, and threads, open on one login. */
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { fileStore } from 'refresh-once/file'

/**
 * @param refreshing hears that a refresh token is about to be sent
 * @returns asks the API; the status of the answer, or what kept it from one
 */
export function openLogin({ url, tokenEndpoint, ...store }, refreshing) {
  const session = createSession({
    store: fileStore(store),
    tokens: null,
    deadline: 60_000,
    refresh: async ({ tokens, signal }) => {
      await refreshing()
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken })
      return fetch(tokenEndpoint, { method: 'POST', body, signal })
    },
  })
  const call = withSession(session, { origins: [url] })
  return async () => {
    try {
      const response = await call(`${url}/api/items`)
      await response.text()
      return response.status
    } catch (error) {
      return `${error.code}: ${error.message}`
    }
  }
}
