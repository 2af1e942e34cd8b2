import axios, { type AxiosAdapter, AxiosError } from 'axios'
import { attachSession } from 'refresh-once/axios'
import { describe, expect, test } from 'vitest'
import { signIn, startServer, watch } from '../../setup.ts'

test('a 401 that a new token would not cure is passed through also where `validateStatus` resolves it', async () => {
  const server = await startServer()
  const api = axios.create({ baseURL: server.url, validateStatus: () => true })
  attachSession(api, signIn(server))
  server.fault('custom', {
    on: '/api/items',
    respond: { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_request"' } },
  })
  expect((await api.get('/api/items')).status).toBe(401)
  expect(server.count).toMatchObject({ api: 1, refreshRequests: 0 })
})

test('a permanent 401 that `validateStatus` resolves costs one refresh and one replay, too', async () => {
  const server = await startServer()
  const api = axios.create({ baseURL: server.url, validateStatus: () => true })
  attachSession(api, signIn(server))
  expect((await api.get('/api/never')).status).toBe(401)
  expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  server.expireAccessTokens()
  expect((await api.get('/api/items')).status).toBe(200)
  expect(server.count).toMatchObject({ refreshes: 2, api: 4 })
})

describe('a header of 10 MB', () => {
  /** No server sends it, and no client of Node receives it: it is put where the answer arrives. */
  function answering(header: string): { adapter: AxiosAdapter; calls: () => number } {
    let calls = 0
    return {
      calls: () => calls,
      adapter: async (config) => {
        const headers = calls++ ? {} : { 'www-authenticate': header }
        const response = { status: calls > 1 ? 200 : 401, statusText: '', headers, data: {}, config }
        if (response.status === 200) return response
        throw new AxiosError('401', AxiosError.ERR_BAD_REQUEST, config, undefined, response)
      },
    }
  }

  test.each([
    ['one long scheme', 'a'.repeat(10 * 2 ** 20)],
    ['a quote that never closes', `Bearer error="${'\\"'.repeat(5 * 2 ** 20)}`],
    ['a million challenges', 'Bearer a="b", '.repeat(750_000)],
    ['nothing but spaces', ' '.repeat(10 * 2 ** 20)],
  ])('%s: is one 401 like any other, seen and cured once', async (_, header) => {
    const server = await startServer()
    const session = signIn(server)
    const seen = watch(session)
    const { adapter, calls } = answering(header)
    const api = axios.create({ baseURL: server.url, adapter })
    attachSession(api, session)
    expect((await api.get('/x')).status).toBe(200)
    expect(calls()).toBe(2)
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    expect(seen.of('request-rejected')).toHaveLength(1)
  })
})
