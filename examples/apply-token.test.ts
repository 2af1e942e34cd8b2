import type { IncomingMessage } from 'node:http'
import axios, { type AxiosInstance } from 'axios'
import type { Session, SessionOptions } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { createAuthServer } from 'refresh-once/testing'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { withHeader, withQuery, withTenant } from './apply-token.ts'

const server = await createAuthServer()
const sessions: Session[] = []
let seen: IncomingMessage[] = []
server.api('/api/seen', ({ request, generation }) => {
  seen.push(request)
  return { body: { generation } }
})

beforeEach(() => {
  seen = []
})

afterAll(async () => {
  for (const session of sessions) session.close()
  await server.close()
})

function given(make: (options: SessionOptions) => Session): AxiosInstance {
  const session = make({
    tokens: { ...server.mint('alice'), tenant: 'acme' },
    refresh: ({ tokens, signal }) =>
      fetch(server.tokenEndpoint, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
        signal,
      }),
  })
  sessions.push(session)
  const api = axios.create({ baseURL: server.url, proxy: false })
  attachSession(api, session)
  server.expireAccessTokens()
  return api
}

test('another header', async () => {
  const { data } = await given(withHeader).get('/api/seen')
  expect(data.generation).toBe(2)
  expect(seen[0]?.headers['x-access-token']).toMatch(/^\S+$/)
  expect(seen[0]?.headers.authorization).toBeUndefined()
})

test('a query parameter, beside those of the caller; the config of the answer does not tell it', async () => {
  const { data, config } = await given(withQuery).get('/api/seen?id=1', { params: { page: 2 } })
  expect(data.generation).toBe(2)
  const query = new URL(seen[0]?.url ?? '', server.url).searchParams
  expect([...query.keys()].sort()).toEqual(['access_token', 'id', 'page'])
  expect([config.url, config.params]).toEqual(['/api/seen?id=1', { page: 2 }])
})

test('several headers: what the refresh does not name is kept', async () => {
  const { data } = await given(withTenant).get('/api/seen')
  expect(data.generation).toBe(2)
  expect(seen[0]?.headers['x-tenant']).toBe('acme')
})
