import type { Context } from './context.ts'
import { SessionError } from './errors.ts'
import { readResult, Setback } from './outcome.ts'
import { become, pause } from './record.ts'
import { compareVersions, type Lease, newEpoch, type Stored } from './store.ts'
import type { TokenSet } from './tokens.ts'

/** What the user's `refresh` function is given. */
export interface RefreshContext {
  /** The token set to renew. Undefined before the first one, and in cookie mode. */
  tokens: TokenSet | undefined
  /** Aborts when the session is closed or the lease ends, nowhere else: the answer may hold the only valid refresh token. */
  signal: AbortSignal
}

/** Where a flight has led: to a newer record, by its own work or somebody else's, or to one that has ended. */
export interface Landing {
  record: Stored
  /** Why the authorization server refused. */
  cause?: Error | undefined
}

/** Milliseconds of a lease that must be left for a refresh to be sent, or a tenth of it. */
const MARGIN = 1000

/** The longest cooldown after failed flights, in milliseconds; the first is one second, and each doubles. */
const LONGEST_COOLDOWN = 30_000

/** A cooldown longer than this, in milliseconds, is a clock that was set back. */
const LONGEST_WAIT = 300_000

/** Milliseconds that double with every retry; the actual delay is anything up to it (full jitter). */
const BACKOFF = 500

/** Saves are tried again after these milliseconds; then the tokens are served from memory. */
const SAVE_AFTER = [0, 50, 500]

/** Then again and again, with at most so many milliseconds in between. */
const SAVE_EVERY = 5000

/**
 * The refresh transaction: one flight per context and sign-in, from the need for a token to a new one.
 *
 * Rotating refresh tokens are spent by sending them, and a second use may end the session. So the flight
 * looks at the store again once it is alone, reserves the next generation before it sends, and saves what
 * comes back before anybody is told.
 *
 * @param needless ends the waiting for the turn: somebody else has brought what this flight was for
 * @throws SessionError `refresh_failed`: the tokens are kept
 */
export async function fly(context: Context, needless: AbortSignal): Promise<Landing> {
  const { store, record: seen, settings } = context
  const { clock, retries, deadline } = settings
  for (let tries = 0, doubts = 0; ; ) {
    let failure: unknown
    try {
      return await store.exclusive((lease) => attempt(context, seen, lease), needless)
    } catch (thrown) {
      failure = thrown
    }
    const setback = failure instanceof Setback ? failure : new Setback('definite', failure)
    const { kind, cause, notBefore } = setback
    const delay = Math.max(clock.random() * BACKOFF * 2 ** tries, notBefore - clock.now())
    const again = kind === 'wait' || (kind === 'definite' && tries++ < retries && delay <= deadline)
    // The first time in doubt the same token is sent again at once: within any server's grace for reuse.
    const atOnce = kind === 'doubt' && !doubts++
    if (needless.aborted || !(again || atOnce)) {
      const retryAt = Math.max(
        notBefore,
        clock.now() + Math.min(1000 * 2 ** context.failures, LONGEST_COOLDOWN),
      )
      // Where the store itself has failed, nobody can be told through it.
      if (seen && setback === failure && !needless.aborted) await coolDown(context, seen, retryAt)
      throw new SessionError('refresh_failed', `no new access token: ${cause.message}`, { cause, retryAt })
    }
    if (again) await pause(context, delay)
  }
}

/** One turn at the store. Throws a setback where there is nothing newer at its end. */
async function attempt(context: Context, seen: Stored | undefined, lease: Lease): Promise<Landing> {
  const { store, nonce, cookie, events, settings } = context
  const { clock } = settings
  const stored = await store.load()
  if (stored && overtakes(stored, seen)) return { record: stored }
  // Nothing is known, and nobody has signed in: whoever does so now comes after us.
  const own = seen ?? stored ?? { version: { epoch: newEpoch(clock, '', 0), generation: 0, nonce } }
  // An empty store is not a sign-out: somebody has cleared it, and the session goes on in memory.
  const fenced = stored ?? !seen
  // An older record is one that could not be saved last time: it holds a refresh token that was spent.
  const current = stored && compareVersions(stored.version, own.version) >= 0 ? stored : undefined
  const record = current ?? (fenced ? await store.save(own) : own)
  if (record.ended) return { record }
  const { notBefore = 0, version } = record
  const { failure } = context
  // Our own cooldown is measured by a clock that cannot be set back.
  const announced = failure && notBefore <= failure.announced
  const wait = announced ? failure.until - clock.monotonic() : notBefore - clock.now()
  if (notBefore && wait > 0 && wait <= LONGEST_WAIT) {
    throw new Setback('definite', new Error('the last refresh failed'), clock.now() + wait)
  }
  // The cookie jar has no fence: two answers could overwrite each other in any order.
  if (cookie) yieldTo(record)

  const generation = fenced ? await lease.begin() : version.generation + 1
  context.reserved = generation
  if (lease.remaining() < Math.min(MARGIN, settings.lease / 10)) {
    await lease.clear(generation)
    throw new Setback('definite', new Error('the lease was nearly over'))
  }
  // Somebody signed in or out, or the session was closed, while the store was at work.
  if (context.record !== seen || context.closed) {
    await lease.clear(generation).catch(() => {})
    return { record: context.record ?? record }
  }
  const renewed = { version: { ...version, generation, nonce } }
  try {
    return {
      record: await commit(context, { ...renewed, tokens: await ask(context, lease, record, renewed) }),
    }
  } catch (setback) {
    const { kind, cause, notBefore: retryAt } = setback as Setback
    if (kind === 'definite' || kind === 'final') await lease.clear(generation).catch(() => {})
    if (retryAt) await coolDown(context, record, retryAt)
    if (kind !== 'rejected') throw setback
    const now = (fenced && (await store.load().catch(() => undefined))) || record
    if (overtakes(now, record)) return { record: now }
    yieldTo(now)
    let end: Stored = { version, ended: 'rejected' }
    try {
      // Unless a late answer or an update has come since the look: then that is what the store keeps.
      if (fenced) end = await store.save(end)
    } catch {
      events.emit({ type: 'degraded', reason: 'the end was not saved' })
    }
    return { record: end, cause }
  }

  function yieldTo({ pending }: Stored): void {
    if (pending && pending.generation !== context.reserved && pending.until > clock.now()) {
      throw new Setback('wait', new Error('another context is refreshing'), pending.until)
    }
  }
}

/** Whether somebody else has come before us. What is older, another sign-in's too, only waits to be saved over. */
function overtakes(stored: Stored, seen: Stored | undefined): boolean {
  return seen ? compareVersions(stored.version, seen.version) > 0 : stored.tokens !== undefined
}

/** Runs `refresh` and reads what comes of it, for as long as the lease lasts. */
function ask(context: Context, lease: Lease, { tokens }: Stored, renewed: Stored): Promise<TokenSet> {
  const { cookie, settings } = context
  const { clock, refresh, isTerminal } = settings
  return new Promise((resolve, reject) => {
    const over = new AbortController()
    const release = () => {
      clock.clearTimeout(timer)
      lease.signal.removeEventListener('abort', end)
      if (context.giveUp === end) context.giveUp = undefined
    }
    const end = () => {
      release()
      over.abort()
      reject(new Setback('doubt', new Error('not answered before the lease ended')))
    }
    const timer = clock.setTimeout(end, settings.lease)
    lease.signal.addEventListener('abort', end)
    context.giveUp = end
    // Asynchronous, so that a `refresh` that throws at once rejects like any other.
    const run = async () => {
      context.refreshSignal = over.signal
      context.insideRefresh = true
      try {
        return refresh({ tokens: cookie ? undefined : tokens, signal: over.signal })
      } finally {
        context.insideRefresh = false
      }
    }
    readResult(run(), clock, cookie, isTerminal, tokens)
      .then(async (fresh) => {
        resolve(fresh)
        // A late answer may hold the only valid refresh token.
        if (over.signal.aborted && !context.record?.ended) {
          become(context, await commit(context, { ...renewed, tokens: fresh }), 'refresh-succeeded')
        }
      })
      // `isTerminal` is the user's, and may throw as well.
      .catch((setback) => reject(setback instanceof Setback ? setback : new Setback('final', setback)))
      .then(release)
  })
}

/** Saves the new tokens. Where the store has failed for good they are served from memory until it works again. */
async function commit(context: Context, next: Stored): Promise<Stored> {
  for (const delay of SAVE_AFTER) {
    if (delay) await pause(context, delay)
    try {
      const saved = await context.store.save(next)
      context.unsaved = undefined
      return saved
    } catch {}
  }
  context.events.emit({ type: 'degraded', reason: 'the new tokens were not saved' })
  context.unsaved = next
  void keepSaving(context)
  return next
}

/** Others who share the store would spend the former refresh token again. */
async function keepSaving(context: Context): Promise<void> {
  for (let delay = 1000; context.unsaved; delay *= 2) {
    await pause(context, Math.min(delay, SAVE_EVERY))
    // Closing the session saves them a last time.
    if (context.closed) return
    const { unsaved } = context
    const saved = unsaved && (await context.store.save(unsaved).catch(() => undefined))
    if (!saved) continue
    if (context.unsaved === unsaved) context.unsaved = undefined
    become(context, saved, 'refresh-adopted')
  }
}

/** Shares a cooldown with everybody who shares the store; they may have come further meanwhile. */
async function coolDown(context: Context, { version, tokens }: Stored, notBefore: number): Promise<void> {
  const saved = await context.store.save({ version, tokens, notBefore }).catch(() => undefined)
  if (saved) become(context, saved, 'refresh-adopted')
}
