/** What responses, errors and observers are told, and in which forms. */
import axios, { type AxiosAdapter, AxiosError, getAdapter } from 'axios'
import { findSessionError } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { expect, onTestFinished, test, vi } from 'vitest'
import { deferred, failureOf, newClock, open } from '../../setup.ts'
import { errorOf, stage } from './stage.ts'

test('an adapter that sends a copy of the config leaves no token in responses and errors', async () => {
  const { server, session, tokens } = await stage()
  const http = getAdapter('http')
  const api = axios.create({ baseURL: server.url, adapter: (config) => http({ ...config }) })
  attachSession(api, session)
  const { config } = await api.get('/api/items')
  server.fault('500', { on: '/api/items' })
  const error = await errorOf(api.get('/api/items', { headers: { 'X-Mine': '1' } }))
  expect(JSON.stringify([config, error, error.response?.config])).not.toContain(tokens.access_token)
  expect(error.config?.headers['X-Mine']).toBe('1')
})

test('a header that `applyToken` takes away is in responses as the caller made it, also in those of a copy', async () => {
  const sent: unknown[] = []
  const http = getAdapter('http')
  const { api } = await stage({
    session: {
      applyToken: ({ accessToken }) => ({
        headers: { Authorization: `Bearer ${accessToken}`, 'X-Tenant': undefined },
      }),
    },
    client: {
      adapter(config) {
        sent.push(config.headers['x-tenant'])
        return http({ ...config })
      },
    },
  })
  const mine = await api.get('/api/items', { headers: { 'x-tenant': 'mine' } })
  expect(mine.config.headers['X-Tenant'] ?? mine.config.headers['x-tenant']).toBe('mine')
  const none = await api.get('/api/items')
  expect(Object.keys(none.config.headers).map((name) => name.toLowerCase())).not.toContain('x-tenant')
  expect(sent).toEqual([undefined, undefined])
})

test('parameters that nobody can write down are the bare error, also while somebody observes', async () => {
  const { session, api, bare } = await stage()
  const bad = { params: { since: new Date(Number.NaN) } }
  // That of 1.7.0 is no AxiosError.
  const bared = await failureOf(bare.get('/api/items', bad))
  session.observe(() => {})
  const told = await failureOf(api.get('/api/items', bad))
  expect([told.name, told.message]).toEqual([bared.name, bared.message])
})

test('a timeout with a unit is as long for a request that waits', async () => {
  const { api } = await stage({ expired: true })
  const timeout = '5000ms' as unknown as number
  expect((await api.get('/api/items', { timeout })).status).toBe(200)
})

test('a timeout that is longer than timers can be is no end for a request that waits', async () => {
  const { server, api } = await stage({ expired: true })
  const refresh = server.hold('/token')
  // As XMLHttpRequest has it: that of Node is over at once by itself.
  const adapter: AxiosAdapter = async (config) => ({
    status: 200,
    statusText: '',
    data: '',
    headers: {},
    config,
  })
  const waiting = api.get('/api/items', { timeout: 2 ** 31, adapter })
  await refresh.untilArrived()
  // A timer that overflows is due by now.
  await new Promise((resolve) => setTimeout(resolve, 5))
  refresh.release()
  expect((await waiting).status).toBe(200)
})

test('what is refused before it is sent has its config, and tells neither query nor body', async () => {
  const { server, api, tokens } = await stage({ expired: true, session: { retries: 0 } })
  server.fault('503')
  const error = await errorOf(api.post('/api/echo?code=hidden', { password: 'hidden' }))
  expect(error).toBeInstanceOf(AxiosError)
  expect(error.code).toBe(findSessionError(error)?.code)
  expect(error.config).toMatchObject({ url: '/api/echo?code=hidden', method: 'post' })
  expect(JSON.stringify(error.config)).not.toContain(tokens.access_token)
  expect(JSON.stringify(error)).not.toContain('hidden')
})

test.each([
  ['http', 'arraybuffer'],
  ['http', 'stream'],
  ['fetch', 'arraybuffer'],
  ['fetch', 'blob'],
  ['fetch', 'stream'],
] as const)(
  'a business code is found by the %s adapter in a body asked for as %s',
  async (adapter, responseType) => {
    const seen: unknown[] = []
    const { server, api } = await stage({
      client: { adapter, responseType },
      session: {
        async shouldRefresh(response) {
          seen.push(await response.json())
          return undefined
        },
      },
    })
    server.fault('custom', {
      on: '/api/items',
      respond: (_, response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end('{"code":40101}'),
    })
    const { data } = await api.get('/api/items')
    expect(seen).toEqual([{ code: 40101 }])
    expect(await new Response(data).text()).toBe('{"code":40101}')
  },
)

test('a timeout that is over when the request is sent at last is over', async () => {
  const { server, api } = await stage({
    session: {
      applyToken({ accessToken }) {
        const until = performance.now() + 30
        while (performance.now() < until);
        return { headers: { Authorization: `Bearer ${accessToken}` } }
      },
    },
  })
  const items = server.hold('/api/items')
  const error = await errorOf(api.get('/api/items', { timeout: 20 }))
  expect([error.code, error.message]).toEqual(['ECONNABORTED', 'timeout of 20ms exceeded'])
  items.release()
})

test.each([
  ['of a number of milliseconds runs on between a 401 and the replay', 200, [1_000, 500], 200],
  ['of a number of milliseconds is over', 700, [1_000], 'timeout of 1000ms exceeded'],
  ['with a unit is over', 700, ['1000ms' as unknown as number], 'timeout of 1000msms exceeded'],
])('to the millisecond, a timeout %s', async (_, waits, expected, end) => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  vi.advanceTimersByTime(1)
  const refresh = deferred<string>()
  const timeouts: unknown[] = []
  const adapter: AxiosAdapter = async (config) => {
    timeouts.push(config.timeout)
    vi.advanceTimersByTime(300)
    const response = {
      status: timeouts.length > 1 ? 200 : 401,
      statusText: '',
      data: '',
      headers: {},
      config,
    }
    if (response.status === 200) return response
    throw new AxiosError('401', AxiosError.ERR_BAD_REQUEST, config, undefined, response)
  }
  const api = axios.create({ baseURL: 'https://api.example.com', adapter })
  const called = deferred<void>()
  const session = open({
    tokens: 'first',
    refresh() {
      called.resolve()
      return refresh.promise
    },
  })
  attachSession(api, session)
  let outcome: unknown
  const request = api.get('/items', { timeout: expected[0] as number }).then(
    ({ status }) => {
      outcome = status
    },
    (error) => {
      outcome = error.message
    },
  )
  await called.promise
  await vi.advanceTimersByTimeAsync(waits - 1)
  expect(outcome).toBeUndefined()
  await vi.advanceTimersByTimeAsync(1)
  refresh.resolve('second')
  await request
  expect(outcome).toBe(end)
  expect(timeouts).toEqual(expected)
})

test('what is sent when its time is over already has a millisecond', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  vi.advanceTimersByTime(1)
  const timeouts: unknown[] = []
  const session = open({
    tokens: 'first',
    refresh: () => 'unused',
    applyToken({ accessToken }) {
      vi.advanceTimersByTime(2_000)
      return { headers: { Authorization: accessToken } }
    },
  })
  const adapter: AxiosAdapter = async (config) => {
    timeouts.push(config.timeout)
    return { status: 200, statusText: '', data: '', headers: {}, config }
  }
  const api = axios.create({ baseURL: 'https://api.example.com', adapter })
  attachSession(api, session)
  expect((await api.get('/items', { timeout: 1_000 })).config.timeout).toBe(1_000)
  expect(timeouts).toEqual([1])
})

test('what the caller says of the fetch below stands, also where credentials would go along with a redirect', async () => {
  const { api } = await stage({
    session: { applyToken: ({ accessToken }) => ({ headers: { 'X-Access-Token': accessToken } }) },
  })
  const seen: unknown[] = []
  const adapter: AxiosAdapter = async (config) => {
    seen.push(config.fetchOptions)
    return { status: 200, statusText: '', data: '', headers: {}, config }
  }
  for (const fetchOptions of [undefined, { cache: 'no-store' }, { redirect: 'follow' }] as const)
    await api.get('/api/items', { adapter, ...(fetchOptions && { fetchOptions }) })
  expect(seen).toEqual([
    { redirect: 'error' },
    { redirect: 'error', cache: 'no-store' },
    { redirect: 'follow' },
  ])
})

test('the caller’s `beforeRedirect` is told all that axios tells it', async () => {
  const { server, api } = await stage({ client: { adapter: 'http' } })
  server.fault('redirect', { on: '/api/items', location: '/api/echo' })
  const told: unknown[] = []
  const beforeRedirect = (_: unknown, { headers, statusCode }: { headers: object; statusCode: number }) =>
    told.push(statusCode, headers)
  expect((await api.get('/api/items', { beforeRedirect } as object)).status).toBe(200)
  expect(told).toMatchObject([expect.any(Number), { location: expect.stringContaining('/api/echo') }])
})

test('who leaves while his answer is looked at does not wait for the refresh', async () => {
  const controller = new AbortController()
  const { server, api } = await stage({
    session: {
      // The deadline, at which everybody leaves, does not come.
      clock: newClock().clock,
      shouldRefresh() {
        controller.abort()
        return undefined
      },
    },
  })
  server.expireAccessTokens()
  const refresh = server.hold('/token')
  const error = await errorOf(api.get('/api/items', { signal: controller.signal }))
  expect(error.code).toBe('ERR_CANCELED')
  refresh.release()
})
