import type { Clock } from '../../core/clock.ts'

/** What somebody else has said last, and since when that is known here, by our own clock: clocks are not compared. */
export function createSilence(clock: Clock): (said: string) => number {
  let sighting = { said: '', since: 0 }
  return (said) => {
    if (sighting.said !== said) sighting = { said, since: clock.monotonic() }
    return clock.monotonic() - sighting.since
  }
}
