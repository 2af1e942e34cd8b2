import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { createAuthServer } from 'refresh-once/testing'
import { afterAll, expect, test } from 'vitest'
import { load } from './errors.ts'

const server = await createAuthServer()
const session = createSession({
  tokens: server.mint('alice'),
  refresh: ({ tokens, signal }) =>
    fetch(server.tokenEndpoint, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
      signal,
    }),
})
const api = axios.create({ baseURL: server.url, proxy: false })
attachSession(api, session)

afterAll(async () => {
  session.close()
  await server.close()
})

test('what is none of the session’s is the client’s own error', async () => {
  expect(await load(api, '/api/status/418')).toBe('The server says 418.')
})

test('a refresh that fails for now says when to try again', async () => {
  server.expireAccessTokens()
  server.fault('503', { retryAfter: '120' })
  expect(await load(api, '/api/items')).toMatch(/^Please try again after \d/)
  expect(session.state.status).toBe('signed-in')
})

test('a refresh that is refused asks for a new sign-in', async () => {
  await session.signIn(server.mint('bob'))
  server.revokeFamily('bob')
  expect(await load(api, '/api/items')).toBe('Please sign in again.')
})
