import axios, { type AxiosInstance } from 'axios'
import {
  findSessionError,
  isSessionError,
  type Session,
  type SessionOptions,
  type TokenInput,
} from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createOidcServer, type OidcServer } from './oidc-server.ts'
import { failureOf, open, times, watch } from './setup.ts'

const LIFETIME = 2

const servers: OidcServer[] = []

beforeEach(() => {
  // The provider warns that it is not set up for production.
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(): Promise<OidcServer> {
  const server = await createOidcServer({ accessTokenLifetime: LIFETIME })
  servers.push(server)
  return server
}

function refreshAt({ tokenEndpoint, clientId }: OidcServer): SessionOptions['refresh'] {
  return ({ tokens, signal }) => {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: tokens?.refreshToken ?? '',
    })
    return fetch(tokenEndpoint, { method: 'POST', body, signal })
  }
}

function client(
  server: OidcServer,
  tokens: TokenInput,
  options: Partial<SessionOptions> = {},
): { api: AxiosInstance; session: Session } {
  const session = open({ refresh: refreshAt(server), tokens, ...options })
  const api = axios.create({ baseURL: server.url })
  attachSession(api, session)
  return { api, session }
}

describe('oidc-provider', () => {
  test('tokens rotate: each refresh is made with the token that the one before brought', async () => {
    const server = await start()
    const { api, session } = client(server, await server.mint())
    const seen = new Set<string>()
    for (let n = 0; n < 5; n++) {
      await session.refresh()
      expect((await api.get('/me')).data).toEqual({ sub: 'alice' })
      seen.add(await session.getAccessToken())
    }
    expect(seen.size).toBe(5)
    expect(server).toMatchObject({ refreshes: 5, tokenRequests: 5, reuses: 0 })
  })

  test('fifty requests on tokens of two seconds that have expired lead to one refresh and fifty requests', async () => {
    const server = await start()
    const tokens = await server.mint()
    const { api } = client(server, { ...tokens, expiresAt: Date.now() + LIFETIME * 1_000 })
    expect((await api.get('/me')).status).toBe(200)
    // For the provider and for the session.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + LIFETIME * 1_000 })
    const stale = { headers: { authorization: `Bearer ${tokens.access_token}` } }
    expect((await fetch(`${server.url}/me`, stale)).status).toBe(401)

    const answers = await Promise.all(times(50, () => api.get('/me')))
    expect(answers.map(({ data }) => data.sub)).toEqual(times(50, () => 'alice'))
    expect(server).toMatchObject({ refreshes: 1, tokenRequests: 1, apiRequests: 52, reuses: 0 })
  })

  test('fifty requests with a token that the server refuses lead to one refresh and no failure', async () => {
    const server = await start()
    const { refresh_token } = await server.mint()
    const { api } = client(server, { accessToken: 'unknown-to-the-server', refreshToken: refresh_token })
    const answers = await Promise.all(times(50, () => api.get('/me')))
    expect(answers.map(({ status }) => status)).toEqual(times(50, () => 200))
    expect(server).toMatchObject({ refreshes: 1, tokenRequests: 1, reuses: 0 })
    expect(server.apiRequests).toBeLessThanOrEqual(100)
  })

  test('a grant that is revoked ends the session, with the 401 of the request', async () => {
    const server = await start()
    const { api, session } = client(server, await server.mint())
    const seen = watch(session)
    expect((await api.get('/me')).status).toBe(200)
    await server.revoke('alice')
    const errors = await Promise.all(times(5, () => failureOf(api.get('/me'))))
    for (const error of errors) {
      expect(error).toMatchObject({ response: { status: 401 } })
      expect(findSessionError(error)?.code).toBe('session_expired')
    }
    expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
    expect(session.state.status).toBe('signed-out')
    expect(server).toMatchObject({ refreshes: 0, tokenRequests: 1, apiRequests: 6 })
  })

  test('a refresh token that somebody else has used ends the grant, and the session says so', async () => {
    const server = await start()
    const tokens = await server.mint()
    const thief = client(server, tokens)
    await thief.session.refresh()
    const { api, session } = client(server, tokens)
    expect(isSessionError(await failureOf(session.refresh()), 'session_expired')).toBe(true)
    expect(server.reuses).toBe(1)
    expect(await failureOf(api.get('/me'))).toMatchObject({ response: { status: 401 } })
    expect(await failureOf(thief.api.get('/me'))).toMatchObject({ response: { status: 401 } })
    expect(thief.session.state.status).toBe('signed-out')
  })

  test('a wrong client is a mistake in the configuration: the session is kept', async () => {
    const server = await start()
    const { session } = client(server, await server.mint(), {
      refresh: refreshAt({ ...server, tokenEndpoint: server.tokenEndpoint, clientId: 'nobody' }),
    })
    expect(isSessionError(await failureOf(session.refresh()), 'refresh_failed')).toBe(true)
    expect(session.state.status).toBe('signed-in')
    expect(server.tokenRequests).toBe(1)
  })

  test('`refresh` may return the answer, the parsed body, or what axios makes of it', async () => {
    const server = await start()
    const form = (refreshToken = ''): Record<string, string> => ({
      grant_type: 'refresh_token',
      client_id: server.clientId,
      refresh_token: refreshToken,
    })
    const ways: SessionOptions['refresh'][] = [
      refreshAt(server),
      async (context) => {
        const answer = await refreshAt(server)(context)
        return answer instanceof Response ? answer.json() : answer
      },
      ({ tokens, signal }) =>
        axios.post(server.tokenEndpoint, new URLSearchParams(form(tokens?.refreshToken)), { signal }),
    ]
    for (const refresh of ways) {
      const { api, session } = client(server, await server.mint(), { refresh })
      await session.refresh()
      await session.refresh()
      expect((await api.get('/me')).status).toBe(200)
    }
    expect(server).toMatchObject({ refreshes: 6, reuses: 0 })
  })
})
