import { type Clock, countdown } from '../../core/clock.ts'
import type { Lease } from '../../core/store.ts'

/** What a turn asks of whatever keeps it. Times are in milliseconds since the epoch. */
export interface TurnCommands {
  /** Resolves with whether the turn is still this one's. */
  renew(until: number): Promise<boolean>
  /** Reserves the next generation; -1 where the turn was lost, -2 where there is no record. */
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
  let timer: unknown

  const remaining = () => Math.min(left.lease(), kept())

  function end(): void {
    clock.clearTimeout(timer)
    if (ended.signal.aborted) return
    ended.abort()
    over()
  }

  function watch(): void {
    const time = remaining()
    if (time <= 0) {
      end()
      return
    }
    if (kept() <= (ttl * 2) / 3) void extend()
    timer = clock.setTimeout(watch, Math.min(time, ttl / 3))
  }

  async function extend(): Promise<void> {
    const until = clock.now() + ttl
    const anew = countdown(clock, ttl, until)
    try {
      if (await renew(until)) kept = anew
      else end()
    } catch {
      // It is tried again, as long as the turn may still be kept.
    }
  }

  timer = clock.setTimeout(watch, Math.min(lease, ttl / 3))

  return {
    signal: ended.signal,
    remaining,
    async begin() {
      const until = clock.now() + ttl
      const anew = countdown(clock, ttl, until)
      if (remaining() <= 0) throw new Error('the lease has ended')
      const generation = await begin(until)
      if (generation === -2) throw new Error('the record is gone')
      if (generation < 0) {
        end()
        throw new Error('the lease was lost')
      }
      kept = anew
      return generation
    },
    clear,
    stop: () => clock.clearTimeout(timer),
  }
}
