import { idly } from './clock.ts'
import type { Parts } from './parts.ts'
import { refreshOnce } from './refresh.ts'

/** Ends that are no further apart, in milliseconds, are one: servers count from each answer, in whole seconds. */
const SAME = 60_000

/** What watches over the ends of a token set. */
export interface Watch {
  /** Looks at everything anew. */
  arm(): void
  stop(): void
}

/**
 * Does what is to be done before a token ends, by one timer: with `keepFresh` a refresh of an idle session, too, at the
 * soft window of each token set, before the refresh token dies, or when a failure has cooled down; and a word to those
 * who observe before the session itself ends.
 *
 * A refresh may give the session more time, or not: where a set was received so late that it should be renewed at once,
 * it does not.
 */
export function watchEnds(parts: Parts): Watch {
  const { known, running, room, cooldown, events, settings } = parts
  const { clock, keepFresh, endingNotice } = settings
  let timer: unknown
  /** Of whose session the rest is. */
  let epoch: string | undefined
  /** Which end was told. */
  let told = 0
  /** The longest time that it had before it, in milliseconds: a refresh may give it no more than there was left. */
  let longest = 0

  function arm(): void {
    clock.clearTimeout(timer)
    if (room.closed) return
    const now = clock.now()
    const { refreshExpiresAt: end = Number.POSITIVE_INFINITY, receivedAt = now } = known.record?.tokens ?? {}
    if (epoch !== known.epoch) told = longest = 0
    epoch = known.epoch
    longest = Math.max(longest, end - receivedAt)
    // What lives for a few minutes, and is renewed meanwhile, is not about to end.
    const notice = Math.min(endingNotice, longest / 2)
    const renewal = Math.min(notice + SAME, longest * 0.75)
    const { validity } = known
    let renewIn = Number.POSITIVE_INFINITY
    if (keepFresh && !running.flight) {
      if (end - receivedAt > renewal) renewIn = end - renewal - now
      renewIn = Math.max(Math.min(renewIn, validity.left() - validity.soft), cooldown.left())
    }
    const mute = !events.observed || end <= now || Math.abs(end - told) < SAME
    const tellIn = mute ? Number.POSITIVE_INFINITY : end - notice - now
    const wait = Math.max(Math.min(renewIn, tellIn), 0)
    if (wait === Number.POSITIVE_INFINITY) return
    timer = idly(
      clock,
      () => {
        if (tellIn <= 0) {
          told = end
          events.emit({ type: 'session-ending', endsAt: end })
        }
        if (renewIn > 0) arm()
        else refreshOnce(parts, 'ahead')
      },
      wait,
    )
  }

  events.subscribe(arm)
  return { arm, stop: () => clock.clearTimeout(timer) }
}
