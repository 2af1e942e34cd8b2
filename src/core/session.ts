import { createAccount } from './account.ts'
import { createBudget } from './budget.ts'
import { type Clock, systemClock } from './clock.ts'
import { SessionError } from './errors.ts'
import { createEvents } from './events.ts'
import { changed, createExchange } from './exchange.ts'
import { fly, type Landing } from './flight.ts'
import type { RefreshReason, SessionEvent, SessionState } from './machine.ts'
import { memoryStore } from './memory-store.ts'
import { checkOptions, type SessionOptions } from './options.ts'
import type { SessionRequest } from './request.ts'
import { newEpoch, newNonce, type Stored, type Version } from './store.ts'
import { readTokens, type TokenInput } from './tokens.ts'
import { createWaitingRoom, type Visitor } from './waiting-room.ts'

/** One user's signed-in state. Any number of HTTP clients share it. */
export interface Session {
  /** A frozen snapshot, the same object until something changes; never a token. */
  readonly state: SessionState
  /**
   * A token that is good now, for whatever is no request: WebSocket, EventSource, another library.
   * Waits for a refresh where one is needed.
   *
   * `minValidity`: how many milliseconds it must still be good for. @default 0
   *
   * Rejects with `session_expired` when nobody is signed in.
   */
  getAccessToken(options?: { signal?: AbortSignal; minValidity?: number }): Promise<string>
  /** Begins a new sign-in. What waits for the former one is rejected with `session_changed`. In effect at once, saved when it resolves. */
  signIn(tokens?: TokenInput): Promise<void>
  /** Replaces the token set of the same user: another organisation, a token that came another way. Waits for a refresh that is running. */
  update(tokens: TokenInput): Promise<void>
  /**
   * Ends the session, here at once and durably when it resolves. A refresh that is running is not aborted, but
   * nobody gets its result. `server` runs while no refresh can, so that no late Set-Cookie revives the session.
   */
  signOut(options?: { server?: () => unknown }): Promise<void>
  /** Forces a refresh, or joins the one that is running. */
  refresh(options?: { signal?: AbortSignal }): Promise<void>
  /** Calls `listener` when the state has changed; fits useSyncExternalStore. Returns the function that ends it. */
  subscribe(listener: (state: SessionState) => void): () => void
  /** Calls `listener` with everything that happens. Returns the function that ends it. */
  observe(listener: (event: SessionEvent) => void): () => void
  /** Sends a client's request through the session; for transports. */
  send<Reply>(request: SessionRequest<Reply>): Promise<Reply>
  /** Whether requests may be recalled; for transports. */
  readonly recalls: boolean
  /** Ends all waiting with `session_closed`. The user stays signed in. */
  close(): void
  /** `close()`, where the runtime knows `using`. */
  [Symbol.dispose]?(): void
}

/** A refresh that is running. */
interface Flight {
  /** Whether requests wait for it even if the token has not expired: it was refused. */
  holds: boolean
  generation: number
  recallTimer: unknown
}

/** The last refresh failed; until then nobody asks again. */
interface Failure {
  error: SessionError
  /** By the monotonic clock. */
  until: number
}

/** The longest cooldown after refreshes that failed, in milliseconds; the first is one second, and each doubles. */
const LONGEST_COOLDOWN = 30_000

/**
 * Creates a session: the one place that knows the tokens, and refreshes them once for all who need it.
 *
 * @example
 * const session = createSession({
 *   refresh: ({ signal }) => fetch('/auth/refresh', { method: 'POST', credentials: 'include', signal }),
 * })
 */
export function createSession(options: SessionOptions): Session {
  checkOptions(options)
  const { clock = systemClock, deadline = 10_000, lease = 60_000, retries = 2, recallAfter = 250 } = options
  const cookie = options.mode === 'cookie'
  const recalls = (options.recall ?? (typeof document === 'object' ? 'safe' : 'none')) === 'safe'
  const seed = seedOf(options.tokens, clock, cookie)
  const store = options.store ?? memoryStore({ lease, clock })
  const account = createAccount(options, clock)
  const budget = createBudget(clock, options.budget)
  const room = createWaitingRoom(clock, deadline)
  const closing = new AbortController()
  const initial: SessionState = {
    status: options.store ? 'restoring' : 'unknown',
    refreshing: false,
    generation: 0,
  }
  const events = createEvents(clock, Object.freeze(initial))
  let flight: Flight | undefined
  let failure: Failure | undefined
  let failures = 0
  let adopted = false
  /** True while the user's `refresh` runs up to its first await. */
  let insideRefresh = false
  let refreshSignal: AbortSignal | undefined
  const sleepers = new Set<() => void>()
  let freshTimer: unknown

  const exchange = createExchange(
    {
      account,
      events,
      budget,
      cookie,
      gate,
      refreshOnce,
      cooling,
      get refreshing() {
        return flight !== undefined
      },
      get adopted() {
        return adopted
      },
      isRefresh: (request) =>
        insideRefresh || (refreshSignal !== undefined && request.signal === refreshSignal),
    },
    options,
  )

  const unwatch = store.watch(
    (stored) => {
      if (!account.accept(stored)) return
      detach()
      news(stored, 'refresh-adopted')
    },
    (reason) => events.emit({ type: 'degraded', reason }),
  )

  if (options.store) void restore()
  else begin()

  /** Reads what an earlier page, process or session object has left. */
  async function restore(): Promise<void> {
    try {
      const stored = await store.load()
      if (stored && account.accept(stored)) news(stored, 'signed-in')
    } catch {
      events.emit({ type: 'degraded', reason: 'the store cannot be read' })
    }
    begin()
  }

  /** Nothing was stored: the session begins with the tokens of the options, or knows nothing. */
  function begin(): void {
    if (account.record) return
    if (seed) void replace({ version: newVersion(), ...seed }).catch(() => {})
    else {
      events.emit({ type: 'nothing-stored' })
      room.empty()
    }
  }

  /** Undefined: go now. A promise: wait, then ask again. Throws where waiting would not help. */
  function gate(visitor: Visitor & { epoch: string | undefined }): Promise<void> | undefined {
    if (account.validity?.freshness() === 'soft' && !flight && !cooling()) refreshOnce('ahead')
    ensureOpen()
    const { record } = account
    if (visitor.epoch !== undefined && visitor.epoch !== account.epoch) throw changed()
    if (events.state.status === 'restoring') return room.enter(visitor)
    if (record?.ended || record?.tokens) visitor.epoch = account.epoch
    if (record?.ended) return undefined
    const freshness = record?.tokens
      ? (account.validity?.freshness() ?? 'fresh')
      : cookie
        ? 'fresh'
        : 'expired'
    if (freshness === 'expired') {
      const failure = cooling()
      if (failure) throw failure
      refreshOnce(record?.tokens ? 'expired' : 'unknown')
      return room.enter(visitor)
    }
    return flight?.holds ? room.enter(visitor) : undefined
  }

  /** The failure of the last refresh, until its cooldown is over. */
  function cooling(): SessionError | undefined {
    return failure && clock.monotonic() < failure.until ? failure.error : undefined
  }

  /** Starts the refresh, or joins the one that is running. */
  function refreshOnce(reason: RefreshReason): void {
    const { record, generation } = account
    if (flight) events.emit({ type: 'refresh-joined', reason, generation })
    const mine: Flight = flight ?? { holds: false, generation, recallTimer: undefined }
    if (reason === 'rejected' && !mine.holds) {
      mine.holds = true
      if (recalls) mine.recallTimer = clock.setTimeout(() => exchange.recall(generation), recallAfter)
    }
    if (flight) return
    flight = mine
    events.emit({ type: 'refresh-started', reason, generation })
    const landed = fly({
      clock,
      cookie,
      store,
      lease,
      retries,
      seen: record,
      refresh: callRefresh,
      isTerminal: options.isTerminal,
      patience: deadline,
      cooldown: Math.min(1000 * 2 ** failures, LONGEST_COOLDOWN),
      closing: closing.signal,
      pause,
      onLate: (late) => {
        if (account.accept(late)) news(late, 'refresh-succeeded')
      },
      onDegraded: (reason) => events.emit({ type: 'degraded', reason }),
    })
    void landed.then((landing) => {
      if (flight === mine) land(landing, mine.holds)
      else if (landing.kind !== 'failed' && account.accept(landing.record))
        news(landing.record, 'refresh-adopted')
    })
  }

  /** The record is another one: what the flight brings home is no longer waited for. */
  function detach(): void {
    clock.clearTimeout(flight?.recallTimer)
    flight = undefined
  }

  function callRefresh(
    context: Parameters<SessionOptions['refresh']>[0],
  ): ReturnType<SessionOptions['refresh']> {
    refreshSignal = context.signal
    insideRefresh = true
    try {
      return options.refresh(context)
    } finally {
      insideRefresh = false
    }
  }

  function land(landing: Landing, refused: boolean): void {
    detach()
    if (landing.kind === 'failed') {
      const { error } = landing
      const { retryAt = 0 } = error
      failures++
      failure = { error, until: clock.monotonic() + retryAt - clock.now() }
      events.emit({ type: 'refresh-failed', code: error.code, message: error.message, retryAt })
      room.empty(closing.signal.aborted ? closed() : error)
      stayFresh()
      return
    }
    const { kind, record } = landing
    const known = account.record?.tokens !== undefined || cookie
    account.accept(record)
    adopted = kind !== 'served'
    if (kind === 'expired') {
      const { cause } = landing
      const error = new SessionError('session_expired', 'the refresh was refused: sign in again', { cause })
      events.emit({ type: 'refresh-failed', code: error.code, message: cause?.message ?? error.message })
      // Before the first token nobody was signed in whose session could expire: those requests go out bare.
      news(record, 'refresh-adopted', known ? error : undefined)
    } else {
      if (refused) budget.spend()
      news(account.record ?? record, adopted ? 'refresh-adopted' : 'refresh-succeeded')
    }
  }

  /** The record is another one: tells everybody, and lets those go on who wait for it. */
  function news(
    { version: { generation }, tokens, ended }: Stored,
    type: 'signed-in' | 'updated' | 'refresh-adopted' | 'refresh-succeeded',
    error?: SessionError,
  ): void {
    failure = undefined
    if (tokens) failures = 0
    const expiresAt = tokens?.expiresAt
    if (ended) events.emit({ type: 'signed-out', reason: ended })
    else if (tokens) events.emit({ type, generation, ...(expiresAt !== undefined && { expiresAt }) })
    else events.emit({ type: 'nothing-stored' })
    for (const wake of sleepers) wake()
    room.empty(error)
    stayFresh()
  }

  function newVersion(): Version {
    return { epoch: newEpoch(clock, account.epoch), generation: 1, nonce: newNonce(clock) }
  }

  /** Another sign-in, or none: local at once, durable when it resolves. */
  async function replace(next: Stored): Promise<void> {
    detach()
    account.accept(next)
    news(next, 'signed-in')
    const saved = await store.save(next)
    if (account.accept(saved)) news(saved, 'signed-in')
  }

  /** Resolves after `ms`, or as soon as the record changes or the session is closed. */
  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clock.clearTimeout(timer)
        sleepers.delete(wake)
        resolve()
      }
      const timer = clock.setTimeout(wake, Math.max(ms, 0))
      sleepers.add(wake)
    })
  }

  /** With `keepFresh`: waits for the soft window, or for the cooldown after a failure. */
  function stayFresh(): void {
    clock.clearTimeout(freshTimer)
    const { validity } = account
    if (!options.keepFresh || !validity || closing.signal.aborted) return
    const wait = Math.max(validity.untilSoft(), (failure?.until ?? 0) - clock.monotonic(), 0)
    freshTimer = clock.setTimeout(() => {
      if (validity.untilSoft() > 0) stayFresh()
      else if (!flight) refreshOnce('ahead')
    }, wait)
    // An idle session keeps no process alive.
    ;(freshTimer as { unref?(): void }).unref?.()
  }

  function ensureOpen(): void {
    if (closing.signal.aborted) throw closed()
  }

  const session: Session = {
    get state() {
      return events.state
    },
    recalls,
    subscribe: events.subscribe,
    observe: events.observe,
    send: exchange.send,

    async getAccessToken({ signal, minValidity = 0 } = {}) {
      if (cookie) throw new TypeError('getAccessToken: in cookie mode the access token is not known here')
      const caller = visitorOf(signal)
      for (let wait = gate(caller); wait; wait = gate(caller)) await wait
      if (account.validity && account.validity.left() < minValidity && !account.record?.ended)
        await session.refresh({ ...(signal && { signal }) })
      const tokens = account.record?.tokens
      if (!tokens) throw new SessionError('session_expired', 'nobody is signed in')
      return tokens.accessToken
    },

    async refresh({ signal } = {}) {
      ensureOpen()
      const { epoch, record } = account
      if (record?.ended) throw new SessionError('session_expired', 'nobody is signed in')
      refreshOnce('forced')
      await room.enter(visitorOf(signal))
      if (epoch !== undefined && epoch !== account.epoch) throw changed()
    },

    async signIn(tokens) {
      ensureOpen()
      await replace({ version: newVersion(), tokens: readTokens(tokens, { clock, fresh: true, cookie }) })
    },

    async update(input) {
      ensureOpen()
      const { epoch } = account
      readTokens(input, { clock, fresh: true, cookie })
      const saved = await store.exclusive(async (turn) => {
        const record = (await store.load()) ?? account.record
        if (!record?.tokens) throw new TypeError('update: nobody is signed in; use signIn')
        if (record.version.epoch !== epoch) throw changed()
        const tokens = readTokens(input, { clock, fresh: true, cookie, previous: record.tokens })
        const version = { epoch, generation: await turn.begin(), nonce: newNonce(clock) }
        return store.save({ version, tokens })
      }, closing.signal)
      if (account.accept(saved)) news(saved, 'updated')
    },

    async signOut({ server } = {}) {
      ensureOpen()
      await replace({ version: newVersion(), ended: 'signed-out' })
      if (server) await store.exclusive(async () => void (await server()), closing.signal)
    },

    close() {
      if (closing.signal.aborted) return
      closing.abort()
      unwatch()
      store.close()
      clock.clearTimeout(freshTimer)
      for (const wake of sleepers) wake()
      detach()
      room.empty(closed())
    },
  }
  if (Symbol.dispose) session[Symbol.dispose] = session.close
  return session
}

/** What the options say of the beginning. */
function seedOf(
  tokens: SessionOptions['tokens'],
  clock: Clock,
  cookie: boolean,
): Omit<Stored, 'version'> | undefined {
  if (tokens === undefined) return undefined
  return tokens === null
    ? { ended: 'signed-out' }
    : { tokens: readTokens(tokens, { clock, fresh: false, cookie }) }
}

/** A call of the session's own methods that waits. */
function visitorOf(signal: AbortSignal | undefined): Visitor & { epoch: string | undefined } {
  return {
    epoch: undefined,
    onLeave(leave) {
      if (!signal) return undefined
      const abort = () => leave(signal.reason)
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      return () => signal.removeEventListener('abort', abort)
    },
  }
}

function closed(): SessionError {
  return new SessionError('session_closed', 'the session was closed')
}
