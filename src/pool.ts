import { type Clock, idly, systemClock } from './core/clock.ts'
import { SessionError } from './core/errors.ts'
import { say } from './core/messages.ts'
import { ensureName } from './core/name.ts'
import type { RefreshContext, RefreshResult, SessionOptions } from './core/options.ts'
import { createSession, type Session } from './core/session.ts'
import type { SessionStore } from './core/store.ts'
import { type Resting, RestingPlace } from './pool/resting.ts'

/**
 * Options of {@link createSessionPool}: those of every session of the pool, and the pool's own. Tokens come from the
 * stores only, and whoever is let go is kept fresh by nobody.
 */
export interface SessionPoolOptions
  extends Omit<SessionOptions, 'refresh' | 'store' | 'tokens' | 'mode' | 'keepFresh'> {
  /** Obtains the next token set of one session. Where its store holds no record, nobody is signed in: it is not asked. */
  refresh: (context: RefreshContext & { id: string }) => RefreshResult | Promise<RefreshResult>
  /** Where the record of one session lives, for example `redisStores({ client })`. */
  store: (id: string) => SessionStore
  /** How many sessions are kept in memory. Those in use are never let go, however many. @default 10_000 */
  max?: number | undefined
  /** Milliseconds after its last use at which a session is let go. @default 300_000 */
  idle?: number | undefined
}

/** What a pool is doing. */
export interface SessionPoolStats {
  /** Sessions in memory, in use or not. */
  readonly sessions: number
  /** Sessions that some `use` works with now. */
  readonly inUse: number
  /** Sessions that were made, since the pool was. */
  readonly opened: number
  /** Sessions that were let go. */
  readonly letGo: number
  /** Refreshes that were started. */
  readonly refreshes: number
}

/** The sessions of many users in one process, by id. */
export interface SessionPool {
  /**
   * Runs `work` with the session of this id, which is kept as long as `work` runs. Do not keep the session
   * beyond it: it may be let go.
   *
   * Rejects with `session_closed` when the pool is closed.
   */
  use<T>(id: string, work: (session: Session) => Promise<T> | T): Promise<T>
  readonly stats: SessionPoolStats
  /** Takes no more work, waits for what runs, and lets go of all sessions. Nobody is signed out. */
  close(): Promise<void>
}

/** A session, and who works with it. */
interface Pooled extends Resting {
  readonly id: string
  readonly session: Session
  users: number
  /** When the last one left, by the monotonic clock. */
  since: number
}

/** How many idle sessions are looked at when there are too many: more than one comes in at a time. */
const LOOKS = 4

/**
 * Keeps the sessions of many users in one process: made when they are first used, and let go when they have not
 * been used for a while, or when there are too many. What is let go is read from its store the next time; a session
 * is never let go while somebody works with it, a refresh runs, or new tokens are not saved yet.
 *
 * One timer serves the whole pool, and none runs while it is empty.
 *
 * @throws TypeError where an option is missing or cannot be used
 *
 * @example
 * const pool = createSessionPool({ store: redisStores({ client }), refresh: ({ id, tokens }) => renew(id, tokens) })
 * const token = await pool.use(sessionId, (session) => session.getAccessToken())
 */
export function createSessionPool(options: SessionPoolOptions): SessionPool {
  const { refresh, store, max = 10_000, idle = 300_000, ...shared } = options
  if (typeof refresh !== 'function') throw new TypeError(say('refresh', 'createSessionPool'))
  if (typeof store !== 'function') throw new TypeError(say('store'))
  if (!(max >= 1)) throw new TypeError(say('option', 'createSessionPool', 'max', max))
  if (!(idle >= 0)) throw new TypeError(say('option', 'createSessionPool', 'idle', idle))
  const clock: Clock = options.clock ?? systemClock
  const sessions = new Map<string, Pooled>()
  const resting = new RestingPlace<Pooled>()
  let inUse = 0
  let closing: Promise<void> | undefined
  let left: (() => void) | undefined
  let timer: unknown
  let opened = 0
  let letGo = 0
  let refreshes = 0

  function open(id: string): Session {
    opened++
    return createSession({
      ...shared,
      tokens: null,
      store: store(id),
      refresh: (context) => {
        // The store could not be read at first, and has turned out to hold nothing.
        if (!context.tokens) throw new SessionError('session_expired', say('signed-out'))
        refreshes++
        return refresh(Object.assign({ id }, context))
      },
    })
  }

  function take(id: string): Pooled {
    const found = sessions.get(id)
    const pooled = found ?? { id, session: open(id), users: 0, since: 0, older: undefined, newer: undefined }
    if (!found) sessions.set(id, pooled)
    else if (!found.users) resting.remove(found)
    if (!pooled.users++) inUse++
    shrink(LOOKS)
    return pooled
  }

  function leave(pooled: Pooled): void {
    if (--pooled.users) return
    inUse--
    pooled.since = clock.monotonic()
    resting.add(pooled)
    if (closing && !inUse) left?.()
    shrink(LOOKS)
    timer ??= idly(clock, sweep, idle)
  }

  /** Lets go of those at rest, the oldest first: as many as are too many, and all that left before `deadline`. */
  function shrink(looks: number, deadline = Number.NEGATIVE_INFINITY): void {
    for (let look = 0; look < looks; look++) {
      const pooled = resting.oldest
      if (!pooled || (sessions.size <= max && pooled.since > deadline)) return
      resting.remove(pooled)
      if (pooled.session.busy) resting.add(pooled)
      else {
        letGo++
        sessions.delete(pooled.id)
        pooled.session.close()
      }
    }
  }

  function sweep(): void {
    shrink(sessions.size - inUse, clock.monotonic() - idle)
    const { oldest } = resting
    timer = oldest && idly(clock, sweep, Math.max(oldest.since + idle - clock.monotonic(), idle / 10))
  }

  async function finish(): Promise<void> {
    if (inUse) {
      await new Promise<void>((resolve) => {
        left = resolve
      })
    }
    clock.clearTimeout(timer)
    await Promise.all(Array.from(sessions.values(), ({ session }) => quiet(session).then(session.close)))
    letGo += sessions.size
    for (const pooled of sessions.values()) resting.remove(pooled)
    sessions.clear()
  }

  return {
    async use(id, work) {
      if (closing) throw new SessionError('session_closed', say('closed'))
      ensureName(id, 'use: expected the id of a session')
      const pooled = take(id)
      try {
        return await work(pooled.session)
      } finally {
        leave(pooled)
      }
    },
    get stats() {
      return { sessions: sessions.size, inUse, opened, letGo, refreshes }
    },
    close() {
      closing ??= finish()
      return closing
    },
  }
}

/** Resolves when no refresh runs: its answer may hold the only valid refresh token. */
function quiet(session: Session): Promise<void> {
  return new Promise((resolve) => {
    const stop = session.subscribe(look)
    function look(): void {
      if (session.state.refreshing) return
      stop()
      resolve()
    }
    look()
  })
}
