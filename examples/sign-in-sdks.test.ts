import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { AuthClient } from '@supabase/auth-js'
import { InMemoryWebStorage, User, UserManager, WebStorageStateStore } from 'oidc-client-ts'
import { createSession, isSessionError, type SessionOptions } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createAuthServer } from 'refresh-once/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fetchForSupabase, oidcRenewal, supabaseRenewal } from './sign-in-sdks.ts'

async function opened() {
  const server = await createAuthServer()
  onTestFinished(() => server.close())
  return { server, tokens: server.mint('alice') }
}

/** Twenty requests with a token that was revoked unseen; then the server refuses the refresh. */
async function proveOneRefresh(
  { server, tokens }: Awaited<ReturnType<typeof opened>>,
  renewal: Pick<SessionOptions, 'refresh' | 'isTerminal'>,
): Promise<void> {
  const session = createSession({ ...renewal, tokens: tokens.access_token })
  onTestFinished(() => session.close())
  const authFetch = withSession(session, { origins: server.url })
  server.expireAccessTokens()
  const answers = await Promise.all(Array.from({ length: 20 }, () => authFetch(`${server.url}/api/items`)))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
  expect(server.count).toMatchObject({ refreshRequests: 1, refreshes: 1, reuses: 0 })

  server.revokeFamily('alice')
  const refused = await authFetch(`${server.url}/api/items`)
  expect([refused.status, isSessionError(refused, 'session_expired')]).toEqual([401, true])
  expect(session.state).toMatchObject({ status: 'signed-out' })
}

type Opened = Awaited<ReturnType<typeof opened>>

interface Kept {
  renewal: Pick<SessionOptions, 'refresh' | 'isTerminal'>
  /** What the SDK has in its own storage. */
  refreshToken(): Promise<string | undefined>
}

async function withOidc({ server, tokens }: Opened): Promise<Kept> {
  const manager = new UserManager({
    authority: server.url,
    client_id: 'app',
    redirect_uri: `${server.url}/callback`,
    automaticSilentRenew: false,
    metadata: { issuer: server.url, token_endpoint: server.tokenEndpoint },
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
  })
  await manager.storeUser(
    new User({
      access_token: tokens.access_token,
      ...(tokens.refresh_token && { refresh_token: tokens.refresh_token }),
      token_type: 'Bearer',
      profile: { sub: 'alice', iss: server.url, aud: 'app', exp: 0, iat: 0 },
    }),
  )
  return {
    renewal: oidcRenewal(manager),
    refreshToken: async () => (await manager.getUser())?.refresh_token,
  }
}

/** Their server takes JSON, and says who it is. */
async function startSupabase({ tokenEndpoint }: Opened['server']): Promise<string> {
  const server = createServer(async (request, response) => {
    const { refresh_token } = (await json(request)) as { refresh_token: string }
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
    const answer = await fetch(tokenEndpoint, { method: 'POST', body }).catch(() => undefined)
    if (!answer) return response.destroy()
    const text = await answer.text()
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
    response.end(answer.ok ? JSON.stringify({ ...JSON.parse(text), user: { id: 'alice' } }) : text)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function withSupabase({ server, tokens }: Opened): Promise<Kept> {
  const { access_token, refresh_token = '', expires_in } = tokens
  const kept = new Map([
    ['session', JSON.stringify({ access_token, refresh_token, expires_in, expires_at: 1, user: {} })],
  ])
  const auth = new AuthClient({
    url: await startSupabase(server),
    storageKey: 'session',
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    },
    autoRefreshToken: false,
    fetch: fetchForSupabase,
  })
  return {
    renewal: supabaseRenewal(auth),
    refreshToken: async () => JSON.parse(kept.get('session') ?? '{}').refresh_token,
  }
}

describe.each([
  ['oidc-client-ts', withOidc],
  ['supabase', withSupabase],
])('%s has the refresh token', (_, withSdk) => {
  test('the session has the one refresh', async () => {
    const given = await opened()
    await proveOneRefresh(given, (await withSdk(given)).renewal)
  })

  test.each([
    ['a 404', { status: 404, headers: { 'content-type': 'application/json' }, body: '{"message":"none"}' }],
    ['the page of a 404', { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>none</h1>' }],
    ['the page of a firewall', { status: 403, headers: { 'content-type': 'text/html' }, body: '<h1>no' }],
    ['a 429', { status: 429, headers: { 'content-type': 'application/json' }, body: '{"message":"slow"}' }],
    ['a 500', { status: 500, headers: { 'content-type': 'application/json' }, body: '{"message":"no"}' }],
  ])('%s of the token endpoint ends nothing, neither there nor here', async (_name, respond) => {
    const given = await opened()
    const { server, tokens } = given
    const { renewal, refreshToken } = await withSdk(given)
    const session = createSession({ ...renewal, tokens: { accessToken: tokens.access_token, expiresAt: 1 } })
    onTestFinished(() => session.close())
    const heal = server.fault('custom', { on: 'token', respond, times: 1 })
    // Tried again by one of the two, or by whoever asks next.
    const first = await session.getAccessToken().catch((error: unknown) => error)
    heal()
    expect([session.state.status, await refreshToken()]).toEqual(['signed-in', expect.any(String)])
    if (typeof first !== 'string') await session.refresh()
    expect(await session.getAccessToken()).not.toBe(tokens.access_token)
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })
})

test('a supabase that has lost its session is a session that has ended', async () => {
  const auth = new AuthClient({ url: 'http://127.0.0.1:9', autoRefreshToken: false, persistSession: false })
  const session = createSession({
    ...supabaseRenewal(auth),
    tokens: { accessToken: 'old', expiresAt: 1 },
  })
  onTestFinished(() => session.close())
  expect(isSessionError(await session.getAccessToken().catch((error) => error), 'session_expired')).toBe(true)
})
