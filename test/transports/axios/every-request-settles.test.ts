import { getEventListeners } from 'node:events'
import { setImmediate as macrotask } from 'node:timers/promises'
import { QueryClient, QueryObserver } from '@tanstack/query-core'
import axios, { AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios'
import axiosRetry from 'axios-retry'
import { findSessionError, isSessionError, type Session, SessionError } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { deferred, expired, failureOf, NOBODY, open, signIn, startServer, times, watch } from '../../setup.ts'

function client(server: AuthServer, session: Session, config: AxiosRequestConfig = {}): AxiosInstance {
  const api = axios.create({ baseURL: server.url, ...config })
  attachSession(api, session)
  return api
}

describe('retry layers around us', () => {
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

describe('a request that waits', () => {
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
})

describe('the original 401', () => {
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

describe('nothing is left behind', () => {
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

  test('no timer is left of who leaves while his credentials are made', async () => {
    const timers = countTimers()
    try {
      const server = await startServer()
      const controller = new AbortController()
      const applyToken = () => {
        controller.abort()
        return new Promise<never>(() => {})
      }
      const session = open({ tokens: server.mint('alice'), refresh: () => 'unused', applyToken })
      const { signal } = controller
      const leaves = client(server, session).get('/api/items', { signal, timeout: 60_000 })
      expect(await failureOf(leaves)).toMatchObject({ code: 'ERR_CANCELED' })
      expect(timers.pending).toBe(0)
    } finally {
      timers.stop()
    }
  })

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
          recall: 'safe',
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

describe('errors that are none of ours', () => {
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

  const cases: [name: string, config: (server: AuthServer) => AxiosRequestConfig][] = [
    ['a 404', ({ url }) => ({ url: `${url}/nowhere` })],
    ['a 500', () => ({ url: '/api/status/500', method: 'post', data: { a: 1 } })],
    ['a 403 that asks for another scope', () => ({ url: '/api/forbidden' })],
    ['a connection that breaks', () => ({ url: '/api/items?id=broken' })],
    ['a port on which nobody listens', () => ({ baseURL: NOBODY, url: '/api/items' })],
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
      const config = configOf(server)
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
      attachSession(api, session, { origins: [NOBODY] })

      const without = (await outcomeOf(plain, config)) as { headers?: Record<string, unknown> }
      if (without.headers) delete without.headers.Authorization
      expect(await outcomeOf(api, config)).toEqual(without)
      expect(server.count).toMatchObject({ refreshRequests: 0, rejected: 0 })
      const sent = server.requests.length
      expect(sent % 2, 'as many requests with us as without').toBe(0)
    })
  }
})
