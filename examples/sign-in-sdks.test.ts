import { AuthClient } from '@supabase/auth-js'
import { InMemoryWebStorage, User, UserManager, WebStorageStateStore } from 'oidc-client-ts'
import { createSession, isSessionError, type SessionOptions } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createAuthServer } from 'refresh-once/testing'
import { expect, onTestFinished, test } from 'vitest'
import { oidcRenewal, supabaseRenewal } from './sign-in-sdks.ts'

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

test('oidc-client-ts has the refresh token, the session has the one refresh', async () => {
  const { server, tokens } = await opened()
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
  await proveOneRefresh({ server, tokens }, oidcRenewal(manager))
})

test('so it is with supabase', async () => {
  const { server, tokens } = await opened()
  const { access_token, refresh_token = '', expires_in } = tokens
  const kept = new Map([
    [
      'session',
      JSON.stringify({ access_token, refresh_token, expires_in, expires_at: 4e9, user: { id: 'alice' } }),
    ],
  ])
  const auth = new AuthClient({
    url: server.url,
    storageKey: 'session',
    storage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    },
    autoRefreshToken: false,
    // Their server takes JSON, and says who it is.
    async fetch(_, init) {
      const body = new URLSearchParams({ grant_type: 'refresh_token', ...JSON.parse(String(init?.body)) })
      const response = await fetch(server.tokenEndpoint, { method: 'POST', body })
      const answer = { ...(await response.json()), ...(response.ok && { user: { id: 'alice' } }) }
      return Response.json(answer, { status: response.status })
    },
  })
  await proveOneRefresh({ server, tokens }, supabaseRenewal(auth))
})
