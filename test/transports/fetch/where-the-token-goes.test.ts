import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { type Credentials, findSessionError, type SessionOptions, type TokenSet } from 'refresh-once'
import { type FetchOptions, withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { failureOf, newClock, open, signIn, startServer, times, watch } from '../../setup.ts'
import { HOME, HOSTILE } from '../hostile-urls.ts'
import { seenOf } from '../wire.ts'
import { stage } from './stage.ts'

const TOKEN = 'at_of_the_session'
const BEARER = `Bearer ${TOKEN}`

afterEach(() => void vi.unstubAllGlobals())

function session(options: Partial<SessionOptions> = {}) {
  return open({ tokens: TOKEN, refresh: () => `${TOKEN}_2`, ...options })
}

interface Sent {
  /** The origin that fetch would connect to; undefined where the URL leads nowhere. */
  origin: string | undefined
  authorization: string | null
}

/** Stands where the wire begins, and writes down what fetch would send where. */
function recorder(): { fetch: typeof fetch; sent: Sent[] } {
  const sent: Sent[] = []
  return {
    sent,
    fetch: async (input, init) => {
      const { href } = input instanceof Request ? new URL(input.url) : new URL(input, base())
      const { origin, protocol } = new URL(href)
      const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : {}))
      const authorization = headers.get('authorization')
      sent.push({ origin: /^https?:$/.test(protocol) ? origin : undefined, authorization })
      return new Response('{}')
    },
  }
}

function base(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href
}

/** What one call sends, with `HOME` as the trusted origin. Where it leads nowhere: nothing. */
async function send(input: RequestInfo | URL, options: FetchOptions = { origins: [HOME] }): Promise<Sent> {
  const wire = recorder()
  await withSession(session(), { ...options, fetch: wire.fetch })(input).catch(() => {})
  return wire.sent[0] ?? { origin: undefined, authorization: null }
}

test('of many tokens that a session has had, the first and the latest are known as its own, and are replaced', async () => {
  let count = 1
  const session = open({ tokens: 'token-1', refresh: () => `token-${++count}` })
  while (count < 30) await session.refresh()
  const wire = recorder()
  const guarded = withSession(session, { origins: [HOME], fetch: wire.fetch })
  for (const n of [1, 2, 15, 28, 29, 30])
    await guarded(`${HOME}/api/items`, { headers: { authorization: `Bearer token-${n}` } })
  const sent = wire.sent.map(({ authorization }) => authorization?.replace('Bearer token-', ''))
  expect(sent).toEqual(['30', '2', '15', '30', '30', '30'])
})

test('however a URL is written, a stand-in gets it as the platform reads it, with the token for the trusted origin alone', async () => {
  const pieces = ['', ' ', '\t', '\n', ...'/ . .. // \\ @ :443 ? # % %2e %2E a Ü " |'.split(' ')]
  const sent: [string, string | null][] = []
  const read: typeof sent = []
  const guarded = withSession(session(), {
    origins: [HOME, 'http://127.0.0.1:8080'],
    fetch: async (input, init) => {
      sent.push([String(input), new Headers(init?.headers).get('authorization')])
      return new Response('{}')
    },
  })
  for (const home of [
    HOME,
    HOME.toUpperCase(),
    'http://127.0.0.1:8080',
    'http://127.1:8080',
    'https:api.good.com',
  ])
    for (const first of pieces)
      for (const second of pieces)
        for (const third of ['', '/x', '/../y']) {
          const url = home + first + second + third
          const { href = url, origin, username } = URL.canParse(url) ? new URL(url) : {}
          await guarded(url).catch(() => {})
          const known = origin === HOME || origin === 'http://127.0.0.1:8080'
          // User names are refused, and what is foreign goes as it is.
          if (!known) read.push([url, null])
          else if (!username) read.push([href, BEARER])
        }
  expect(sent).toEqual(read)
})

describe('a URL that only looks like the trusted origin gets no token', () => {
  test.each(HOSTILE)('%s: %j', async (_, url) => {
    const sent = await send(url)
    expect(sent.origin).not.toBe(HOME)
    expect(sent.authorization).toBeNull()
  })

  test.each(HOSTILE)('%s: %j, as a URL and as a Request', async (_, url) => {
    for (const make of [() => new URL(url), () => new Request(url)]) {
      let input: URL | Request
      try {
        input = make()
      } catch {
        continue
      }
      const sent = await send(input)
      expect(sent.origin).not.toBe(HOME)
      expect(sent.authorization).toBeNull()
    }
  })

  test.each(HOSTILE)('%s: %j, in a page of the trusted origin', async (_, url) => {
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    const sent = await send(url, {})
    expect(sent.origin).not.toBe(HOME)
    expect(sent.authorization).toBeNull()
  })

  test.each([
    'https:evil.com/x',
    'https:/evil.com/x',
    'https:\\\\evil.com/x',
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
    for (const page of [undefined, `${HOME}/app/`]) {
      vi.stubGlobal('location', page && new URL(page))
      const sent = await send(url)
      expect(sent.authorization).toBe(sent.origin === HOME ? BEARER : null)
    }
  })

  test('a relative URL in a page of the trusted origin gets the token, without any configuration', async () => {
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    for (const url of ['/x', 'x', '?x', '']) {
      expect(await send(url, {})).toEqual({ origin: HOME, authorization: BEARER })
    }
  })

  test('a relative URL follows the <base> of the page, and leaves the token behind if that is foreign', async () => {
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    vi.stubGlobal('document', { baseURI: 'https://evil.com/' })
    expect(await send('/x')).toEqual({ origin: 'https://evil.com', authorization: null })
  })

  test('without a page and without origins: a TypeError when something is sent, and not before', async () => {
    const authFetch = withSession(session())
    await expect(authFetch(`${HOME}/x`)).rejects.toThrow(TypeError)
    await expect(withSession(session(), { origins: [] })(`${HOME}/x`)).rejects.toThrow(
      /who may get the token/,
    )
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    vi.stubGlobal('fetch', async () => new Response('sent'))
    expect(await (await authFetch('/x')).text()).toBe('sent')
  })

  test.each(['http://api.good.com', 'api.good.com', 'ftp://api.good.com', '*', ''])(
    '%j is refused as one of `origins`',
    (origin) => {
      expect(() => withSession(session(), { origins: [origin] })).toThrow(TypeError)
    },
  )
})

describe("`origins: '*'`", () => {
  test('in cookie mode, where there is no token that could go astray: every origin is in the care of the session', async () => {
    const { server } = await bystander((_, response) => response.writeHead(seen++ ? 200 : 401).end())
    let seen = 0
    const refresh = vi.fn(() => undefined)
    const api = withSession(open({ mode: 'cookie', refresh }), { origins: '*' })
    expect((await api(server.url)).status).toBe(200)
    expect(refresh).toHaveBeenCalledTimes(1)
  })

  test('in cookie mode what is no web URL is fetched as without us, also with an @', async () => {
    const api = withSession(open({ mode: 'cookie', refresh: () => undefined }), { origins: '*' })
    expect(await (await api('data:text/plain,a@b')).text()).toBe('a@b')
  })

  test('with a token: a TypeError when the fetch is made', () => {
    expect(() => withSession(session(), { origins: '*' })).toThrow(TypeError)
  })
})

describe('a default port and upper case make no difference', () => {
  test.each([
    'https://api.good.com:443/x',
    'https://API.GOOD.COM/x',
    'HTTPS://Api.Good.Com:443/x',
    'https://ａpi.good.com/x',
    'https://api.good.com/@evil.com',
    'https://api.good.com?to=a@evil.com',
  ])('%j gets the token', async (url) => {
    for (const input of [url, new URL(url), new Request(url)]) {
      expect(await send(input)).toEqual({ origin: HOME, authorization: BEARER })
    }
  })
})

describe('only http and https get the token', () => {
  test.each([
    'blob:https://api.good.com/0f8fad5b-d9cb-469f-a165-70867728950e',
    'data:text/plain,https://api.good.com/',
    'javascript:fetch("https://api.good.com/")',
    'file://api.good.com/x',
    'about:blank',
  ])('%j gets none', async (url) => {
    expect(await send(url)).toEqual({ origin: undefined, authorization: null })
    vi.stubGlobal('location', new URL(`${HOME}/app/`))
    expect(await send(url, {})).toEqual({ origin: undefined, authorization: null })
  })

  test('a data URL and a blob URL are fetched as without us', async () => {
    const api = withSession(session(), { origins: [HOME] })
    expect(await (await api('data:text/plain,hello')).text()).toBe('hello')
    const url = URL.createObjectURL(new Blob(['hello']))
    expect(await (await api(url)).text()).toBe('hello')
    URL.revokeObjectURL(url)
  })
})

describe('what is checked is what is sent', () => {
  test('a URL object that reads differently each time takes no token elsewhere', async () => {
    let reads = 0
    class Shifty extends URL {
      override toString(): string {
        return reads++ ? 'https://evil.com/' : super.toString()
      }
    }
    expect(await send(new Shifty(`${HOME}/x`))).toEqual({ origin: HOME, authorization: BEARER })
  })

  test('a URL object that its owner changes while the request is held takes no token elsewhere', async () => {
    const wire = recorder()
    const held = open({ tokens: { accessToken: 'old', expiresAt: 1 }, refresh: () => TOKEN })
    const api = withSession(held, { origins: [HOME], fetch: wire.fetch })
    const url = new URL(`${HOME}/x`)
    const answer = api(url)
    url.host = 'evil.com'
    await answer
    expect(wire.sent).toEqual([{ origin: HOME, authorization: BEARER }])
  })
})

interface Bystander {
  server: AuthServer
  seen: { url: string; host: string; headers: IncomingHttpHeaders }[]
}

/** A server that sees everything, and answers as it is told. */
async function bystander(
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => response.end('{}'),
): Promise<Bystander> {
  const seen: Bystander['seen'] = []
  const server = await startServer({
    fallback: (request, response) => {
      const { url = '', headers } = request
      seen.push({ url, host: headers.host ?? '', headers })
      answer(request, response)
    },
  })
  return { server, seen }
}

function redirect(response: ServerResponse, location: string, status = 302): void {
  response.writeHead(status, { location }).end()
}

const among = (headers: IncomingHttpHeaders): boolean => JSON.stringify(headers).includes(TOKEN)

/** How the token is put on a request. Of Authorization fetch itself knows that it is nobody else's. */
const CREDENTIALS: [name: string, follows: boolean, applyToken: SessionOptions['applyToken']][] = [
  ['Authorization', true, undefined],
  [
    'a header of its own',
    false,
    ({ accessToken }): Credentials => ({ headers: { 'X-Access-Token': accessToken } }),
  ],
  [
    'two headers',
    false,
    ({ accessToken }) => ({
      headers: { Authorization: `DPoP ${accessToken}`, DPoP: `proof-${accessToken}` },
    }),
  ],
  ['the query', true, ({ accessToken }) => ({ query: { access_token: accessToken } })],
]

describe.each(CREDENTIALS)('redirects, with the token in %s', (name, follows, applyToken) => {
  const api = ({ url }: AuthServer) => withSession(session({ applyToken }), { origins: [url] })
  const carries = ({ url, headers }: Bystander['seen'][number]) => among(headers) || url.includes(TOKEN)

  test('within the origin: followed with the token, or refused where fetch would give it to anybody', async () => {
    const { server, seen } = await bystander(({ url }, response) =>
      url?.startsWith('/start') ? redirect(response, '/end') : response.end('{}'),
    )
    const outcome = api(server)(`${server.url}/start`)
    if (follows) expect((await outcome).status).toBe(200)
    else expect(await failureOf(outcome)).toBeInstanceOf(TypeError)
    expect(seen.map(carries)).toEqual(!follows ? [true] : name === 'the query' ? [true, false] : [true, true])
  })

  test.each([301, 302, 303, 307, 308])(
    'to another origin (%i): the token does not go along',
    async (code) => {
      const { server: other, seen } = await bystander()
      const { server: home, seen: atHome } = await bystander((_, response) =>
        redirect(response, `${other.url}/x`, code),
      )
      for (const init of [{}, { method: 'POST', body: 'x' }]) {
        await api(home)(`${home.url}/start`, init).catch(() => {})
        await api(home)(new Request(`${home.url}/start`, init)).catch(() => {})
      }
      expect(atHome.map(carries)).toEqual(times(4, () => true))
      expect(seen.map(carries)).toEqual(times(follows ? 4 : 0, () => false))
    },
  )

  test('to another name of the same machine and port: the token does not go along', async () => {
    const { server, seen } = await bystander(({ url, headers }, response) =>
      url?.startsWith('/start')
        ? redirect(response, `http://localhost:${headers.host?.split(':')[1]}/end`)
        : response.end('{}'),
    )
    await api(server)(`${server.url}/start`).catch(() => {})
    expect(seen.map(carries)).toEqual(follows ? [true, false] : [true])
  })

  test('elsewhere and back again: the token is not restored', async () => {
    let home = ''
    const { server: other, seen: there } = await bystander((_, response) => redirect(response, `${home}/end`))
    const { server, seen } = await bystander(({ url }, response) =>
      url?.startsWith('/start') ? redirect(response, `${other.url}/hop`) : response.end('{}'),
    )
    home = server.url
    await api(server)(`${server.url}/start`).catch(() => {})
    expect(there.map(carries)).toEqual(follows ? [false] : [])
    expect(seen.map(carries)).toEqual(follows ? [true, false] : [true])
  })

  test('a replay is guarded like the first send', async () => {
    const { server: other, seen } = await bystander()
    const { server: home, seen: atHome } = await bystander((_, response) => {
      if (atHome.length === 1) response.writeHead(401).end()
      else redirect(response, `${other.url}/x`)
    })
    await api(home)(`${home.url}/start`).catch(() => {})
    expect(atHome.map(carries)).toEqual([true, true])
    expect(seen.map(carries)).toEqual(follows ? [false] : [])
  })

  test.each(['manual', 'error', 'follow'] as const)(
    'the caller’s own `redirect: %s` wins',
    async (redirects) => {
      const { server, seen } = await bystander(({ url }, response) =>
        url?.startsWith('/start') ? redirect(response, '/end') : response.end('{}'),
      )
      const outcomes = [api(server)(`${server.url}/start`, { redirect: redirects })]
      // Of a Request nobody can tell whether `follow` was written or is the default.
      if (redirects !== 'follow')
        outcomes.push(api(server)(new Request(`${server.url}/start`, { redirect: redirects })))
      for (const outcome of await Promise.allSettled(outcomes)) {
        const status = outcome.status === 'fulfilled' ? outcome.value.status : outcome.reason.name
        expect(status).toBe({ manual: 302, error: 'TypeError', follow: 200 }[redirects])
      }
      expect(seen).toHaveLength(2)
    },
  )
})

describe('redirects in a Worker, whose fetch has no `redirect: error`', () => {
  const custom: SessionOptions['applyToken'] = ({ accessToken }) => ({ headers: { 'x-token': accessToken } })
  const inQuery: SessionOptions['applyToken'] = ({ accessToken }) => ({ query: { token: accessToken } })
  const flags = (strips: boolean) => ({
    compatibilityFlags: { strip_authorization_on_cross_origin_redirect: strips },
  })

  test.each<[string, object | undefined, SessionOptions['applyToken'], string | undefined]>([
    ['elsewhere, a header that would be taken along', undefined, custom, 'error'],
    ['elsewhere, Authorization', undefined, undefined, undefined],
    ['a header that would be taken along', {}, custom, 'manual'],
    ['Authorization', {}, undefined, undefined],
    ['Authorization, by an old compatibility date', flags(false), undefined, 'manual'],
    ['Authorization, by a new compatibility date', flags(true), undefined, undefined],
    ['a header of its own, by a new compatibility date', flags(true), custom, 'manual'],
    ['the query, by an old compatibility date', flags(false), inQuery, undefined],
  ])(
    '%s: redirects are followed only where the runtime drops the token, or the caller says so',
    async (_, worker, applyToken, redirect) => {
      if (worker) vi.stubGlobal('Cloudflare', worker)
      const redirects: unknown[] = []
      const own: typeof fetch = async (_, init) => {
        redirects.push(init?.redirect)
        return new Response('{}')
      }
      vi.stubGlobal('fetch', own)
      const api = withSession(session({ applyToken }), { origins: [HOME] })
      await api(`${HOME}/x`)
      await api(`${HOME}/x`, { redirect: 'follow' })
      expect(redirects).toEqual([redirect, 'follow'])
    },
  )
})

describe('the token in the query', () => {
  const applyToken = ({ accessToken }: TokenSet): Credentials => ({ query: { access_token: accessToken } })

  test.each<[string, (url: string) => [RequestInfo, RequestInit?]]>([
    ['a string', (url) => [url, { method: 'PUT', headers: { 'x-a': '1' }, body: 'some' }]],
    ['a Request', (url) => [new Request(url, { method: 'PUT', headers: { 'x-a': '1' }, body: 'some' })]],
    [
      'a Request with a Blob',
      (url) => [new Request(url, { method: 'PUT', body: new Blob(['some'], { type: 'a/b' }) })],
    ],
    [
      'a Request, and the body in init',
      (url) => [new Request(url, { method: 'PUT', body: 'x' }), { body: 'some' }],
    ],
    ['a Request without a body', (url) => [new Request(url, { headers: { 'x-a': '1' } })]],
  ])('%s: sent and replayed as it is, but for the query', async (_, call) => {
    const { server, at, api, received } = await stage({ session: { applyToken } })
    const token = 'access_token='
    await fetch(new Request(...call(at(`/api/echo?a=1&${token}`))))
    server.expireAccessTokens()
    expect((await api(...call(at('/api/echo?a=1')))).status).toBe(200)
    const [bare, ...sends] = received.map(seenOf).map(({ url, ...others }) => ({
      ...others,
      url: url.replace(/(access_token=).*/, '$1'),
    }))
    expect(sends).toEqual([bare, bare])
    expect(server.count.refreshes).toBe(1)
  })
})

describe('credentials in the URL', () => {
  test.each(['user:pass@', 'user@', ':pass@', 'us%40er:pass@'])(
    '%s: a TypeError, and nothing is sent',
    async (part) => {
      const { server, seen } = await bystander()
      const url = server.url.replace('//', `//${part}`)
      const api = withSession(session(), { origins: [server.url] })
      for (const input of [url, new URL(url)]) {
        const error = await failureOf(api(input))
        expect(error).toBeInstanceOf(TypeError)
        expect(error.message).toMatch(/session: false/)
        expect(error.message).not.toMatch(/pass/)
      }
      expect(seen).toEqual([])
    },
  )

  test('also with a fetch that would take them, whose Basic would replace our header', async () => {
    const wire = vi.fn(async () => new Response())
    const api = withSession(session(), { origins: [HOME], fetch: wire })
    await expect(api('https://user:pass@api.good.com/')).rejects.toThrow(TypeError)
    expect(wire).not.toHaveBeenCalled()
    await api('https://user:pass@api.good.com/', { session: false })
    await api('https://user:pass@elsewhere.com/')
    expect(wire).toHaveBeenCalledTimes(2)
  })

  test('an @ in the path or the query is none', async () => {
    expect(await send(`${HOME}/users/user:pass@example.com?mail=a@b.c#@d`)).toEqual({
      origin: HOME,
      authorization: BEARER,
    })
  })
})

describe('a caller’s own Authorization header', () => {
  const ways: [string, (url: string, headers: HeadersInit) => [RequestInfo, RequestInit?]][] = [
    ['in init', (url, headers) => [url, { headers }]],
    ['in Headers', (url, headers) => [url, { headers: new Headers(headers) }]],
    ['in a Request', (url, headers) => [new Request(url, { headers })]],
  ]

  test.each(ways)('equal to a token that the session holds, or held: is managed (%s)', async (_, call) => {
    const { server, session, api, at, received, tokens } = await stage()
    const seen = watch(session)
    const first = { AUTHORIZATION: `Bearer ${tokens.access_token}` }
    server.expireAccessTokens()
    expect((await api(...call(at('/api/echo'), first))).status).toBe(200)
    expect((await api(...call(at('/api/echo'), first))).status).toBe(200)
    const fresh = await session.getAccessToken()
    expect(received.map(({ headers }) => headers.authorization)).toEqual(
      [tokens.access_token, fresh, fresh].map((token) => `Bearer ${token}`),
    )
    expect(server.count.refreshes).toBe(1)
    expect(seen.of('request-ignored')).toEqual([])
  })

  test.each(ways)(
    'equal to a token that the session held, after the sign-out: is taken away (%s)',
    async (_, call) => {
      const { session, api, at, received, tokens } = await stage()
      await session.signOut()
      const headers = { Authorization: `Bearer ${tokens.access_token}`, 'x-a': '1' }
      expect((await api(...call(at('/api/echo'), headers))).status).toBe(401)
      expect(received.map(({ headers }) => [headers.authorization, headers['x-a']])).toEqual([
        [undefined, '1'],
      ])
    },
  )

  test.each(ways)(
    'any other: untouched, its 401 is the caller’s, one `ignored` event says why (%s)',
    async (_, call) => {
      const { server, session, api, at, received } = await stage()
      const seen = watch(session)
      const answer = await api(...call(at('/api/echo'), { Authorization: 'Bearer mine' }))
      expect(answer.status).toBe(401)
      expect(findSessionError(answer)).toBeUndefined()
      expect(received.map(({ headers }) => headers.authorization)).toEqual(['Bearer mine'])
      expect(seen.events.map(({ type }) => type)).toEqual(['request-ignored'])
      expect(seen.of('request-ignored')).toMatchObject([{ reason: 'own-credentials' }])
      expect(server.count.refreshRequests).toBe(0)
    },
  )
})

describe('the 401 of a foreign origin', () => {
  test('is ignored: nothing is refreshed, nothing sent again, nobody waits', async () => {
    const { server: other, seen } = await bystander((_, response) => response.writeHead(401).end())
    const { server, session, api, at } = await stage()
    const events = watch(session)
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const own = api(at('/api/items'))
    await refresh.untilArrived()
    const answer = await api(`${other.url}/x`)
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)).toBeUndefined()
    refresh.release()
    expect((await own).status).toBe(200)
    expect(seen).toHaveLength(1)
    expect(events.of('request-ignored')).toMatchObject([{ reason: 'foreign-origin' }])
    expect(server.count.refreshes).toBe(1)
  })

  test('that a redirect led to is ignored, too', async () => {
    const { server: other, seen } = await bystander((_, response) => response.writeHead(401).end())
    const { server: home, seen: atHome } = await bystander((_, response) =>
      redirect(response, `${other.url}/x`),
    )
    const refresh = vi.fn(() => 'another')
    const guarded = session({ refresh })
    const events = watch(guarded)
    const answer = await withSession(guarded, { origins: [home.url] })(`${home.url}/start`)
    expect(answer.status).toBe(401)
    expect([atHome.length, seen.length]).toEqual([1, 1])
    expect(refresh).not.toHaveBeenCalled()
    expect(events.of('request-ignored')).toMatchObject([{ reason: 'foreign-answer' }])
  })
})

describe('nothing of ours tells a token', () => {
  const ANY_TOKEN = /\b[ar]t_[\w-]{8,}/

  /** Everything that loggers get out of a value. */
  function told(value: unknown): string {
    const all = { depth: 20, showHidden: true, maxArrayLength: null, maxStringLength: null }
    return `${inspect(value, all)}\n${JSON.stringify(value)}`
  }

  test('answers, errors, events, state', async () => {
    const { server, session, api, at } = await stage({ session: { retries: 0 } })
    expect(told(server.mint())).toMatch(ANY_TOKEN)
    const seen = watch(session)
    const answers = [await api(at('/api/items?id=1'))]
    server.expireAccessTokens()
    answers.push(await api(at('/api/effects?id=1'), { method: 'POST', body: 'x' }))
    server.expireAccessTokens()
    server.fault('503')
    answers.push(await api(at('/api/items')))
    server.fault('503')
    const held = await failureOf(session.refresh())
    const aborted = await failureOf(api(at('/api/items'), { signal: AbortSignal.abort() }))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 401])
    for (const value of [answers, findSessionError(answers[2]), held, aborted, seen.events, session.state])
      expect(told(value)).not.toMatch(ANY_TOKEN)
  })

  test('a request that was never sent: its error tells neither query nor body', async () => {
    const { server, api, at } = await stage({ expired: true, session: { retries: 0 } })
    server.fault('503')
    const secret = 'the-secret'
    const error = await failureOf(api(at(`/api/echo?code=${secret}`), { method: 'POST', body: secret }))
    expect(findSessionError(error)).toBe(error)
    expect(told(error)).not.toContain(secret)
    expect(told(error)).not.toMatch(ANY_TOKEN)
  })
})

describe('the token endpoint answers 307 to elsewhere', () => {
  test.each(['error', 'manual'] as const)(
    'a refresh through the guarded fetch itself, with `redirect: %s`: the refresh token is not forwarded',
    async (redirects) => {
      const { server: other, seen } = await bystander()
      const server = await startServer()
      const time = newClock()
      const guarded = signIn(server, {
        clock: time.clock,
        retries: 0,
        refresh: ({ tokens, signal }) =>
          api(server.tokenEndpoint, {
            method: 'POST',
            body: new URLSearchParams({
              grant_type: 'refresh_token',
              refresh_token: tokens?.refreshToken ?? '',
            }),
            signal,
            redirect: redirects,
          }),
      })
      const api = withSession(guarded, { origins: [server.url] })
      server.fault('redirect', { location: `${other.url}/token`, times: 2 })
      const error = await failureOf(guarded.refresh())
      expect(findSessionError(error)?.code).toBe('refresh_failed')
      expect(seen).toEqual([])
      expect(guarded.state.status).toBe('signed-in')
    },
  )
})
