import { once } from 'node:events'
import axios from 'axios'
import * as oauth from 'oauth4webapi'
import {
  createSession,
  isSessionError,
  memoryStore,
  type Session,
  SessionError,
  type SessionErrorCode,
  type SessionOptions,
  type SessionStore,
  type Stored,
  type TokenSet,
} from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import {
  type AuthServer,
  type AuthServerOptions,
  createAuthServer,
  createTestClock,
  type FaultKind,
  type FaultOptions,
  type TestClock,
} from 'refresh-once/testing'
import { afterEach, describe, expect, test } from 'vitest'

const servers: AuthServer[] = []
const sessions: Session[] = []

afterEach(async () => {
  for (const session of sessions.splice(0)) session.close()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(options?: AuthServerOptions): Promise<AuthServer> {
  const server = await createAuthServer(options)
  servers.push(server)
  return server
}

const OLD = 'old_access'

/** A session with tokens, on a clock that stands still. Refreshes that fail for now are not tried again by themselves. */
function open(
  refresh: (tokens: TokenSet | undefined, signal: AbortSignal) => unknown,
  options: Partial<SessionOptions> = {},
): { session: Session; time: TestClock } {
  const time = createTestClock()
  const session = createSession({
    clock: time.clock,
    retries: 0,
    tokens: { accessToken: OLD, refreshToken: 'old_refresh' },
    ...options,
    // What people return is not always what the types say.
    refresh: ({ tokens, signal }) => refresh(tokens, signal) as never,
  })
  sessions.push(session)
  return { session, time }
}

/** `undefined` where the refresh succeeded, otherwise the code of its error. */
async function refreshed(session: Session): Promise<SessionErrorCode | undefined> {
  try {
    await session.refresh()
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(SessionError)
    return (error as SessionError).code
  }
}

function form(tokens: TokenSet | undefined): URLSearchParams {
  return new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' })
}

/** How a refresh gets at its answer: each client hands the same one over in its own way. */
const CLIENTS: Record<string, (url: string, tokens: TokenSet | undefined) => Promise<unknown>> = {
  'the Response of fetch': (url, tokens) => fetch(url, { method: 'POST', body: form(tokens) }),
  'the response of axios': (url, tokens) =>
    axios.post(url, form(tokens), { proxy: false, validateStatus: () => true }),
  'the response of axios, or the error it throws': (url, tokens) =>
    axios.post(url, form(tokens), { proxy: false }),
  'the response of axios’s fetch adapter, or its error': (url, tokens) =>
    axios.post(url, form(tokens), { adapter: 'fetch' }),
  'the error of ky, its body unread': async (url, tokens) => {
    const response = await fetch(url, { method: 'POST', body: form(tokens) })
    if (response.ok) return response
    throw Object.assign(new Error(`Request failed with status code ${response.status}`), {
      name: 'HTTPError',
      response,
      request: new Request(url),
      options: {},
    })
  },
  'the error of ofetch, its body read': async (url, tokens) => {
    const response = await fetch(url, { method: 'POST', body: form(tokens) })
    if (response.ok) return response
    const text = await response.text()
    let data: unknown = text
    try {
      data = JSON.parse(text)
    } catch {}
    const error = new Error(`[POST] "${url}": ${response.status}`)
    throw Object.assign(error, { name: 'FetchError', response, data, status: response.status })
  },
}

const clients = Object.entries(CLIENTS)

/** What is no token response, however well it is meant. */
const UNUSABLE: [string, FaultKind, FaultOptions][] = [
  ['an HTML page', 'html-200', {}],
  ['truncated JSON', 'json-truncated', {}],
  ...[
    ['an array', '[]'],
    ['an array of tokens', '[{"access_token":"in_an_array"}]'],
    ['null', 'null'],
    ['a number', '42'],
    ['a boolean', 'true'],
    ['nothing', ''],
    ['an empty object', '{}'],
    ['an object without an access token', '{"refresh_token":"new"}'],
    ['`__proto__` with a token in it', '{"__proto__":{"access_token":"from_the_prototype"}}'],
    [
      '`constructor` with a token in it',
      '{"constructor":{"prototype":{"access_token":"from_the_prototype"}}}',
    ],
  ].map(([what, body]): [string, FaultKind, FaultOptions] => [
    what ?? '',
    'custom',
    { respond: { headers: { 'content-type': 'application/json' }, body } },
  ]),
]

describe('a 200 that is no token response is a transient failure', () => {
  describe.each(clients)('%s', (_, post) => {
    test.each(UNUSABLE)(
      '%s: the tokens are kept, nothing is made of it, and a later refresh works',
      async (_, kind, fault) => {
        const server = await start()
        const first = { ...server.mint() }
        const { session, time } = open((tokens) => post(server.tokenEndpoint, tokens), { tokens: first })
        const withdraw = server.fault(kind, { times: Number.POSITIVE_INFINITY, ...fault })
        expect(await refreshed(session)).toBe('refresh_failed')
        expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false, generation: 1 })
        expect(await session.getAccessToken()).toBe(first.access_token)
        // It came whole: if it has spent the refresh token, sending that again would be a reuse.
        expect(server.count.refreshRequests).toBe(1)
        withdraw()
        await time.advance(60_000)
        expect(await refreshed(session)).toBeUndefined()
        expect(await session.getAccessToken()).not.toBe(first.access_token)
        expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
      },
    )
  })

  test.each([
    ['an array', []],
    ['an array of tokens', ['token']],
    ['null', null],
    ['a number', 42],
    ['a boolean', true],
    ['a symbol', Symbol('token')],
    ['a function', () => 'token'],
    ['an empty object', {}],
    ['a Map', new Map([['access_token', 'token']])],
    ['nothing: the `return` was forgotten', undefined],
  ])('%s, returned as it is: fails, and says what was expected', async (_, value) => {
    let calls = 0
    const { session } = open(() => {
      calls++
      return value
    })
    const error = await session.refresh().catch((error) => error)
    expect(isSessionError(error, 'refresh_failed')).toBe(true)
    expect(error.message).toMatch(/expected/)
    if (value === undefined) expect(error.message).toMatch(/return/)
    expect(session.state.status).toBe('signed-in')
    expect(await session.getAccessToken()).toBe(OLD)
    expect(calls).toBe(1)
  })

  test('a body without end is not read to its end: the connection is given up, memory is bounded', async () => {
    const server = await start()
    const closed: Promise<unknown>[] = []
    const written: number[] = []
    server.fault('custom', {
      times: Number.POSITIVE_INFINITY,
      respond: (_, response) => {
        closed.push(once(response, 'close'))
        const turn = written.push(0) - 1
        const chunk = 'a'.repeat(2 ** 16)
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('{"access_token":"')
        const pour = (): void => {
          while (!response.destroyed && response.write(chunk))
            written[turn] = (written[turn] ?? 0) + chunk.length
          if (!response.destroyed) response.once('drain', pour)
        }
        pour()
      },
    })
    const { session } = open((tokens) => fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) }))
    expect(await refreshed(session)).toBe('refresh_failed')
    await Promise.all(closed)
    expect(closed.length).toBeGreaterThan(0)
    expect(session.state.status).toBe('signed-in')
    // What the two sockets buffer is not ours; a client that reads on would never have come here.
    for (const bytes of written) expect(bytes).toBeLessThan(64 * 2 ** 20)
  })

  test.each(['10 MB of JSON', '10 MB of HTML'])('%s are no token response', async (what) => {
    const server = await start()
    const filler = 'x'.repeat(10 * 2 ** 20)
    server.fault('custom', {
      times: Number.POSITIVE_INFINITY,
      respond: { body: what.endsWith('JSON') ? { access_token: 'new', filler } : `<p>${filler}` },
    })
    const { session } = open((tokens) => fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) }))
    expect(await refreshed(session)).toBe('refresh_failed')
    expect(await session.getAccessToken()).toBe(OLD)
  })

  test('a body that arrives in small pieces, cut within a character, is read', async () => {
    const server = await start()
    const bytes = Buffer.from(JSON.stringify({ access_token: 'new', name: 'Zoë ✓ 👩‍👩‍👧' }))
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1)
    }
    server.fault('custom', { respond: { headers: { 'content-type': 'application/json' }, body: pieces() } })
    const seen: unknown[] = []
    const { session } = open((tokens) => {
      seen.push(tokens?.name)
      return seen.length === 1
        ? fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) })
        : 'newest'
    })
    expect(await refreshed(session)).toBeUndefined()
    expect(await session.getAccessToken()).toBe('new')
    expect(await refreshed(session)).toBeUndefined()
    expect(seen).toEqual([undefined, 'Zoë ✓ 👩‍👩‍👧'])
  })
})

describe('an access token must fit into a header', () => {
  const SHAPES: [string, (token: unknown) => unknown][] = [
    ['an OAuth response', (access_token) => ({ access_token })],
    ['camel case', (accessToken) => ({ accessToken })],
    ['the Response of fetch', (access_token) => Response.json({ access_token })],
    ['the response of axios', (access_token) => ({ status: 200, headers: {}, data: { access_token } })],
    ['a bare string', (token) => token],
  ]
  const REFUSED: [string, unknown][] = [
    ['a number', 12345],
    ['empty', ''],
    ['CR and LF', 'abc\r\nX-Admin: 1'],
    ['LF', 'abc\ndef'],
    ['a trailing newline', 'abc\n'],
    ['NUL', 'abc\u0000'],
    ['a space', 'abc def'],
    ['a tab', 'abc\tdef'],
    ['non-ASCII', 'abcé'],
    ['a look-alike', 'аbc'],
    ['an emoji', '🔑'],
    ['DEL', 'abc\u007f'],
    ['an object', { token: 'abc' }],
    ['an array', ['abc']],
    ['null', null],
  ]
  describe.each(SHAPES)('%s', (shape, make) => {
    // A bare value that is an object may be a token set.
    const refused = REFUSED.filter(([, token]) => shape !== 'a bare string' || typeof token !== 'object')
    test.each(refused)('%s: rejected, and the next request goes out with the old token', async (_, token) => {
      const server = await start()
      const first = { ...server.mint() }
      const { session } = open(() => make(token), { tokens: first })
      expect(await refreshed(session)).toBe('refresh_failed')
      expect(session.state).toMatchObject({ status: 'signed-in', generation: 1 })
      const api = axios.create({ baseURL: server.url, proxy: false })
      attachSession(api, session)
      expect((await api.get('/api/items?id=1')).data.generation).toBe(1)
    })

    test.each(['1|abc', 'a.b-c_d~e+f/g=', 'x'.repeat(4096), '!#$%&\'*"(){}[]<>@,;:\\'])(
      '%s: accepted',
      async (token) => {
        const { session } = open(() => make(token))
        expect(await refreshed(session)).toBeUndefined()
        expect(await session.getAccessToken()).toBe(token)
        expect(session.state.generation).toBe(2)
      },
    )
  })

  test('`1|abc` reaches the wire as it is', async () => {
    const received: (string | undefined)[] = []
    const server = await start({
      fallback: (request, response) => {
        received.push(request.headers.authorization)
        response.end('{}')
      },
    })
    const { session } = open(() => '1|abc')
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    expect(await refreshed(session)).toBeUndefined()
    await api.get('/x')
    expect(received).toEqual(['Bearer 1|abc'])
  })
})

describe('token_type', () => {
  test.each(['mac', 'MAC', 'pop', 'PoP'])('%j, which needs a proof: rejected', async (token_type) => {
    const { session } = open(() => Response.json({ access_token: 'new', token_type }))
    expect(await refreshed(session)).toBe('refresh_failed')
    expect(await session.getAccessToken()).toBe(OLD)
  })

  test.each([
    ...['Bearer', 'bearer', 'BEARER', 'DPoP', 'dpop'],
    ...['bot', 'basic', 'JWT', 'N_A', 'urn:ietf:params:oauth:token-type:jwt', 'a\r\nb', '', null, 7, true],
  ])('%j: accepted', async (token_type) => {
    const { session } = open(() => Response.json({ access_token: 'new', token_type }))
    expect(await refreshed(session)).toBeUndefined()
    expect(await session.getAccessToken()).toBe('new')
  })

  test('is kept with the tokens', async () => {
    const seen: unknown[] = []
    const { session } = open((tokens) => {
      seen.push(tokens?.token_type)
      return Response.json({ access_token: 'new', token_type: ['bot', null, 'user'][seen.length - 1] })
    })
    for (let turn = 0; turn < 4; turn++) expect(await refreshed(session)).toBeUndefined()
    expect(seen).toEqual([undefined, 'bot', 'bot', 'user'])
  })

  test('missing: accepted from an endpoint of one’s own, which need not speak OAuth', async () => {
    const { session } = open(() => Response.json({ access_token: 'new' }))
    expect(await refreshed(session)).toBeUndefined()
    expect(await session.getAccessToken()).toBe('new')
  })

  test.each([
    ['missing', { access_token: 'new' }],
    ['mac', { access_token: 'new', token_type: 'mac' }],
  ])('%s: rejected where oauth4webapi reads the answer', async (_, body) => {
    const { session, post } = await oauthSession()
    post(body)
    expect(await refreshed(session)).toBe('refresh_failed')
    expect(session.state.status).toBe('signed-in')
  })

  test('`BEARER`: accepted where oauth4webapi reads the answer', async () => {
    const { session, post } = await oauthSession()
    post({ access_token: 'new', token_type: 'BEARER' })
    expect(await refreshed(session)).toBeUndefined()
    expect(await session.getAccessToken()).toBe('new')
  })
})

/** A session whose refresh is the grant of oauth4webapi. */
async function oauthSession(
  options: Partial<SessionOptions> = {},
): Promise<{ server: AuthServer; session: Session; time: TestClock; post: (body: object) => void }> {
  const server = await start()
  const as = { issuer: server.url, token_endpoint: server.tokenEndpoint }
  const client = { client_id: 'app' }
  const insecure = { [oauth.allowInsecureRequests]: true }
  const { session, time } = open(
    async (tokens) => {
      const token = tokens?.refreshToken ?? ''
      const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, insecure)
      return oauth.processRefreshTokenResponse(as, client, response)
    },
    { tokens: { ...server.mint() }, ...options },
  )
  const post = (body: object) =>
    void server.fault('custom', { times: Number.POSITIVE_INFINITY, respond: { body } })
  return { server, session, time, post }
}

describe('expires_in', () => {
  test.each([
    ['"3600"', 3600],
    ['3600', 3600],
    ['3600.5', 3600.5],
    ['1', 1],
    ['31536000', 31_536_000],
  ])('%s: is believed', async (json, seconds) => {
    const { session, time } = open(
      () =>
        new Response(`{"access_token":"new","expires_in":${json}}`, {
          headers: { 'content-type': 'application/json' },
        }),
    )
    expect(await refreshed(session)).toBeUndefined()
    expect(session.state.expiresAt).toBe(time.clock.now() + seconds * 1000)
  })

  test.each([
    '-1',
    '"-1"',
    '0',
    '1e400',
    '-1e400',
    '"NaN"',
    '"soon"',
    '""',
    'null',
    'true',
    '[]',
    '{}',
    '1e300',
  ])('%s: no loop, and requests are served with the new token', async (json) => {
    const server = await start()
    const first = { ...server.mint() }
    let calls = 0
    const { session, time } = open(
      async (tokens) => {
        calls++
        const response = await fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) })
        const { expires_in, ...rest } = (await response.json()) as Record<string, unknown>
        return new Response(JSON.stringify(rest).replace(/}$/, `,"expires_in":${json}}`))
      },
      { tokens: first },
    )
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    server.expireAccessTokens()
    for (let turn = 0; turn < 5; turn++) {
      const { data } = await api.get('/api/items?id=1')
      expect(data.generation).toBe(2)
      await time.advance(1)
    }
    expect(calls).toBe(1)
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0, api: 6, rejected: 1 })
    expect(session.state).toMatchObject({ status: 'signed-in', generation: 2 })
  })

  test.each([Number.NaN, -1, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MAX_VALUE])(
    '%d, in a plain object: no loop, as `expires_in`, `expiresIn` or `expiresAt`',
    async (value) => {
      for (const name of ['expires_in', 'expiresIn', 'expiresAt']) {
        let calls = 0
        const { session, time } = open(() => {
          calls++
          return { accessToken: `new_${calls}`, [name]: value }
        })
        expect(await refreshed(session)).toBeUndefined()
        for (let turn = 0; turn < 5; turn++) {
          expect(await session.getAccessToken()).toBe('new_1')
          await time.advance(1)
        }
        expect(calls).toBe(1)
      }
    },
  )
})

describe('refresh_token', () => {
  test('absent: the old one is kept, for as long as none comes', async () => {
    const server = await start({ rotate: false })
    const { access_token, refresh_token } = server.mint()
    const sent: (string | undefined)[] = []
    const { session } = open(
      (tokens) => {
        sent.push(tokens?.refreshToken)
        return fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) })
      },
      { tokens: { access_token, refresh_token } },
    )
    for (let turn = 0; turn < 3; turn++) expect(await refreshed(session)).toBeUndefined()
    expect(sent).toEqual([refresh_token, refresh_token, refresh_token])
    expect(server.count).toMatchObject({ refreshes: 3, reuses: 0 })
  })

  test.each([
    ['null', null],
    ['empty', ''],
    ['a number', 7],
  ])('%s: the old one is kept', async (_, refresh_token) => {
    const sent: (string | undefined)[] = []
    const { session } = open((tokens) => {
      sent.push(tokens?.refreshToken)
      return { access_token: 'new', refresh_token }
    })
    expect(await refreshed(session)).toBeUndefined()
    expect(await refreshed(session)).toBeUndefined()
    expect(sent).toEqual(['old_refresh', 'old_refresh'])
  })

  test('new: replaces the old one, each time', async () => {
    const server = await start()
    const { access_token, refresh_token } = server.mint()
    const sent: (string | undefined)[] = []
    const { session } = open(
      (tokens) => {
        sent.push(tokens?.refreshToken)
        return fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) })
      },
      { tokens: { access_token, refresh_token } },
    )
    for (let turn = 0; turn < 3; turn++) expect(await refreshed(session)).toBeUndefined()
    expect(sent[0]).toBe(refresh_token)
    expect(new Set(sent).size).toBe(3)
    expect(server.count).toMatchObject({ refreshes: 3, reuses: 0 })
  })

  test('new: is saved before anyone is woken', async () => {
    const story: string[] = []
    const server = await start({
      onRequest: ({ headers }) => {
        if (headers.authorization !== `Bearer ${first.access_token}`)
          story.push('a request with the new token')
      },
    })
    const first = { ...server.mint() }
    const time = createTestClock()
    const memory = memoryStore({ clock: time.clock })
    let arrived = (): void => {}
    const saving = new Promise<void>((resolve) => {
      arrived = resolve
    })
    let letSave = (): void => {}
    const allowed = new Promise<void>((resolve) => {
      letSave = resolve
    })
    // A store that takes its time.
    const store: SessionStore = {
      ...memory,
      async save(next: Stored) {
        if (next.version.generation < 2) return memory.save(next)
        arrived()
        await allowed
        const saved = await memory.save(next)
        story.push(
          `saved ${(await memory.load())?.tokens?.refreshToken === first.refresh_token ? 'old' : 'new'}`,
        )
        return saved
      },
    }
    const { session } = open(
      (tokens) => fetch(server.tokenEndpoint, { method: 'POST', body: form(tokens) }),
      { tokens: { ...first, expiresAt: time.clock.now() + 300_000 }, store, clock: time.clock },
    )
    session.subscribe(({ generation }) => void (generation > 1 && story.push('the new state')))
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    await session.getAccessToken()
    server.expireAccessTokens()
    const waiting = Promise.all([
      api.get('/api/items?id=1'),
      api.get('/api/items?id=2'),
      session.refresh().then(() => story.push('refresh() resolved')),
      session
        .getAccessToken({ minValidity: 10 * 300_000 })
        .then(() => story.push('getAccessToken() resolved')),
    ])
    await saving
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'))
    expect(story).toEqual([])
    letSave()
    await waiting
    expect(story[0]).toBe('saved new')
    expect(story.filter((line) => line === 'saved new')).toHaveLength(1)
    expect(story).toContain('a request with the new token')
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })
})

describe('`__proto__` in an answer', () => {
  const POISON =
    '{"__proto__":{"access_token":"evil","accessToken":"evil","refreshToken":"evil","polluted":true}}'

  test.each([
    ['the Response of fetch', () => new Response(POISON)],
    ['the response of axios', () => ({ status: 200, headers: {}, data: JSON.parse(POISON) })],
    ['the text of axios', () => ({ status: 200, headers: {}, data: POISON })],
    ['the parsed object', () => JSON.parse(POISON)],
    ['an object that inherits its token', () => Object.create({ access_token: 'evil', accessToken: 'evil' })],
  ])('is not a token (%s)', async (_, result) => {
    const { session } = open(result)
    expect(await refreshed(session)).toBe('refresh_failed')
    expect(await session.getAccessToken()).toBe(OLD)
    expect(session.state.generation).toBe(1)
    expect('polluted' in {}).toBe(false)
  })

  test('beside a token adds nothing to the token set, nor to any other object', async () => {
    const seen: (TokenSet | undefined)[] = []
    const { session } = open((tokens) => {
      seen.push(tokens)
      return new Response(
        '{"access_token":"new","__proto__":{"refreshToken":"evil","expiresAt":1,"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
      )
    })
    expect(await refreshed(session)).toBeUndefined()
    expect(await refreshed(session)).toBeUndefined()
    expect(seen[1]?.accessToken).toBe('new')
    expect(seen[1]?.refreshToken).toBe('old_refresh')
    expect(seen[1]?.expiresAt).toBeUndefined()
    expect(seen[1]?.polluted).toBeUndefined()
    expect('polluted' in {}).toBe(false)
    expect(session.state.expiresAt).toBeUndefined()
  })
})

/** Answers with an error, and what they mean. */
const ERRORS: [string, status: number, body: unknown, code: SessionErrorCode, requests: number][] = [
  ['400 invalid_grant', 400, { error: 'invalid_grant' }, 'session_expired', 1],
  ['401 invalid_grant', 401, { error: 'invalid_grant' }, 'session_expired', 1],
  ['200 with invalid_grant', 200, { error: 'invalid_grant' }, 'session_expired', 1],
  ['200 with an error and a token', 200, { error: 'server_error', access_token: 'new' }, 'refresh_failed', 1],
  ['401 without a word', 401, '', 'session_expired', 1],
  ['401 with a word of its own', 401, { message: 'Unauthenticated.' }, 'session_expired', 1],
  ['400 without a word', 400, '', 'session_expired', 1],
  ['400 with a word of its own', 400, { message: 'bad refresh token' }, 'session_expired', 1],
  ['403 with a word of its own', 403, { message: 'Signed out elsewhere' }, 'session_expired', 1],
  [
    '403 with a word of its own, and markup',
    403,
    { message: 'Signed out elsewhere', html: '<p>Signed out elsewhere</p>' },
    'session_expired',
    1,
  ],
  ['403 with markup alone, in JSON', 403, { html: '<p>Forbidden</p>' }, 'refresh_failed', 1],
  ['403 with the word of any firewall', 403, { message: 'Forbidden' }, 'refresh_failed', 1],
  ['403 without a word', 403, '', 'refresh_failed', 1],
  ['401 invalid_client', 401, { error: 'invalid_client' }, 'refresh_failed', 1],
  ['400 invalid_client', 400, { error: 'invalid_client' }, 'refresh_failed', 1],
  ['400 unauthorized_client', 400, { error: 'unauthorized_client' }, 'refresh_failed', 1],
  ['400 unsupported_grant_type', 400, { error: 'unsupported_grant_type' }, 'refresh_failed', 1],
  ['400 invalid_request', 400, { error: 'invalid_request' }, 'refresh_failed', 1],
  ['400 invalid_scope', 400, { error: 'invalid_scope' }, 'refresh_failed', 1],
  ['400 invalid_target', 400, { error: 'invalid_target' }, 'refresh_failed', 1],
  ['404', 404, { error: 'not_found' }, 'refresh_failed', 1],
  ['429', 429, { error: 'too_many_requests' }, 'refresh_failed', 1],
  ['500', 500, { error: 'server_error' }, 'refresh_failed', 2],
  ['502 HTML', 502, '<h1>Bad Gateway</h1>', 'refresh_failed', 2],
  ['503', 503, '', 'refresh_failed', 1],
  ['400 HTML', 400, '<h1>Bad Request</h1>', 'refresh_failed', 1],
  ['403 HTML', 403, '<h1>Forbidden</h1>', 'refresh_failed', 1],
]

describe('an answer with an error is typed', () => {
  describe.each(clients)('%s', (_, post) => {
    test.each(ERRORS)('%s', async (_, status, body, code, requests) => {
      const server = await start()
      const first = { ...server.mint() }
      const { session } = open((tokens) => post(server.tokenEndpoint, tokens), { tokens: first })
      server.fault('custom', { times: Number.POSITIVE_INFINITY, respond: { status, body } })
      expect(await refreshed(session)).toBe(code)
      expect(server.count.refreshRequests).toBe(requests)
      expect(session.state.status).toBe(code === 'session_expired' ? 'signed-out' : 'signed-in')
      if (code === 'refresh_failed') expect(await session.getAccessToken()).toBe(first.access_token)
    })
  })

  describe('what oauth4webapi throws', () => {
    // It does not take an answer without `error` for one of OAuth: then nothing says that the session is over.
    test.each(ERRORS.filter(([, status, body]) => status !== 200 && Object(body).error))(
      '%s',
      async (_, status, body, code, requests) => {
        const { server, session } = await oauthSession()
        server.fault('custom', { times: Number.POSITIVE_INFINITY, respond: { status, body } })
        expect(await refreshed(session)).toBe(code)
        expect(session.state.status).toBe(code === 'session_expired' ? 'signed-out' : 'signed-in')
        expect(server.count.refreshRequests).toBe(requests)
      },
    )

    test('401 invalid_client with a challenge', async () => {
      const { server, session } = await oauthSession()
      server.fault('invalid-client', { times: Number.POSITIVE_INFINITY })
      expect(await refreshed(session)).toBe('refresh_failed')
      expect(session.state.status).toBe('signed-in')
      expect(server.count.refreshRequests).toBe(1)
    })

    test('503 with Retry-After: the refresh token was not spent, and is not sent again before', async () => {
      const { server, session, time } = await oauthSession()
      server.fault('503', { retryAfter: '30' })
      const error = await session.refresh().catch((error) => error)
      expect(isSessionError(error, 'refresh_failed')).toBe(true)
      expect(server.count.refreshRequests).toBe(1)
      expect(error.retryAt).toBe(time.clock.now() + 30_000)
    })
  })

  describe('what never became an answer', () => {
    test.each(clients)(
      '%s: a connection that breaks leaves doubt, and the same token is tried once more',
      async (_, post) => {
        const server = await start({ grace: 60_000 })
        const { session } = open((tokens) => post(server.tokenEndpoint, tokens), {
          tokens: { ...server.mint() },
        })
        server.fault('destroy-after')
        expect(await refreshed(session)).toBeUndefined()
        expect(server.count).toMatchObject({ refreshRequests: 2, refreshes: 1, reuses: 0 })
        expect(session.state).toMatchObject({ status: 'signed-in', generation: 3 })
      },
    )

    test.each(clients)('%s: a connection that is refused costs nothing', async (_, post) => {
      const server = await start()
      const tokens = { ...server.mint() }
      await server.close()
      let calls = 0
      const { session } = open(
        (tokens) => {
          calls++
          return post(server.tokenEndpoint, tokens)
        },
        { tokens },
      )
      expect(await refreshed(session)).toBe('refresh_failed')
      expect(session.state.status).toBe('signed-in')
      expect(calls).toBe(1)
    })

    test.each([
      ['an error', new Error('no')],
      ['a string', 'no'],
      ['nothing', undefined],
      ['null', null],
      ['a number', 401],
      ['a frozen error', Object.freeze(new Error('no'))],
      ['an error that is its own cause', Object.assign(new Error('no'), { name: 'Loop' })],
      ['an error whose properties throw', errorWithTraps()],
    ])('%s, thrown: fails for now, the session is kept', async (name, thrown) => {
      if (name.includes('its own cause')) (thrown as Error).cause = thrown
      for (const asynchronously of [true, false]) {
        const { session } = open(() => {
          if (asynchronously) return Promise.reject(thrown)
          throw thrown
        })
        expect(await refreshed(session)).toBe('refresh_failed')
        expect(session.state.status).toBe('signed-in')
        expect(await session.getAccessToken()).toBe(OLD)
      }
    })

    test('an answer that a page may not read, of `no-cors`: asked once, another time would bring no more', async () => {
      let calls = 0
      const { session } = open(() => {
        calls++
        return Object.defineProperty(Response.error(), 'type', { value: 'opaque' })
      })
      expect(await refreshed(session)).toBe('refresh_failed')
      expect(calls).toBe(1)
      expect(session.state.status).toBe('signed-in')
    })

    test('a session error of one’s own says what it is', async () => {
      const { session } = open(() => {
        throw new SessionError('session_expired', 'there is no refresh token')
      })
      expect(await refreshed(session)).toBe('session_expired')
      expect(session.state.status).toBe('signed-out')
    })
  })
})

function errorWithTraps(): Error {
  const error = new Error('no')
  for (const name of ['response', 'status', 'code', 'data', 'error']) {
    Object.defineProperty(error, name, {
      get() {
        throw new Error('a trap')
      },
    })
  }
  return error
}

describe('scope', () => {
  test('narrower: is recorded', async () => {
    const scopes: unknown[] = []
    const answers = [{ scope: 'read' }, {}, { scope: 'read write' }, {}]
    const { session } = open(
      (tokens) => {
        scopes.push(tokens?.scope)
        return Response.json({ access_token: `new_${scopes.length}`, ...answers[scopes.length - 1] })
      },
      { tokens: { access_token: OLD, refresh_token: 'old_refresh', scope: 'read write admin' } },
    )
    for (let turn = 0; turn < 4; turn++) expect(await refreshed(session)).toBeUndefined()
    expect(scopes).toEqual(['read write admin', 'read', 'read', 'read write'])
  })

  test('narrower: is recorded where oauth4webapi reads the answer', async () => {
    const { server, session } = await oauthSession()
    server.fault('custom', {
      respond: { body: { access_token: 'new', token_type: 'Bearer', refresh_token: 'next', scope: 'read' } },
    })
    expect(await refreshed(session)).toBeUndefined()
    expect(await session.getAccessToken()).toBe('new')
  })
})

test('of answers within one another the outermost says where it came from', async () => {
  const inner = { status: 404, headers: {}, url: 'https://api.example.com/inner', data: '' }
  const session = createSession({
    refresh: () => ({ ...inner, url: 'https://api.example.com/outer', request: inner, response: inner }),
    tokens: 'mine',
    retries: 0,
  })
  const error = await session.refresh().catch(String)
  session.close()
  expect(error).toContain('/outer')
  expect(error).not.toContain('/inner')
})
