import { leaveWith } from './abortable.ts'
import { assemble } from './assemble.ts'
import { SessionError } from './errors.ts'
import type { RefreshReason, SessionEvent } from './events.ts'
import { exchange } from './exchange.ts'
import { gate, whoIsSignedIn } from './gate.ts'
import { say } from './messages.ts'
import type { FirstTokens, RefreshResult, SessionOptions } from './options.ts'
import type { Parts } from './parts.ts'
import { inTime, patience } from './patience.ts'
import { refreshOnce } from './refresh.ts'
import type { RequestPart, SessionRequest } from './request.ts'
import { ask, begin, isOpen, replace, restore, tokensIn } from './sign-in.ts'
import type { SessionState } from './state.ts'
import type { Lease } from './store.ts'
import { readTokens, type TokenInput, type TokenSet } from './tokens.ts'
import type { Visitor } from './waiting-room.ts'
import { watchEnds } from './watch-ends.ts'

/** What an HTTP client needs of a session. */
export interface SessionTransport {
  /** Sends a client's request through the session. */
  send<Reply>(request: SessionRequest<Reply>): Promise<Reply>
  /** `cookie`: the session holds no token that could go astray. */
  readonly mode: 'token' | 'cookie'
  /** Whether requests may be recalled. */
  readonly recalls: boolean
  /** Whether requests may be replayed. */
  readonly replays: boolean
  /** For a client that does not send at once what it is called for: what a request belongs to that is made now. */
  part(): RequestPart | undefined
}

/** Who asks for a token, and for how long. */
export interface UseOptions {
  /** Ends the waiting. */
  signal?: AbortSignal | undefined
  /** How many milliseconds it must still be good for. @default 0 */
  minValidity?: number
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
  update(
    tokens: TokenInput,
    options?: {
      /**
       * Whether that may be sent again: the tokens are for the same purpose, and only better, as those of a step-up.
       * @default false
       */
      replay?: boolean
    },
  ): Promise<void>
  /**
   * Ends the session, here at once and durably when it resolves. A refresh that is running is not aborted, but
   * nobody gets its result, and the next user does not wait for it, unless the refresh token is a cookie.
   *
   * `server` runs while no refresh can, so that no late Set-Cookie revives the session. It is given the tokens that end,
   * to revoke them (RFC 7009). A guarded request that it makes before its first await, or with the `signal` that it is
   * given, carries them.
   *
   * `state` changes at once. With `server` the event `signed-out` comes when that has settled, at the latest a `deadline`
   * after it was called, or before the next sign-in: an app that goes to another page on it does not cut the logout off.
   * So whoever navigates does it on the event, or when this resolves, and not by `subscribe`.
   */
  signOut(options?: {
    server?: (ended: { tokens: TokenSet | undefined; signal: AbortSignal }) => unknown
  }): Promise<void>
  /**
   * Forces a refresh, or joins the one that is running. A cooldown after failures does not keep it back, only what the
   * server has asked for (`Retry-After`).
   *
   * `unless`: an access token that was refused elsewhere, by a WebSocket or another library. Where it has been replaced
   * already nothing is refreshed: ten sockets that are closed late cost one refresh.
   */
  refresh(options?: { signal?: AbortSignal | undefined; unless?: string | undefined }): Promise<void>
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
  const { known, room, running, cooldown, saving, events, redaction, store, settings, cookie, nonce } = parts
  const { clock, recall = typeof document === 'object' ? 'safe' : 'none' } = settings
  const beginning = parts.beginning.read(parts)
  const told = (reason: string) => events.warn(reason)
  const unwatch = store.watch(
    (stored) => void (isOpen(parts, stored) || known.become(stored, 'refresh-adopted')),
    (reason) => events.emit({ type: 'degraded', reason: redaction.text(reason) }),
  )
  const ends = watchEnds(parts)
  if (known.reading) void restore(parts)
  else begin(parts, beginning)

  /** Waits for a refresh, whatever the present token is worth. `insists`: although the last one has failed. */
  async function renew(
    reason: RefreshReason,
    signal: AbortSignal | undefined,
    insists = false,
  ): Promise<void> {
    ensureOpen(parts)
    const { record, epoch } = known
    if (record?.ended) throw known.expired
    refreshOnce(parts, reason, insists)
    if (running.flight) await room.enter(callerOf(parts, 'refresh', signal))
    ensureOpen(parts)
    if (record?.tokens && epoch !== known.epoch) throw new SessionError('session_changed')
  }

  /** The token set, once it is good. */
  async function usable(label: string, { signal, minValidity = 0 }: UseOptions = {}): Promise<TokenSet> {
    if (cookie) throw new TypeError(say('cookie', label))
    const caller = callerOf(parts, label, signal)
    for (let wait = gate(parts, caller); wait; wait = gate(parts, caller)) await wait
    if (!known.validity.lasts(minValidity)) await renew('forced', signal)
    const tokens = known.record?.tokens
    if (!tokens) throw known.expired
    return tokens
  }

  /** One turn at the store; nobody waits for it longer than the deadline. */
  async function inTurn<T>(label: string, work: (lease: Lease) => Promise<T>): Promise<T> {
    const { deadline } = settings
    const waiting = new AbortController()
    const timer = clock.setTimeout(() => waiting.abort(), deadline)
    try {
      return await store.exclusive((lease) => {
        clock.clearTimeout(timer)
        return work(lease)
      }, waiting.signal)
    } catch (error) {
      if (!waiting.signal.aborted) throw error
      throw new SessionError('refresh_timeout', say('deadline', label, deadline, 'it'))
    } finally {
      clock.clearTimeout(timer)
    }
  }

  /** Somebody else's code does not come to an end. */
  function hung(name: string): SessionError {
    const message = say('hangs', name)
    events.warn(message)
    return new SessionError('refresh_timeout', message)
  }

  function resume(): void {
    if (!room.closed && cooldown.lift()) refreshOnce(parts, 'forced', true)
  }

  const stopResuming = typeof document === 'object' ? whenPageReturns(resume) : undefined

  const verbs: Omit<Session, keyof View> = {
    transport: {
      send: ((request) => exchange(parts, request)) as SessionTransport['send'],
      mode: cookie ? 'cookie' : 'token',
      recalls: recall === 'safe',
      replays: settings.replays > 0,
      part: () => running.part,
    },
    subscribe: (listener) => events.subscribe(listener),
    observe(listener) {
      const stop = events.observe(listener)
      ends.arm()
      return stop
    },

    getAccessToken: async (options) => (await usable('getAccessToken', options)).accessToken,

    async getTokenSet(options) {
      const { refreshToken: _, ...tokens } = await usable('getTokenSet', options)
      return tokens
    },

    async refresh({ signal, unless } = {}) {
      ensureOpen(parts)
      // Whether somebody is signed in, and with which token, is for the store to say.
      const caller = callerOf(parts, 'refresh', signal)
      for (let wait = whoIsSignedIn(parts, caller); wait; wait = whoIsSignedIn(parts, caller)) await wait
      if (unless === undefined) await renew('forced', signal, true)
      else if (known.record?.tokens?.accessToken === unless) await renew('rejected', signal, true)
    },

    async signIn(...given: [from?: unknown]) {
      // What is missing by mistake is no login by a cookie.
      if (given.length || cookie) {
        const read = tokensIn(parts, given[0])
        await replace(parts, { tokens: 'then' in read ? ((await read) as TokenSet) : read })
        return
      }
      ensureOpen(parts)
      const caller = callerOf(parts, 'signIn')
      while (known.reading) await room.enter(caller)
      ask(parts)
      await renew('unknown', undefined, true)
      if (known.record?.ended) throw known.expired
    },

    async update(tokens, { replay } = {}) {
      ensureOpen(parts)
      if (running.inside) throw new TypeError(say('inside', 'update'))
      // What is wrong with them is said at once.
      readTokens(tokens, clock, cookie, true, { told })
      const caller = callerOf(parts, 'update')
      while (known.reading) await room.enter(caller)
      const before = known.record
      const saved = await inTurn('update', async (lease) => {
        const record = (await store.load()) ?? before
        if (record?.ended && before?.tokens) throw known.expired
        if (!record?.tokens || !before) throw new TypeError(say('update'))
        const { epoch } = record.version
        if (epoch !== before.version.epoch) throw new SessionError('session_changed')
        const generation = await lease.begin()
        const next = readTokens(tokens, clock, cookie, true, { previous: record.tokens })
        return store.save({
          version: { epoch, generation, nonce },
          tokens: replay ? next : { ...next, updateGeneration: generation },
        })
      })
      known.become(saved, 'updated')
      // A refresh was refused meanwhile: the session is over, and these tokens with it.
      if (known.record?.ended) throw known.expired
    },

    async signOut({ server } = {}) {
      // Then it has been answered: no cookie is to come.
      const { inside } = running
      const tell = () => known.tell()
      let stop: (() => void) | undefined
      try {
        const tokens = await replace(parts, { ended: 'signed-out' }, Boolean(server))
        if (!server) return
        if (inside) running.outdate(String(known.epoch), true)
        const logout = async () => {
          // Whoever hears of it may go to another page, and cut it off.
          stop = patience(clock, settings.deadline, tell)
          const left = () => running.leave(tokens, server)
          await inTime(clock, settings.lease, left, () => hung('server'))
        }
        // A turn that is not to be had keeps nobody from signing out.
        await inTurn('signOut', logout).catch((error) => {
          if (stop) throw error
          return logout()
        })
      } finally {
        stop?.()
        tell()
      }
    },

    resume,

    close() {
      if (room.closed) return
      stopResuming?.()
      room.close()
      running.giveUp()
      unwatch()
      ends.stop()
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
 * What of a session is worked out when somebody looks. A class, because accessors in a literal would give every
 * session of a pool a hidden class, or a dictionary, of its own.
 */
class View {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  get state(): SessionState {
    return this.#parts.events.state
  }

  get busy(): boolean {
    const { running, saving, room } = this.#parts
    return Boolean(running.flight || saving.pending || room.size)
  }
}

function ensureOpen({ room }: Parts): void {
  if (room.closed) throw new SessionError('session_closed')
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

/** A call of the session's own methods that waits. */
function callerOf({ running }: Parts, label: string, signal?: AbortSignal | undefined): Visitor {
  const { inside } = running
  return {
    epoch: undefined,
    looked: false,
    label,
    onLeave: (leave) => (inside ? void leave(new TypeError(say('inside', label))) : leaveWith(signal, leave)),
  }
}
