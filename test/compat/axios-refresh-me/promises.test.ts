import axios from 'axios'
import axiosRetry from 'axios-retry'
import { createFactory } from 'refresh-once/axios-refresh-me'
import { describe, expect, test } from 'vitest'
import { NOBODY, startServer, times } from '../../setup.ts'
import { errorOf, stage } from './stage.ts'

/** What axios-refresh-me promises, and keeps here. */
describe('one refresh', () => {
  test('fifty requests with an expired token lead to one refresh, and all are answered with the new one', async () => {
    const { server, api, refreshes } = await stage()
    server.expireAccessTokens()
    const answers = await Promise.all(times(50, (id) => api.get('/api/items', { params: { id } })))
    expect(answers.map(({ data }) => data)).toEqual(
      times(50, (id) => ({ id: String(id), user: 'alice', generation: 2 })),
    )
    expect(refreshes()).toBe(1)
    expect(server.count).toMatchObject({ refreshRequests: 1, refreshes: 1, reuses: 0 })
  })

  test('all instances of a factory share it', async () => {
    const { server, factory, api, refreshes } = await stage()
    const other = factory.getInstance({ baseURL: `${server.url}/api` })
    server.expireAccessTokens()
    const answers = await Promise.all([api.get('/api/items'), other.get('/items'), other.get('/items')])
    expect(answers.map(({ data }) => data.generation)).toEqual([2, 2, 2])
    expect(refreshes()).toBe(1)
  })

  test('factories share nothing', async () => {
    const [one, two] = [await stage(), await stage()]
    one.server.expireAccessTokens()
    two.server.expireAccessTokens()
    await Promise.all([one.api.get('/api/items'), two.api.get('/api/items')])
    expect([one.refreshes(), two.refreshes()]).toEqual([1, 1])
  })

  test('a POST whose 401 comes after the refresh is sent again, without another one', async () => {
    const { server, api, refreshes } = await stage()
    server.expireAccessTokens()
    const gate = server.hold('/api/effects?id=late')
    const late = api.post('/api/effects?id=late')
    await gate.untilArrived()
    await api.get('/api/items')
    gate.release()
    expect((await late).data).toMatchObject({ id: 'late', times: 1 })
    expect(refreshes()).toBe(1)
    expect(server.requests.map(({ method, status }) => `${method} ${status}`)).toEqual([
      'POST 401',
      'GET 401',
      'GET 200',
      'POST 200',
    ])
  })

  test('two expiries lead to two refreshes', async () => {
    const { server, api, refreshes } = await stage()
    for (const generation of [2, 3]) {
      server.expireAccessTokens()
      const answers = await Promise.all(times(5, () => api.get('/api/items')))
      expect(answers.map(({ data }) => data.generation)).toEqual(times(5, () => generation))
    }
    expect(refreshes()).toBe(2)
  })
})

describe('requests around a refresh', () => {
  test('new ones wait in front of the wire, and are sent once with the new token', async () => {
    const { server, api } = await stage()
    server.expireAccessTokens()
    server.fault('hang')
    const first = api.get('/api/items?id=first')
    await server.until('fault')
    const waiting = times(3, (id) => api.post(`/api/effects?id=${id}`, { id }))
    server.release()
    expect((await first).data.generation).toBe(2)
    expect((await Promise.all(waiting)).map(({ data }) => data.times)).toEqual([1, 1, 1])
    expect(server.requests.map(({ method, status }) => `${method} ${status}`)).toEqual([
      'GET 401',
      'GET 200',
      ...times(3, () => 'POST 200'),
    ])
  })

  test('safe ones in flight are cancelled when it starts, and sent again after it', async () => {
    const { server, api } = await stage()
    const gate = server.hold('/api/items?id=slow')
    const slow = api.get('/api/items?id=slow')
    await gate.untilArrived()
    server.expireAccessTokens()
    server.fault('hang')
    const early = api.get('/api/items')
    await server.until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted === true))
    gate.release()
    server.release()
    expect((await slow).data).toEqual({ id: 'slow', user: 'alice', generation: 2 })
    expect((await early).data.generation).toBe(2)
    expect(server.requests.filter(({ id }) => id === 'slow')).toMatchObject([
      { aborted: true },
      { status: 200 },
    ])
  })

  test.each([0, 2])('after %j failed replays the caller has the last 401', async (retryCount) => {
    const { server, api, refreshes } = await stage({ retryCount })
    const error = await errorOf(api.get('/api/never'))
    expect(error.response?.status).toBe(401)
    expect(server.count.api).toBe(1 + retryCount)
    expect(refreshes()).toBe(Math.max(retryCount, 1))
  })
})

describe('the request handler', () => {
  test('runs once for each send, on the request as the caller made it', async () => {
    const { server, factory, api, storage, received } = await stage()
    const seen: unknown[] = []
    factory.interceptor.request.use(async (config) => {
      seen.push({ data: config.data, url: config.url, count: config._retryCount })
      config.headers.Authorization = `Bearer ${storage.accessToken}`
      config.headers.set('x-seen', `${config.headers.get('x-seen') ?? ''}+`)
      config.data = { ...config.data, seen: seen.length }
      config.url = `/api${config.url}`
      return config
    })
    server.expireAccessTokens()
    const { data, config } = await api.post('/echo', { a: 1 })
    expect(seen).toEqual([
      { data: { a: 1 }, url: '/echo', count: 0 },
      { data: { a: 1 }, url: '/echo', count: 1 },
    ])
    expect(received.map(({ body }) => String(body))).toEqual(['{"a":1,"seen":1}', '{"a":1,"seen":2}'])
    expect(received.map(({ headers }) => headers['x-seen'])).toEqual(['+', '+'])
    expect(data.headers['content-type']).toBe('application/json')
    expect(config).toMatchObject({ url: '/api/echo', data: '{"a":1,"seen":2}', _retryCount: 1 })
  })

  test('what it leaves in the config is found in that of the answer, without anything of ours', async () => {
    const { server, factory, api } = await stage()
    factory.interceptor.request.use((config) => Object.assign(config, { startedAt: 42 }))
    server.expireAccessTokens()
    const bare = axios.create({ baseURL: server.url })
    const options = { timeout: 30_000, params: { id: 1 } }
    const [error, plain] = [
      await errorOf(api.get('/api/never', options)),
      await errorOf(bare.get('/api/never', options)),
    ]
    expect(error.config).toMatchObject({ startedAt: 42 })
    const { startedAt, _retryCount, ...rest } = { startedAt: 0, _retryCount: 0, ...error.config }
    expect(Object.keys(rest).sort()).toEqual(Object.keys(plain.config ?? {}).sort())
    expect(rest).toMatchObject({
      timeout: 30_000,
      transformRequest: plain.config?.transformRequest,
      transformResponse: plain.config?.transformResponse,
    })
  })

  test('its error is the caller’s, and nothing is sent', async () => {
    const { server, factory, api } = await stage()
    factory.interceptor.request.use(() => {
      throw new Error('no token')
    })
    await expect(api.get('/api/items')).rejects.toThrow('no token')
    expect(server.count.api).toBe(0)
  })

  test('of an instance replaces the shared one; the other side stays shared', async () => {
    const { server, factory } = await stage()
    factory.interceptor.response.use(({ data }) => data)
    const own = factory.getInstance({
      baseURL: server.url,
      interceptors: { request: { onFulfilled: (config) => Object.assign(config, { url: '/public/echo' }) } },
    })
    const answer: unknown = await own.get('/api/items')
    expect(answer).toMatchObject({ url: '/public/echo' })
    expect(answer).not.toHaveProperty('headers.authorization')
  })
})

describe('the response handlers', () => {
  test('run once for each request, with the answer after the replay', async () => {
    const { server, factory, api } = await stage()
    const seen: string[] = []
    factory.interceptor.response.use(
      (response) => {
        seen.push(`fulfilled ${response.status}`)
        return response.data
      },
      (error) => {
        seen.push(`rejected ${error.response?.status}`)
        return { replaced: true }
      },
    )
    server.expireAccessTokens()
    expect(await api.get('/api/items?id=1')).toEqual({ id: '1', user: 'alice', generation: 2 })
    expect(await api.get('/api/status/500')).toEqual({ replaced: true })
    // A second call without a rejection handler leaves the first one's in place.
    factory.interceptor.response.use((response) => response)
    expect(await api.get('/api/status/404')).toEqual({ replaced: true })
    expect(seen).toEqual(['fulfilled 200', 'rejected 500', 'rejected 404'])
  })

  test('without them errors reject, as axios has it', async () => {
    const { api, refreshes } = await stage()
    expect((await errorOf(api.get('/api/status/500'))).response?.status).toBe(500)
    expect((await errorOf(api.get(NOBODY))).code).toBe('ECONNREFUSED')
    expect(refreshes()).toBe(0)
  })

  test('the request’s rejection handler hears of interceptors that fail', async () => {
    const { factory, api } = await stage()
    const fail = (): never => {
      throw new Error('broken')
    }
    api.interceptors.request.use(fail)
    await expect(api.get('/api/items')).rejects.toThrow('broken')
    factory.interceptor.request.use(
      (config) => config,
      (error) => Promise.reject(new Error('handled', { cause: error })),
    )
    await expect(api.get('/api/items')).rejects.toThrow('handled')
  })
})

describe('what leads to a refresh', () => {
  test.each([
    ['a status on the list', { statusCodes: [401, 418] }, '/api/teapot', 1],
    ['a status that is not on the list', { statusCodes: [418] }, '/api/never', 0],
    [
      '`shouldRefresh` that says yes, whatever the list says',
      { statusCodes: [401], shouldRefresh: (): boolean => true },
      '/api/teapot',
      1,
    ],
    [
      '`shouldRefresh` that says no, whatever the list says',
      { statusCodes: [401], shouldRefresh: (): boolean => false },
      '/api/never',
      0,
    ],
  ] as const)('%s', async (_, options, path, count) => {
    const { server, api, refreshes } = await stage(options)
    server.api('/api/teapot', () => ({ status: 418 }))
    const error = await errorOf(api.get(path))
    expect(error.response?.status).toBe(path === '/api/never' ? 401 : 418)
    expect(refreshes()).toBe(count)
    expect(server.count.api).toBe(1 + count)
  })

  test('`shouldRefresh` sees the error with its parsed body', async () => {
    const { server, api, storage, refreshes } = await stage({
      shouldRefresh: ({ response }) => Object(response?.data).code === 40101,
    })
    const first = storage.accessToken
    server.api('/api/codes', ({ request }) =>
      request.headers.authorization === `Bearer ${first}`
        ? { status: 403, body: { code: 40101 } }
        : { body: { ok: true } },
    )
    expect((await api.get('/api/codes')).data).toEqual({ ok: true })
    expect(refreshes()).toBe(1)
  })

  test('not a 401 that no new token would cure, unless `shouldRefresh` says so', async () => {
    const scope = {
      status: 401,
      headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
    }
    for (const [options, count] of [
      [{}, 0],
      [{ shouldRefresh: (): boolean => true }, 1],
    ] as const) {
      const { server, api, refreshes } = await stage(options)
      server.api('/api/scope', () => scope)
      expect((await errorOf(api.get('/api/scope'))).response?.status).toBe(401)
      expect(refreshes()).toBe(count)
    }
  })

  test('not a 401 that `validateStatus` accepts', async () => {
    const { server, api, refreshes } = await stage()
    expect((await api.get('/api/never', { validateStatus: () => true })).status).toBe(401)
    expect(refreshes()).toBe(0)
    expect(server.count.api).toBe(1)
  })

  test('whatever `refreshHandler` returns, it has succeeded', async () => {
    const { server, api, refreshes } = await stage()
    const { server: other, api: theirs } = await stage({
      refreshHandler: () => ({ token_type: 'mac', status: 401 }),
    })
    await Promise.all([errorOf(api.get('/api/never')), errorOf(theirs.get('/api/never'))])
    expect([server.count.api, other.count.api]).toEqual([2, 2])
    expect(refreshes()).toBe(1)
  })

  test('an answer of any origin, as the handler signs requests to any', async () => {
    const { server, factory, refreshes } = await stage()
    const elsewhere = await startServer()
    const api = factory.getInstance()
    expect((await errorOf(api.get(`${elsewhere.url}/api/items`))).response?.status).toBe(401)
    expect(refreshes()).toBe(1)
    expect((await api.get(`${server.url}/api/items`)).data.generation).toBe(2)
  })
})

describe('what axios can do besides', () => {
  test.each(['http', 'fetch'] as const)('an answer without a body, by the %s adapter', async (adapter) => {
    const { server, api } = await stage()
    server.expireAccessTokens()
    expect((await api.get('/api/status/204', { adapter })).status).toBe(204)
  })

  test('axios-retry sends the request once more, whole, and with the token of then', async () => {
    const { server, api, received, refreshes } = await stage()
    axiosRetry(api, { retries: 1, retryCondition: () => true })
    server.fault('503', { on: '/api/echo' })
    const sent = api.post('/api/echo', { a: 1 })
    await server.until('fault')
    server.expireAccessTokens()
    expect((await sent).data.headers['content-type']).toBe('application/json')
    expect(received.map(({ body }) => String(body))).toEqual(received.map(() => '{"a":1}'))
    expect(refreshes()).toBe(1)
  })

  test('a body that `session.body` makes anew', async () => {
    const { server, api, received } = await stage()
    server.expireAccessTokens()
    await api.post('/api/echo', undefined, { session: { body: () => ({ made: 'anew' }) } })
    expect(received.map(({ body }) => String(body))).toEqual(['{"made":"anew"}', '{"made":"anew"}'])
  })
})

describe('the factory', () => {
  test('wants a refresh handler first', () => {
    expect(() => createFactory().getInstance()).toThrow(
      new TypeError('getInstance: call use({ refreshHandler }) first'),
    )
    // @ts-expect-error: no handler
    expect(() => createFactory().use({})).toThrow(new TypeError('use: no refreshHandler given'))
  })

  test('a second `use` replaces the options; once there is an instance it is an error', async () => {
    const { server, storage } = await stage()
    const calls: string[] = []
    const factory = createFactory()
    factory.use({ refreshHandler: () => calls.push('first'), retryCount: 5 })
    factory.use({ refreshHandler: () => calls.push('second') })
    factory.interceptor.request.use((config) => {
      config.headers.Authorization = `Bearer ${storage.accessToken}`
      return config
    })
    const api = factory.getInstance({ baseURL: server.url })
    await errorOf(api.get('/api/never'))
    expect(calls).toEqual(['second'])
    expect(() => factory.use({ refreshHandler: () => calls.push('third') })).toThrow(
      /^use: too late, there is an instance already/,
    )
  })
})
