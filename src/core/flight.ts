import { SessionError } from './errors.ts'
import { type Outcome, type OutcomeContext, outcomeOfError, outcomeOfValue } from './outcome.ts'
import { compareVersions, type Lease, newEpoch, newNonce, type SessionStore, type Stored } from './store.ts'
import type { TokenSet } from './tokens.ts'

/** What the user's `refresh` function is given. */
export interface RefreshContext {
  /** The token set to renew. Undefined before the first one, and in cookie mode. */
  tokens: TokenSet | undefined
  /** Aborts when the session is closed or the lease ends, nowhere else: the answer may hold the only valid refresh token. */
  signal: AbortSignal
}

/** How a flight ended. */
export type Landing =
  | { kind: 'served' | 'adopted'; record: Stored }
  /** Another sign-in, or a sign-out, came first. */
  | { kind: 'changed'; record: Stored }
  | { kind: 'expired'; record: Stored; cause: Error | undefined }
  | { kind: 'failed'; error: SessionError }

/** What a flight needs. */
export interface FlightPlan extends Omit<OutcomeContext, 'previous'> {
  store: SessionStore
  /** The record in which the need for a refresh was seen. */
  seen: Stored | undefined
  refresh: (context: RefreshContext) => unknown
  lease: number
  retries: number
  /** Longer than this nobody waits for the next try. */
  patience: number
  /** Milliseconds without a refresh after this flight has failed. */
  cooldown: number
  /** Aborts when the session is closed. */
  closing: AbortSignal
  /** Resolves after `ms`, or earlier when the session's record changes. */
  pause(ms: number): Promise<void>
  /** An answer that came after its lease had ended; it may hold the only valid refresh token. */
  onLate(record: Stored): void
  onDegraded(reason: string): void
}

/** One turn at the store. */
type Turn =
  | Landing
  | { kind: 'wait'; until: number }
  | { kind: 'again'; cause: Error; notBefore: number; retry: boolean; doubt: boolean }

/** Milliseconds of a lease that must be left for a refresh to be sent, or a tenth of it. */
const MARGIN = 1000

/** No server is granted more patience, in milliseconds. */
const LONGEST_WAIT = 300_000

/** Milliseconds that double with every retry; the actual delay is anything up to it (full jitter). */
const BACKOFF = 500

/** Saves are tried again after these milliseconds; then the tokens are served from memory. */
const SAVE_AGAIN_AFTER = [0, 50, 500]

/**
 * The refresh transaction: one flight per context and epoch, from the need for a token to a new one.
 *
 * Rotating refresh tokens are spent by sending them, and a second use may end the session. So the flight
 * looks at the store again once it is alone, reserves the next generation before it sends, and saves what
 * comes back before anybody is told.
 */
export async function fly(plan: FlightPlan): Promise<Landing> {
  const { clock, closing, pause } = plan
  const reserved = new Set<number>()
  let doubts = 0
  for (let retries = 0; ; ) {
    const turn = await plan.store
      .exclusive((lease) => transact(plan, lease, reserved), closing)
      .catch((cause): Turn => ({ kind: 'again', cause, notBefore: 0, retry: true, doubt: false }))
    if (closing.aborted) return failed(new Error('the session was closed'), 0)
    if (turn.kind === 'wait') {
      await pause(turn.until - clock.now())
      continue
    }
    if (turn.kind !== 'again') return turn
    const { cause, retry, doubt } = turn
    // The first time in doubt the same token is sent again at once: within any server's grace for reuse.
    if (doubt && doubts++ === 0) continue
    const delay = Math.max(clock.random() * BACKOFF * 2 ** retries, turn.notBefore - clock.now())
    if (doubt || !retry || retries++ >= plan.retries || delay > plan.patience) {
      const retryAt = Math.max(turn.notBefore, clock.now() + plan.cooldown)
      if (plan.seen) await coolDown(plan, plan.seen, retryAt)
      return failed(cause, retryAt)
    }
    await pause(delay)
  }
}

function failed(cause: Error, retryAt: number): Landing {
  return {
    kind: 'failed',
    error: new SessionError('refresh_failed', `no new access token: ${cause.message}`, { cause, retryAt }),
  }
}

async function transact(plan: FlightPlan, lease: Lease, reserved: Set<number>): Promise<Turn> {
  const { store, clock, seen, cookie } = plan
  const stored = await store.load()
  const news = stored && newer(stored, seen)
  if (news) return news
  // An empty store is not a sign-out: somebody cleared it. The session goes on in memory.
  const fenced = stored !== undefined || !seen
  const own = seen ?? { version: { epoch: newEpoch(clock), generation: 0, nonce: newNonce(clock) } }
  // What could not be saved last time is saved now: an older record holds a refresh token that was spent.
  const record = !fenced
    ? own
    : stored && compareVersions(stored.version, own.version) >= 0
      ? stored
      : await store.save(own)
  if (record.ended) return { kind: 'expired', record, cause: undefined }
  const wait = (record.notBefore ?? 0) - clock.now()
  // A cooldown of hours is a clock that was set back.
  if (wait > 0 && wait <= LONGEST_WAIT) {
    return {
      kind: 'again',
      cause: new Error('the last refresh failed, too'),
      notBefore: record.notBefore ?? 0,
      retry: true,
      doubt: false,
    }
  }
  // The cookie jar has no fence: two answers could overwrite each other in any order.
  const other = record.pending && !reserved.has(record.pending.generation) ? record.pending : undefined
  if (cookie && other && clock.now() < other.until) return { kind: 'wait', until: other.until }

  const generation = fenced ? await lease.begin() : record.version.generation + 1
  reserved.add(generation)
  if (lease.remaining() < Math.min(MARGIN, plan.lease / 10)) {
    await lease.clear(generation)
    return {
      kind: 'again',
      cause: new Error('the lease was nearly over'),
      notBefore: 0,
      retry: true,
      doubt: false,
    }
  }
  const outcome = await ask(plan, lease, record, generation)
  switch (outcome.kind) {
    case 'tokens':
      return commit(plan, lease, renewed(plan, record, generation, outcome.tokens))
    case 'rejected': {
      const now = await store.load().catch(() => undefined)
      const overtaken = now && newer(now, record)
      if (overtaken) return overtaken
      const rival = now?.pending && !reserved.has(now.pending.generation) ? now.pending : undefined
      if (rival && clock.now() < rival.until) return { kind: 'wait', until: rival.until }
      const ended: Stored = { version: record.version, ended: 'rejected' }
      if (fenced)
        await store.save(ended).catch(() => plan.onDegraded('the end of the session could not be saved'))
      return { kind: 'expired', record: ended, cause: outcome.cause }
    }
    case 'definite': {
      const notBefore = outcome.retryAfter && clock.now() + outcome.retryAfter
      await lease.clear(generation).catch(() => {})
      if (notBefore) await coolDown(plan, record, notBefore)
      return { kind: 'again', cause: outcome.cause, notBefore, retry: outcome.retry, doubt: false }
    }
    case 'doubt':
      return { kind: 'again', cause: outcome.cause, notBefore: 0, retry: false, doubt: true }
  }
}

/** Whether somebody else has come before us, and how. */
function newer(stored: Stored, seen: Stored | undefined): Landing | undefined {
  if (seen && stored.version.epoch !== seen.version.epoch) return { kind: 'changed', record: stored }
  if (seen ? compareVersions(stored.version, seen.version) > 0 : stored.tokens)
    return { kind: 'adopted', record: stored }
  return undefined
}

/** Runs `refresh` and reads what came of it, for as long as the lease lasts. */
function ask(plan: FlightPlan, lease: Lease, record: Stored, generation: number): Promise<Outcome> {
  const { clock, closing } = plan
  return new Promise((resolve) => {
    const controller = new AbortController()
    let over = false
    const end = () => {
      if (over) return
      over = true
      controller.abort(new DOMException('the refresh was not answered in time', 'TimeoutError'))
      resolve({ kind: 'doubt', cause: new Error('the refresh was not answered before its lease ended') })
    }
    const timer = clock.setTimeout(end, plan.lease)
    lease.signal.addEventListener('abort', end)
    closing.addEventListener('abort', end)
    const context: OutcomeContext = { ...plan, previous: record.tokens }
    invoke(plan.refresh, { tokens: plan.cookie ? undefined : record.tokens, signal: controller.signal })
      .then(
        (value) => outcomeOfValue(value, context),
        (error) => outcomeOfError(error, context),
      )
      // `isTerminal` is the user's, and may throw as well.
      .catch((cause): Outcome => ({ kind: 'definite', cause, retry: false, retryAfter: 0 }))
      .then((outcome) => {
        clock.clearTimeout(timer)
        lease.signal.removeEventListener('abort', end)
        closing.removeEventListener('abort', end)
        if (!over) {
          over = true
          resolve(outcome)
        } else if (outcome.kind === 'tokens') {
          const late = renewed(plan, record, generation, outcome.tokens)
          plan.store
            .save(late)
            .catch(() => late)
            .then(plan.onLate)
        }
      })
  })
}

/** A `refresh` that throws before it returns a promise rejects like any other. */
async function invoke(refresh: FlightPlan['refresh'], context: RefreshContext): Promise<unknown> {
  return refresh(context)
}

function renewed({ clock }: FlightPlan, { version }: Stored, generation: number, tokens: TokenSet): Stored {
  return { version: { epoch: version.epoch, generation, nonce: newNonce(clock) }, tokens }
}

/** Saves the new tokens; where the store has failed for good they are served from memory. */
async function commit(
  { store, pause, onDegraded }: FlightPlan,
  _lease: Lease,
  next: Stored,
): Promise<Landing> {
  for (const delay of SAVE_AGAIN_AFTER) {
    if (delay) await pause(delay)
    const saved = await store.save(next).catch(() => undefined)
    if (!saved) continue
    if (saved.version.epoch !== next.version.epoch) return { kind: 'changed', record: saved }
    return compareVersions(saved.version, next.version) > 0
      ? { kind: 'adopted', record: saved }
      : { kind: 'served', record: next }
  }
  onDegraded('the new tokens could not be saved; they are served from memory')
  return { kind: 'served', record: next }
}

/** Shares a cooldown with everybody who shares the store. */
async function coolDown(
  { store }: FlightPlan,
  { version, tokens }: Stored,
  notBefore: number,
): Promise<void> {
  await store.save({ version, ...(tokens && { tokens }), notBefore }).catch(() => {})
}
