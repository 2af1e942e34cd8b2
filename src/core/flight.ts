import type { Aborter } from './abortable.ts'
import { ask, discard, type Log } from './ask.ts'
import { sleep } from './clock.ts'
import { isOurs } from './cooldown.ts'
import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import { Setback } from './outcome.ts'
import type { Parts } from './parts.ts'
import { begin } from './restore.ts'
import type { Flight } from './running.ts'
import { compareVersions, hasSameAccess, type Lease, newEpoch, type Stored } from './store.ts'
import type { TokenSet } from './tokens.ts'

/** Where a flight has led: to a newer record, by its own work or somebody else's, or to one that has ended. */
export interface Landing {
  record: Stored
  /** Why the authorization server refused. */
  cause?: Error | undefined
}

/** Why there are no new tokens for now. */
export interface Failure {
  error: SessionError
  /** The user's `refresh` was called. */
  asked: boolean
  /** Nobody has answered. */
  lost: boolean
}

/** Milliseconds of a lease that must be left for a refresh to be sent, or a tenth of it. */
const MARGIN = 1000

/** A cooldown longer than this, in milliseconds, is a clock that was set back. */
const LONGEST_WAIT = 300_000

/** Milliseconds that double with every retry; the actual delay is anything up to it (full jitter). */
const BACKOFF = 500

/**
 * The refresh transaction: one flight per context and sign-in, from the need for a token to a new one.
 *
 * Rotating refresh tokens are spent by sending them, and a second use may end the session. So the flight
 * looks at the store again once it is alone, reserves the next generation before it sends, and saves what
 * comes back before anybody is told.
 *
 * Does not reject: what kept it from new tokens is a {@link Failure}, and the tokens are kept.
 */
export async function fly(parts: Parts, flight: Flight): Promise<Landing | Failure> {
  const { store, known, cooldown, events, redaction, running, settings } = parts
  const { clock, retries, deadline } = settings
  const seen = known.record
  const log: Log = { asked: false, done: false }
  let pause: number | undefined
  for (let tries = 0, doubts = 0; ; ) {
    let failure: unknown
    try {
      // First it ends the waiting, then the call.
      const over = running.wait(flight)
      if (pause !== undefined) await sleep(clock, pause, over.signal)
      return await store.exclusive((lease) => attempt(parts, flight, seen, lease, over, log), over.signal)
    } catch (thrown) {
      failure = thrown
    }
    const setback = Setback.is(failure) ? failure : new Setback('definite', failure)
    const { kind, notBefore, untold } = setback
    if (untold) events.warn(say('untold'))
    const delay = Math.max(clock.random() * BACKOFF * 2 ** tries, notBefore - clock.now())
    const later = kind === 'wait' || (kind === 'definite' && tries++ < retries && delay <= deadline)
    // The first time in doubt the same token is sent again at once: within any server's grace for reuse.
    const atOnce = kind === 'doubt' && !doubts++
    const needless = running.flight !== flight
    if (needless || !(later || atOnce)) {
      const { asked } = log
      const retryAt = asked ? Math.max(notBefore, cooldown.next) : notBefore || cooldown.next
      // Where the store itself has failed, nobody can be told through it.
      if (asked && seen && !notBefore && setback === failure && !needless)
        await coolDown(parts, log.record, retryAt)
      const cause = redaction.error(setback.cause, setback.remark)
      const message = say('failed', cause.message)
      return {
        error: new SessionError('refresh_failed', message, { cause, retryAt: Math.ceil(retryAt) }),
        asked,
        lost: kind !== 'final' && !setback.answered,
      }
    }
    pause = later ? delay : undefined
  }
}

/**
 * One turn at the store: look, reserve, ask, save. Throws a setback where there is nothing newer at its end.
 *
 * @param seen what was known when the refresh was wanted
 * @param over ends the call of `refresh`
 * @param log takes down whether anybody was asked, whether he has answered, and what the store held then
 */
async function attempt(
  parts: Parts,
  flight: Flight,
  seen: Stored | undefined,
  lease: Lease,
  over: Aborter,
  log: Log,
): Promise<Landing> {
  const { store, known, room, running, saving, redaction, beginning, nonce, cookie, settings } = parts
  if (known.first) await known.first
  const stored = await store.load()
  // The app could not say who is signed in.
  if (!seen && beginning.open && (!stored || stored.ended === 'rejected')) {
    const content = await beginning.ask(parts)
    if (content && !room.closed) begin(parts, content)
    if (known.record) return { record: known.record }
  }
  // An empty store is no sign-out: somebody has cleared it. The session goes on in memory, and nothing is written back.
  const cleared = seen && !stored
  const record = cleared ? seen : await upToDate(parts, stored, seen)
  // The end of a former page. A login may have set a cookie since; where it has not, nothing is written down.
  const anew = !seen && record.ended === 'rejected'
  if ((record.ended && !anew) || (isAhead(record, seen) && !hasSameAccess(record, seen))) return { record }
  yieldToCooldown(parts, record, flight.insists)
  // The cookie jar has no fence: two answers could overwrite each other in any order. And the page that has sent the
  // cookie may be gone: its successor would spend it a second time.
  const inJar = cookie || !record.tokens?.refreshToken
  if (inJar) yieldToOthers(parts, record)

  const generation = cleared ? record.version.generation + 1 : await lease.begin()
  running.reserve({ ...record.version, generation })
  const epoch = anew ? newEpoch(settings.clock, record.version.epoch) : record.version.epoch
  const version = { epoch, generation, nonce }
  if (lease.remaining() < Math.min(MARGIN, settings.lease / 10)) {
    await lease.clear(generation)
    throw new Setback('definite', new Error(say('late')))
  }
  // Somebody signed in or out, or the session was closed, while the store was at work.
  if (running.flight !== flight) {
    await lease.clear(generation)
    return { record }
  }
  log.asked = true
  log.done = false
  log.record = record.tokens ? record : (stored ?? record)
  try {
    const keep = async (tokens: TokenSet) => {
      const saved = await saving.save({ version, tokens })
      if (saved.ended === 'signed-out') discard(parts, tokens)
      return saved
    }
    return { record: await keep(await ask(parts, lease, over, record, inJar, log, keep)) }
  } catch (thrown) {
    const setback = thrown as Setback
    const { kind, cause, notBefore, remark } = setback
    // A token in the script may be spent. Of a cookie that was answered nothing is to come any more.
    if (inJar ? log.done : kind !== 'doubt' && kind !== 'rejected')
      await lease.clear(generation).catch(() => {})
    if (notBefore) await coolDown(parts, log.record, notBefore)
    if (kind !== 'rejected') throw setback
    return {
      record: cleared ? { version: record.version, ended: 'rejected' } : await end(parts, record, setback),
      cause: redaction.error(cause, remark),
    }
  }
}

/** Whether somebody else has come before us. What is older, another sign-in's too, only waits to be saved over. */
function isAhead(stored: Stored, seen: Stored | undefined): boolean {
  return seen ? compareVersions(stored.version, seen.version) > 0 : stored.tokens !== undefined
}

/** The record that is to be renewed, as it stands in the store. */
async function upToDate({ store, nonce, settings }: Parts, stored?: Stored, seen?: Stored): Promise<Stored> {
  // Nothing is known, and nobody has signed in: whoever does so now comes after us, and who has begun with tokens, too.
  const own = seen ??
    stored ?? { version: { epoch: newEpoch(settings.clock, '-1', 0), generation: 0, nonce } }
  const newer = stored && compareVersions(stored.version, own.version) >= 0
  // Whether the sign-in that begins here comes to anything is to be seen: until then everybody else keeps his own.
  if (stored && !newer && !own.tokens) return own
  // An older record is one that could not be saved last time: it holds a refresh token that was spent.
  return newer ? stored : store.save(own)
}

function yieldToCooldown(
  { cooldown, settings: { clock } }: Parts,
  { notBefore }: Stored,
  insists: boolean,
): void {
  if (!notBefore || (insists && isOurs(notBefore))) return
  // Ours may last longer than what a server has asked for.
  const left = insists ? notBefore - clock.now() : cooldown.left(notBefore)
  if (left > 0 && left <= LONGEST_WAIT)
    throw new Setback('definite', new Error(say('paused')), { notBefore: clock.now() + left })
}

function yieldToOthers({ running, settings: { clock, lease } }: Parts, record: Stored): void {
  const left = running.bound(record, lease)
  if (left > 0) throw new Setback('wait', new Error(say('pending')), { notBefore: clock.now() + left })
}

/** The refresh token was refused: the session has ended, unless somebody has, or may have, newer ones. */
async function end(parts: Parts, refused: Stored, { cause }: Setback): Promise<Stored> {
  const { store, events } = parts
  const stored = (await store.load().catch(() => undefined)) ?? refused
  if (isAhead(stored, refused)) return stored
  yieldToOthers(parts, stored)
  const ended: Stored = { version: refused.version, ended: 'rejected' }
  // Nobody was signed in: that is found out anew by the next page, which may have a cookie.
  if (!refused.tokens && (refused.ended || !refused.version.generation)) return ended
  // Unless a late answer or an update has come since the look: then that is what the store keeps.
  const saved = await store.save(ended).catch(() => {
    events.emit({ type: 'degraded', reason: say('end') })
    return ended
  })
  // It was refused without the tokens of the record: whoever has them can tell whether they are dead.
  if (!saved.ended && !isAhead(saved, refused))
    throw new Setback('final', cause, { remark: `: ${say('elsewhere')}` })
  return saved
}

/** Shares a cooldown with everybody who shares the store; they may have come further meanwhile. */
async function coolDown(
  { store, known }: Parts,
  stored: Stored | undefined,
  notBefore: number,
): Promise<void> {
  const saved =
    stored && (await store.save({ ...stored, pending: undefined, notBefore }).catch(() => undefined))
  if (saved) known.become(saved, 'refresh-adopted')
}
