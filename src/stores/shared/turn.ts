import { type Clock, countdown } from '../../core/clock.ts'
import { say } from '../../core/messages.ts'
import { patience } from '../../core/patience.ts'
import type { Lease } from '../../core/store.ts'

/** What a turn asks of whatever keeps it. Times are in milliseconds since the epoch. */
export interface TurnCommands {
  /** Resolves with whether the turn is still this one's. */
  renew(until: number): Promise<boolean>
  /** Reserves the next generation; a negative number where the turn was lost, or the record. */
  begin(until: number): Promise<number>
  clear(generation: number): Promise<void>
}

/** How long a turn lasts, in milliseconds. */
export interface TurnTimes {
  /** After this it ends, whatever its work does. */
  lease: number
  /** So long the turn of one who is silent is kept. */
  ttl: number
  /** What is left of each, counted from before it was asked for. */
  left: { lease: () => number; ttl: () => number }
}

/** A lease that is renewed as long as somebody works. */
export interface Turn extends Lease {
  /** No renewals any more. */
  stop(): void
}

/**
 * Keeps a turn while its work goes on. A holder that is silent for `ttl` is let go of, so that the turn of a process that
 * has died passes on long before the lease ends; so a living one says that it is there, three times as often. What
 * counts is the time from before the turn was asked for.
 *
 * Whoever was stopped, or has slept, sends nothing while his time is over by the clock. But nobody may have taken his turn:
 * so he asks before he gives it up, and is given the answer that has come meanwhile.
 */
export function createTurn(
  clock: Clock,
  { lease, ttl, left }: TurnTimes,
  { renew, begin, clear }: TurnCommands,
  over: () => void,
): Turn {
  const ended = new AbortController()
  /** Of the time for which it is kept. */
  let kept = left.ttl
  /** It was not told yet whether it still is. */
  let asking = false
  let timer: unknown

  const remaining = () => (ended.signal.aborted ? 0 : Math.min(left.lease(), kept()))

  function stop(): void {
    clock.clearTimeout(timer)
    done()
  }

  function end(): void {
    stop()
    if (ended.signal.aborted) return
    ended.abort()
    over()
  }

  function watch(): void {
    timer = clock.setTimeout(() => {
      if (!asking) void extend()
      else if (kept() <= 0) return end()
      watch()
    }, ttl / 3)
  }

  async function extend(): Promise<void> {
    const until = clock.now() + ttl
    const anew = countdown(clock, ttl, until)
    asking = true
    try {
      if (await renew(until)) kept = anew
      else end()
    } catch {
      // It is tried again, as long as the turn may still be kept.
      if (kept() <= 0) end()
    }
    asking = false
  }

  const done = patience(clock, lease, end)
  watch()

  return {
    signal: ended.signal,
    remaining,
    async begin() {
      const generation = remaining() > 0 ? await begin(clock.now() + ttl) : -1
      if (generation >= 0) return generation
      end()
      throw new Error(say('lease'))
    },
    clear,
    stop,
  }
}
