import { getEventListeners } from 'node:events'
import { setImmediate as macrotask } from 'node:timers/promises'
import { QueryClient, QueryObserver } from '@tanstack/query-core'
import axios, { AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios'
import axiosRetry from 'axios-retry'
import { findSessionError, isSessionError, type Session, SessionError } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import type { AuthServer, FaultKind } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import {
  closedPort,
  deferred,
  expired,
  failureOf,
  newClock,
  open,
  refreshAt,
  signIn,
  startServer,
  times,
  watch,
  withoutJitter,
} from '../../setup.ts'

function client(server: AuthServer, session: Session, config: AxiosRequestConfig = {}): AxiosInstance {
  const api = axios.create({ baseURL: server.url, ...config })
  attachSession(api, session)
  return api
}

/** Requests that arrived at guarded routes without any token. */
function bare(server: AuthServer): number {
  return server.requests.filter(({ family }) => family === 'none').length
}

describe('invalid_grant (B17)', () => {
  test('with twenty waiting, all settle at once: those that have a 401 with it, the others with session_expired', async () => {
    const server = await startServer()
    const session = signIn(server)
    const seen = watch(session)
    const api = client(server, session)
    server.revokeFamily('alice')
    const refresh = server.hold('/token')
    const gate = server.hold('/api/items')
    const sent = times(10, (id) => failureOf(api.get('/api/items', { params: { id } })))
    await gate.untilArrived(10)
    gate.release()
    await refresh.untilArrived()
    const held = times(10, () => failureOf(api.get('/api/echo')))
    await seen.until('request-held', 10)
    await server.until('rejected', 10)
    refresh.release()

    for (const error of await Promise.all(sent)) {
      expect(error).toMatchObject({ name: 'AxiosError', response: { status: 401 } })
      expect(findSessionError(error)?.code).toBe('session_expired')
    }
    for (const error of await Promise.all(held)) {
      expect(error).toBeInstanceOf(AxiosError)
      expect(error).not.toHaveProperty('response.status')
      expect(findSessionError(error)?.code).toBe('session_expired')
    }
    expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
    expect(session.state).toMatchObject({ status: 'signed-out', refreshing: false })
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 10, rejected: 10 })
  })

  test('the next request goes out bare, its 401 is passed through, and nobody refreshes', async () => {
    const server = await startServer()
    const api = client(server, signIn(server))
    server.revokeFamily('alice')
    await failureOf(api.get('/api/items'))
    const error = await failureOf(api.get('/api/items'))
    expect(error).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(error)).toBeUndefined()
    expect(bare(server)).toBe(1)
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
  })
})

describe('a reload with an HttpOnly refresh cookie (B17a)', () => {
  function restoring(server: AuthServer, cookie: string | undefined): Session {
    return open({
      // Browsers do this by themselves with `credentials: 'include'`.
      refresh: ({ signal }) =>
        fetch(`${server.url}/refresh`, { method: 'POST', signal, headers: cookie ? { cookie } : {} }),
    })
  }

  test('the first requests wait for one refresh, and all are served', async () => {
    const server = await startServer()
    const session = restoring(server, `refresh_token=${server.mint('alice').refresh_token}`)
    const api = client(server, session)
    expect(session.state.status).toBe('unknown')
    const answers = await Promise.all(times(10, (id) => api.get('/api/items', { params: { id } })))
    expect(answers.map(({ data }) => data.user)).toEqual(times(10, () => 'alice'))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 10, rejected: 0 })
    expect(session.state.status).toBe('signed-in')
  })

  test('an anonymous visitor costs one refused refresh, is quietly signed out, and the requests go out bare', async () => {
    const server = await startServer()
    const session = restoring(server, undefined)
    const api = client(server, session)
    const answers = await Promise.all(times(5, () => api.get('/public/echo')))
    for (const { data } of answers) expect(data.headers).not.toHaveProperty('authorization')
    expect(session.state).toMatchObject({ status: 'signed-out', refreshing: false })

    const error = await failureOf(api.get('/api/items'))
    expect(error).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(error)).toBeUndefined()
    expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1, api: 1 })
  })
})

describe('a login through the same instance (B17b)', () => {
  const wrong = { user: 'alice', password: 'wrong' }

  test('the 401 of a wrong password is the caller’s when nobody is signed in', async () => {
    const server = await startServer()
    const session = signIn(server, { tokens: null })
    const api = client(server, session)
    const error = await failureOf(api.post('/login', wrong))
    expect(error).toMatchObject({ response: { status: 401, data: { error: 'invalid_credentials' } } })
    expect(findSessionError(error)).toBeUndefined()
    expect(server.count.refreshRequests).toBe(0)

    const { data } = await api.post('/login', { ...wrong, password: 'secret' })
    await session.signIn(data)
    expect((await api.get('/api/items')).data.user).toBe('alice')
  })

  test('with `skip` the 401 of a wrong password is the caller’s while somebody is signed in', async () => {
    const server = await startServer()
    const skip = (url: string, method: string) => method === 'POST' && url.endsWith('/login')
    const session = signIn(server, { skip })
    const seen = watch(session)
    const api = client(server, session)
    const error = await failureOf(api.post('/login', wrong))
    expect(error).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(error)).toBeUndefined()
    expect(server.log.filter(({ kind }) => kind === 'login')).toHaveLength(2)
    expect(server.count.refreshRequests).toBe(0)
    expect(seen.of('request-ignored')).toMatchObject([{ reason: 'skipped' }])
    expect(session.state.status).toBe('signed-in')
  })

  test('with `skip` a login does not wait for a refresh that runs', async () => {
    const server = await startServer()
    const session = signIn(server, {
      tokens: expired(server.mint()),
      skip: (url) => url.endsWith('/login'),
    })
    const api = client(server, session)
    const refresh = server.hold('/token')
    const held = api.get('/api/items')
    await refresh.untilArrived()
    expect((await api.post('/login', { user: 'alice', password: 'secret' })).status).toBe(200)
    refresh.release()
    expect((await held).status).toBe(200)
  })
})

describe('retry layers around us (B17c)', () => {
  /** Counts how often a retry layer hands a request to the instance. */
  function attempts(api: AxiosInstance): { count: number } {
    const seen = { count: 0 }
    api.interceptors.request.use((config) => {
      seen.count++
      return config
    })
    return seen
  }

  const ends: [name: string, code: string, prepare: (server: AuthServer) => void, wire: number][] = [
    ['session_expired with a 401 of its own', 'session_expired', (server) => server.revokeFamily('alice'), 1],
    [
      'refresh_failed with a 401 of its own',
      'refresh_failed',
      (server) => {
        server.expireAccessTokens()
        server.fault('503', { times: Number.POSITIVE_INFINITY })
      },
      1,
    ],
  ]
  const heldEnds: typeof ends = ends.map(([name, code, prepare]) => [
    name.replace('with a 401 of its own', 'without an answer'),
    code,
    prepare,
    0,
  ])

  for (const [name, code, prepare, wire] of [...ends, ...heldEnds]) {
    async function given(): Promise<{ api: AxiosInstance; server: AuthServer; session: Session }> {
      const server = await startServer()
      const tokens = server.mint('alice')
      const session = signIn(server, { retries: 0, tokens: wire ? tokens : expired(tokens) })
      prepare(server)
      return { server, session, api: client(server, session) }
    }

    test(`axios-retry with its defaults makes one attempt: ${name}`, async () => {
      const { api, server } = await given()
      const seen = attempts(api)
      axiosRetry(api, { retries: 3, retryDelay: () => 0 })
      const error = await failureOf(api.get('/api/items'))
      expect(findSessionError(error)?.code).toBe(code)
      expect(seen.count).toBe(1)
      expect(server.count).toMatchObject({ refreshRequests: 1, api: wire })
    })

    test(`axios-retry with a condition of one's own makes one attempt: ${name}`, async () => {
      const { api, server } = await given()
      const seen = attempts(api)
      axiosRetry(api, { retries: 3, retryDelay: () => 0, retryCondition: (error) => !isSessionError(error) })
      const error = await failureOf(api.get('/api/items'))
      expect(findSessionError(error)?.code).toBe(code)
      expect(seen.count).toBe(1)
      expect(server.count).toMatchObject({ refreshRequests: 1, api: wire })
    })

    test(`TanStack Query with the predicate makes one attempt: ${name}`, async () => {
      const { api, server } = await given()
      const queries = new QueryClient()
      let calls = 0
      const error = await failureOf(
        queries.fetchQuery({
          queryKey: ['items'],
          queryFn: () => {
            calls++
            return api.get('/api/items')
          },
          retry: (failures, reason) => !isSessionError(reason) && failures < 3,
          retryDelay: 0,
        }),
      )
      queries.clear()
      expect(findSessionError(error)?.code).toBe(code)
      expect(calls).toBe(1)
      expect(server.count).toMatchObject({ refreshRequests: 1, api: wire })
    })
  }

  test('axios-retry goes on retrying what it retries without us', async () => {
    const server = await startServer()
    const api = client(server, signIn(server))
    axiosRetry(api, { retries: 3, retryDelay: () => 0 })
    server.fault('503', { on: '/api/items', times: 2 })
    server.fault('destroy-before', { on: '/api/items' })
    expect((await api.get('/api/items')).status).toBe(200)
    expect(server.count).toMatchObject({ api: 4, refreshRequests: 0 })
  })

  test('a retry of axios-retry carries the token that is current then', async () => {
    const server = await startServer()
    const session = signIn(server)
    const api = client(server, session)
    axiosRetry(api, {
      retries: 1,
      retryDelay: () => 0,
      onRetry: async () => {
        server.expireAccessTokens()
        await session.refresh()
      },
    })
    server.fault('503', { on: '/api/items' })
    expect((await api.get('/api/items')).data.generation).toBe(2)
    expect(server.count).toMatchObject({ api: 2, rejected: 0, refreshes: 1 })
  })

  test('a TanStack query observer shows a session error after one attempt, and other errors after all', async () => {
    const server = await startServer()
    const session = signIn(server)
    const api = client(server, session)
    const queries = new QueryClient({
      defaultOptions: {
        queries: {
          retry: (failures, reason) => !isSessionError(reason) && failures < 3,
          retryDelay: 0,
          networkMode: 'always',
        },
      },
    })
    const settled = (path: string) =>
      new Promise<Error | null>((resolve) => {
        const observer = new QueryObserver(queries, { queryKey: [path], queryFn: () => api.get(path) })
        const unsubscribe = observer.subscribe(({ status, error }) => {
          if (status === 'pending') return
          unsubscribe()
          resolve(error)
        })
      })
    expect(await settled('/api/status/500')).toMatchObject({ response: { status: 500 } })
    expect(server.count.api).toBe(4)
    server.revokeFamily('alice')
    expect(isSessionError(await settled('/api/items'), 'session_expired')).toBe(true)
    expect(server.count).toMatchObject({ api: 5, refreshRequests: 1 })
    queries.clear()
  })
})

describe('pages that are no answer of the authorization server (B17d)', () => {
  for (const [name, fault] of [
    ['a 403 page of a firewall', 'html-403'],
    ['a 400 page of a bad deploy', 'html-400'],
    ['a 200 page of a captive portal', 'html-200'],
  ] as const) {
    test(`${name} does not end the session, and the next try serves everybody`, async () => {
      const server = await startServer()
      const session = signIn(server, { clock: withoutJitter() })
      const seen = watch(session)
      const api = client(server, session)
      server.expireAccessTokens()
      server.fault(fault)
      const answers = await Promise.all(times(10, (id) => api.get('/api/items', { params: { id } })))
      expect(answers.map(({ status }) => status)).toEqual(times(10, () => 200))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
      expect(seen.of('signed-out')).toHaveLength(0)
    })

    test(`${name} that stays fails the refresh for now and keeps the session`, async () => {
      const time = newClock()
      const server = await startServer()
      const session = signIn(server, { clock: time.clock, retries: 0 })
      const api = client(server, session)
      server.expireAccessTokens()
      const withdraw = server.fault(fault, { times: Number.POSITIVE_INFINITY })
      const error = await failureOf(api.get('/api/items'))
      expect(error).toMatchObject({ response: { status: 401 } })
      expect(findSessionError(error)?.code).toBe('refresh_failed')
      expect(session.state.status).toBe('signed-in')
      withdraw()
      await time.advance(1_000)
      expect((await api.get('/api/items')).status).toBe(200)
      expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })
  }
})

describe('a refresh that fails for now (B18)', () => {
  const faults: FaultKind[] = ['500', '503', 'destroy-before', 'json-truncated']

  for (const fault of faults) {
    test(`${fault}, once: the refresh is tried again and all requests are served`, async () => {
      const server = await startServer()
      const session = signIn(server, { clock: withoutJitter() })
      const seen = watch(session)
      const api = client(server, session)
      server.expireAccessTokens()
      server.fault(fault)
      const answers = await Promise.all(times(20, (id) => api.get('/api/items', { params: { id } })))
      expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0, api: 40 })
      expect(seen.of('refresh-failed')).toHaveLength(0)
    })

    test(`${fault}, for good: all get refresh_failed, the tokens are kept, and a later request recovers`, async () => {
      const time = newClock()
      const server = await startServer()
      const session = signIn(server, { clock: time.clock, retries: 0 })
      const seen = watch(session)
      const api = client(server, session)
      server.expireAccessTokens()
      const withdraw = server.fault(fault, { times: Number.POSITIVE_INFINITY })
      const gate = server.hold('/api/items')
      const errors = Promise.all(times(20, (id) => failureOf(api.get('/api/items', { params: { id } }))))
      await gate.untilArrived(20)
      gate.release()
      for (const error of await errors) {
        expect(error).toMatchObject({ response: { status: 401 } })
        expect(findSessionError(error)?.code).toBe('refresh_failed')
      }
      expect(seen.of('refresh-failed')).toHaveLength(1)
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
      withdraw()
      await time.advance(1_000)
      expect((await api.get('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, reuses: 0, api: 22 })
    })
  }

  test('requests that wait without a 401 of their own reject with refresh_failed and are never sent', async () => {
    const server = await startServer()
    const session = signIn(server, { retries: 0, tokens: expired(server.mint()) })
    const api = client(server, session)
    server.fault('503')
    for (const error of await Promise.all(times(10, () => failureOf(api.get('/api/items'))))) {
      expect(error).toBeInstanceOf(AxiosError)
      expect(findSessionError(error)).toMatchObject({ code: 'refresh_failed', retryAt: expect.any(Number) })
    }
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
  })

  test('an authorization server that cannot be reached is asked again, and the token is spent once', async () => {
    const server = await startServer()
    const nobody = await closedPort()
    let asked = 0
    const session = signIn(server, {
      clock: withoutJitter(),
      refresh: (context) =>
        asked++ === 0
          ? fetch(nobody, { method: 'POST', signal: context.signal })
          : refreshAt(server)(context),
    })
    const api = client(server, session)
    server.expireAccessTokens()
    expect((await api.get('/api/items')).status).toBe(200)
    expect(asked).toBe(2)
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('an answer that was lost is asked for again within the grace of the server', async () => {
    const server = await startServer({ grace: 10_000 })
    const api = client(server, signIn(server))
    server.expireAccessTokens()
    server.fault('destroy-after')
    expect((await api.get('/api/items')).data.generation).toBe(2)
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
  })

  test('without a grace, a lost answer ends the session, and the server’s log says why', async () => {
    const server = await startServer()
    const session = signIn(server)
    const api = client(server, session)
    server.expireAccessTokens()
    server.fault('destroy-after')
    const error = await failureOf(api.get('/api/items'))
    expect(isSessionError(error, 'session_expired')).toBe(true)
    expect(session.state.status).toBe('signed-out')
    expect(server.log.filter(({ kind }) => kind === 'reuse')).toMatchObject([{ cause: 'lost-answer' }])
  })

  test('invalid_client is a mistake in the configuration: the session is kept', async () => {
    const server = await startServer()
    const session = signIn(server)
    const api = client(server, session)
    server.expireAccessTokens()
    server.fault('invalid-client')
    const error = await failureOf(api.get('/api/items'))
    expect(findSessionError(error)?.code).toBe('refresh_failed')
    expect(session.state.status).toBe('signed-in')
    expect(server.count.refreshRequests).toBe(1)
  })
})

describe('a 429 (B19)', () => {
  test('Retry-After holds the refresh back, and then all are served', async () => {
    const time = newClock()
    const server = await startServer()
    const session = signIn(server, { clock: time.clock, deadline: 60_000 })
    const seen = watch(session)
    const api = client(server, session)
    server.expireAccessTokens()
    let refused = 0
    server.fault('custom', {
      respond: (_, response) => {
        refused++
        response.writeHead(429, { 'retry-after': '7' }).end()
      },
    })
    const answer = api.get('/api/items')
    await seen.until('refresh-started')
    await time.untilTimer(7_000)
    await time.advance(6_999)
    expect(refused).toBe(1)
    expect(server.count.refreshRequests).toBe(1)
    await time.advance(1)
    expect((await answer).status).toBe(200)
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
  })

  test('a Retry-After beyond the deadline fails at once, and is honoured by later requests', async () => {
    const time = newClock()
    const server = await startServer()
    const api = client(server, signIn(server, { clock: time.clock }))
    server.expireAccessTokens()
    server.fault('429', { retryAfter: '120' })
    const error = await failureOf(api.get('/api/items'))
    expect(findSessionError(error)).toMatchObject({
      code: 'refresh_failed',
      retryAt: time.clock.now() + 120_000,
    })
    await time.advance(119_999)
    await failureOf(api.get('/api/items'))
    expect(server.count.refreshRequests).toBe(1)
    await time.advance(1)
    expect((await api.get('/api/items')).status).toBe(200)
    expect(server.count.refreshRequests).toBe(2)
  })
})

describe('a refresh that hangs (B20)', () => {
  test('waiters reject at the deadline, newcomers at their own, and the late answer is still committed', async () => {
    const time = newClock()
    const server = await startServer()
    const session = signIn(server, { clock: time.clock })
    const seen = watch(session)
    const api = client(server, session)
    server.expireAccessTokens()
    server.fault('slow')
    const first = failureOf(api.get('/api/items?id=first'))
    await server.until('refresh')
    const held = failureOf(api.get('/api/items?id=held'))
    await seen.until('request-held')
    await time.advance(9_999)
    const newcomer = failureOf(api.get('/api/items?id=newcomer'))
    await seen.until('request-held', 2)
    await time.advance(1)
    expect(await first).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(await first)?.code).toBe('refresh_timeout')
    expect(findSessionError(await held)?.code).toBe('refresh_timeout')
    expect(session.state.refreshing).toBe(true)

    await time.advance(9_999)
    expect(findSessionError(await newcomer)?.code).toBe('refresh_timeout')
    expect(server.count.refreshRequests).toBe(1)
    server.release()
    await seen.until('refresh-succeeded')
    expect((await api.get('/api/items?id=later')).data.generation).toBe(2)
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0, api: 2 })
  })
})

describe('a request that waits (B21)', () => {
  async function waiting(): Promise<{
    server: AuthServer
    api: AxiosInstance
    others: () => Promise<number[]>
  }> {
    const server = await startServer()
    const session = signIn(server, { tokens: expired(server.mint()) })
    const seen = watch(session)
    const api = client(server, session)
    const refresh = server.hold('/token')
    const rest = Promise.all(times(5, (id) => api.get('/api/items', { params: { id } })))
    await refresh.untilArrived()
    await seen.until('request-held', 5)
    return {
      server,
      api,
      others: async () => {
        refresh.release()
        return (await rest).map(({ status }) => status)
      },
    }
  }

  test('rejects at once when its signal aborts, is never sent, and harms no other', async () => {
    const { server, api, others } = await waiting()
    const controller = new AbortController()
    const { signal } = controller
    const error = failureOf(api.get('/api/effects?id=mine', { signal }))
    controller.abort()
    expect(axios.isCancel(await error)).toBe(true)
    expect(await error).toMatchObject({ code: 'ERR_CANCELED' })
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    expect(await others()).toEqual(times(5, () => 200))
    expect(server.effects('mine')).toBe(0)
    expect(server.count).toMatchObject({ refreshes: 1, api: 5 })
  })

  test('rejects at once when its signal was aborted before', async () => {
    const { server, api, others } = await waiting()
    const error = await failureOf(api.get('/api/effects?id=mine', { signal: AbortSignal.abort() }))
    expect(axios.isCancel(error)).toBe(true)
    expect(await others()).toEqual(times(5, () => 200))
    expect(server.count).toMatchObject({ refreshes: 1, api: 5 })
  })

  test('rejects at once when its cancel token is cancelled', async () => {
    const { server, api, others } = await waiting()
    const source = axios.CancelToken.source()
    const error = failureOf(api.get('/api/effects?id=mine', { cancelToken: source.token }))
    source.cancel('not interested')
    expect(axios.isCancel(await error)).toBe(true)
    expect(await others()).toEqual(times(5, () => 200))
    expect(server.effects('mine')).toBe(0)
  })

  test('rejects with its own timeout as axios words it, is never sent, and harms no other', async () => {
    const { server, api, others } = await waiting()
    const error = await failureOf(api.get('/api/effects?id=mine', { timeout: 20 }))
    expect(error).toBeInstanceOf(AxiosError)
    expect(error).toMatchObject({
      code: 'ECONNABORTED',
      message: 'timeout of 20ms exceeded',
      config: { url: '/api/effects?id=mine', timeout: 20 },
    })
    expect(await others()).toEqual(times(5, () => 200))
    expect(server.effects('mine')).toBe(0)
    expect(server.count).toMatchObject({ refreshes: 1, api: 5 })
  })

  test('its timeout goes on during the replay, and is told as the caller set it', async () => {
    const server = await startServer()
    const api = client(server, signIn(server))
    server.expireAccessTokens()
    const gate = server.hold('/api/items')
    const error = failureOf(api.get('/api/items', { timeout: 500 }))
    await gate.untilArrived()
    gate.release(1)
    expect(await error).toMatchObject({
      code: 'ECONNABORTED',
      message: 'timeout of 500ms exceeded',
      config: { timeout: 500 },
    })
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('one that is aborted between its 401 and the replay is not replayed', async () => {
    const server = await startServer()
    const api = client(server, signIn(server))
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const controller = new AbortController()
    const error = failureOf(api.get('/api/items', { signal: controller.signal }))
    await refresh.untilArrived()
    controller.abort()
    expect(axios.isCancel(await error)).toBe(true)
    refresh.release()
    expect((await api.get('/api/echo')).status).toBe(200)
    expect(server.requests.filter(({ path }) => path === '/api/items')).toHaveLength(1)
  })
})

describe('sign-out while requests wait (B22)', () => {
  test('they reject, the result of the refresh is discarded, and nobody is resurrected', async () => {
    const server = await startServer()
    const session = signIn(server)
    const seen = watch(session)
    const api = client(server, session)
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const rejected = failureOf(api.get('/api/items?id=sent'))
    await refresh.untilArrived()
    const held = times(5, () => failureOf(api.get('/api/effects?id=held')))
    await seen.until('request-held', 5)
    await session.signOut()

    expect(await rejected).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(await rejected)?.code).toBe('session_changed')
    for (const error of await Promise.all(held)) expect(findSessionError(error)?.code).toBe('session_changed')
    refresh.release()
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'))

    const error = await failureOf(api.get('/api/items?id=after'))
    expect(error).toMatchObject({ response: { status: 401 } })
    expect(session.state).toMatchObject({ status: 'signed-out', refreshing: false })
    expect(seen.of('refresh-succeeded')).toHaveLength(0)
    expect(seen.of('signed-out')).toHaveLength(1)
    expect(server.effects('held')).toBe(0)
    expect(bare(server)).toBe(1)
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
  })
})

describe('sign-in as another user (B23)', () => {
  test('requests of the former user that wait are never sent with the token of the new one', async () => {
    const server = await startServer()
    const session = signIn(server, { tokens: expired(server.mint('alice')) })
    const seen = watch(session)
    const api = client(server, session)
    const refresh = server.hold('/token')
    const held = times(5, () => failureOf(api.post('/api/effects?id=alice')))
    await refresh.untilArrived()
    await seen.until('request-held', 5)
    await session.signIn(server.mint('bob'))
    const bobs = await api.post('/api/effects?id=bob')
    for (const error of await Promise.all(held)) expect(findSessionError(error)?.code).toBe('session_changed')
    refresh.release()
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'))

    expect(bobs.data.user).toBe('bob')
    expect((await api.get('/api/items')).data.user).toBe('bob')
    expect([server.effects('alice'), server.effects('bob')]).toEqual([0, 1])
    expect(server.requests.map(({ user }) => user)).toEqual(['bob', 'bob'])
  })

  test('requests of the former user whose 401 waits for the refresh are not replayed as the new one', async () => {
    const server = await startServer()
    const session = signIn(server)
    const api = client(server, session)
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const error = failureOf(api.post('/api/effects?id=alice'))
    await refresh.untilArrived()
    await session.signIn(server.mint('bob'))
    expect(await error).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(await error)?.code).toBe('session_changed')
    refresh.release()
    expect((await api.get('/api/items')).data.user).toBe('bob')
    expect(server.effects('alice')).toBe(0)
  })

  test('a late 401 of the former user is his own, and neither replayed nor a reason to refresh', async () => {
    const server = await startServer()
    const session = signIn(server)
    const seen = watch(session)
    const api = client(server, session)
    server.expireAccessTokens()
    const gate = server.hold('/api/effects')
    const error = failureOf(api.post('/api/effects?id=alice'))
    await gate.untilArrived()
    await session.signIn(server.mint('bob'))
    gate.release()
    expect(await error).toMatchObject({ response: { status: 401 } })
    expect(findSessionError(await error)?.code).toBe('session_changed')
    expect(server.effects('alice')).toBe(0)
    expect(seen.of('refresh-started')).toHaveLength(0)
    expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
  })

  test('an answer that the former user’s request gets after the change is delivered', async () => {
    const server = await startServer()
    const session = signIn(server)
    const api = client(server, session)
    const gate = server.hold('/api/items')
    const answer = api.get('/api/items')
    await gate.untilArrived()
    await session.signIn(server.mint('bob'))
    gate.release()
    expect((await answer).data.user).toBe('alice')
  })
})

describe('the original 401 (B24)', () => {
  test('the error of a failed refresh is the caller’s own 401, with response and config, and says why', async () => {
    const server = await startServer()
    const api = client(server, signIn(server, { retries: 0 }))
    server.expireAccessTokens()
    server.fault('503')
    const error = await failureOf(
      api.post('/api/echo', { a: 1 }, { headers: { 'x-mine': 'yes' }, params: { q: 'x' } }),
    )
    expect(error).toBeInstanceOf(AxiosError)
    expect(error).toMatchObject({
      code: 'ERR_BAD_REQUEST',
      response: {
        status: 401,
        data: { error: 'invalid_token' },
        headers: { 'www-authenticate': expect.stringContaining('invalid_token') },
      },
      config: { url: '/api/echo', method: 'post', params: { q: 'x' } },
    })
    const session = findSessionError(error)
    expect(session).toMatchObject({
      code: 'refresh_failed',
      cause: { message: expect.stringContaining('503') },
    })
    if (!(error instanceof AxiosError)) return
    expect(error.config?.headers.get('x-mine')).toBe('yes')
    expect(error.config?.headers.has('authorization')).toBe(false)
  })
})

describe('nothing is left behind (B25)', () => {
  /** Counts timers that are set with the globals and neither run nor cleared. */
  function countTimers(): { readonly pending: number; stop(): void } {
    const { setTimeout: set, clearTimeout: clear } = globalThis
    const pending = new Set<unknown>()
    const counting = (run: (...all: unknown[]) => void, ms?: number, ...all: unknown[]): NodeJS.Timeout => {
      const timer: NodeJS.Timeout = set(() => {
        pending.delete(timer)
        run(...all)
      }, ms)
      pending.add(timer)
      return timer
    }
    globalThis.setTimeout = Object.assign(counting, set) as typeof set
    globalThis.clearTimeout = ((timer: NodeJS.Timeout | undefined) => {
      pending.delete(timer)
      clear(timer)
    }) as typeof clear
    return {
      get pending() {
        return pending.size
      },
      stop() {
        globalThis.setTimeout = set
        globalThis.clearTimeout = clear
      },
    }
  }

  interface End {
    during?: (server: AuthServer, session: Session) => unknown
    /** Comes instead of the answer. */
    error?: Error
  }

  const ends: Record<string, End> = {
    'the refresh succeeds': {},
    'the refresh is refused': { error: new SessionError('session_expired', 'refused') },
    'the refresh fails': { error: Object.assign(new Error('nobody there'), { code: 'ECONNREFUSED' }) },
    'the user signs out': { during: (_, session) => session.signOut() },
    'another user signs in': { during: (server, session) => session.signIn(server.mint('bob')) },
    'the session is closed': { during: (_, session) => session.close() },
  }

  for (const [name, { during, error }] of Object.entries(ends)) {
    test(`no timer and no listener is left when ${name}`, async () => {
      const timers = countTimers()
      try {
        const server = await startServer()
        const tokens = server.mint('alice')
        // With axios all the way: its timers go through the globals, those of the runtime's fetch need not.
        const plain = axios.create({ baseURL: server.url })
        const refreshed = deferred<void>()
        const session = open({
          tokens: expired(tokens),
          retries: 0,
          refresh: async ({ tokens, signal }) => {
            try {
              const refresh_token = tokens?.refreshToken
              const body = { grant_type: 'refresh_token', refresh_token }
              const { data } = await plain.post('/token', body, { signal })
              if (error) throw error
              return data
            } finally {
              refreshed.resolve()
            }
          },
        })
        const seen = watch(session)
        const api = client(server, session)
        const refresh = server.hold('/token')
        const { signal } = new AbortController()
        const { token } = axios.CancelToken.source()
        const requests = Promise.allSettled([
          ...times(5, () => api.get('/api/items', { signal, timeout: 60_000 })),
          ...times(5, () => api.get('/api/items', { cancelToken: token })),
        ])
        await refresh.untilArrived()
        await seen.until('request-held', 10)
        await during?.(server, session)
        refresh.release()
        const outcomes = await requests
        expect(outcomes).toHaveLength(10)
        await refreshed.promise
        await macrotask()
        expect(getEventListeners(signal, 'abort')).toHaveLength(0)
        expect(listenersOf(token)).toBe(0)
        expect(timers.pending).toBe(0)
      } finally {
        timers.stop()
      }
    })
  }

  /** axios keeps the listeners of a cancel token in a private list. */
  function listenersOf(token: object): number {
    const { _listeners } = token as { _listeners?: unknown[] | null }
    return _listeners?.length ?? 0
  }
})

describe('errors that are none of ours (B26)', () => {
  /** What a caller can see of an outcome, but for sockets and functions. */
  async function outcomeOf(api: AxiosInstance, config: AxiosRequestConfig): Promise<unknown> {
    const [outcome] = await Promise.allSettled([api.request(config)])
    const reason = outcome.status === 'rejected' ? outcome.reason : outcome.value
    const { name, message, code, status, config: seen, response, cause, request } = reason
    const { adapter, headers, ...rest } = seen ?? {}
    return {
      settled: outcome.status,
      name,
      message,
      code,
      status,
      cause: cause?.code,
      requested: request !== undefined,
      adapter,
      // These the http adapter of axios writes into its config itself.
      headers: headers && {
        ...headers,
        'User-Agent': undefined,
        'Accept-Encoding': undefined,
        'Content-Length': undefined,
      },
      config: JSON.parse(JSON.stringify({ ...rest, signal: undefined })),
      keys: Object.keys(seen ?? {})
        .filter((key) => seen[key] !== undefined)
        .sort(),
      response: response && { status: response.status, data: response.data },
    }
  }

  const cases: [name: string, config: (server: AuthServer, nobody: string) => AxiosRequestConfig][] = [
    ['a 404', ({ url }) => ({ url: `${url}/nowhere` })],
    ['a 500', () => ({ url: '/api/status/500', method: 'post', data: { a: 1 } })],
    ['a 403 that asks for another scope', () => ({ url: '/api/forbidden' })],
    ['a connection that breaks', () => ({ url: '/api/items?id=broken' })],
    ['a port on which nobody listens', (_, nobody) => ({ baseURL: nobody, url: '/api/items' })],
    ['a response that is longer than allowed', () => ({ url: '/api/items', maxContentLength: 5 })],
    ['a request that is aborted before', () => ({ url: '/api/items', signal: AbortSignal.abort() })],
    ['a transform that throws', () => ({ url: '/api/items', transformResponse: thrower })],
    ['a status that `validateStatus` lets through', () => ({ url: '/api/status/500', validateStatus: null })],
  ]

  function thrower(): never {
    throw new Error('thrown by the transform')
  }

  for (const [name, configOf] of cases) {
    test(`${name} reaches the caller exactly as without us`, async () => {
      const server = await startServer()
      const nobody = await closedPort()
      const config = configOf(server, nobody)
      const tokens = server.mint('alice')
      const headers = { Authorization: `Bearer ${tokens.access_token}` }
      const plain = axios.create({ baseURL: server.url })
      if (name === 'a connection that breaks') {
        server.fault('destroy-before', { on: '/api/items?id=broken', times: Number.POSITIVE_INFINITY })
      }
      plain.interceptors.request.use((config) => {
        config.headers.set(headers)
        return config
      })
      const api = axios.create({ baseURL: server.url })
      const session = signIn(server, { tokens })
      attachSession(api, session, { origins: [nobody] })

      const without = (await outcomeOf(plain, config)) as { headers?: Record<string, unknown> }
      if (without.headers) delete without.headers.Authorization
      expect(await outcomeOf(api, config)).toEqual(without)
      expect(server.count).toMatchObject({ refreshRequests: 0, rejected: 0 })
      const sent = server.requests.length
      expect(sent % 2, 'as many requests with us as without').toBe(0)
    })
  }
})
