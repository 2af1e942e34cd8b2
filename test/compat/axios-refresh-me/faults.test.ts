import axios, { type AxiosInstance } from 'axios'
import { findSessionError } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, times } from '../../setup.ts'
import { errorOf, stage } from './stage.ts'

/** What was a fault of axios-refresh-me, and is none here. */

const codeOf = (error: Error): string | undefined => findSessionError(error)?.code

describe('a refresh that is refused', () => {
  test('rejects everybody who waits, with their own 401 where they have one', async () => {
    const { server, api, refreshes } = await stage()
    server.revokeFamily('alice')
    server.fault('hang')
    const refused = errorOf(api.get('/api/items'))
    await server.until('fault')
    const waiting = times(5, (id) => errorOf(api.post(`/api/effects?id=${id}`)))
    server.release()
    const error = await refused
    expect(error.response?.status).toBe(401)
    expect(codeOf(error)).toBe('session_expired')
    for (const { response, code, config } of await Promise.all(waiting)) {
      expect({ response, code }).toEqual({ response: undefined, code: 'session_expired' })
      expect(config?.url).toMatch(/^\/api\/effects/)
    }
    expect(server.count.api).toBe(1)
    expect(refreshes()).toBe(1)
  })

  test('leaves the next login working, though nobody tells the factory: its next 401 is refreshed', async () => {
    const { server, api, login, refreshes } = await stage()
    server.revokeFamily('alice')
    await errorOf(api.get('/api/items'))
    login()
    expect((await api.get('/api/items')).data).toMatchObject({ user: 'alice', generation: 1 })
    expect(refreshes()).toBe(1)
    server.expireAccessTokens()
    const answers = await Promise.all(times(5, () => api.get('/api/items')))
    expect(answers.map(({ data }) => data.generation)).toEqual([2, 2, 2, 2, 2])
    expect(refreshes()).toBe(2)
  })

  test('without a login each next request asks once more, and settles', async () => {
    const { server, api, refreshes } = await stage()
    server.revokeFamily('alice')
    for (const count of [1, 2, 3]) {
      expect((await errorOf(api.get('/api/items'))).response?.status).toBe(401)
      expect(refreshes()).toBe(count)
    }
    expect(server.count.api).toBe(3)
  })

  test('a 401 that belongs to the former login starts no further refresh', async () => {
    const { server, api, login, refreshes } = await stage()
    server.revokeFamily('alice')
    const gate = server.hold('/api/effects?id=late')
    const late = errorOf(api.post('/api/effects?id=late'))
    await gate.untilArrived()
    await errorOf(api.get('/api/items'))
    login()
    gate.release()
    const error = await late
    expect(error.response?.status).toBe(401)
    expect(codeOf(error)).toBe('session_changed')
    expect(server.effects('late')).toBe(0)
    expect(refreshes()).toBe(1)
  })

  test.each([
    ['an error of its own', () => Promise.reject(new Error('no refresh token'))],
    ['no error at all', () => Promise.reject()],
    [
      'an error at once',
      () => {
        throw new Error('no refresh token')
      },
    ],
  ])('by the handler’s own word: %s', async (_, refuse) => {
    let calls = 0
    const { server, api, login } = await stage({
      refreshHandler() {
        calls++
        return refuse()
      },
    })
    server.expireAccessTokens()
    const errors = await Promise.all(times(5, () => errorOf(api.post('/api/effects?id=1'))))
    expect(errors.map(({ response }) => response?.status)).toEqual([401, 401, 401, 401, 401])
    expect(errors.map(codeOf)).toContain('session_expired')
    expect(calls).toBe(1)
    login()
    expect((await api.get('/api/items')).status).toBe(200)
  })
})

describe('a refresh that fails for now', () => {
  test('is tried again, and everybody is answered', async () => {
    const { server, api, refreshes } = await stage()
    server.expireAccessTokens()
    server.fault('503')
    const answers = await Promise.all(times(5, () => api.get('/api/items')))
    expect(answers.map(({ data }) => data.generation)).toEqual([2, 2, 2, 2, 2])
    expect(refreshes()).toBe(2)
  })

  test('for good rejects everybody, and a login works meanwhile', async () => {
    const { server, api, login } = await stage()
    server.expireAccessTokens()
    server.fault('500', { times: Number.POSITIVE_INFINITY })
    const errors = await Promise.all(times(5, () => errorOf(api.get('/api/items'))))
    expect(errors.map((error) => [error.response?.status, codeOf(error)])).toEqual(
      times(5, () => [401, 'refresh_failed']),
    )
    login()
    expect((await api.get('/api/items')).status).toBe(200)
  })
})

describe('a refresh that hangs', () => {
  test('rejects everybody as soon as the first of them has waited long enough', async () => {
    const { server, api, refreshes } = await stage({ deadline: 100 })
    server.expireAccessTokens()
    server.fault('hang')
    const errors = await Promise.all(times(5, (id) => errorOf(api.post(`/api/effects?id=${id}`))))
    expect(errors.map(({ response }) => response?.status)).toEqual([401, 401, 401, 401, 401])
    // The others came a little later, and belong to a login that is given up.
    expect(new Set(errors.map(codeOf)).has('refresh_timeout')).toBe(true)
    expect(
      errors.map(codeOf).filter((code) => !/^(refresh_timeout|session_changed)$/.test(`${code}`)),
    ).toEqual([])
    expect(refreshes()).toBe(1)
  })

  test('holds nobody up who has logged in since, and is not made again while it hangs', async () => {
    const { server, api, login, refreshes } = await stage({ deadline: 100 })
    server.expireAccessTokens()
    server.fault('hang')
    await errorOf(api.get('/api/items'))
    login()
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 1 })
    server.expireAccessTokens()
    const error = await errorOf(api.get('/api/items'))
    expect([error.response?.status, codeOf(error)]).toEqual([401, 'refresh_timeout'])
    expect(refreshes()).toBe(1)
    // Once it has been answered, the next 401 is refreshed.
    server.release()
    await server.until((log) => log.some(({ kind }) => kind === 'refresh' || kind === 'refused'))
    login()
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data).toMatchObject({ user: 'alice' })
  })
})

describe('a POST in flight', () => {
  test('is not cancelled by a refresh, nor executed twice', async () => {
    const { server, api, refreshes } = await stage()
    const gate = server.hold('/api/effects')
    const posts = times(20, (id) => api.post(`/api/effects?id=${id}`, { id }))
    await gate.untilArrived(20)
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data.generation).toBe(2)
    gate.release()
    expect((await Promise.all(posts)).map(({ data }) => data.times)).toEqual(times(20, () => 1))
    expect(refreshes()).toBe(1)
    expect(server.requests.filter(({ aborted }) => aborted)).toEqual([])
  })
})

describe('the caller’s signal', () => {
  test('ends the waiting for a refresh; the request is not sent, and the others are', async () => {
    const { server, api, refreshes } = await stage()
    server.expireAccessTokens()
    server.fault('hang')
    const first = api.get('/api/items')
    await server.until('fault')
    const controller = new AbortController()
    const left = errorOf(api.get('/api/items?id=left', { signal: controller.signal }))
    controller.abort()
    expect(axios.isCancel(await left)).toBe(true)
    server.release()
    expect((await first).data.generation).toBe(2)
    expect(refreshes()).toBe(1)
    expect(server.requests.filter(({ id }) => id === 'left')).toEqual([])
  })

  test.each([true, false, undefined])(
    'ends a request in flight, with combineAbortSignals %j',
    async (combineAbortSignals) => {
      const { server, api, refreshes } = await stage({ combineAbortSignals })
      const gate = server.hold('/api/items?id=1')
      const controller = new AbortController()
      const aborted = errorOf(api.get('/api/items?id=1', { signal: controller.signal }))
      await gate.untilArrived()
      controller.abort()
      expect(axios.isCancel(await aborted)).toBe(true)
      expect(refreshes()).toBe(0)
      expect(server.count.api).toBe(1)
    },
  )
})

describe('a request that was never sent', () => {
  test('is given back as the caller made it, for whoever tries again', async () => {
    const { server, api } = await stage()
    server.expireAccessTokens()
    server.fault('hang')
    const first = api.get('/api/items')
    await server.until('fault')
    const { code, config } = await errorOf(api.post('/api/echo', { a: 1 }, { timeout: 1 }))
    expect(code).toBe('ECONNABORTED')
    server.release()
    await first
    const { data } = await api.request({ ...config, timeout: 0 })
    expect(data.headers['content-type']).toBe('application/json')
    expect(atob(data.bodyBase64)).toBe('{"a":1}')
  })
})

describe('a refresh through the same instance', () => {
  test('is known as one, and goes out', async () => {
    const own: { api?: AxiosInstance } = {}
    const { server, api, storage } = await stage({
      async refreshHandler() {
        const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: storage.refreshToken })
        const answer = await own.api?.post(server.tokenEndpoint, body)
        Object.assign(storage, { accessToken: answer?.data.access_token })
      },
    })
    own.api = api
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data.generation).toBe(2)
  })

  test('after an await it needs `session: false`; else the deadline ends it, with its name', async () => {
    const own: { api?: AxiosInstance } = {}
    for (const session of [undefined, false] as const) {
      const ready = deferred<void>()
      ready.resolve()
      const { server, api, storage } = await stage({
        deadline: 100,
        async refreshHandler() {
          await ready.promise
          const body = new URLSearchParams({
            grant_type: 'refresh_token',
            refresh_token: storage.refreshToken,
          })
          const answer = await own.api?.post(server.tokenEndpoint, body, session === false ? { session } : {})
          Object.assign(storage, { accessToken: answer?.data.access_token })
        },
      })
      own.api = api
      server.expireAccessTokens()
      const outcome = api.get('/api/items')
      if (session === false) expect((await outcome).data.generation).toBe(2)
      else {
        const error = await errorOf(outcome)
        expect(codeOf(error)).toMatch(/^refresh_/)
        expect(server.count.refreshRequests).toBe(0)
      }
    }
  })
})

test.each([
  { retryCount: null },
  { retryCount: '1' },
  { retryCount: -1 },
  { retryCount: Number.NaN },
  { statusCodes: null },
  { statusCodes: 401 },
])('options that are none count as none: $retryCount $statusCodes', async (options) => {
  const { server, api } = await stage(options as never)
  server.expireAccessTokens()
  const answer = api.get('/api/items')
  if (options.retryCount === -1 || Number.isNaN(options.retryCount))
    expect((await errorOf(answer)).response?.status).toBe(401)
  else expect((await answer).data.generation).toBe(2)
})
