import { findSessionError, type SessionError, type TokenSet } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createSessionPool, type SessionPoolStats } from 'refresh-once/pool'
import { type RedisStoresOptions, redisStores } from 'refresh-once/redis'
import { type AuthorizationServerOptions, discover } from './authorization-server.ts'
import {
  keyOf,
  newSessionId,
  noSessionCookie,
  noSignInCookie,
  sessionCookie,
  sessionKeyIn,
  signInCookie,
  signInOf,
} from './cookies.ts'
import { type FurtherHeaders, incoming, outgoing, targetOf } from './forwarding.ts'

export interface BffOptions extends Omit<AuthorizationServerOptions, 'redirectUri'> {
  /** A connected client of `redis` or `ioredis`. */
  client: RedisStoresOptions['client']
  /** Where browsers find this server: `https://app.example.com`. */
  origin: string
  /** Where the API is, with the prefix that pages may not leave: `https://api.example.com/v1`. */
  api: string
  /** Headers that pass beside the usual ones. */
  headers?: FurtherHeaders | undefined
}

type Handler = (request: Request) => Promise<Response>

/** A backend-for-frontend. Each handler takes a request of the web platform and answers it; none rejects. */
export interface Bff {
  /** GET: sends the browser to the authorization server. */
  readonly signIn: Handler
  /** GET: where that sends the browser back to. */
  readonly callback: Handler
  /** GET: is anybody signed in? */
  readonly session: Handler
  /** POST: ends the session here, elsewhere, and at the authorization server. */
  readonly signOut: Handler
  /** Any method: the API, below `/api/`. */
  readonly proxy: Handler
  readonly stats: SessionPoolStats
  /** Takes no more requests to the API, and waits for those that run. The client stays yours. */
  close(): Promise<void>
}

/**
 * Signs people in, keeps their tokens in Redis, and calls the API for their pages, which have a cookie and nothing else.
 * Any number of processes share one Redis: a session is refreshed once for all of them.
 */
export async function createBff(options: BffOptions): Promise<Bff> {
  const { client, origin } = options
  const api = new URL(options.api)
  const server = await discover({ ...options, redirectUri: `${origin}/bff/callback` })
  const stores = redisStores({ client, prefix: 'bff:session:', timeout: 1_000 })
  const pool = createSessionPool({ store: stores, refresh: server.refresh, deadline: 5_000 })

  /** Ends a session in all processes, and resolves with what is to be revoked. */
  async function end(key: string): Promise<TokenSet | undefined> {
    // A session gives its refresh token to nobody; the store has it.
    const store = stores(key)
    const stored = await store.load().finally(store.close)
    if (!stored?.tokens) return undefined
    await pool.use(key, (session) => session.signOut())
    return stored.tokens
  }

  return {
    signIn: answering(async (request) => {
      const { url, ...signIn } = await server.begin()
      const former = sessionKeyIn(request) ?? ''
      return redirect(url.href, signInCookie({ ...signIn, former }))
    }),

    callback: answering(async (request) => {
      const signIn = signInOf(request)
      const tokens = signIn && (await server.finish(new URL(request.url), signIn).catch(() => undefined))
      if (!tokens) return redirect('/?sign-in=failed', noSignInCookie)
      // Always a new one: an id that somebody knew before the sign-in is worth nothing after it.
      const id = newSessionId()
      try {
        await pool.use(keyOf(id), (session) => session.signIn(tokens))
        // Its tokens are forgotten, not revoked: the server may have granted both to one consent, and end both.
        if (signIn.former) await end(signIn.former)
      } catch (error) {
        // The browser gets no cookie, so nobody has these tokens: they must not live on, here or at the server.
        const over = pool.use(keyOf(id), (session) => session.signOut()).catch(() => {})
        await Promise.all([over, server.revoke(tokens)])
        throw error
      }
      return redirect('/', noSignInCookie, sessionCookie(id))
    }),

    session: guarded(async (_, key) => {
      await pool.use(key, (session) => session.getAccessToken())
      return say(200, { signedIn: true })
    }),

    signOut: guarded(async (_, key) => {
      const tokens = await end(key)
      const revoked = !tokens || (await server.revoke(tokens))
      return say(200, { signedIn: false, revoked }, { 'set-cookie': noSessionCookie })
    }),

    proxy: guarded(async (request, key) => {
      const target = targetOf(request.url, api)
      if (!target) return say(404, { error: 'not_found' })
      const init = await outgoing(request, options.headers)
      if (!init) return say(405, { error: 'method_not_allowed' })
      const response = await pool.use(key, async (session) => {
        // Waits for the one refresh where one is needed: a body that streams can be sent only once. And where nobody is
        // signed in, nothing is sent at all.
        await session.getAccessToken({ signal: request.signal })
        return withSession(session, { origins: [api.origin] })(target, init)
      })
      const reason = response.status === 401 ? findSessionError(response) : undefined
      if (reason && reason.code !== 'not_replayable' && reason.code !== 'refresh_loop') {
        await response.body?.cancel()
        return answerTo(reason)
      }
      if (response.status >= 300 && response.status < 400 && response.status !== 304) {
        await response.body?.cancel()
        return say(502, { error: 'api_redirects' })
      }
      return incoming(response, options.headers)
    }),

    get stats() {
      return pool.stats
    },
    close: pool.close,
  }
}

/** Refuses what a page of another origin may have sent, and whoever has no session, before anything happens. */
function guarded(handle: (request: Request, key: string) => Promise<Response>): Handler {
  return answering(async (request) => {
    // A page of another origin cannot set this header without asking first (CORS), and we never say yes.
    if (request.headers.get('x-csrf') !== '1') return say(403, { error: 'csrf' })
    const key = sessionKeyIn(request)
    return key ? handle(request, key) : say(401, { error: 'signed_out' })
  })
}

function answering(handle: Handler): Handler {
  return (request) => handle(request).catch(answerTo)
}

/** What a failure means for the browser. Messages of errors stay here. */
function answerTo(error: unknown): Response {
  const reason: SessionError | undefined = findSessionError(error)
  if (reason?.code === 'session_expired' || reason?.code === 'session_changed')
    return say(401, { error: 'signed_out' })
  if (reason || Object(error).code === 'redis_unavailable') {
    const seconds = Math.ceil(((reason?.retryAt ?? 0) - Date.now()) / 1_000)
    return say(503, { error: 'try_again' }, { 'retry-after': String(Math.max(1, seconds)) })
  }
  return say(502, { error: 'api_unreachable' })
}

function say(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { ...headers, 'cache-control': 'no-store' } })
}

function redirect(location: string, ...cookies: string[]): Response {
  const headers = new Headers({ location, 'cache-control': 'no-store' })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}
