import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import axios from 'axios'
import { generateKeyPair, SignJWT } from 'jose'
import Provider from 'oidc-provider'
import {
  createSession,
  isSessionError,
  type Session,
  SessionError,
  type SessionEvent,
  type TokenInput,
  type TokenSet,
} from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { type AuthServer, createAuthServer, createTestClock, type TestClock } from 'refresh-once/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { createRefresh } from './oauth4webapi.ts'

const CLIENT_ID = 'app'
const closing: (() => unknown)[] = []

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

interface Setting {
  session: Session
  time: TestClock
  /** The token sets that each call of the refresh was given. */
  given: (TokenSet | undefined)[]
}

/** A session with the recipe for its refresh. */
function open(issuer: string, tokenEndpoint: string, tokens: TokenInput): Setting {
  const time = createTestClock()
  const refresh = createRefresh({ issuer, tokenEndpoint, clientId: CLIENT_ID })
  const given: (TokenSet | undefined)[] = []
  const session = createSession({
    clock: time.clock,
    retries: 0,
    tokens,
    refresh(context) {
      given.push(context.tokens)
      return refresh(context)
    },
  })
  closing.push(() => session.close())
  return { session, time, given }
}

async function failure(session: Session): Promise<SessionError> {
  const error = await session.refresh().catch((error) => error)
  expect(error).toBeInstanceOf(SessionError)
  return error
}

describe('against a strict authorization server', () => {
  async function start(): Promise<AuthServer> {
    const server = await createAuthServer()
    closing.push(() => server.close())
    return server
  }

  async function signedIn(more: object = {}): Promise<Setting & { server: AuthServer }> {
    const server = await start()
    return { server, ...open(server.url, server.tokenEndpoint, { ...server.mint(), ...more }) }
  }

  /** What the token endpoint says from now on. */
  function answer(server: AuthServer, body: object): void {
    server.fault('custom', { times: Number.POSITIVE_INFINITY, respond: { body } })
  }

  test('twenty requests with an expired token: one refresh, all answered', async () => {
    const { server, session, given } = await signedIn()
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    server.expireAccessTokens()
    const answers = await Promise.all(Array.from({ length: 20 }, (_, id) => api.get(`/api/items?id=${id}`)))
    expect(answers.map(({ data }) => data.generation)).toEqual(Array(20).fill(2))
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    expect(given).toHaveLength(1)
  })

  test.each([
    ['missing', { access_token: 'new', refresh_token: 'next' }],
    ['mac', { access_token: 'new', refresh_token: 'next', token_type: 'mac' }],
  ])('token_type %s: the refresh fails, the session is kept', async (_, body) => {
    const { server, session, time } = await signedIn()
    const before = await session.getAccessToken()
    server.fault('custom', { respond: { body } })
    expect((await failure(session)).code).toBe('refresh_failed')
    expect(session.state).toMatchObject({ status: 'signed-in', generation: 1 })
    expect(await session.getAccessToken()).toBe(before)
    await time.advance(60_000)
    await session.refresh()
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test('token_type BEARER is accepted', async () => {
    const { server, session } = await signedIn()
    answer(server, { access_token: 'new', token_type: 'BEARER' })
    await session.refresh()
    expect(await session.getAccessToken()).toBe('new')
  })

  test('the token endpoint answers 307 to elsewhere: an error, and the refresh token is not forwarded', async () => {
    const { server, session } = await signedIn()
    const arrived: string[] = []
    const elsewhere = await createAuthServer({
      fallback: (request, response) => {
        arrived.push(`${request.method} ${request.url}`)
        response.end()
      },
    })
    closing.push(() => elsewhere.close())
    server.fault('redirect', { times: Number.POSITIVE_INFINITY, location: `${elsewhere.url}/elsewhere` })
    expect((await failure(session)).code).toBe('refresh_failed')
    expect(arrived).toEqual([])
    expect(elsewhere.count.refreshRequests).toBe(0)
    expect(server.count).toMatchObject({ refreshRequests: 1, refreshes: 0 })
    expect(session.state.status).toBe('signed-in')
  })

  test('a narrower scope is recorded', async () => {
    const { server, session, given } = await signedIn({ scope: 'read write' })
    answer(server, { access_token: 'new', token_type: 'Bearer', scope: 'read' })
    await session.refresh()
    await session.refresh()
    expect(given.map((tokens) => tokens?.scope)).toEqual(['read write', 'read'])
  })

  async function idToken(server: AuthServer, claims: object): Promise<string> {
    const { privateKey } = await generateKeyPair('RS256')
    // What the recipe checks by is the clock of the machine.
    return new SignJWT({ iss: server.url, aud: CLIENT_ID, ...claims })
      .setProtectedHeader({ alg: 'RS256' })
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey)
  }

  test('the ID token is about somebody else: session_expired, and nobody becomes that user', async () => {
    const { server, session } = await signedIn({ sub: 'alice' })
    const events: SessionEvent[] = []
    session.observe((event) => void events.push(event))
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    const mallory = server.mint('mallory')
    answer(server, { ...mallory, id_token: await idToken(server, { sub: 'mallory' }) })
    server.expireAccessTokens('alice')
    const error = await api.get('/api/items').catch((error) => error)
    expect(isSessionError(error, 'session_expired')).toBe(true)
    expect(error.response.status).toBe(401)
    expect(session.state.status).toBe('signed-out')
    expect(events.filter(({ type }) => type === 'signed-out')).toHaveLength(1)
    expect(server.count.refreshRequests).toBe(1)
    expect(server.requests.filter(({ user }) => user === 'mallory')).toEqual([])
  })

  test('the ID token is about the same user: the new tokens are used', async () => {
    const { server, session, given } = await signedIn({ sub: 'alice' })
    answer(server, {
      access_token: 'new',
      token_type: 'Bearer',
      id_token: await idToken(server, { sub: 'alice' }),
    })
    await session.refresh()
    expect(await session.getAccessToken()).toBe('new')
    await session.refresh()
    expect(given.map((tokens) => tokens?.sub)).toEqual(['alice', 'alice'])
  })

  test('an answer without an ID token leaves the user as it was', async () => {
    const { session, given, server } = await signedIn({ sub: 'alice' })
    await session.refresh()
    answer(server, {
      access_token: 'new',
      token_type: 'Bearer',
      id_token: await idToken(server, { sub: 'mallory' }),
    })
    expect((await failure(session)).code).toBe('session_expired')
    expect(given.map((tokens) => tokens?.sub)).toEqual(['alice', 'alice'])
  })

  test.each([
    ['for another client', { sub: 'alice', aud: 'another' }],
    ['of another issuer', { sub: 'alice', iss: 'https://evil.example' }],
  ])('an ID token %s: the refresh fails', async (_, claims) => {
    const { server, session } = await signedIn({ sub: 'alice' })
    answer(server, { access_token: 'new', token_type: 'Bearer', id_token: await idToken(server, claims) })
    expect((await failure(session)).code).toBe('refresh_failed')
    expect(session.state).toMatchObject({ status: 'signed-in', generation: 1 })
  })

  test.each([
    ['invalid-grant', 'session_expired', 1],
    ['invalid-client', 'refresh_failed', 1],
    ['503', 'refresh_failed', 1],
    ['429', 'refresh_failed', 1],
    ['html-400', 'refresh_failed', 1],
    ['500', 'refresh_failed', 2],
    ['html-200', 'refresh_failed', 1],
  ] as const)('%s: %s', async (fault, code, requests) => {
    const { server, session } = await signedIn()
    server.fault(fault, { times: Number.POSITIVE_INFINITY })
    expect((await failure(session)).code).toBe(code)
    expect(server.count.refreshRequests).toBe(requests)
  })

  test('503 with Retry-After: is honoured', async () => {
    const { server, session, time } = await signedIn()
    server.fault('503', { retryAfter: '30' })
    const { code, retryAt } = await failure(session)
    expect([code, retryAt]).toEqual(['refresh_failed', time.clock.now() + 30_000])
    expect(server.count.refreshRequests).toBe(1)
  })

  test('without a refresh token there is nothing to refresh with: session_expired, and nothing is sent', async () => {
    const server = await start()
    const { session } = open(server.url, server.tokenEndpoint, 'only-an-access-token')
    expect((await failure(session)).code).toBe('session_expired')
    expect(server.count.refreshRequests).toBe(0)
  })

  test('plain http to another machine is refused, and nothing is sent', async () => {
    const { session } = open('http://id.example.com', 'http://id.example.com/token', {
      accessToken: 'old',
      refreshToken: 'secret',
    })
    const { code, message } = await failure(session)
    expect(code).toBe('refresh_failed')
    expect(message).toMatch(/HTTPS/i)
  })
})

describe('against oidc-provider', () => {
  interface OpenIdProvider {
    issuer: string
    provider: Provider
    mint(accountId: string, scope?: string): Promise<{ access_token: string; refresh_token: string }>
    whoIs(accessToken: string): Promise<number>
  }

  async function start(): Promise<OpenIdProvider> {
    const http = createServer()
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const issuer = `http://localhost:${(http.address() as AddressInfo).port}`
    const provider = new Provider(issuer, {
      clients: [
        {
          client_id: CLIENT_ID,
          token_endpoint_auth_method: 'none',
          application_type: 'native',
          grant_types: ['authorization_code', 'refresh_token'],
          response_types: ['code'],
          redirect_uris: [`${issuer}/unused`],
        },
      ],
      rotateRefreshToken: true,
      issueRefreshToken: async () => true,
      cookies: { keys: ['test-only'] },
      ttl: { AccessToken: 300, RefreshToken: 3600, IdToken: 60, Grant: 3600 },
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      features: { devInteractions: { enabled: false } },
    })
    http.on('request', provider.callback())
    closing.push(() => {
      http.closeAllConnections()
      return new Promise((resolve) => http.close(resolve))
    })
    return {
      issuer,
      provider,
      async mint(accountId, scope = 'openid offline_access') {
        const client = await provider.Client.find(CLIENT_ID)
        if (!client) throw new Error('the client is not registered')
        const grant = new provider.Grant({ accountId, clientId: CLIENT_ID })
        grant.addOIDCScope(scope)
        const properties = {
          accountId,
          client,
          grantId: await grant.save(),
          scope,
          gty: 'authorization_code',
        }
        return {
          refresh_token: await new provider.RefreshToken(properties as never).save(),
          access_token: await new provider.AccessToken(properties as never).save(),
        }
      },
      async whoIs(accessToken) {
        const { status } = await fetch(`${issuer}/me`, {
          headers: { authorization: `Bearer ${accessToken}` },
        })
        return status
      },
    }
  }

  test('tokens rotate, and the user is learnt from the ID token', async () => {
    const { issuer, mint, whoIs } = await start()
    const first = await mint('alice')
    const { session, given } = open(issuer, `${issuer}/token`, first)
    for (let turn = 0; turn < 3; turn++) await session.refresh()
    expect(new Set(given.map((tokens) => tokens?.refreshToken)).size).toBe(3)
    expect(given.map((tokens) => tokens?.sub)).toEqual([undefined, 'alice', 'alice'])
    expect(given[1]?.scope).toBe('openid offline_access')
    expect(await session.getAccessToken()).not.toBe(first.access_token)
    expect(await whoIs(await session.getAccessToken())).toBe(200)
    expect(session.state).toMatchObject({ status: 'signed-in', generation: 4 })
  })

  test('the tokens of another user, whoever brings them, end the session', async () => {
    const { issuer, mint } = await start()
    const alice = await mint('alice')
    const bob = await mint('bob')
    const mixed = { ...alice, refresh_token: bob.refresh_token, sub: 'alice' }
    const { session } = open(issuer, `${issuer}/token`, mixed)
    expect((await failure(session)).code).toBe('session_expired')
    expect(session.state.status).toBe('signed-out')
  })

  test('a refresh token that was used before: session_expired', async () => {
    const { issuer, mint } = await start()
    const tokens = await mint('alice')
    const { session } = open(issuer, `${issuer}/token`, tokens)
    await session.refresh()
    const { session: thief } = open(issuer, `${issuer}/token`, tokens)
    expect((await failure(thief)).code).toBe('session_expired')
    // The server has revoked the whole grant.
    expect((await failure(session)).code).toBe('session_expired')
  })

  test('another client: refresh_failed, the session is kept', async () => {
    const { issuer, mint } = await start()
    const time = createTestClock()
    const session = createSession({
      clock: time.clock,
      retries: 0,
      tokens: await mint('alice'),
      refresh: createRefresh({ issuer, tokenEndpoint: `${issuer}/token`, clientId: 'nobody' }),
    })
    closing.push(() => session.close())
    expect((await failure(session)).code).toBe('refresh_failed')
    expect(session.state.status).toBe('signed-in')
  })
})
