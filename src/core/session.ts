import { assemble } from './assemble.ts'
import { SessionError } from './errors.ts'
import type { SessionEvent } from './events.ts'
import { exchange } from './exchange.ts'
import type { FirstTokens, RefreshResult, SessionOptions } from './options.ts'
import type { Parts } from './parts.ts'
import { refreshOnce } from './refresh.ts'
import type { RequestPart, SessionRequest } from './request.ts'
import { begin, isOpen, restore } from './restore.ts'
import { signIn } from './sign-in.ts'
import { type SignOutOptions, signOut } from './sign-out.ts'
import type { SessionState } from './state.ts'
import type { TokenInput, TokenSet } from './tokens.ts'
import { type UpdateOptions, update } from './update.ts'
import { type RefreshOptions, refresh, type UseOptions, usable } from './use.ts'
import { watchEnds } from './watch-ends.ts'

/** What an HTTP client needs of a session. */
export interface SessionTransport {
  /** Sends a client's request through the session. */
  send<Reply>(request: SessionRequest<Reply>): Promise<Reply>
  /** `cookie`: the session holds no token that could go astray. */
  readonly mode: 'token' | 'cookie'
  /** Whether requests may be recalled. */
  readonly recalls: boolean
  /** Whether requests may be sent again while they are on the wire. */
  readonly races: boolean
  /** Whether requests may be replayed. */
  readonly replays: boolean
  /** For a client that does not send at once what it is called for: what a request belongs to that is made now. */
  part(): RequestPart | undefined
}

/** `Symbol.dispose`, where the types of the platform know it. */
type Dispose = SymbolConstructor extends { readonly dispose: infer Key extends symbol } ? Key : never

/** `close()`, where the runtime knows `using`. */
type UsedUp = { [Key in Dispose]?: () => void }

/** One user's signed-in state. Any number of HTTP clients share it. `using` closes it, where the runtime has that. */
export interface Session extends UsedUp {
  /** A frozen snapshot, the same object until something changes; never a token. */
  readonly state: SessionState
  /**
   * A token that is good now, for whatever is no request: WebSocket, EventSource, another library.
   * Waits for a refresh where one is needed.
   *
   * Rejects with `session_expired` when nobody is signed in.
   */
  getAccessToken(options?: UseOptions): Promise<string>
  /**
   * As `getAccessToken`, with all that the server has said beside it, under the names that it came with: `scope`,
   * `id_token`, `issuer`. It is kept with the tokens wherever these are, and told here only: no state and no event has it.
   *
   * A copy, without the refresh token, which is for `refresh` alone. What a refresh does not name again is kept from the
   * set before (RFC 6749 §6); a sign-in begins anew.
   */
  getTokenSet(options?: UseOptions): Promise<TokenSet>
  /**
   * Begins a new sign-in. What waits for the former one is rejected with `session_changed`. With a token set it is in
   * effect at once, and saved when it resolves.
   *
   * `from`: a token set, a refresh token alone, or the answer of the login in whatever form `refresh` may return one.
   * Without it `refresh` is asked, also where it was refused before or somebody has signed out: the login was a redirect,
   * and has set a cookie. (In cookie mode nothing is asked.)
   *
   * Rejects, and leaves things as they were, where there is no token in it; with `session_expired` where `refresh` is
   * refused, with `refresh_failed` where it fails for now.
   */
  signIn(): Promise<void>
  signIn(from: FirstTokens | RefreshResult): Promise<void>
  /**
   * Replaces the token set of the same user: another organisation, a token that came another way. Waits for a refresh
   * that is running.
   *
   * Nothing that was sent with the former tokens is sent again with these, whatever its method: where it is answered 401
   * that is its outcome, with `session_changed` as the reason. What was not sent yet goes out with the new ones.
   */
  update(tokens: TokenInput, options?: UpdateOptions): Promise<void>
  /**
   * Ends the session, here at once and durably when it resolves. A refresh that is running is not aborted, but
   * nobody gets its result, and the next user does not wait for it, unless the refresh token is a cookie.
   *
   * `state` changes at once. With `server` the event `signed-out` comes when that has settled, at the latest a `deadline`
   * after it was called, or before the next sign-in: an app that goes to another page on it does not cut the logout off.
   * So whoever navigates does it on the event, or when this resolves, and not by `subscribe`.
   */
  signOut(options?: SignOutOptions): Promise<void>
  /**
   * Forces a refresh, or joins the one that is running. A cooldown after failures does not keep it back, only what the
   * server has asked for (`Retry-After`).
   */
  refresh(options?: RefreshOptions): Promise<void>
  /**
   * Says that the network may be back, or that the app is active again: where the last refresh has reached nobody, its
   * cooldown ends, and it is tried again at once. Otherwise nothing happens. In pages that is done by itself, at `online`
   * and when they are seen again.
   *
   * @example
   * AppState.addEventListener('change', (state) => state === 'active' && session.resume()) // React Native
   */
  resume(): void
  /** Calls `listener` when the state has changed; fits useSyncExternalStore. Returns the function that ends it. */
  subscribe(listener: (state: SessionState) => void): () => void
  /** Calls `listener` with everything that happens. Returns the function that ends it. */
  observe(listener: (event: SessionEvent) => void): () => void
  /** For those who fit an HTTP client to the session, as `refresh-once/axios` and `refresh-once/fetch` do. */
  readonly transport: SessionTransport
  /** Whether closing it now would lose something: a refresh is running, somebody waits, or new tokens are not saved. */
  readonly busy: boolean
  /** Ends all waiting with `session_closed`. The user stays signed in. */
  close(): void
}

/**
 * Creates a session: the one place that knows the tokens, and refreshes them once for all who need it.
 *
 * @example
 * const session = createSession({
 *   refresh: ({ signal }) => fetch('/auth/refresh', { method: 'POST', credentials: 'include', signal }),
 * })
 */
export function createSession(options: SessionOptions): Session {
  const parts = assemble(options)
  const beginning = parts.beginning.read(parts)
  // Until it is closed.
  parts.store.watch(
    (stored) =>
      void (parts.room.closed || isOpen(parts, stored) || parts.known.become(stored, 'refresh-adopted')),
    (reason) => parts.events.emit({ type: 'degraded', reason: parts.redaction.text(reason) }),
  )
  let ends = parts.settings.keepFresh ? watchEnds(parts) : undefined
  if (parts.known.reading) void restore(parts)
  else begin(parts, beginning)

  const resume = () => {
    if (!parts.room.closed && parts.cooldown.lift()) refreshOnce(parts, 'forced', true)
  }
  const stopResuming = typeof document === 'object' ? whenPageReturns(resume) : undefined

  const verbs: Omit<Session, keyof View> = {
    getAccessToken: async (options) => (await usable(parts, 'getAccessToken', options)).accessToken,
    async getTokenSet(options) {
      const { refreshToken: _, ...tokens } = await usable(parts, 'getTokenSet', options)
      return tokens
    },
    signIn: (...given: [from?: unknown]) => signIn(parts, given),
    update: (tokens, options) => update(parts, tokens, options),
    signOut: (options) => signOut(parts, options),
    refresh: (options) => refresh(parts, options),
    resume,
    subscribe: (listener) => parts.events.subscribe(listener),
    observe(listener) {
      const stop = parts.events.observe(listener)
      ends ??= watchEnds(parts)
      ends.arm()
      return stop
    },
    close() {
      const { room, running, saving, events } = parts
      if (room.closed) return
      stopResuming?.()
      room.close()
      running.giveUp()
      ends?.stop()
      saving.close()
      if (running.flight) {
        running.end()
        const code = 'session_closed'
        events.emit({ type: 'refresh-failed', code, message: code, retryAt: undefined })
      }
      room.empty(room.size ? new SessionError('session_closed') : undefined)
    },
  }
  if (Symbol.dispose) verbs[Symbol.dispose] = verbs.close
  return Object.assign(new View(parts), verbs)
}

/**
 * What of a session is worked out, or made, when somebody looks. A class, because accessors in a literal would give every
 * session of a pool a hidden class, or a dictionary, of its own.
 */
class View {
  readonly #parts: Parts
  #transport: SessionTransport | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get transport(): SessionTransport {
    this.#transport ??= transportOf(this.#parts)
    return this.#transport
  }

  get state(): SessionState {
    return this.#parts.events.state
  }

  get busy(): boolean {
    const { running, saving, room } = this.#parts
    return Boolean(running.flight || saving.pending || room.size)
  }
}

function transportOf(parts: Parts): SessionTransport {
  const { settings, cookie, running } = parts
  const { recall = typeof document === 'object' ? 'safe' : 'race' } = settings
  return {
    send: ((request) => exchange(parts, request)) as SessionTransport['send'],
    mode: cookie ? 'cookie' : 'token',
    recalls: recall === 'safe',
    races: recall !== 'none' && settings.replays > 0,
    replays: settings.replays > 0,
    part: () => running.partOf(),
  }
}

/** Calls `listener` when there is a network again, or the page is seen again. Returns the function that ends it. */
function whenPageReturns(listener: () => void): () => void {
  // Kept: tests take the page away before they close a session.
  const page = document
  const look = () => page.hidden || listener()
  globalThis.addEventListener?.('online', listener)
  page.addEventListener?.('visibilitychange', look)
  return () => {
    globalThis.removeEventListener?.('online', listener)
    page.removeEventListener?.('visibilitychange', look)
  }
}
