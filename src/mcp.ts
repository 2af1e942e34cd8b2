import { idly, systemClock } from './core/clock.ts'
import { findSessionError, isSessionError, SessionError } from './core/errors.ts'
import { createLine } from './core/line.ts'
import { say } from './core/messages.ts'
import { checkMcp } from './core/mistakes.ts'
import type { RefreshContext, RefreshResult, SessionOptions } from './core/options.ts'
import type { RefreshFailure } from './core/outcome.ts'
import { createSession, type Session } from './core/session.ts'
import type { TokenSet } from './core/tokens.ts'
import { parse } from './core/url.ts'
import { withSession } from './transports/fetch.ts'

type Fetch = typeof fetch
type Line = ReturnType<typeof createLine>

/** What an SDK's `auth` is given here. */
export interface McpAuthOptions {
  serverUrl: URL
  resourceMetadataUrl?: URL
  fetchFn: (input: string | URL, init?: RequestInit) => Promise<Response>
}

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

/** Tokens as the SDKs have them. */
interface OAuthTokens {
  access_token: string
  refresh_token?: string
  [member: string]: unknown
}

/** Those methods of a provider that are ours to know. */
interface OAuthProvider {
  redirectUrl?: unknown
  tokens(...rest: unknown[]): unknown
  saveTokens(tokens: unknown, ...rest: unknown[]): unknown
  codeVerifier?(): unknown
  clientInformation(...rest: unknown[]): unknown
  saveClientInformation?: unknown
  redirectToAuthorization(url: unknown): unknown
  addClientAuthentication?(...rest: unknown[]): unknown
  invalidateCredentials?(scope: string, ...rest: unknown[]): unknown
  discoveryState?(): unknown
  dpop?: unknown
}

/** Milliseconds for which a login keeps others back that has not come to its page: between its requests, and for each. */
const [LONGEST_PAUSE, LONGEST_REQUEST] = [2000, 10_000]

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
  const server = whole(url)
  if (!server) throw new TypeError(say('mcp', 'url', 'http or https'))
  const { href, origin } = server
  const { logins, refreshes } = linesOf(provider)
  /** Where the server has said last that its metadata is: a process that begins with an expired token sees no 401. */
  let metadata: URL | undefined
  /** The origin of the token endpoint that has given the tokens. */
  let issuedAt: unknown
  /** What was discovered for refreshes. */
  let discovered: unknown
  /** Marks the tokens that the provider and the session have had in common last. */
  let held: string | undefined
  /** The provider keeps what it was told last. */
  let writing: Promise<void> | undefined
  /** The access token that the SDK was given last. */
  let handed: string | undefined
  /** A code is on its way to the token endpoint. */
  let exchanging = false
  /** Ends the turn of the login that opens now. */
  let opened = () => {}
  /** Runs out when it does not get on. */
  let timer: unknown

  async function send(input: Parameters<Fetch>[0], init?: RequestInit): Promise<Response> {
    const response = await (own ?? globalThis.fetch)(input, init)
    const from = addressOf(input).origin
    if (response.ok && asksForTokens(init)) issuedAt = from
    if (from === origin)
      metadata = whole(METADATA.exec(response.headers.get('www-authenticate') ?? '')?.[1]) ?? metadata
    return response
  }

  /** What the provider keeps, where that is a login that the session does not know. */
  async function kept(): Promise<OAuthTokens | undefined> {
    const before = writing
    await before?.catch(() => {})
    const saved = (await app.tokens()) as OAuthTokens | undefined
    // Or somebody has written since: what was read is the former login.
    if (!saved?.access_token || markOf(saved) === held || writing !== before) return undefined
    held = markOf(saved)
    // When it was received is not known: a lifetime says nothing.
    return { ...saved, expires_in: undefined }
  }

  /** Where the provider is the store, it is told. */
  async function keep(tokens: OAuthTokens, ...more: unknown[]): Promise<void> {
    if (store) return
    const write = async () => {
      await app.saveTokens(tokens, ...more)
      // What it has failed to keep is not what it has: that would be taken for another's login.
      held = markOf(tokens)
    }
    writing = write()
    await writing
  }

  async function refresh(context: RefreshContext): Promise<RefreshResult> {
    const pass = store ? undefined : await refreshes(context.signal)
    return renew(context).finally(pass)
  }

  async function renew({ tokens, signal, warn }: RefreshContext): Promise<RefreshResult> {
    // Where the provider is the store, other sessions and processes have theirs there.
    const other = !store && (await kept())
    if (other) return other
    let fresh: OAuthTokens | undefined
    let sent = false
    let answer: Response | undefined
    let failure: unknown
    const note = (error: unknown): never => {
      failure = error
      throw error
    }
    const job = overlay(app, {
      tokens: () =>
        tokens && { ...tokens, access_token: tokens.accessToken, refresh_token: tokens.refreshToken },
      async saveTokens(next: OAuthTokens) {
        fresh = next
        await keep(next).catch(() => warn(say('unsaved')))
      },
      discoveryState: async () => discovered ?? (await app.discoveryState?.()),
      saveDiscoveryState(state: unknown) {
        discovered = state
      },
      addClientAuthentication:
        app.addClientAuthentication &&
        ((...args: unknown[]) => (async () => app.addClientAuthentication?.(...args))().catch(note)),
      // A client that is gone is registered anew by the next login. Tokens are the session's to end.
      invalidateCredentials: (scope: string, ...more: unknown[]) =>
        scope === 'tokens' ? stop() : app.invalidateCredentials?.(scope, ...more),
      // What comes after an answer is another try, or a registration.
      clientInformation: (...args: unknown[]) => (answer ? stop() : app.clientInformation(...args)),
      state: stop,
    })
    metadata ??= whole(tokens?.resource_metadata)
    issuedAt ??= tokens?.token_origin
    try {
      await auth(job, {
        serverUrl: new URL(href),
        ...(metadata && { resourceMetadataUrl: metadata }),
        async fetchFn(input, init) {
          const asks = asksForTokens(init)
          // Where nothing can be discovered for now, an SDK takes the MCP server for the one that gives tokens.
          if (asks && addressOf(input).origin === origin && (issuedAt ?? origin) !== origin)
            return note(new Error(say('mcp-discovery')))
          sent ||= asks
          const response = await send(input, { ...init, signal }).catch(note)
          if (asks) answer = response.clone()
          return response
        },
      })
    } catch (error) {
      failure ??= error
    }
    // The session knows best what an answer means: status, OAuth error, Retry-After.
    const result = fresh ?? answer
    if (result) return result as RefreshResult
    discovered = undefined
    if (failure === STOP) throw new SessionError('session_expired', say('mcp-login'))
    // Before the token request nothing was spent.
    throw sent ? failure : Object.assign(new Error(String(failure), { cause: failure }), { status: 503 })
  }

  const session = createSession({
    ...rest,
    refresh,
    // Of a login from before us only the provider knows. What a server has refused since is not tried again.
    tokens: async () => ((await store?.load()) ? null : ((await kept()) ?? null)),
    // A client that can be registered again ends with a login; any other is waited for until it is mended.
    isTerminal: async (failure: RefreshFailure) => {
      const gone =
        Boolean(app.saveClientInformation) && /^(invalid|unauthorized)_client$/.test(String(failure.error))
      return (await rest.isTerminal?.(failure)) ?? (gone || undefined)
    },
  })
  // Else the next start would take them for a login.
  if (!store)
    session.observe((event) => {
      if (event.type === 'signed-out' && event.reason === 'signed-out')
        (async () => app.invalidateCredentials?.('tokens'))().catch(() => {})
    })
  const guarded = withSession(session, { origins: [origin], fetch: send })

  async function current(): Promise<TokenSet | undefined> {
    for (;;) {
      try {
        return await session.getTokenSet()
      } catch (error) {
        // Somebody has signed in here meanwhile.
        if (isSessionError(error, 'session_changed')) continue
        if (!isSessionError(error, 'session_expired')) throw error
      }
      const other = !store && (await kept())
      if (!other) return undefined
      await session.signIn(other)
    }
  }

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
      const keeping = keep(tokens, ...more)
      await session.signIn({ ...tokens, resource_metadata: metadata?.href, token_origin: issuedAt })
      await keeping
      opened()
    },
    async redirectToAuthorization(page: unknown) {
      exchanging = false
      await app.redirectToAuthorization(page)
      opened()
    },
    codeVerifier() {
      exchanging = true
      return app.codeVerifier?.()
    },
    async invalidateCredentials(scope: string, ...more: unknown[]) {
      // A code that was refused says nothing of the session: the SDK has never seen its refresh token.
      if (/^(all|tokens)$/.test(scope)) {
        if (exchanging) scope = scope === 'all' ? 'client' : 'verifier'
        else await session.signOut()
      }
      await app.invalidateCredentials?.(scope, ...more)
    },
  })

  /**
   * Logins that begin at once would each register a client, and the last verifier need not be that of the last page.
   * Resolves with the tokens of somebody who has signed in meanwhile: another transport, another process.
   */
  async function alone(): Promise<TokenSet | undefined> {
    const pass = await logins()
    const tokens = await current().catch((error) => {
      pass()
      throw error
    })
    opened = pass
    goesOn(LONGEST_PAUSE)
    if (tokens) opened()
    return tokens
  }

  /** The login that opens now has another `ms`. Where none does, nothing comes of it. */
  function goesOn(ms: number): void {
    systemClock.clearTimeout(timer)
    timer = idly(systemClock, () => opened(), ms)
  }

  /** All that the SDK sends. Only the transport's requests carry a token, and only those are the session's. */
  async function mcpFetch(input: Parameters<Fetch>[0], init?: RequestInit): Promise<Response> {
    const headers = new Headers(init?.headers)
    if (!headers.has('authorization')) {
      goesOn(LONGEST_REQUEST)
      const response = await send(input, init).finally(() => goesOn(LONGEST_PAUSE))
      if (response.status !== 401 || addressOf(input).href !== href) return response
      const tokens = await alone()
      if (!tokens) return response
      await response.body?.cancel()
      headers.set('authorization', `Bearer ${tokens.accessToken}`)
    }
    try {
      const response = await guarded(input, { ...init, headers })
      const problem = response.status === 401 && findSessionError(response)
      if (!problem) return response
      await response.body?.cancel()
      throw problem
    } catch (error) {
      if (!isSessionError(error, 'session_expired')) throw error
      // It was made for the former user.
      if (await alone()) throw new SessionError('session_changed')
      // For the SDK the end of the session is a 401: the login is its own.
      const where = metadata ? `, resource_metadata="${metadata.href}"` : ''
      return new Response(null, {
        status: 401,
        headers: { 'www-authenticate': `Bearer error="invalid_token"${where}` },
      })
    }
  }

  return { authProvider, fetch: mcpFetch as Fetch, session }
}

/** Who waits for whom, by provider: sessions that have one in common have its client, its verifier and its tokens in common. */
const lines = new WeakMap<object, { logins: Line; refreshes: Line }>()

function linesOf(provider: object): { logins: Line; refreshes: Line } {
  const known = lines.get(provider) ?? { logins: createLine(), refreshes: createLine() }
  lines.set(provider, known)
  return known
}

/** Where the server's metadata is, in its challenge (RFC 9728 §5.1). */
const METADATA = /resource_metadata *= *"?([^",\s]+)/

const asksForTokens = (init: RequestInit | undefined): boolean => /grant_type=/.test(String(init?.body))

/** A URL that is not read as one of the page's own. */
const whole = (url: unknown): URL | undefined => parse(String(url), 'about:blank')

/** Tells that from here on it would be a login. */
const STOP = new Error('login')
const stop = (): Promise<never> => Promise.reject(STOP)

/** `provider` with other methods. Its own are called on itself: they may use private fields. */
function overlay<Provider extends object>(provider: Provider, methods: Record<string, unknown>): Provider {
  // Not of the provider itself: of one that is frozen a Proxy may tell nothing else.
  return new Proxy(Object.create(provider) as Provider, {
    get(_, name) {
      const value = Object.hasOwn(methods, name) ? methods[name as string] : provider[name as keyof Provider]
      return typeof value === 'function' ? value.bind(provider) : value
    },
  })
}

/** A login is told from another by its refresh token, which is of no use to two. */
const markOf = (tokens: OAuthTokens): string => tokens.refresh_token ?? tokens.access_token

function addressOf(input: Parameters<Fetch>[0]): URL {
  return new URL(input instanceof Request ? input.url : input)
}
