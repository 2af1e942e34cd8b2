import { findSessionError, isSessionError, SessionError } from './core/errors.ts'
import { say } from './core/messages.ts'
import { checkMcp } from './core/mistakes.ts'
import type { RefreshContext, RefreshResult, SessionOptions } from './core/options.ts'
import type { RefreshFailure } from './core/outcome.ts'
import { createSession, type Session } from './core/session.ts'
import type { TokenSet } from './core/tokens.ts'
import { addressOf } from './mcp/address.ts'
import { createKept } from './mcp/kept.ts'
import { linesOf } from './mcp/lines.ts'
import { createLogin } from './mcp/login.ts'
import { type OAuthProvider, type OAuthTokens, overlay } from './mcp/provider.ts'
import { createRenewal, type McpAuthOptions } from './mcp/renewal.ts'
import { createServer } from './mcp/server.ts'
import { withSession } from './transports/fetch.ts'

export type { McpAuthOptions }

type Fetch = typeof fetch

/** Options of {@link mcpSession}: those of a session, and where they lead. Times are in milliseconds. */
export interface McpSessionOptions<Provider extends object>
  extends Omit<SessionOptions, 'refresh' | 'tokens' | 'mode' | 'applyToken'> {
  /** `auth` of the SDK that the transports are from. Refreshes run through it: client authentication is its own. */
  auth: (provider: Provider, options: McpAuthOptions) => Promise<unknown>
  /** The app's `OAuthClientProvider`, as the SDK wants it. It keeps the client, and where there is no `store` the tokens. */
  provider: Provider
  /** The MCP server. Its origin alone gets the token: https, or loopback. */
  url: string | URL
  /** What sends all requests, those of refreshes included. @default the global fetch, looked up at each call */
  fetch?: Fetch | undefined
}

/** What the SDK's transports take, and the session behind it. */
export interface McpSession<Provider extends object> {
  /** In place of the provider. */
  authProvider: Provider
  fetch: Fetch
  /** For `signOut`, `state`, `observe` and `close`. */
  session: Session
}

/**
 * One session for all transports of a Model Context Protocol client, and for all processes that share its store. Each
 * expiry is one refresh, which is the session's; discovery, registration, logins and step-up stay the SDK's.
 *
 * Serves `@modelcontextprotocol/sdk`, `@modelcontextprotocol/client`, `@ai-sdk/mcp`, and whatever has an `auth` and a
 * provider like theirs. An outage never opens a login: calls reject with the session's error. A session that has ended is
 * a 401 to the SDK, which opens one; before that the store is read, for a login that another process has finished.
 *
 * @throws TypeError where an option is missing or cannot be used
 *
 * @example
 * const mcp = mcpSession({ auth, provider, url, store: fileStore({ path }) })
 * const transport = new StreamableHTTPClientTransport(url, mcp)
 */
export function mcpSession<Provider extends object>(
  options: McpSessionOptions<Provider>,
): McpSession<Provider> {
  const { auth, provider, url, fetch: own, ...rest } = options
  const { store } = rest
  const app = provider as Provider & OAuthProvider
  checkMcp(auth, provider)
  const place = addressOf(url)
  if (!place) throw new TypeError(say('mcp', 'url', 'http or https'))
  const { href, origin } = place
  const server = createServer(place, own)
  const former = createKept(app)
  /** Where the provider is the store. */
  const kept = store ? undefined : former
  const renew = createRenewal(auth, app, server, kept)
  const [logins, refreshes] = linesOf(provider)
  /** The access token that the SDK was given last. */
  let handed: string | undefined
  /** A code is on its way to the token endpoint. */
  let exchanging = false

  async function refresh(context: RefreshContext): Promise<RefreshResult> {
    const pass = kept && (await refreshes(context.signal))
    return renew(context).finally(pass)
  }

  const session = createSession({
    ...rest,
    refresh,
    // Of a login from before us only the provider knows. What a server has refused since is not tried again.
    tokens: async () => (!(await store?.load()) && (await former.read())) || null,
    // A client that can be registered again ends with a login; any other is waited for until it is mended.
    isTerminal: async (failure: RefreshFailure) => {
      const gone = app.saveClientInformation && /^(invalid|unauthorized)_client$/.test(`${failure.error}`)
      return (await rest.isTerminal?.(failure)) ?? (gone ? true : undefined)
    },
  })
  // Else the next start would take them for a login.
  if (kept)
    session.observe((event) => {
      if (event.type === 'signed-out' && event.reason === 'signed-out')
        (async () => app.invalidateCredentials?.('tokens'))().catch(() => {})
    })
  const guarded = withSession(session, { origins: [origin], fetch: server.send })

  const current = (): Promise<TokenSet | undefined> =>
    session.getTokenSet().catch(async (error) => {
      // Somebody has signed in here meanwhile.
      if (isSessionError(error, 'session_changed')) return current()
      if (!isSessionError(error, 'session_expired')) throw error
      const other = await kept?.read()
      return other && session.signIn(other).then(current)
    })

  const login = createLogin(logins, current)

  const authProvider = overlay(app, {
    // Without a refresh token the SDK never refreshes by itself: what remains for it is the login.
    async tokens() {
      const { accessToken, ...said }: Partial<TokenSet> = (await current()) ?? {}
      handed = accessToken
      return accessToken && { token_type: 'Bearer', ...said, access_token: accessToken }
    },
    async saveTokens(tokens: OAuthTokens, ...more: unknown[]) {
      // What it was given, with an issuer, is no login.
      if (!exchanging && tokens.access_token === handed && !tokens.refresh_token) return
      exchanging = false
      const keeping = kept?.write(tokens, ...more)
      await session.signIn({ ...tokens, ...server.told })
      await keeping
      login.opened()
    },
    async redirectToAuthorization(page: unknown) {
      exchanging = false
      await app.redirectToAuthorization(page)
      login.opened()
    },
    codeVerifier() {
      exchanging = true
      return app.codeVerifier?.()
    },
    async invalidateCredentials(scope: string, ...more: unknown[]) {
      // A code that was refused says nothing of the session: the SDK has never seen its refresh token.
      if (/all|tokens/.test(scope)) {
        if (exchanging) scope = scope === 'all' ? 'client' : 'verifier'
        else await session.signOut()
      }
      await app.invalidateCredentials?.(scope, ...more)
    },
  })

  /** All that the SDK sends. Only the transport's requests carry a token, and only those are the session's. */
  async function mcpFetch(input: Parameters<Fetch>[0], init?: RequestInit): Promise<Response> {
    const headers = new Headers(init?.headers)
    if (!headers.has('authorization')) {
      const response = await login.during(server.send(input, init))
      if (response.status !== 401 || addressOf(input)?.href !== href) return response
      const tokens = await login.alone()
      if (!tokens) return response
      await response.body?.cancel()
      headers.set('authorization', `Bearer ${tokens.accessToken}`)
    }
    try {
      const response = await guarded(input, { ...init, headers })
      const problem = findSessionError(response)
      if (!problem) return response
      await response.body?.cancel()
      throw problem
    } catch (error) {
      if (!isSessionError(error, 'session_expired')) throw error
      // It was made for the former user.
      if (await login.alone()) throw new SessionError('session_changed')
      // For the SDK the end of the session is a 401: the login is its own.
      const where = server.told.resource_metadata
      const challenge = `Bearer error="invalid_token"${where ? `, resource_metadata="${where}"` : ''}`
      return new Response(null, { status: 401, headers: { 'www-authenticate': challenge } })
    }
  }

  return { authProvider, fetch: mcpFetch as Fetch, session }
}
