import { SessionError } from './errors.ts'
import type { RefreshReason } from './events.ts'
import { type Failure, fly, type Landing } from './flight.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { race } from './race.ts'
import type { Flight } from './running.ts'
import type { Stored } from './store.ts'

/**
 * Starts the one refresh, or joins it.
 *
 * @param insists although the last one has failed a moment ago: somebody has asked for it
 */
export function refreshOnce(parts: Parts, reason: RefreshReason, insists = false): void {
  const { known, running, wire, events, settings } = parts
  const { record, generation } = known
  const joined = Boolean(running.flight)
  const mine = running.flight ?? running.begin()
  if (insists) running.insist(mine)
  if (reason === 'rejected')
    running.hold(mine, () => wire.recall(generation, known, events), settings.recallAfter)
  events.emit({ type: joined ? 'refresh-joined' : 'refresh-started', reason })
  // A listener may have signed somebody in or out: then nobody needs it any more.
  if (joined || running.flight !== mine) return
  fly(parts, mine).then((landing) => {
    if ('record' in landing) arrive(parts, mine, landing, record)
    else fail(parts, mine, landing)
    // After those who have waited: what is on its way is known to be slow.
    if (mine.holds) void Promise.resolve(parts).then(race)
  })
}

/** It has led to a newer record, or to the end. */
function arrive(
  { known, running, events, room, nonce, cookie }: Parts,
  mine: Flight,
  landing: Landing,
  seen?: Stored,
): void {
  const { record, cause } = landing
  const current = running.flight === mine
  const type = record.version.nonce === nonce ? 'refresh-succeeded' : 'refresh-adopted'
  let expired: SessionError | undefined
  // A sign-out elsewhere is no refusal: those who wait find another sign-in, or none.
  if (current && record.ended === 'rejected') {
    running.end()
    const error = new SessionError('session_expired', say('rejected'), { cause })
    known.refused(error)
    events.emit({ type: 'refresh-failed', code: error.code, message: String(cause), retryAt: undefined })
    // Before the first token there was no session that could expire: those requests go out bare.
    if (seen?.tokens || cookie) expired = error
  }
  if (known.become(record, type, expired) || !current) return
  running.end()
  room.empty(expired)
}

/** There are no new tokens for now. */
function fail(
  { running, cooldown, events, room }: Parts,
  mine: Flight,
  { error, asked, lost }: Failure,
): void {
  if (running.flight !== mine) return
  running.end()
  cooldown.begin(error, asked, lost)
  const { code, message, retryAt } = error
  events.emit({ type: 'refresh-failed', code, message, retryAt })
  room.empty(error)
}
