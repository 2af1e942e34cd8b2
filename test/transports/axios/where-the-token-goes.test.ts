import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import axios, {
  type AxiosAdapter,
  AxiosError,
  AxiosHeaders,
  type AxiosInstance,
  type AxiosRequestConfig,
  type InternalAxiosRequestConfig,
} from 'axios'
import {
  type Credentials,
  createSession,
  findSessionError,
  isSessionError,
  type Session,
  SessionError,
  type SessionEvent,
  type SessionOptions,
  type TokenInput,
  type TokenSet,
} from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import {
  type AuthServer,
  type AuthServerOptions,
  createAuthServer,
  createTestClock,
} from 'refresh-once/testing'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { HOME, HOSTILE } from '../hostile-urls.ts'

const TOKEN = 'at_of_the_session'

const servers: AuthServer[] = []
const sessions: Session[] = []

afterEach(async () => {
  vi.unstubAllGlobals()
  for (const session of sessions.splice(0)) session.close()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(options?: AuthServerOptions): Promise<AuthServer> {
  const server = await createAuthServer(options)
  servers.push(server)
  return server
}

function open(options: Partial<SessionOptions> = {}): Session {
  const session = createSession({
    refresh: () => {
      throw new SessionError('session_expired', 'this test does not refresh')
    },
    tokens: { accessToken: TOKEN },
    ...options,
  })
  sessions.push(session)
  return session
}

/** The refresh of RFC 6749 §6, and how often it was called. */
function refreshAt(server: AuthServer): { refresh: SessionOptions['refresh']; calls: number } {
  const counted = {
    calls: 0,
    refresh: ({ tokens, signal }: { tokens: TokenSet | undefined; signal: AbortSignal }) => {
      counted.calls++
      return fetch(server.tokenEndpoint, {
        method: 'POST',
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
        signal,
      })
    },
  }
  return counted
}

function eventsOf(session: Session): SessionEvent[] {
  const events: SessionEvent[] = []
  session.observe((event) => void events.push(event))
  return events
}

function ignored(events: SessionEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'request-ignored' ? [event.reason] : []))
}

interface Sent {
  /** The origin that a client on the web platform would connect to; undefined where the URL leads nowhere. */
  origin: string | undefined
  headers: AxiosHeaders
}

/** Stands where the wire begins, and writes down what would be sent where. */
function recorder(status = 200): { adapter: AxiosAdapter; sent: Sent[] } {
  const sent: Sent[] = []
  return {
    sent,
    adapter: async (config) => {
      sent.push({ origin: destination(config), headers: AxiosHeaders.from(config.headers) })
      return { status, statusText: '', headers: {}, data: '', config }
    },
  }
}

function destination(config: InternalAxiosRequestConfig): string | undefined {
  try {
    const url = new URL(axios.getUri(config), globalThis.document?.baseURI ?? globalThis.location?.href)
    return /^https?:$/.test(url.protocol) ? url.origin : undefined
  } catch {
    return undefined
  }
}

function bearer({ headers }: Sent): string | undefined {
  return headers.get('authorization')?.toString()
}

/** One request with a trusted origin of `HOME`; with its base URL, or without any. */
async function send(url: string, config: AxiosRequestConfig, base: boolean): Promise<Sent> {
  const { adapter, sent } = recorder()
  const api = axios.create(base ? { baseURL: HOME, adapter } : { adapter })
  attachSession(api, open(), base ? {} : { origins: [HOME] })
  await api.get(url, config)
  expect(sent).toHaveLength(1)
  return sent[0] as Sent
}

describe('a URL that only looks like the trusted origin gets no token', () => {
  test.each(HOSTILE)('%s: %j, without a base URL', async (_, url) => {
    const sent = await send(url, {}, false)
    expect(sent.origin).not.toBe(HOME)
    expect(bearer(sent)).toBeUndefined()
  })

  test.each(HOSTILE)('%s: %j, with a base URL', async (_, url, appended) => {
    const sent = await send(url, {}, true)
    expect(sent.origin === HOME).toBe(appended)
    expect(bearer(sent)).toBe(appended ? `Bearer ${TOKEN}` : undefined)
  })

  test.each(HOSTILE)('%s: %j, in a page of the trusted origin', async (_, url) => {
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    const { adapter, sent } = recorder()
    const api = axios.create({ adapter })
    attachSession(api, open())
    await api.get(url)
    expect(sent).toHaveLength(1)
    expect(sent.map(({ origin }) => origin)).not.toContain(HOME)
    expect(sent.map(bearer)).toEqual([undefined])
  })

  test.each(HOSTILE.filter(([, , appended]) => !appended))(
    '%s: %j, as the base URL of one request',
    async (_, url) => {
      const sent = await send('/y', { baseURL: url }, true)
      expect(sent.origin).not.toBe(HOME)
      expect(bearer(sent)).toBeUndefined()
    },
  )

  test.each([
    'https:evil.com/x',
    'https:/evil.com/x',
    'https:\\\\evil.com/x',
    'https:///evil.com/x',
    'HTTPS://EVIL.COM/x',
    'https://api.good.com\n.evil.com/x',
    '///evil.com/x',
    '/\t/evil.com/x',
    '\u0000https://evil.com/x',
    '..//evil.com/x',
    '.evil.com/x',
    '@evil.com/x',
    ':443@evil.com/x',
    '?@evil.com',
    '#@evil.com',
  ])('%j: the token goes where the URL leads, if that is the trusted origin', async (url) => {
    for (const base of [true, false]) {
      const sent = await send(url, {}, base)
      if (sent.origin === HOME) expect(bearer(sent)).toBe(`Bearer ${TOKEN}`)
      // A URL that axios itself refuses leads nowhere, with or without a token.
      else if (sent.origin) expect(bearer(sent)).toBeUndefined()
    }
  })

  test.each([
    ['no base URL', {}],
    ['a relative base URL', { baseURL: '/api' }],
  ])(
    'a relative URL follows the <base> of the page, and leaves the token behind if that is foreign (%s)',
    async (_, config) => {
      vi.stubGlobal('location', new URL(`${HOME}/app/`))
      vi.stubGlobal('document', { baseURI: 'https://evil.com/' })
      const { adapter, sent } = recorder()
      const api = axios.create({ adapter, ...config })
      attachSession(api, open(), { origins: [HOME] })
      await api.get('/x')
      expect(sent.map(({ origin }) => origin)).toEqual(['https://evil.com'])
      expect(sent.map(bearer)).toEqual([undefined])
    },
  )

  test.each([
    ['no base URL', {}],
    ['a relative base URL', { baseURL: '/api' }],
  ])('a relative URL in a page of the trusted origin gets the token (%s)', async (_, config) => {
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    const { adapter, sent } = recorder()
    const api = axios.create({ adapter, ...config })
    attachSession(api, open())
    await api.get('/x')
    await api.get('x')
    expect(sent.map(({ origin }) => origin)).toEqual([HOME, HOME])
    expect(sent.map(bearer)).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`])
  })

  test.each([
    ['no base URL', {}],
    ['a relative base URL', { baseURL: '/api' }],
  ])('without a page (%s): a TypeError when something is sent, and not before', async (_, config) => {
    const { adapter, sent } = recorder()
    const api = axios.create({ adapter, ...config })
    attachSession(api, open())
    await expect(api.get('/x')).rejects.toThrow(/who may get the token/)
    expect(sent).toEqual([])
    await api.get('/x', { session: false })
    // Servers that render learn their own address from the first request.
    api.defaults.baseURL = HOME
    await api.get('/x')
    expect(sent.map(bearer)).toEqual([undefined, `Bearer ${TOKEN}`])
  })

  test('plain http to another machine is refused as one of `origins`', () => {
    expect(() => attachSession(axios.create(), open(), { origins: ['http://api.good.com'] })).toThrow(
      TypeError,
    )
  })
})

describe('a default port and upper case make no difference', () => {
  test.each([
    ['the default port', 'https://api.good.com:443/x'],
    ['an upper-case host', 'https://API.GOOD.COM/x'],
    ['an upper-case scheme', 'HTTPS://api.good.com/x'],
    ['all of it', 'HTTPS://Api.Good.Com:443/x'],
    ['full-width letters, which are the same host', 'https://ａpi.good.com/x'],
    ['an @ in the path', 'https://api.good.com/@evil.com'],
    ['an @ in the query', 'https://api.good.com?to=a@evil.com'],
  ])('%s: %j gets the token', async (_, url) => {
    for (const base of [true, false]) {
      const sent = await send(url, {}, base)
      expect(sent.origin).toBe(HOME)
      expect(bearer(sent)).toBe(`Bearer ${TOKEN}`)
    }
  })

  test.each([
    'https://API.good.com:443',
    'https://api.good.com/',
    'HTTPS://api.good.com/v1/',
    'https://api.good.com/v1?x=1',
  ])('a base URL of %j gets the token', async (baseURL) => {
    const { adapter, sent } = recorder()
    const api = axios.create({ baseURL, adapter })
    attachSession(api, open())
    await api.get('/x')
    await api.get('')
    await api.get(`${HOME}/y`)
    expect(sent.map(bearer)).toEqual(Array(3).fill(`Bearer ${TOKEN}`))
  })
})

describe('only http and https get the token', () => {
  test.each([
    'blob:https://api.good.com/0f8fad5b-d9cb-469f-a165-70867728950e',
    'data:text/plain,https://api.good.com/',
    'javascript:fetch("https://api.good.com/")',
    'file://api.good.com/x',
    'about:blank',
    'filesystem:https://api.good.com/temporary/x',
  ])('%j gets none', async (url) => {
    const sent = await send(url, {}, false)
    expect(bearer(sent)).toBeUndefined()
    // The origin of a blob URL is that of the page which made it.
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    const inPage = recorder()
    const api = axios.create({ adapter: inPage.adapter })
    attachSession(api, open())
    await api.get(url)
    expect(inPage.sent.map(bearer)).toEqual([undefined])
  })
})

describe('the final URL decides', () => {
  test('an interceptor that runs later leads the request elsewhere: no token', async () => {
    const { adapter, sent } = recorder()
    const api = axios.create({ baseURL: HOME, adapter })
    // Request interceptors run in reverse order of their registration.
    api.interceptors.request.use((config) => ({ ...config, baseURL: 'https://evil.com' }) as typeof config)
    attachSession(api, open())
    await api.get('/x')
    expect(sent.map(({ origin }) => origin)).toEqual(['https://evil.com'])
    expect(sent.map(bearer)).toEqual([undefined])
  })

  test('an interceptor that runs earlier, after a while, leads it elsewhere: no token', async () => {
    const { adapter, sent } = recorder()
    const api = axios.create({ baseURL: HOME, adapter })
    attachSession(api, open())
    api.interceptors.request.use(async (config) => {
      await Promise.resolve()
      config.url = 'https://evil.com/x'
      return config
    })
    await api.get('/x')
    expect(sent.map(({ origin }) => origin)).toEqual(['https://evil.com'])
    expect(sent.map(bearer)).toEqual([undefined])
  })

  test('an interceptor leads it home: token', async () => {
    const { adapter, sent } = recorder()
    const api = axios.create({ baseURL: HOME, adapter })
    api.interceptors.request.use((config) => {
      config.url = `${HOME}/x`
      return config
    })
    attachSession(api, open())
    await api.get('https://elsewhere.com/x')
    expect(sent.map(bearer)).toEqual([`Bearer ${TOKEN}`])
  })

  test('a request transform leads it elsewhere: no token', async () => {
    const { adapter, sent } = recorder()
    const api = axios.create({
      baseURL: HOME,
      adapter,
      transformRequest(data) {
        this.url = 'https://evil.com/x'
        return data
      },
    })
    attachSession(api, open())
    await api.post('/x', 'body')
    expect(sent.map(({ origin }) => origin)).toEqual(['https://evil.com'])
    expect(sent.map(bearer)).toEqual([undefined])
  })

  test('an absolute URL beats the base URL: no token, on the wire either', async () => {
    const home = await start()
    const { server: elsewhere, seen } = await bystander()
    const api = axios.create({ baseURL: home.url, proxy: false })
    const { refresh } = refreshAt(home)
    attachSession(api, open({ refresh, tokens: { ...home.mint() } }))
    await api.get('/api/items')
    await api.get(`${elsewhere.url}/x`)
    expect(home.count).toMatchObject({ api: 1, rejected: 0 })
    expect(seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([['/x', undefined]])
  })

  test('`allowAbsoluteUrls: false` is obeyed by some versions of axios only: no token leaves the trusted origin with any', async () => {
    const home = await start()
    const { server: elsewhere, seen } = await bystander()
    const api = axios.create({ baseURL: home.url, proxy: false, validateStatus: () => true })
    attachSession(api, open({ tokens: { ...home.mint() } }))
    const config: AxiosRequestConfig & { allowAbsoluteUrls: boolean } = { allowAbsoluteUrls: false }
    await api.get(`${elsewhere.url}/x`, config)
    expect(seen.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([])
  })

  describe('a base URL that a request brings along, and its URL', () => {
    const BASES = {
      home: HOME,
      foreign: 'https://evil.com',
      'foreign, with a path': 'https://evil.com/api.good.com',
    }
    const URLS = {
      relative: '/x',
      'relative, without a slash': 'x',
      empty: '',
      home: `${HOME}/x`,
      foreign: 'https://evil.com/x',
      'foreign, without a scheme': '//evil.com/x',
    }
    const combinations = Object.entries(BASES).flatMap(([base, baseURL]) =>
      Object.entries(URLS).flatMap(([what, url]) =>
        [true, false, undefined].map((absolute) => ({ base, baseURL, what, url, absolute })),
      ),
    )

    /** Whether the token may go along: wherever this version of axios, or another one, leads the request. */
    function mayGo({ baseURL, url, absolute }: (typeof combinations)[number]): boolean {
      const relative = !/^(https:)?\/\//.test(url)
      const base = baseURL === HOME
      if (relative) return base
      return url.startsWith(HOME) && (absolute !== false || base)
    }

    test.each(combinations)(
      '$base base URL, $what URL, `allowAbsoluteUrls: $absolute`: the token goes home, and nowhere else',
      async (given) => {
        const { baseURL, url, absolute } = given
        const config = { baseURL, ...(absolute !== undefined && { allowAbsoluteUrls: absolute }) }
        const { adapter, sent } = recorder()
        const api = axios.create({ baseURL: HOME, adapter })
        const session = open()
        const events = eventsOf(session)
        attachSession(api, session)
        // What was asked about the home base URL must not be remembered for this one.
        await api.get('/before')
        await api.get(url, config)
        const last = sent.at(-1) as Sent
        if (bearer(last)) expect(last.origin).toBe(HOME)
        expect(bearer(last)).toBe(mayGo(given) ? `Bearer ${TOKEN}` : undefined)
        expect(ignored(events)).toEqual(mayGo(given) ? [] : ['foreign-origin'])
      },
    )

    test.each([
      { page: HOME, url: '/x', absolute: false, token: true },
      { page: HOME, url: `${HOME}/x`, absolute: false, token: true },
      { page: HOME, url: 'https://evil.com/x', absolute: false, token: false },
      { page: HOME, url: 'https://evil.com/x', absolute: true, token: false },
      { page: 'https://evil.com', url: '/x', absolute: true, token: false },
      { page: 'https://evil.com', url: `${HOME}/x`, absolute: false, token: false },
      { page: 'https://evil.com', url: `${HOME}/x`, absolute: true, token: true },
    ])(
      'a relative base URL in a page at $page, $url, `allowAbsoluteUrls: $absolute`: the token goes along: $token',
      async ({ page, url, absolute, token }) => {
        vi.stubGlobal('location', new URL(`${page}/app/`))
        const { adapter, sent } = recorder()
        const api = axios.create({ baseURL: HOME, adapter })
        attachSession(api, open(), { origins: [HOME] })
        await api.get(url, { baseURL: '/api', allowAbsoluteUrls: absolute } as AxiosRequestConfig)
        expect(sent.map(bearer)).toEqual([token ? `Bearer ${TOKEN}` : undefined])
      },
    )

    test('an interceptor brings them along: the same', async () => {
      const { adapter, sent } = recorder()
      const api = axios.create({ baseURL: HOME, adapter })
      attachSession(api, open())
      api.interceptors.request.use((config) => Object.assign(config, { baseURL: 'https://evil.com' }))
      await api.get('/x')
      await api.get(`${HOME}/x`)
      await api.get(`${HOME}/x`, { allowAbsoluteUrls: false } as AxiosRequestConfig)
      expect(sent.map(bearer)).toEqual([undefined, `Bearer ${TOKEN}`, undefined])
    })
  })

  test('a URL object is served as axios serves it by itself', async () => {
    const home = await start()
    const url = new URL('/api/items?id=1', home.url) as unknown as string
    const { refresh } = refreshAt(home)
    const bare = axios.create({ proxy: false, validateStatus: () => true })
    expect((await bare.get(url)).status).toBe(401)
    const api = axios.create({ proxy: false })
    attachSession(api, open({ refresh, tokens: { ...home.mint() } }), { origins: [home.url] })
    const { status, config } = await api.get(url)
    expect(status).toBe(200)
    expect(config.url).toBe(url)
  })

  test('a URL object that its owner changes while the request is held takes no token elsewhere', async () => {
    const home = await start()
    const { server: elsewhere, seen } = await bystander()
    const counted = refreshAt(home)
    const session = open({ refresh: counted.refresh, tokens: { ...home.mint() } })
    const gate = home.hold('/token')
    const api = axios.create({ proxy: false, validateStatus: () => true })
    attachSession(api, session, { origins: [home.url] })
    home.expireAccessTokens()
    const first = api.get(`${home.url}/api/items?id=first`)
    await home.until((log) => home.count.refreshRequests === 1 && log.length > 0)
    const url = new URL('/api/items?id=held', home.url)
    const held = nextEvent(session, 'request-held')
    const second = api.get(url as unknown as string)
    await Promise.race([held, second])
    url.href = `${elsewhere.url}/x`
    gate.release()
    const outcomes = await Promise.allSettled([first, second])
    expect(outcomes[0]?.status).toBe('fulfilled')
    expect(counted.calls).toBe(1)
    expect(seen.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([])
  })

  test('a config that somebody keeps, and changes while the request is held, takes no token elsewhere', async () => {
    const home = await start()
    const { server: elsewhere, seen } = await bystander()
    const counted = refreshAt(home)
    const session = open({ refresh: counted.refresh, tokens: { ...home.mint() } })
    const kept: InternalAxiosRequestConfig[] = []
    for (const change of ['url', 'baseURL'] as const) {
      const api = axios.create({ baseURL: home.url, proxy: false, validateStatus: () => true })
      api.interceptors.request.use((config) => {
        kept.unshift(config)
        return config
      })
      attachSession(api, session)
      const gate = home.hold('/token')
      const before = home.count.refreshRequests
      home.expireAccessTokens()
      const first = api.get('/api/items?id=first')
      await home.until(() => home.count.refreshRequests > before)
      const held = nextEvent(session, 'request-held')
      const second = api.get('/api/items?id=held')
      await Promise.race([held, second])
      Object.assign(kept[0] ?? {}, { [change]: change === 'url' ? `${elsewhere.url}/x` : elsewhere.url })
      gate.release()
      expect((await first).status).toBe(200)
      await second
    }
    expect(counted.calls).toBe(2)
    expect(seen.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([])
  })

  test('a config that somebody changes between the first send and the replay takes no token elsewhere', async () => {
    const home = await start()
    const { server: elsewhere, seen } = await bystander()
    const counted = refreshAt(home)
    const session = open({ refresh: counted.refresh, tokens: { ...home.mint() } })
    const api = axios.create({ baseURL: home.url, proxy: false, validateStatus: () => true })
    let kept: InternalAxiosRequestConfig | undefined
    api.interceptors.request.use((config) => {
      kept = config
      return config
    })
    attachSession(api, session)
    const gate = home.hold('/token')
    home.expireAccessTokens()
    const request = api.get('/api/items?id=1')
    await home.until(() => home.count.refreshRequests === 1)
    if (kept) kept.url = `${elsewhere.url}/x`
    gate.release()
    await request
    expect(counted.calls).toBe(1)
    expect(seen.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([])
  })

  test('a URL that reads differently each time takes no token elsewhere', async () => {
    const home = await start()
    const { server: elsewhere, seen } = await bystander()
    const session = open({ tokens: { ...home.mint() } })
    for (const adapter of ['http', 'fetch'] as const) {
      const api = axios.create({ proxy: false, validateStatus: () => true, adapter })
      attachSession(api, session, { origins: [home.url] })
      for (let honest = 0; honest < 12; honest++) {
        let reads = 0
        const url = { toString: () => `${reads++ < honest ? home.url : elsewhere.url}/x` }
        await api.get(url as unknown as string).catch(() => {})
      }
    }
    expect(seen.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([])
  })
})

/** A server of somebody else: what arrives there. */
async function bystander(
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end('{}'),
): Promise<{ server: AuthServer; seen: { url: string; host: string; headers: IncomingHttpHeaders }[] }> {
  const seen: { url: string; host: string; headers: IncomingHttpHeaders }[] = []
  const server = await start({
    fallback: (request, response) => {
      seen.push({ url: request.url ?? '', host: request.headers.host ?? '', headers: request.headers })
      answer(request, response)
    },
  })
  return { server, seen }
}

function nextEvent(session: Session, type: SessionEvent['type']): Promise<SessionEvent> {
  return new Promise((resolve) => {
    const stop = session.observe((event) => {
      if (event.type !== type) return
      stop()
      resolve(event)
    })
  })
}

function redirect(response: ServerResponse, location: string, status = 302): void {
  response.writeHead(status, { location }).end()
}

const ADAPTERS = ['http', 'fetch'] as const

/** How the token is put on a request, and whether it is in these headers. */
const CREDENTIALS: {
  name: string
  applyToken: ((tokens: TokenSet) => Credentials) | undefined
  among: (headers: IncomingHttpHeaders) => boolean
}[] = [
  {
    name: 'Authorization',
    applyToken: undefined,
    among: (headers) => JSON.stringify(headers).includes(TOKEN),
  },
  {
    name: 'a header of its own',
    applyToken: ({ accessToken }) => ({ headers: { 'X-Access-Token': accessToken } }),
    among: (headers) => JSON.stringify(headers).includes(TOKEN),
  },
  {
    name: 'two headers',
    applyToken: ({ accessToken }) => ({
      headers: { Authorization: `DPoP ${accessToken}`, DPoP: `proof-${accessToken}` },
    }),
    among: (headers) => JSON.stringify(headers).includes(TOKEN),
  },
]

describe.each(ADAPTERS)('redirects with the %s adapter', (adapter) => {
  describe.each(CREDENTIALS)('and the token in $name', ({ applyToken, among }) => {
    function client(baseURL: string, config: AxiosRequestConfig = {}): AxiosInstance {
      const api = axios.create({ baseURL, adapter, proxy: false, validateStatus: () => true, ...config })
      attachSession(api, open({ applyToken }))
      return api
    }

    test('a redirect within the origin keeps the token', async () => {
      const { server: home, seen } = await bystander(({ url }, response) =>
        url === '/start' ? redirect(response, '/end') : response.end('{}'),
      )
      // A redirect that cannot be watched may be refused instead: that is safe, too.
      const outcome = await client(home.url)
        .get('/start')
        .then(
          ({ status }) => status,
          () => 'refused',
        )
      expect(seen[0]?.url).toBe('/start')
      expect(seen[0] && among(seen[0].headers)).toBe(true)
      if (outcome === 'refused') expect([adapter, applyToken !== undefined]).toEqual(['fetch', true])
      else
        expect(seen.map(({ url, headers }) => [url, among(headers)])).toEqual([
          ['/start', true],
          ['/end', true],
        ])
    })

    test.each([301, 302, 303, 307, 308])(
      'a redirect (%i) to another origin does not take the token along',
      async (code) => {
        const { server: other, seen } = await bystander()
        const { server: home, seen: atHome } = await bystander((_, response) =>
          redirect(response, `${other.url}/x`, code),
        )
        await client(home.url)
          .post('/start', { some: 'body' })
          .catch(() => {})
        await client(home.url)
          .get('/start')
          .catch(() => {})
        expect(atHome.map(({ headers }) => among(headers))).toEqual([true, true])
        expect(seen.map(({ headers }) => among(headers)).filter(Boolean)).toEqual([])
        // The Authorization header is dropped on the way; nothing speaks against following.
        if (adapter === 'http' || !applyToken) expect(seen).toHaveLength(2)
      },
    )

    test('a redirect to another name of the same machine and port does not take the token along', async () => {
      const { server: home, seen } = await bystander(({ url, headers }, response) =>
        url === '/start'
          ? redirect(response, `http://localhost:${headers.host?.split(':')[1]}/end`)
          : response.end('{}'),
      )
      await client(home.url)
        .get('/start')
        .catch(() => {})
      expect(
        seen.map(({ url, host, headers }) => [url, host.split(':')[0], among(headers)]).slice(0, 1),
      ).toEqual([['/start', '127.0.0.1', true]])
      expect(
        seen
          .slice(1)
          .map(({ headers }) => among(headers))
          .filter(Boolean),
      ).toEqual([])
    })

    test('and back again: the token is not restored', async () => {
      let home = ''
      const { server: other, seen: there } = await bystander((_, response) =>
        redirect(response, `${home}/end`),
      )
      const { server, seen } = await bystander(({ url }, response) =>
        url === '/start' ? redirect(response, `${other.url}/hop`) : response.end('{}'),
      )
      home = server.url
      await client(server.url)
        .get('/start')
        .catch(() => {})
      expect(there.map(({ headers }) => among(headers)).filter(Boolean)).toEqual([])
      expect(seen[0]?.url).toBe('/start')
      expect(
        seen
          .slice(1)
          .map(({ headers }) => among(headers))
          .filter(Boolean),
      ).toEqual([])
      if (adapter === 'http')
        expect([seen.map(({ url }) => url), there.length]).toEqual([['/start', '/end'], 1])
    })

    test('a replay is guarded like the first send', async () => {
      const { server: other, seen } = await bystander()
      const { server: home, seen: atHome } = await bystander((_, response) => {
        if (atHome.length === 1) response.writeHead(401).end()
        else redirect(response, `${other.url}/x`)
      })
      const api = axios.create({ baseURL: home.url, adapter, proxy: false })
      attachSession(api, open({ applyToken, refresh: () => ({ accessToken: `${TOKEN}_2` }) }))
      await api.get('/start').catch(() => {})
      expect(atHome.map(({ headers }) => among(headers))).toEqual([true, true])
      expect(seen.map(({ headers }) => among(headers)).filter(Boolean)).toEqual([])
    })
  })
})

describe('redirects with the http adapter', () => {
  /** Every name is this machine. */
  const lookup = (_: string, options: { all?: boolean }, done: (...answer: unknown[]) => void): void =>
    options.all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)

  test.each(CREDENTIALS)(
    'a redirect to a subdomain on the same port does not take the token along ($name)',
    async ({ applyToken, among }) => {
      const { server, seen } = await bystander(({ url, headers }, response) =>
        url === '/start' ? redirect(response, `http://sub.${headers.host}/end`) : response.end('{}'),
      )
      const { port } = new URL(server.url)
      const api = axios.create({
        baseURL: `http://api.localhost:${port}`,
        adapter: 'http',
        proxy: false,
        lookup: lookup as never,
      })
      attachSession(api, open({ applyToken }))
      await api.get('/start')
      expect(seen.map(({ url, host, headers }) => [url, host, among(headers)])).toEqual([
        ['/start', `api.localhost:${port}`, true],
        ['/end', `sub.api.localhost:${port}`, false],
      ])
    },
  )

  test('a subdomain, and back to the parent: the token is not restored', async () => {
    const { server, seen } = await bystander(({ url }, response) => {
      if (url === '/start') redirect(response, `http://sub.api.localhost:${port}/hop`)
      else if (url === '/hop') redirect(response, `http://api.localhost:${port}/end`)
      else response.end('{}')
    })
    const { port } = new URL(server.url)
    const api = axios.create({
      baseURL: `http://api.localhost:${port}`,
      adapter: 'http',
      proxy: false,
      lookup: lookup as never,
    })
    attachSession(api, open())
    await api.get('/start')
    expect(seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/start', `Bearer ${TOKEN}`],
      ['/hop', undefined],
      ['/end', undefined],
    ])
  })

  test('the caller’s own `beforeRedirect` still runs, once per hop, and its config is as it was', async () => {
    const { server: other } = await bystander()
    const { server: home } = await bystander((_, response) => redirect(response, `${other.url}/x`))
    const beforeRedirect = vi.fn()
    const api = axios.create({ baseURL: home.url, adapter: 'http', proxy: false, beforeRedirect })
    attachSession(api, open())
    const { config } = await api.get('/start')
    expect(beforeRedirect).toHaveBeenCalledTimes(1)
    expect(beforeRedirect.mock.calls[0]?.[0].href).toBe(`${other.url}/x`)
    expect(config.beforeRedirect).toBe(beforeRedirect)
  })

  test('other headers of the caller go along as they do without us', async () => {
    const { server: other, seen } = await bystander()
    const { server: home } = await bystander((_, response) => redirect(response, `${other.url}/x`))
    const api = axios.create({
      baseURL: home.url,
      adapter: 'http',
      proxy: false,
      headers: { 'x-trace': '1' },
    })
    attachSession(api, open())
    await api.get('/start')
    expect(seen.map(({ headers }) => [headers['x-trace'], headers.authorization])).toEqual([['1', undefined]])
  })
})

describe('credentials of another kind are an explicit error', () => {
  test.each([
    [
      'user and password in the URL',
      (port: string) => ({ url: `http://user:pass@127.0.0.1:${port}/api/items` }),
    ],
    ['only a user in the URL', (port: string) => ({ url: `http://user@127.0.0.1:${port}/api/items` })],
    ['only a password in the URL', (port: string) => ({ url: `http://:pass@127.0.0.1:${port}/api/items` })],
    [
      'an encoded user in the base URL',
      (port: string) => ({ url: '/api/items', baseURL: `http://us%40er:pass@127.0.0.1:${port}` }),
    ],
    ['axios `auth`', () => ({ url: '/api/items', auth: { username: 'user', password: 'pass' } })],
    ['axios `auth` with nothing in it', () => ({ url: '/api/items', auth: { username: '', password: '' } })],
    [
      'axios `auth` and a header of one’s own, too',
      () => ({
        url: '/api/items',
        auth: { username: 'user', password: 'pass' },
        headers: { Authorization: 'Bearer mine' },
      }),
    ],
  ] as const)('%s: a TypeError that says what to do, and nothing is sent', async (_, configure) => {
    const server = await start()
    const events: SessionEvent[] = []
    for (const adapter of ADAPTERS) {
      const session = open({ tokens: { ...server.mint() } })
      session.observe((event) => void events.push(event))
      const api = axios.create({ baseURL: server.url, adapter, proxy: false })
      attachSession(api, session)
      const error = await api.request(configure(new URL(server.url).port)).catch((error) => error)
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/Basic/)
      expect(error.message).toMatch(/session: false/)
      expect(error.message).not.toMatch(/pass/)
    }
    expect(server.count.api).toBe(0)
    expect(ignored(events)).toEqual([])
  })

  test.each([
    'http:\\\\user:pass@',
    'http:/user:pass@',
    'http:user:pass@',
    ' http://user:pass@',
    'ht\ttp://user:pass@',
  ])('however the URL is written (%j): nothing is sent with them', async (beginning) => {
    const { server, seen } = await bystander()
    for (const adapter of ADAPTERS) {
      const api = axios.create({ adapter, proxy: false })
      attachSession(api, open(), { origins: [server.url] })
      await api.get(server.url.replace('http://', beginning)).catch(() => {})
    }
    expect(
      seen.map(({ headers }) => headers.authorization).filter((sent) => sent?.startsWith('Basic')),
    ).toEqual([])
  })

  test('with `session: false` they are the caller’s own affair', async () => {
    const { server, seen } = await bystander()
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, open())
    await api.get('/x', { auth: { username: 'user', password: 'pass' }, session: false })
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([`Basic ${btoa('user:pass')}`])
  })

  test('to a foreign origin, too', async () => {
    const { server, seen } = await bystander()
    const api = axios.create({ proxy: false })
    attachSession(api, open(), { origins: [HOME] })
    await api.get(server.url, { auth: { username: 'user', password: 'pass' } })
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([`Basic ${btoa('user:pass')}`])
  })

  test('a user name in the query or the path is none', async () => {
    const { server, seen } = await bystander()
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, open())
    await api.get('/users/user:pass@example.com?mail=a@b.c#@d')
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${TOKEN}`])
  })
})

describe('a caller’s own Authorization header', () => {
  test.each(['Authorization', 'authorization', 'AUTHORIZATION'])(
    'equal to the token that the session holds, as %s: is managed',
    async (name) => {
      const server = await start()
      const tokens = { ...server.mint() }
      const counted = refreshAt(server)
      const received: (string | undefined)[] = []
      server.api('/api/seen', ({ request }) => {
        received.push(request.headers.authorization)
        return {}
      })
      const session = open({ refresh: counted.refresh, tokens })
      const events = eventsOf(session)
      // Most apps that migrate set a default header.
      const api = axios.create({
        baseURL: server.url,
        proxy: false,
        headers: { [name]: `Bearer ${tokens.access_token}` },
      })
      attachSession(api, session)
      await api.get('/api/seen')
      server.expireAccessTokens()
      await api.get('/api/seen')
      const fresh = await session.getAccessToken()
      expect(fresh).not.toBe(tokens.access_token)
      expect(received).toEqual([`Bearer ${tokens.access_token}`, `Bearer ${fresh}`])
      expect(counted.calls).toBe(1)
      expect(server.count).toMatchObject({ api: 3, rejected: 1 })
      expect(ignored(events)).toEqual([])
    },
  )

  test('equal to a token that the session held before: is managed', async () => {
    const server = await start()
    const tokens = { ...server.mint() }
    const counted = refreshAt(server)
    const session = open({ refresh: counted.refresh, tokens })
    for (let round = 0; round < 20; round++) await session.refresh()
    const api = axios.create({
      baseURL: server.url,
      proxy: false,
      headers: { Authorization: `Bearer ${tokens.access_token}` },
    })
    attachSession(api, session)
    const { data } = await api.get('/api/items?id=1')
    expect(data.generation).toBe(21)
    expect(counted.calls).toBe(20)
    expect(server.count).toMatchObject({ api: 1, rejected: 0 })
  })

  test.each([
    ['a token of somebody else', 'Bearer somebody-elses'],
    ['Basic', `Basic ${btoa('user:pass')}`],
    ['one that ends like ours', `Bearer x${TOKEN}`],
    ['one that begins like ours', `Bearer ${TOKEN}x`],
  ])(
    'any other (%s): goes out untouched, its 401 is the caller’s, one `ignored` event says why',
    async (_, own) => {
      const { server, seen } = await bystander((_, response) => response.writeHead(401).end())
      let refreshes = 0
      const session = open({
        refresh: () => {
          refreshes++
          return { accessToken: 'another' }
        },
      })
      const events = eventsOf(session)
      const api = axios.create({ baseURL: server.url, proxy: false })
      attachSession(api, session)
      const error: AxiosError = await api
        .get('/x', { headers: { Authorization: own } })
        .catch((error) => error)
      expect(error.response?.status).toBe(401)
      expect(error.cause).toBeUndefined()
      expect(seen.map(({ headers }) => headers.authorization)).toEqual([own])
      expect(refreshes).toBe(0)
      expect(ignored(events)).toEqual(['own-credentials'])
      expect(events.map(({ type }) => type)).toEqual(['request-ignored'])
    },
  )

  test('in the header that `applyToken` uses: untouched from the first request on', async () => {
    const { server, seen } = await bystander((_, response) => response.writeHead(401).end())
    let refreshes = 0
    const session = open({
      applyToken: ({ accessToken }) => ({ headers: { 'X-Access-Token': accessToken } }),
      refresh: () => {
        refreshes++
        return { accessToken: 'another' }
      },
    })
    const events = eventsOf(session)
    const api = axios.create({ baseURL: server.url, proxy: false, validateStatus: () => true })
    attachSession(api, session)
    for (let round = 0; round < 2; round++) await api.get('/x', { headers: { 'x-access-token': 'mine' } })
    expect(seen.map(({ headers }) => headers['x-access-token'])).toEqual(['mine', 'mine'])
    expect(refreshes).toBe(0)
    expect(ignored(events)).toEqual(['own-credentials', 'own-credentials'])
  })

  test('beside the header that `applyToken` uses: the same request is treated the same every time', async () => {
    const { server, seen } = await bystander()
    const session = open({
      applyToken: ({ accessToken }) => ({ headers: { 'X-Access-Token': accessToken } }),
    })
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    for (let round = 0; round < 3; round++) await api.get('/x', { headers: { Authorization: 'Bearer mine' } })
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill('Bearer mine'))
    expect(new Set(seen.map(({ headers }) => headers['x-access-token'])).size).toBe(1)
  })
})

describe('the 401 of a foreign origin', () => {
  test.each(ADAPTERS)('that a redirect led to: is ignored (%s)', async (adapter) => {
    const { server: other, seen } = await bystander((_, response) => response.writeHead(401).end())
    const { server: home, seen: atHome } = await bystander((_, response) =>
      redirect(response, `${other.url}/x`),
    )
    let refreshes = 0
    const session = open({
      refresh: () => {
        refreshes++
        return { accessToken: `${TOKEN}_2` }
      },
    })
    const events = eventsOf(session)
    const api = axios.create({ baseURL: home.url, adapter, proxy: false })
    attachSession(api, session)
    const error: AxiosError = await api.get('/start').catch((error) => error)
    expect(error.response?.status).toBe(401)
    expect(seen.map(({ headers }) => headers.authorization).filter(Boolean)).toEqual([])
    if (adapter === 'http') {
      expect([refreshes, atHome.length, seen.length]).toEqual([0, 1, 1])
      expect(ignored(events)).toEqual(['foreign-answer'])
    } else {
      // The fetch adapter of axios does not tell where an answer came from: one refresh and one replay at most.
      expect(refreshes).toBeLessThanOrEqual(1)
      expect(atHome.length).toBeLessThanOrEqual(2)
    }
  })

  test('is ignored: nothing is refreshed, nothing sent again, the error is the client’s own', async () => {
    const home = await start()
    const { server: other, seen } = await bystander((_, response) => response.writeHead(401).end())
    const counted = refreshAt(home)
    const session = open({ refresh: counted.refresh, tokens: { ...home.mint() } })
    const events = eventsOf(session)
    const api = axios.create({ baseURL: home.url, proxy: false })
    attachSession(api, session)
    const error: AxiosError = await api.get(`${other.url}/x`).catch((error) => error)
    expect(error.response?.status).toBe(401)
    expect(error.cause).toBeUndefined()
    expect(counted.calls).toBe(0)
    expect(seen).toHaveLength(1)
    expect(ignored(events)).toEqual(['foreign-origin'])
    expect(session.state.generation).toBe(1)
  })

  test('while a refresh runs, a foreign request does not wait for it', async () => {
    const home = await start()
    const { server: other, seen } = await bystander((_, response) => response.writeHead(401).end())
    const counted = refreshAt(home)
    const session = open({ refresh: counted.refresh, tokens: { ...home.mint() } })
    const api = axios.create({ baseURL: home.url, proxy: false, validateStatus: () => true })
    attachSession(api, session)
    const gate = home.hold('/token')
    home.expireAccessTokens()
    const first = api.get('/api/items')
    await home.until(() => home.count.refreshRequests === 1)
    expect((await api.get(`${other.url}/x`)).status).toBe(401)
    gate.release()
    expect((await first).status).toBe(200)
    expect([counted.calls, seen.length]).toEqual([1, 1])
  })
})

/** Everything that loggers get out of a value. */
function told(value: unknown): string {
  const all = {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxArrayLength: null,
    maxStringLength: null,
  }
  return `${inspect(value, all)}\n${JSON.stringify(value)}`
}

/** Tokens of the test server, wherever they are. */
const ANY_TOKEN = /\b[ar]t_[\w-]{8,}/

function expectNoToken(...values: unknown[]): void {
  for (const value of values) expect(ANY_TOKEN.exec(told(value))?.[0]).toBeUndefined()
}

/** Of an axios error: all but the client's own request, and the client's own cause, which may hold that. */
function expectNoTokenIn(error: unknown): void {
  expect(error).toBeInstanceOf(AxiosError)
  const { config, response, message, stack } = error as AxiosError
  expectNoToken(config, response?.config, response?.data, message, stack, findSessionError(error))
  expect(ANY_TOKEN.exec(JSON.stringify(error))).toBeNull()
}

describe('nothing of ours tells a token', () => {
  test('the tokens of the test server are found where they are', async () => {
    const server = await start()
    const { access_token, refresh_token } = server.mint()
    expect(told({ deep: [{ access_token }] })).toMatch(ANY_TOKEN)
    expect(told(new Error('x', { cause: { refresh_token } }))).toMatch(ANY_TOKEN)
    expect(told({ headers: AxiosHeaders.from({ Authorization: `Bearer ${access_token}` }) })).toMatch(
      ANY_TOKEN,
    )
  })

  test('after success and replay: response.config, events, state, session', async () => {
    const server = await start()
    const counted = refreshAt(server)
    const session = open({ refresh: counted.refresh, tokens: { ...server.mint() } })
    const events = eventsOf(session)
    for (const adapter of ADAPTERS) {
      const api = axios.create({ baseURL: server.url, proxy: false, adapter })
      attachSession(api, session)
      const first = await api.get('/api/items?id=1')
      server.expireAccessTokens()
      const second = await api.post('/api/effects?id=1', { a: 1 })
      expectNoToken(first.config, second.config)
    }
    expect(counted.calls).toBe(2)
    expectNoToken(events, session.state, session)
  })

  test('with the token in the query: response.config, error.config, events', async () => {
    const server = await start()
    const counted = refreshAt(server)
    const session = open({
      refresh: counted.refresh,
      tokens: { ...server.mint() },
      applyToken: ({ accessToken }) => ({ query: { access_token: accessToken } }),
    })
    const events = eventsOf(session)
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    server.expireAccessTokens()
    const { config } = await api.get('/api/items?id=1')
    expectNoToken(config)
    expectNoTokenIn(await api.get('/api/never').catch((error) => error))
    expect(counted.calls).toBe(2)
    expectNoToken(events, session.state)
  })

  test('after errors that are not ours to cure: 404, 500, broken connection, abort', async () => {
    const server = await start()
    const session = open({ tokens: { ...server.mint() } })
    const events = eventsOf(session)
    for (const adapter of ADAPTERS) {
      const api = axios.create({ baseURL: server.url, proxy: false, adapter })
      attachSession(api, session)
      server.fault('destroy-before', { on: '/api/items' })
      const abort = new AbortController()
      const gate = server.hold('/api/echo')
      const before = server.count.api
      const aborted = api.get('/api/echo', { signal: abort.signal }).catch((error) => error)
      await server.until(() => server.count.api > before)
      abort.abort()
      const errors = [
        await api.get('/api/status/404').catch((error) => error),
        await api.get('/api/status/500').catch((error) => error),
        await api.get('/api/items').catch((error) => error),
        await aborted,
      ]
      gate.release()
      for (const error of errors) expectNoTokenIn(error)
    }
    expectNoToken(events, session.state)
  })

  /** How people write the refresh, each with the refresh token somewhere in what it throws. */
  const REFRESHES: [
    string,
    (server: AuthServer, refreshToken: string, signal: AbortSignal) => Promise<never>,
  ][] = [
    [
      'axios, the token in the body',
      (server, refresh_token) =>
        axios.post(server.tokenEndpoint, { grant_type: 'refresh_token', refresh_token }),
    ],
    [
      'axios, the token in the query',
      (server, refresh_token) => axios.post(`${server.tokenEndpoint}?refresh_token=${refresh_token}`),
    ],
    [
      'axios, the token in a header',
      (server, refresh_token) =>
        axios.post(server.tokenEndpoint, undefined, {
          headers: { Authorization: `Bearer ${refresh_token}` },
        }),
    ],
    [
      'fetch, and an error of one’s own around the answer',
      async (server, refresh_token) => {
        const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
        const response = await fetch(server.tokenEndpoint, { method: 'POST', body })
        throw Object.assign(new Error(`HTTP ${response.status}`), { response, body: body.toString() })
      },
    ],
    [
      'fetch, and an error that names the URL, as ky’s does',
      async (server, refresh_token) => {
        const url = `${server.tokenEndpoint}?refresh_token=${refresh_token}`
        const response = await fetch(url, { method: 'POST' })
        const error = new Error(`Request failed with status code ${response.status}: POST ${url}`)
        throw Object.assign(error, { name: 'HTTPError', response, request: new Request(url) })
      },
    ],
    [
      'fetch, with a URL that is none',
      (_, refresh_token) =>
        fetch(`/auth/refresh?refresh_token=${refresh_token}`, { method: 'POST' }) as Promise<never>,
    ],
    [
      'an error with the token as its cause',
      async (_, refresh_token) => {
        throw new Error('the refresh failed', { cause: { refresh_token } })
      },
    ],
    [
      'a thrown object',
      async (_, refresh_token) => {
        throw { message: 'the refresh failed', request: { refresh_token } }
      },
    ],
    [
      'a session error around the client’s',
      async (server, refresh_token) => {
        const cause = await axios.post(server.tokenEndpoint, { refresh_token }).catch((error) => error)
        throw new SessionError('refresh_failed', 'the refresh failed', { cause })
      },
    ],
  ]

  describe.each(REFRESHES)('the refresh fails: %s', (_, run) => {
    test.each(['500', 'invalid-grant', 'destroy-before'] as const)('%s', async (fault) => {
      const server = await start()
      const time = createTestClock()
      const session = open({
        clock: time.clock,
        retries: 0,
        tokens: { ...server.mint() },
        refresh: ({ tokens, signal }) => run(server, tokens?.refreshToken ?? 'missing', signal),
      })
      const events = eventsOf(session)
      const api = axios.create({ baseURL: server.url, proxy: false })
      attachSession(api, session)
      server.fault(fault, { times: Number.POSITIVE_INFINITY })
      server.expireAccessTokens()
      const error = await api.get('/api/items?id=1').catch((error) => error)
      expect(error.response.status).toBe(401)
      expect(isSessionError(error)).toBe(true)
      expectNoTokenIn(error)
      expectNoToken(findSessionError(error), events, session.state)
      const refused = await session.refresh().catch((error) => error)
      expect(refused).toBeInstanceOf(SessionError)
      expectNoToken(refused, events)
    })
  })

  test('a request that was never sent: the whole error', async () => {
    const server = await start()
    const time = createTestClock()
    const { access_token, refresh_token } = server.mint()
    const session = open({
      clock: time.clock,
      retries: 0,
      tokens: { accessToken: access_token, refreshToken: refresh_token, expiresAt: time.clock.now() - 1 },
      refresh: ({ tokens }) => axios.post(server.tokenEndpoint, { refresh_token: tokens?.refreshToken }),
    })
    const events = eventsOf(session)
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    server.fault('500', { times: Number.POSITIVE_INFINITY })
    const error = await api.post('/api/effects?id=1', { password: 'pw_of_the_user' }).catch((error) => error)
    expect(error).toBeInstanceOf(AxiosError)
    expect(isSessionError(error, 'refresh_failed')).toBe(true)
    expect(server.count.api).toBe(0)
    expectNoToken(error, events, session.state)
    // Nor anything else of the request: neither query nor body.
    expect(error.request).toBeUndefined()
    expect(told(error)).not.toMatch(/pw_of_the_user|id=1/)
    expect(told(events)).not.toMatch(/pw_of_the_user|id=1/)
    expectNoToken(await session.getAccessToken().catch((error) => error))
  })

  test('a held request that its caller gives up: error.config', async () => {
    const server = await start()
    const counted = refreshAt(server)
    const session = open({ refresh: counted.refresh, tokens: { ...server.mint() } })
    const events = eventsOf(session)
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    const gate = server.hold('/token')
    server.expireAccessTokens()
    const first = api.get('/api/items')
    await server.until(() => server.count.refreshRequests === 1)
    const abort = new AbortController()
    const held = nextEvent(session, 'request-held')
    const aborted = api.get('/api/items', { signal: abort.signal }).catch((error) => error)
    await held
    abort.abort()
    expectNoTokenIn(await aborted)
    const timed = await api.get('/api/items', { timeout: 1 }).catch((error) => error)
    expect(timed.code).toBe('ECONNABORTED')
    expectNoTokenIn(timed)
    gate.release()
    expectNoToken((await first).config, events)
    expect(server.count.api).toBe(2)
  })

  test('a token that cannot be used is not told either', async () => {
    const secret = 'at_with a space-0123456789'
    const inputs: TokenInput[] = [
      secret,
      { accessToken: secret },
      { access_token: `${secret}!`, token_type: 'mac', refresh_token: 'rt_0123456789' },
    ]
    for (const input of inputs) {
      const time = createTestClock()
      const session = open({
        clock: time.clock,
        retries: 0,
        tokens: { accessToken: 'old' },
        refresh: () => input,
      })
      const events = eventsOf(session)
      const error = await session.refresh().catch((error) => error)
      expect(isSessionError(error, 'refresh_failed')).toBe(true)
      expectNoToken(error, events, session.state)
      expect(told([error, events])).not.toContain('with a space')
      expect(() => open({ tokens: { accessToken: secret } })).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('at_') }),
      )
      await expect(session.signIn(secret)).rejects.toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('at_') }),
      )
    }
  })
})

describe('the token endpoint answers 307 to elsewhere', () => {
  const REDIRECT_SAFE: [
    string,
    (server: AuthServer, body: URLSearchParams, signal: AbortSignal) => Promise<Response>,
  ][] = [
    [
      "fetch with `redirect: 'error'`",
      (server, body, signal) =>
        fetch(server.tokenEndpoint, { method: 'POST', body, signal, redirect: 'error' }),
    ],
    [
      "fetch with `redirect: 'manual'`",
      (server, body, signal) =>
        fetch(server.tokenEndpoint, { method: 'POST', body, signal, redirect: 'manual' }),
    ],
    [
      'axios with `maxRedirects: 0`',
      (server, body, signal) =>
        axios.post(server.tokenEndpoint, body, { signal, maxRedirects: 0, proxy: false, adapter: 'http' }),
    ],
  ]

  test.each(REDIRECT_SAFE)('%s: an error, and the refresh token is not forwarded', async (_, post) => {
    const { server: other, seen } = await bystander()
    const server = await start()
    const time = createTestClock()
    const session = open({
      clock: time.clock,
      retries: 0,
      tokens: { ...server.mint() },
      refresh: ({ tokens, signal }) =>
        post(
          server,
          new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
          signal,
        ),
    })
    const withdraw = server.fault('redirect', {
      location: `${other.url}/token`,
      times: Number.POSITIVE_INFINITY,
    })
    const error = await session.refresh().catch((error) => error)
    expect(isSessionError(error, 'refresh_failed')).toBe(true)
    expect(seen).toHaveLength(0)
    expect(server.count.refreshes).toBe(0)
    expect(session.state.status).toBe('signed-in')
    withdraw()
    await time.advance(60_000)
    await session.refresh()
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })
})
