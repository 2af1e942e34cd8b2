import { leaveWith } from './abortable.ts'
import type { Clock } from './clock.ts'
import type { Context } from './context.ts'
import { SessionError } from './errors.ts'
import { createEvents, listen } from './events.ts'
import { send } from './exchange.ts'
import { inProcessStore } from './in-process-store.ts'
import { keepFresh } from './keep-fresh.ts'
import { type SessionEvent, type SessionState, stateOf } from './machine.ts'
import { type SessionOptions, settingsOf } from './options.ts'
import { become, endFlight } from './record.ts'
import { gate, refreshOnce } from './refresh.ts'
import type { SessionRequest } from './request.ts'
import { newEpoch, newNonce, type SessionStore, type Stored, type Version } from './store.ts'
import { readTokens, type TokenInput, validityOf } from './tokens.ts'
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
  getAccessToken(options?: { signal?: AbortSignal | undefined; minValidity?: number }): Promise<string>
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
  refresh(options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** Calls `listener` when the state has changed; fits useSyncExternalStore. Returns the function that ends it. */
  subscribe(listener: (state: SessionState) => void): () => void
  /** Calls `listener` with everything that happens. Returns the function that ends it. */
  observe(listener: (event: SessionEvent) => void): () => void
  /** Sends a client's request through the session; for transports. */
  send<Reply>(request: SessionRequest<Reply>): Promise<Reply>
  /** `cookie`: it holds no token that could go astray; for transports. */
  readonly mode: 'token' | 'cookie'
  /** Whether requests may be recalled; for transports. */
  readonly recalls: boolean
  /** Whether requests may be replayed; for transports. */
  readonly replays: boolean
  /** Whether closing it now would lose something: a refresh is running, somebody waits, or new tokens are not saved. */
  readonly busy: boolean
  /** Ends all waiting with `session_closed`. The user stays signed in. */
  close(): void
  /** `close()`, where the runtime knows `using`. */
  [Symbol.dispose]?(): void
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
  const settings = settingsOf(options)
  const { clock, lease, recall = typeof document === 'object' ? 'safe' : 'none' } = settings
  const cookie = options.mode === 'cookie'
  let seed = seedOf(options.tokens, clock, cookie)
  const nonce = newNonce(clock)
  const store = options.store ?? inProcessStore(clock, lease)
  const restoring = options.store !== undefined
  const context: Context = {
    settings,
    cookie,
    store,
    nonce,
    closed: false,
    events: createEvents(clock, stateOf({ record: undefined, restoring, flight: undefined }), () =>
      stateOf(context),
    ),
    room: createWaitingRoom(clock, settings.deadline),
    wire: new Set(),
    held: [],
    record: undefined,
    validity: validityOf(undefined, settings, clock),
    bearer: undefined,
    restoring,
    flight: undefined,
    giveUp: undefined,
    failure: undefined,
    failures: 0,
    reserved: 0,
    unsaved: undefined,
    adopted: false,
    uncured: [],
    ids: 0,
    credentialHeaders: cookie ? [] : ['authorization'],
    insideRefresh: false,
    refreshSignal: undefined,
  }
  const { events, room } = context

  const unwatch = store.watch(
    (stored) => void become(context, stored, 'refresh-adopted'),
    (reason) => events.emit({ type: 'degraded', reason }),
  )
  const stop = options.keepFresh ? keepFresh(context) : undefined
  if (options.store) void restore(options.store)
  else begin()

  /** Reads what an earlier page, process or session object has left. */
  async function restore({ load }: SessionStore): Promise<void> {
    try {
      const stored = await load()
      if (stored) become(context, stored, 'restored')
    } catch {
      events.emit({ type: 'degraded', reason: 'the store cannot be read' })
      // It may hold a session: that nobody is signed in is for a store to say that was read.
      if (seed?.ended) seed = undefined
    }
    begin()
  }

  function begin(): void {
    if (context.record) return
    if (seed?.tokens) void replace(seed).catch(() => {})
    // Not saved: whoever signs in elsewhere at this moment comes after us.
    else if (seed)
      become(
        context,
        { version: { epoch: newEpoch(clock, '', 0), generation: 1, nonce }, ...seed },
        'restored',
      )
    else {
      context.restoring = false
      events.emit({ type: 'restored' })
      room.empty()
    }
  }

  /** Another sign-in, or none: here at once, durable when it resolves. */
  async function replace(content: Omit<Stored, 'version'>): Promise<void> {
    ensureOpen()
    const known = context.record
    const next = { version: newVersion(known), ...content }
    become(context, next, 'signed-in')
    const saved = await store.save(next)
    if (known || context.record !== next || saved.version.nonce === nonce) become(context, saved, 'signed-in')
    else {
      // The store had not been read yet, and knows an epoch that our clock has not come to.
      const later = { version: newVersion(saved), ...content }
      become(context, later, 'signed-in')
      await store.save(later)
    }
  }

  function newVersion(seen: Stored | undefined): Version {
    return { epoch: newEpoch(clock, seen?.version.epoch), generation: 1, nonce }
  }

  function ensureOpen(): void {
    if (context.closed) throw new SessionError('session_closed')
  }

  const session: Session = {
    get state() {
      return events.state
    },
    get busy() {
      return Boolean(context.flight || context.unsaved || room.size)
    },
    mode: cookie ? 'cookie' : 'token',
    recalls: recall === 'safe',
    replays: settings.replays > 0,
    subscribe: (listener) => listen(events.subscribers, listener),
    observe: (listener) => listen(events.observers, listener),
    send: ((request) => send(context, request)) as Session['send'],

    async getAccessToken({ signal, minValidity = 0 } = {}) {
      if (cookie) throw new TypeError('getAccessToken: in cookie mode nobody knows the access token')
      const caller = callerOf('getAccessToken', signal)
      for (let wait = gate(context, caller); wait; wait = gate(context, caller)) await wait
      if (context.validity.left() < minValidity) await session.refresh({ signal })
      const tokens = context.record?.tokens
      if (!tokens) throw signedOut()
      return tokens.accessToken
    },

    async refresh({ signal } = {}) {
      ensureOpen()
      const { record } = context
      if (record?.ended) throw signedOut()
      refreshOnce(context, 'forced')
      if (context.flight) await room.enter(callerOf('refresh', signal))
      ensureOpen()
      if (record && record.version.epoch !== context.record?.version.epoch)
        throw new SessionError('session_changed')
    },

    async signIn(tokens) {
      await replace({ tokens: readTokens(tokens, clock, cookie, true) })
    },

    async update(tokens) {
      ensureOpen()
      const known = context.record
      readTokens(tokens, clock, cookie, true)
      const saved = await store.exclusive(async (lease) => {
        const record = (await store.load()) ?? known
        if (!record?.tokens || !known) throw new TypeError('update: nobody is signed in; use signIn')
        const { epoch } = record.version
        if (epoch !== known.version.epoch) throw new SessionError('session_changed')
        const version = { epoch, generation: await lease.begin(), nonce }
        return store.save({ version, tokens: readTokens(tokens, clock, cookie, true, record.tokens) })
      })
      become(context, saved, 'updated')
      // A refresh was refused meanwhile: the session is over, and these tokens with it.
      if (context.record?.ended) throw signedOut()
    },

    async signOut({ server } = {}) {
      await replace({ ended: 'signed-out' })
      if (server) await store.exclusive(async () => void (await server()))
    },

    close() {
      if (context.closed) return
      context.closed = true
      context.giveUp?.()
      unwatch()
      stop?.()
      const { unsaved } = context
      if (unsaved)
        void store
          .save(unsaved)
          .catch(() => {})
          .then(store.close)
      else store.close()
      endFlight(context)
      room.empty(room.size ? new SessionError('session_closed') : undefined)
    },
  }
  if (Symbol.dispose) session[Symbol.dispose] = session.close
  return session
}

function signedOut(): SessionError {
  return new SessionError('session_expired', 'nobody is signed in')
}

/** What the options say of the beginning. */
function seedOf(
  tokens: SessionOptions['tokens'],
  clock: Clock,
  cookie: boolean,
): Omit<Stored, 'version'> | undefined {
  if (tokens === undefined) return undefined
  return tokens === null ? { ended: 'signed-out' } : { tokens: readTokens(tokens, clock, cookie, false) }
}

/** A call of the session's own methods that waits. */
function callerOf(label: string, signal: AbortSignal | undefined): Visitor {
  return { epoch: undefined, label, onLeave: (leave) => leaveWith(signal, leave) }
}
