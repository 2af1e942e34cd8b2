import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { createAuthServer, createTestClock } from 'refresh-once/testing'
import { expect, test } from 'vitest'

test('the app survives an expired token and a lost answer', async () => {
  const server = await createAuthServer({ accessTokenLifetime: 300_000, grace: 10_000 })
  const time = createTestClock()
  const session = createSession({
    clock: time.clock,
    tokens: null,
    refresh: ({ tokens, signal }) =>
      fetch(server.tokenEndpoint, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
        signal,
      }),
  })
  await session.signIn(server.mint('alice'))
  const api = axios.create({ baseURL: server.url })
  attachSession(api, session)

  await time.advance(300_000) // five minutes, at once: the access token has expired
  server.fault('destroy-after') // the server rotates, and the answer is lost on its way
  const answers = await Promise.all([1, 2, 3].map((id) => api.get('/api/items', { params: { id } })))

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(server.count).toMatchObject({ refreshRequests: 2, refreshes: 1, api: 3 })
  expect(server.count.reuses, server.explain()).toBe(0)

  session.close()
  await server.close()
})
