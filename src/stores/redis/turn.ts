import type { Clock } from '../../core/clock.ts'
import type { Lease } from '../../core/store.ts'

/** What a turn asks of the server. */
export interface TurnCommands {
  /** Resolves with whether the turn is still this one's. */
  renew(until: number): Promise<boolean>
  begin(until: number): Promise<number>
  clear(generation: number): Promise<void>
}

export interface TurnOptions {
  clock: Clock
  /** Milliseconds after which the turn ends, whatever its work does. */
  lease: number
  /** Milliseconds for which the server keeps the turn of one who is silent. */
  ttl: number
  /** When the turn was asked for. */
  asked: Moment
}

/** A time on both clocks: the wall clock sees the machine sleep, the monotonic one is never set back. */
export interface Moment {
  wall: number
  monotonic: number
}

export function momentOf(clock: Clock): Moment {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

function since({ wall, monotonic }: Moment, clock: Clock): number {
  return Math.max(clock.now() - wall, clock.monotonic() - monotonic)
}

/** A lease that is renewed as long as somebody works. */
export interface Turn extends Lease {
  /** No renewals any more. */
  stop(): void
}

/**
 * Keeps a turn while its work goes on. The server lets go of a holder that is silent for `ttl`, so that the turn of a
 * process that has died passes on long before the lease ends; so a living one says that it is there, three times as
 * often. What counts is the time from before the server was asked.
 */
export function createTurn(
  { clock, lease, ttl, asked }: TurnOptions,
  { renew, begin, clear }: TurnCommands,
  over: () => void,
): Turn {
  const ended = new AbortController()
  let renewed = asked
  let timer: unknown

  const remaining = () => Math.min(lease - since(asked, clock), ttl - since(renewed, clock))

  function end(): void {
    clock.clearTimeout(timer)
    if (ended.signal.aborted) return
    ended.abort()
    over()
  }

  function watch(): void {
    const left = remaining()
    if (left <= 0) {
      end()
      return
    }
    if (since(renewed, clock) >= ttl / 3) void extend()
    timer = clock.setTimeout(watch, Math.min(left, ttl / 3))
  }

  async function extend(): Promise<void> {
    const now = momentOf(clock)
    try {
      if (await renew(now.wall + ttl)) renewed = now
      else end()
    } catch {
      // It is tried again, as long as the server may still keep the turn.
    }
  }

  timer = clock.setTimeout(watch, Math.min(lease, ttl / 3))

  return {
    signal: ended.signal,
    remaining,
    async begin() {
      const now = momentOf(clock)
      if (remaining() <= 0) throw new Error('the lease has ended')
      const generation = await begin(now.wall + ttl)
      if (generation === -2) throw new Error('the record is gone')
      if (generation < 0) {
        end()
        throw new Error('the lease was lost')
      }
      renewed = now
      return generation
    },
    clear,
    stop: () => clock.clearTimeout(timer),
  }
}
