import * as oauth from 'oauth4webapi'
import {
  createSession,
  findSessionError,
  memoryStore,
  type Session,
  type TokenInput,
  type TokenSet,
} from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { clientCredentialsGrant, type OAuthClientOptions, refreshTokenGrant } from 'refresh-once/oauth'
import { describe, expect, test, vi } from 'vitest'
import { deferred, failureOf, open, times, watch, withoutJitter } from '../setup.ts'
import { expire, movable, setWrong } from './cycles.ts'
import { type Fault, type Server, serving } from './server.ts'

const start = serving()

/** A session of `app`, as most people have it. */
function signedIn(
  server: Server,
  tokens: TokenInput,
  more: Partial<OAuthClientOptions> = {},
): { session: Session; grant: ReturnType<typeof refreshTokenGrant>; tokens: TokenSet[] } {
  const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app', ...more })
  const seen: TokenSet[] = []
  const session = open({
    ...grant,
    clock: withoutJitter(),
    retries: 0,
    tokens,
    refresh(context) {
      if (context.tokens) seen.push(context.tokens)
      return grant.refresh(context)
    },
  })
  return { session, grant, tokens: seen }
}

/** A fetch that lets nobody have the answer of the token endpoint until it is released. */
function heldBack(): { fetch: typeof fetch; refreshToken: Promise<string>; release: () => void } {
  const answered = deferred<string>()
  const going = deferred<void>()
  return {
    async fetch(url, init) {
      const response = await fetch(url, init)
      if (!String(url).endsWith('/token')) return response
      answered.resolve((await response.clone().json()).refresh_token)
      await going.promise
      return response
    },
    refreshToken: answered.promise,
    release: () => going.resolve(),
  }
}

const json = (status: number, body: object, headers: Record<string, string> = {}): Fault => [
  status,
  { 'content-type': 'application/json', ...headers },
  JSON.stringify(body),
]

describe('refreshTokenGrant', () => {
  test('twenty requests at each expiry cost one refresh, and the grant lives on', async () => {
    const server = await start()
    const { clock, pass } = movable()
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
    let last: string | undefined
    const session = open({
      ...grant,
      clock,
      tokens: await server.mint(),
      async refresh(context) {
        const answer = await grant.refresh(context)
        last = (answer as oauth.TokenEndpointResponse).refresh_token
        return answer
      },
    })
    const cycles = Number(process.env.SOAK_EXPIRIES ?? 12)
    const statuses = await expire(server, session, { cycles, pass })
    expect(statuses).toEqual(times(cycles * 20, () => 200))
    expect(server.count).toMatchObject({ token: cycles, granted: cycles, reuses: 0, most: 1, discoveries: 1 })
    expect(await server.isAlive(last)).toBe(true)
  })

  test.each([
    ['basic', (server: Server) => oauth.ClientSecretBasic(server.secret)],
    ['post', (server: Server) => oauth.ClientSecretPost(server.secret)],
    ['jwt', (server: Server) => oauth.PrivateKeyJwt(server.privateKey)],
  ] as const)('a confidential client authenticates itself: %s', async (clientId, authenticate) => {
    const server = await start()
    const { clock, pass } = movable()
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId, clientAuth: authenticate(server) })
    const session = open({ ...grant, clock, tokens: await server.mint({ clientId }) })
    expect(await expire(server, session, { cycles: 4, pass })).toEqual(times(80, () => 200))
    expect(server.count).toMatchObject({ token: 4, granted: 4, reuses: 0 })
  })

  test('where the server sends no refresh token, the old one is kept', async () => {
    const server = await start()
    const { session, tokens } = signedIn(server, await server.mint())
    server.faults.token = () => json(200, { access_token: 'next', token_type: 'bearer', expires_in: 60 })
    for (const _ of times(3, () => 0)) await session.refresh()
    expect(new Set(tokens.map(({ refreshToken }) => refreshToken)).size).toBe(1)
  })

  test('scope, resource and parameters are sent, and a narrower scope is told once', async () => {
    const server = await start()
    const forms: URLSearchParams[] = []
    server.faults.token = (form) => {
      forms.push(form)
      return json(200, { access_token: 'next', token_type: 'bearer', scope: 'read' })
    }
    const resource = ['https://a.example.com', 'https://b.example.com']
    const parameters = { audience: 'api' }
    const { session } = signedIn(server, await server.mint(), { scope: 'read write', resource, parameters })
    const seen = watch(session)
    await session.refresh()
    await session.refresh()
    expect(forms.map((form) => [form.get('scope'), form.getAll('resource'), form.get('audience')])).toEqual(
      times(2, () => ['read write', resource, 'api']),
    )
    expect(seen.of('degraded').map(({ reason }) => reason)).toEqual([
      'the scope is narrower than asked for: read',
    ])
    expect(session.state.status).toBe('signed-in')
  })

  test.each([
    ['invalid_grant', json(400, { error: 'invalid_grant' }), 'session_expired', 1, /refused/],
    [
      'invalid_client',
      json(401, { error: 'invalid_client' }),
      'refresh_failed',
      1,
      /clientId and clientAuth/,
    ],
    [
      'invalid_client with a challenge',
      json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
      'refresh_failed',
      1,
      /clientId and clientAuth/,
    ],
    ['unauthorized_client', json(400, { error: 'unauthorized_client' }), 'refresh_failed', 1, /clientId/],
    ['invalid_scope', json(400, { error: 'invalid_scope' }), 'refresh_failed', 1, /scope/],
    ['invalid_target', json(400, { error: 'invalid_target' }), 'refresh_failed', 1, /resource/],
    ['invalid_request', json(400, { error: 'invalid_request' }), 'refresh_failed', 1, /parameters/],
    ['invalid_dpop_proof', json(400, { error: 'invalid_dpop_proof' }), 'refresh_failed', 1, /dpop_proof/],
    ['a nonce again and again', json(400, { error: 'use_dpop_nonce' }), 'refresh_failed', 1, /dpop_nonce/],
    ['429', json(429, { error: 'slow_down' }), 'refresh_failed', 1, /429/],
    ['503', [503, {}, '<html>'], 'refresh_failed', 1, /503/],
    ['a long page of a firewall', [403, {}, `<html>${'x'.repeat(300_000)}`], 'refresh_failed', 1, /403/],
    ['a redirect', [302, { location: '/elsewhere' }], 'refresh_failed', 1, /302/],
    // In doubt: once more, at once.
    ['500', [500], 'refresh_failed', 2, /500/],
    // Whole answers: the refresh token is spent.
    ['a page', [200, { 'content-type': 'text/html' }, '<html>'], 'refresh_failed', 1, /html/],
    ['a mac token', json(200, { access_token: 'a', token_type: 'mac' }), 'refresh_failed', 1, /token_type/],
    [
      'a list of tokens',
      json(200, { access_token: ['a'], token_type: 'bearer' }),
      'refresh_failed',
      1,
      /token/,
    ],
    [
      'far too many tokens',
      json(200, { access_token: 'a', token_type: 'bearer', more: 'x'.repeat(300_000) }),
      'refresh_failed',
      1,
      /json/,
    ],
  ] as [string, Fault, string, number, RegExp][])(
    'the server says %s',
    async (_, fault, code, requests, message) => {
      const server = await start()
      const { session } = signedIn(server, await server.mint())
      server.faults.token = () => fault
      const error = findSessionError(await failureOf(session.refresh()))
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
      expect(session.state.status).toBe(code === 'session_expired' ? 'signed-out' : 'signed-in')
      expect(server.count.token).toBe(requests)
    },
  )

  /** The server answers itself, and somebody changes what it says. */
  const changed =
    (change: (body: Record<string, unknown>) => object): typeof fetch =>
    async (url, init) => {
      const response = await fetch(url, init)
      if (!String(url).endsWith('/token') || !response.ok) return response
      const body = await response.json()
      return Response.json({ ...body, ...change(body) })
    }

  const jwt = (header: object, claims: object): string =>
    [header, claims, 'x'].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  const claimsOf = ({ id_token }: Record<string, unknown>): Record<string, unknown> =>
    JSON.parse(Buffer.from(String(id_token).split('.')[1] ?? '', 'base64url').toString())

  test.each<[string, (body: Record<string, unknown>) => object]>([
    ['null for all that is not known', () => ({ scope: null, id_token: null, expires_in: null })],
    ['a list of scopes', () => ({ scope: ['openid', 'offline_access'] })],
    ['no scope, in an empty text', () => ({ scope: '' })],
    ['a lifetime that is none', () => ({ expires_in: 'soon' })],
    ['a lifetime below zero', () => ({ expires_in: -1 })],
    ['no type of token', () => ({ token_type: undefined })],
    ['an empty ID token', () => ({ id_token: '' })],
    ['an ID token that is none', () => ({ id_token: 'none' })],
    ['an ID token that is encrypted', () => ({ id_token: 'a.b.c.d.e' })],
    ['one of another algorithm', (body) => ({ id_token: jwt({ alg: 'none' }, claimsOf(body)) })],
    [
      'one without times',
      (body) => ({ id_token: jwt({ alg: 'RS256' }, { ...claimsOf(body), exp: undefined }) }),
    ],
    ['one of later', (body) => ({ id_token: jwt({ alg: 'RS256' }, { ...claimsOf(body), nbf: 9e9 }) })],
  ])('a whole answer is kept, whatever is odd beside its tokens: %s', async (_, change) => {
    const server = await start()
    const { session } = signedIn(server, await server.mint(), { fetch: changed(change), scope: 'openid' })
    for (const _ of times(3, () => 0)) await session.refresh()
    expect(server.count).toMatchObject({ token: 3, granted: 3 })
    expect(session.state.status).toBe('signed-in')
  })

  test('an ID token that does not hold still tells whose tokens these are', async () => {
    const server = await start()
    let sub: string | undefined
    const odd = (body: Record<string, unknown>) =>
      jwt({ alg: 'none' }, { ...claimsOf(body), ...(sub !== undefined && { sub }) })
    const { session } = signedIn(server, await server.mint(), {
      fetch: changed((body) => ({ id_token: odd(body) })),
    })
    await session.refresh()
    sub = 'somebody else'
    expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_expired' })
  })

  test.each([
    { iss: 'https://other.example.com' },
    { aud: 'another client' },
    { aud: ['another client', 'a third'] },
    { iss: null, aud: 5 },
    { iss: ['https://other.example.com'] },
  ])('an ID token of %o is not taken, and the tokens beside it are', async (claim) => {
    const server = await start()
    let wrong: object = claim
    const { session } = signedIn(server, await server.mint(), {
      fetch: changed((body) => ({ id_token: jwt({ alg: 'RS256' }, { ...claimsOf(body), ...wrong }) })),
    })
    const seen = watch(session)
    const told = () => seen.of('degraded').map(({ reason }) => reason)
    const claims = async () => {
      const { id_token } = await session.getTokenSet()
      return id_token ? claimsOf({ id_token }) : undefined
    }
    await session.refresh()
    expect(await claims()).toBeUndefined()
    expect(told()).toEqual(['an ID token of another issuer, or for another client, was not taken'])
    wrong = {}
    await session.refresh()
    expect(await claims()).toMatchObject({ iss: server.issuer, aud: 'app', sub: 'alice' })
    wrong = claim
    await session.refresh()
    // The former one is kept.
    expect(await claims()).toMatchObject({ iss: server.issuer, aud: 'app', sub: 'alice' })
    expect(server.count).toMatchObject({ token: 3, granted: 3, reuses: 0 })
    expect(session.state.status).toBe('signed-in')
    wrong = { ...claim, sub: 'somebody else' }
    expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_expired' })
  })

  test.each(['https://id.example.com/another-name', 'of the tenant'])(
    'the issuer is that of the ID token of the sign-in, whatever the metadata call it: %s',
    async (iss) => {
      const server = await start()
      const named = (body: Record<string, unknown>) => jwt({ alg: 'RS256' }, { ...claimsOf(body), iss })
      const { session } = signedIn(
        server,
        { ...(await server.mint()), id_token: jwt({ alg: 'RS256' }, { iss, sub: 'alice', aud: 'app' }) },
        { fetch: changed((body) => ({ id_token: named(body) })) },
      )
      const seen = watch(session)
      await session.refresh()
      expect(claimsOf(await session.getTokenSet())).toMatchObject({ iss, exp: expect.any(Number) })
      expect(seen.of('degraded')).toEqual([])
    },
  )

  test('Retry-After is obeyed', async () => {
    const server = await start()
    const { session } = signedIn(server, await server.mint())
    server.faults.token = () => [429, { 'retry-after': '100' }]
    const error = findSessionError(await failureOf(session.refresh()))
    expect(error?.retryAt).toBeGreaterThan(Date.now() + 90_000)
  })

  test('without a refresh token there is nothing to send', async () => {
    const server = await start()
    const { session } = signedIn(server, 'access-token')
    expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_expired' })
    expect(server.count.token).toBe(0)
  })

  test.each([
    ['an outage', [503]],
    ['a firewall', json(403, { error: 'blocked' })],
    ['no metadata at all', [404]],
    ['those of somebody else', json(200, { issuer: 'https://other.example.com' })],
  ] as [string, Fault][])(
    'metadata that cannot be had end nothing, and are asked for again: %s',
    async (_, fault) => {
      const server = await start()
      const { session } = signedIn(server, await server.mint())
      server.faults.metadata = fault
      expect(await failureOf(session.refresh())).toMatchObject({ code: 'refresh_failed' })
      expect(server.count.token).toBe(0)
      server.faults.metadata = undefined
      await session.refresh()
      await session.refresh()
      expect(session.state.status).toBe('signed-in')
      expect(server.count).toMatchObject({ token: 2, granted: 2 })
    },
  )

  test.each<[string, () => Response]>([
    ['404', () => new Response(null, { status: 404 })],
    ['403', () => new Response('<Error>AccessDenied</Error>', { status: 403 })],
    ['401', () => new Response(null, { status: 401 })],
    ['405', () => new Response(null, { status: 405 })],
    ['a page of an app', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['a redirect to a login', () => new Response(null, { status: 302, headers: { location: '/login' } })],
  ])('a server with OAuth metadata alone (RFC 8414), which says %s to OpenID Connect', async (_, other) => {
    const server = await start()
    const asked: string[] = []
    const { session } = signedIn(server, await server.mint(), {
      async fetch(url, init) {
        const { pathname, origin } = new URL(String(url))
        asked.push(pathname)
        if (pathname.endsWith('openid-configuration')) return other()
        const has = pathname.startsWith('/.well-known/oauth-authorization-server')
        return fetch(has ? `${origin}/.well-known/openid-configuration` : url, init)
      },
    })
    await session.refresh()
    expect(asked).toHaveLength(3)
  })

  test('metadata may be given: nobody is asked for them', async () => {
    const server = await start()
    const { issuer } = server
    const metadata = {
      issuer,
      token_endpoint: `${issuer}/token`,
      id_token_signing_alg_values_supported: ['RS256'],
    }
    const grant = refreshTokenGrant({ server: metadata, clientId: 'app' })
    const session = open({ ...grant, tokens: await server.mint() })
    await session.refresh()
    expect(server.count).toMatchObject({ token: 1, granted: 1, discoveries: 0 })
  })

  test('plain http to another machine is refused, unless it is asked for', async () => {
    const { session } = signedIn(
      await start(),
      { accessToken: 'a', refreshToken: 'r' },
      {
        issuer: undefined,
        server: { issuer: 'http://id.example.com', token_endpoint: 'http://id.example.com/token' },
      },
    )
    expect(await failureOf(session.refresh())).toMatchObject({ message: expect.stringMatching(/HTTPS/) })
  })

  test('mistakes are told when the grant is made', () => {
    expect(() => refreshTokenGrant({ clientId: 'app' })).toThrow(/an issuer/)
    for (const issuer of ['id.example.com', '//id.example.com', 'ftp://id.example.com', ''])
      expect(() => refreshTokenGrant({ issuer, clientId: 'app' })).toThrow(/an issuer.*whole URL/)
    expect(() => clientCredentialsGrant({ issuer: 'https://id.example.com', clientId: '' })).toThrow(
      'clientId',
    )
  })

  test('token requests are not cached, not redirected, and end with the signal of the session', async () => {
    const server = await start()
    const seen: RequestInit[] = []
    const { session } = signedIn(server, await server.mint(), {
      fetch: (url, init) => {
        seen.push(init ?? {})
        return fetch(url, init)
      },
    })
    await session.refresh()
    expect(seen.map(({ cache, redirect }) => [cache, redirect])).toEqual(
      times(2, () => ['no-store', 'manual']),
    )
    expect(seen.every(({ signal }) => signal instanceof AbortSignal)).toBe(true)
  })
})

describe('the user of a token', () => {
  test('is learnt from an ID token, and another one ends the session', async () => {
    const server = await start()
    const alice = await server.mint()
    const { session } = signedIn(server, alice)
    await session.refresh()
    // Somebody has put another one's refresh token into the store.
    const bob = await server.mint({ account: 'bob' })
    await session.update({ accessToken: 'b', refreshToken: bob.refresh_token })
    expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_expired' })
    expect(session.state.status).toBe('signed-out')
  })

  test('may be told at the sign-in', async () => {
    const server = await start()
    const { session } = signedIn(server, { ...(await server.mint()), sub: 'somebody else' })
    expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_expired' })
  })

  test('may have any name', async () => {
    const server = await start()
    const { session } = signedIn(server, await server.mint({ account: 'Жанна ≠ Jana' }))
    for (const _ of times(3, () => 0)) await session.refresh()
    expect(server.count.granted).toBe(3)
  })
})

describe('a wrong clock', () => {
  test.each([3_600_000, -3_600_000])(
    'by %i ms, with ID tokens of a minute: nothing is used twice',
    async (off) => {
      const server = await start()
      const { session } = signedIn(server, await server.mint())
      setWrong(off)
      for (const _ of times(4, () => 0)) await session.refresh()
      expect(server.count).toMatchObject({ token: 4, granted: 4, reuses: 0 })
      expect(session.state.status).toBe('signed-in')
    },
  )

  test.each([3_600_000, -3_600_000])('by %i ms: assertions have the time of the server', async (off) => {
    const server = await start()
    const clientAuth = oauth.PrivateKeyJwt(server.privateKey)
    const tokens = await server.mint({ clientId: 'jwt' })
    const { session } = signedIn(server, tokens, { clientId: 'jwt', clientAuth })
    setWrong(off)
    await session.refresh()
    expect(server.count).toMatchObject({ token: 1, granted: 1 })
  })

  test('that is met at the token endpoint first: asked once more, with the right time', async () => {
    const server = await start()
    const { issuer } = server
    const clientAuth = oauth.PrivateKeyJwt(server.privateKey)
    const { session } = signedIn(server, await server.mint({ clientId: 'jwt' }), {
      issuer: undefined,
      server: { issuer, token_endpoint: `${issuer}/token` },
      clientId: 'jwt',
      clientAuth,
    })
    setWrong(3_600_000)
    await session.refresh()
    expect(server.count).toMatchObject({ token: 2, granted: 1 })
  })
})

describe('sign-out', () => {
  test('revokes the tokens of a session that was never refreshed here', async () => {
    const server = await start()
    const { access_token, refresh_token, ...rest } = await server.mint()
    const { session, grant } = signedIn(server, { access_token, refresh_token, ...rest })
    await session.signOut({ server: grant.revoke })
    expect(server.count).toMatchObject({ revocations: 1, token: 0 })
    expect([await server.isAlive(refresh_token), await server.accepts(access_token)]).toEqual([false, false])
  })

  test('at once after the start revokes what the store holds', async () => {
    const server = await start()
    const { refresh_token, access_token } = await server.mint()
    const record = new Map<string, string>()
    const storage = {
      getItem: (key: string) => record.get(key) ?? null,
      setItem: (key: string, value: string) => record.set(key, value),
      removeItem: (key: string) => record.delete(key),
    }
    const before = open({ refresh: () => 'none', store: memoryStore({ storage }) })
    await before.signIn({ access_token, refresh_token })
    before.close()
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
    const session = open({ ...grant, store: memoryStore({ storage }) })
    await session.signOut({ server: grant.revoke })
    expect(await server.isAlive(refresh_token)).toBe(false)
  })

  test('also revokes what a late answer brings', async () => {
    const server = await start()
    const late = heldBack()
    const { session, grant } = signedIn(server, await server.mint(), { fetch: late.fetch })
    void session.refresh().catch(() => {})
    const token = await late.refreshToken
    expect(await server.isAlive(token)).toBe(true)
    const done = session.signOut({ server: grant.revoke })
    late.release()
    await done
    await vi.waitFor(async () => expect(await server.isAlive(token)).toBe(false))
  })

  test('of another session that shares the store: what is late here is revoked by this one', async () => {
    const server = await start()
    const store = memoryStore()
    const late = heldBack()
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app', fetch: late.fetch })
    const here = open({ ...grant, store })
    await here.signIn(await server.mint())
    const there = open({ refresh: () => 'none', store })
    await vi.waitFor(() => expect(there.state.status).toBe('signed-in'))
    void here.refresh().catch(() => {})
    const token = await late.refreshToken
    const done = there.signOut()
    late.release()
    await done
    await vi.waitFor(async () => expect(await server.isAlive(token)).toBe(false))
  })

  test('a server that has nothing to say to a revocation (204) has done it', async () => {
    const server = await start()
    const { session, grant } = signedIn(server, await server.mint())
    server.faults.revocation = [204]
    await session.signOut({ server: grant.revoke })
    expect(session.state.status).toBe('signed-out')
  })

  test('a server that cannot revoke is told, and the user is signed out', async () => {
    const server = await start()
    const { session, grant } = signedIn(server, await server.mint())
    server.faults.revocation = [503]
    await failureOf(session.signOut({ server: grant.revoke }))
    expect(session.state.status).toBe('signed-out')
  })
})

describe('two sessions on one refresh token', () => {
  test('of one grant: what the other has spent is not sent, and the error says so', async () => {
    const server = await start()
    const tokens = await server.mint()
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
    const [one, two] = times(2, () => open({ ...grant, tokens, retries: 0 })) as [Session, Session]
    await one.refresh()
    expect(await failureOf(two.refresh())).toMatchObject({
      code: 'refresh_failed',
      message: expect.stringMatching(/another session/),
    })
    await one.refresh()
    expect(server.count).toMatchObject({ granted: 2, reuses: 0 })
  })

  test('at once: one of them is refused by us, none by the server', async () => {
    const server = await start()
    const tokens = await server.mint()
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
    const sessions = times(5, () => open({ ...grant, tokens, retries: 0 }))
    const outcomes = await Promise.allSettled(sessions.map((session) => session.refresh()))
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    expect(server.count).toMatchObject({ token: 1, granted: 1, reuses: 0 })
  })
})

describe('clientCredentialsGrant', () => {
  test('eight sessions on one store: one token request for each expiry', async () => {
    const server = await start()
    const { clock, pass } = movable()
    const store = memoryStore({ clock })
    const grant = clientCredentialsGrant({
      issuer: server.issuer,
      clientId: 'jwt',
      clientAuth: oauth.PrivateKeyJwt(server.privateKey),
      scope: 'read',
    })
    const apis = times(8, () => withSession(open({ ...grant, clock, store }), { origins: [server.issuer] }))
    for (let cycle = 1; cycle <= 3; cycle++) {
      const answers = await Promise.all(
        times(24, (index) => apis[index % 8]?.(`${server.issuer}/api/machine`)),
      )
      expect(answers.map((answer) => answer?.status)).toEqual(times(24, () => 200))
      expect(server.count).toMatchObject({ token: cycle, granted: cycle })
      pass()
    }
  })

  test('no refusal ends it: what a developer has mended works again', async () => {
    const server = await start()
    const grant = clientCredentialsGrant({
      issuer: server.issuer,
      clientId: 'basic',
      clientAuth: oauth.ClientSecretBasic(server.secret),
    })
    const session = createSession({ ...grant, retries: 0, clock: withoutJitter() })
    for (const fault of [
      json(400, { error: 'invalid_grant' }),
      [401],
      json(403, { error: 'no' }),
    ] as Fault[]) {
      server.faults.token = () => fault
      expect(await failureOf(session.refresh())).toMatchObject({ code: 'refresh_failed' })
    }
    server.faults.token = undefined
    await session.refresh()
    expect(session.state.status).toBe('signed-in')
    session.close()
  })
})
