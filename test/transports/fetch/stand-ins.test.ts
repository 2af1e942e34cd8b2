/** Whatever stands in for the runtime's own fetch: other implementations, other realms, less complete runtimes. */
import { runInNewContext } from 'node:vm'
import nodeFetch, { Request as NodeRequest } from 'node-fetch'
import { findSessionError, type TokenSet } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { Request as UndiciRequest, fetch as undiciFetch } from 'undici'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { failureOf, open, refreshAt, signIn, startServer, times } from '../../setup.ts'
import { landed, onWire } from '../wire.ts'
import { keeping, stage } from './stage.ts'

afterEach(() => void vi.unstubAllGlobals())

const implementations = {
  'node-fetch': { fetch: nodeFetch, Request: NodeRequest },
  'undici, another copy than the runtime’s': { fetch: undiciFetch, Request: UndiciRequest },
} as unknown as Record<string, { fetch: typeof fetch; Request: typeof Request }>

describe.each(Object.entries(implementations))('%s', (_, { fetch, Request }) => {
  test.each(['none', 'safe'] as const)(
    'a storm of twenty: one refresh, twenty answers (recall: %s)',
    async (recall) => {
      const { server, api, at } = await stage({ fetch: { fetch }, session: { recall } })
      server.expireAccessTokens()
      const answers = await Promise.all(times(20, (id) => api(at(`/api/items?id=${id}`))))
      const bodies = await Promise.all(answers.map((answer) => answer.json()))
      expect(bodies).toMatchObject(times(20, (id) => ({ id: `${id}`, generation: 2 })))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    },
  )

  test('a body is replayed byte for byte, in init and in its own kind of Request', async () => {
    const { server, api, at, received } = await stage({ fetch: { fetch } })
    for (const call of [
      () => api(at('/api/echo'), { method: 'PUT', headers: { 'X-Mine': '1' }, body: 'some' }),
      () => api(new Request(at('/api/echo'), { method: 'PUT', headers: { 'X-Mine': '1' }, body: 'some' })),
    ]) {
      server.expireAccessTokens()
      expect((await call()).status).toBe(200)
      const [first, replay] = received.splice(0)
      const { authorization, ...headers } = { ...first?.headers }
      expect(replay?.headers).toMatchObject(headers)
      expect([first, replay].map((sent) => `${sent?.body}`)).toEqual(['some', 'some'])
      expect(authorization).not.toBe(replay?.headers.authorization)
    }
    expect(server.count.refreshes).toBe(2)
  })

  test('the 401 that nobody gets is let go of: its connection ends, or is free again', async () => {
    const { server, api, at } = await stage({ fetch: { fetch: keeping(fetch) } })
    server.fault('custom', {
      on: '/api/items',
      respond: (_, response) => void response.writeHead(401).write('never ends'),
    })
    expect((await api(at('/api/items'))).status).toBe(200)
    await server.until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted === true))
    expect(server.count.refreshes).toBe(1)
  })

  test('a 401 that stays is the caller’s, whole, and says why', async () => {
    const { server, api, at } = await stage({ fetch: { fetch }, session: { retries: 0 } })
    server.expireAccessTokens()
    server.fault('503')
    const answer = await api(at('/api/items'))
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)?.code).toBe('refresh_failed')
    expect(await answer.json()).toEqual({ error: 'invalid_token' })
  })

  test('the caller’s abort is its own AbortError', async () => {
    const { server, api, at } = await stage({ fetch: { fetch } })
    const items = server.hold('/api/items')
    const controller = new AbortController()
    const error = failureOf(api(at('/api/items'), { signal: controller.signal }))
    await items.untilArrived()
    controller.abort()
    expect(await error).toMatchObject({ name: 'AbortError' })
    expect(await landed(server, '/api/items')).toMatchObject([{ aborted: true }])
  })

  test('`shouldRefresh` reads the body, and the caller still gets it whole', async () => {
    const seen: unknown[] = []
    const { server, api, at } = await stage({
      fetch: { fetch },
      session: {
        shouldRefresh: async (response) => {
          seen.push(await response.json())
          return undefined
        },
      },
    })
    expect(await (await api(at('/api/items?id=1'))).json()).toMatchObject({ id: '1' })
    expect(seen).toMatchObject([{ id: '1' }])
    expect(server.count.api).toBe(1)
  })
})

describe('another realm, as test runners and frames have it', () => {
  const foreign: (response: Response) => Response = runInNewContext(`(response) => ({
    status: response.status, ok: response.ok, headers: response.headers, url: response.url, body: response.body,
    json: () => response.json(), clone: () => response.clone(),
  })`)
  const foreignFetch: typeof fetch = async (...all) => foreign(await fetch(...all))

  test('its answers are read: a 401 is refreshed and replayed', async () => {
    const { server, api, at } = await stage({ fetch: { fetch: foreignFetch } })
    server.expireAccessTokens()
    const answer = await api(at('/api/items'))
    expect(answer instanceof Object).toBe(false)
    expect(answer.status).toBe(200)
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('an answer of it that `refresh` returns is read', async () => {
    const server = await startServer()
    const session = signIn(server, {
      refresh: async (context) => foreign((await refreshAt(server)(context)) as Response),
    })
    const api = withSession(session, { origins: [server.url] })
    server.expireAccessTokens()
    expect(await (await api(`${server.url}/api/items`)).json()).toMatchObject({ generation: 2 })
    server.revokeFamily('alice')
    expect(findSessionError(await api(`${server.url}/api/items`))?.code).toBe('session_expired')
  })

  test('a promise of it that `applyToken` returns is awaited', async () => {
    const promise: (value: unknown) => never = runInNewContext('async (value) => value')
    const { server, api, at } = await stage({
      session: {
        applyToken: ({ accessToken }: TokenSet) =>
          promise({ headers: { Authorization: `Bearer ${accessToken}` } }),
      },
    })
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(server.count).toMatchObject({ api: 1, rejected: 0 })
  })
})

describe('less than a whole fetch', () => {
  test('answers without a body, as on React Native, and without clone', async () => {
    const poor: typeof fetch = async (...all) => {
      const response = await fetch(...all)
      const text = await response.text()
      const { status, headers, url } = response
      return { status, headers, url, json: async () => JSON.parse(text) } as Response
    }
    const seen: unknown[] = []
    const { server, api, at } = await stage({
      fetch: { fetch: poor },
      session: {
        shouldRefresh: async (response) => {
          seen.push(await response.json())
          return undefined
        },
      },
    })
    server.expireAccessTokens()
    expect(await (await api(at('/api/items?id=1'))).json()).toMatchObject({ id: '1', generation: 2 })
    expect(seen).toEqual([undefined, undefined])
    expect(onWire(server, '/api/items')).toHaveLength(2)
  })

  test('a fetch that throws instead of rejecting: a rejection, and the session serves the next request', async () => {
    const thrown = new Error('thrown at once')
    let calls = 0
    const own: typeof fetch = (...all) => {
      if (calls++ === 0) throw thrown
      return fetch(...all)
    }
    for (const recall of ['none', 'safe'] as const) {
      calls = 0
      const { api, at } = await stage({ fetch: { fetch: own }, session: { recall } })
      expect(await failureOf(api(at('/api/items')))).toBe(thrown)
      expect((await api(at('/api/items'))).status).toBe(200)
    }
  })

  test('no fetch at all: a rejection that is fetch’s own affair', async () => {
    const { api, at } = await stage()
    vi.stubGlobal('fetch', undefined)
    expect(await failureOf(api(at('/api/items')))).toBeInstanceOf(TypeError)
  })
})

describe('the URL of React Native without its polyfill', () => {
  /** As react-native has it: it parses nothing. */
  class PoorURL {
    readonly href: string
    constructor(url: string) {
      this.href = url
    }
    get protocol(): string {
      throw new Error('URL.protocol is not implemented')
    }
    get origin(): string {
      throw new Error('URL.origin is not implemented')
    }
  }

  /** As newer versions have it: by regular expressions, which take the trusted host for the whole of it. */
  class GuessingURL extends PoorURL {
    override get protocol(): string {
      return /^([a-zA-Z][a-zA-Z\\d+\-.]*:)/.exec(this.href)?.[1] ?? ''
    }
    override get origin(): string {
      return /^(https?:\/\/[^/]+)/.exec(this.href)?.[1] ?? ''
    }
  }

  test.each([
    ['one that is not implemented', PoorURL],
    ['one that guesses', GuessingURL],
  ])('%s: a TypeError that names the polyfill, when the fetch is made', (_, Poor) => {
    const session = open({ refresh: () => undefined })
    vi.stubGlobal('URL', Poor)
    const make = () => withSession(session, { origins: ['https://api.example.com'] })
    expect(make).toThrow(TypeError)
    expect(make).toThrow(/react-native-url-polyfill/)
  })
})

describe('a fetch that takes a Request alone, as documented', () => {
  test.each(['none', 'safe'] as const)(
    'gets the token and is called once for each send (recall: %s)',
    async (recall) => {
      const own = (request: Request): Promise<Response> => fetch(request)
      const { server, api, at } = await stage({
        fetch: { fetch: (input, init) => own(new Request(input, init)) },
        session: { recall },
      })
      const init = { method: 'PUT', body: 'some' }
      expect((await api(at('/api/items'))).status).toBe(200)
      expect((await api(new Request(at('/api/items')))).status).toBe(200)
      expect(await (await api(new Request(at('/api/echo'), init))).json()).toMatchObject({ bodyLength: 4 })
      expect(server.count).toMatchObject({ api: 3, refreshRequests: 0 })
      server.expireAccessTokens()
      expect(await (await api(at('/api/echo'), init)).json()).toMatchObject({ bodyLength: 4 })
      expect(server.count).toMatchObject({ api: 5, refreshes: 1 })
    },
  )
})

test('an answer whose body is a text, as mocks have it, is the caller’s, also where he has a signal', async () => {
  const answer = { status: 200, headers: new Headers(), body: 'a text' } as unknown as Response
  const { api, at } = await stage({ fetch: { fetch: async () => answer }, session: { recall: 'safe' } })
  const { signal } = new AbortController()
  expect(await api(at('/api/items'), { signal })).toBe(answer)
})

test('a runtime that does not tell when garbage is collected, as React Native, sends and aborts all the same', async () => {
  vi.stubGlobal('FinalizationRegistry', undefined)
  vi.resetModules()
  const { withSession } = await import('refresh-once/fetch')
  vi.unstubAllGlobals()
  const { server, session, at } = await stage({ session: { recall: 'safe' } })
  const api = withSession(session, { origins: server.url })
  const rest = server.hold('/api/stream')
  const controller = new AbortController()
  const answer = await api(at('/api/stream'), { signal: controller.signal })
  const text = failureOf(answer.text())
  controller.abort()
  expect((await text).name).toBe('AbortError')
  rest.release()
})
