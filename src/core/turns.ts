import { type Clock, countdown } from './clock.ts'
import { createLine } from './line.ts'
import { say } from './messages.ts'
import type { Lease, SessionStore, Stored } from './store.ts'

/** What becomes of the record. */
export type Change = (stored: Stored | undefined) => Stored | undefined

/** What turns are made of. */
export interface TurnOptions {
  readonly clock: Clock
  /** How long a turn lasts at most, in milliseconds. */
  readonly lease: number
  /** Changes the record in one step that nobody interrupts: where reservations are written. */
  update(change: Change): Promise<unknown>
}

/**
 * One turn: runs `work` with a lease, and calls `pass` when the next one may have the turn: the work is done, or the
 * lease has ended.
 *
 * @param lost aborts when somebody else has taken the turn
 */
export async function takeTurn<T>(
  options: TurnOptions,
  work: (lease: Lease) => Promise<T>,
  pass: () => void,
  lost?: AbortSignal,
): Promise<T> {
  const { clock, lease } = options
  const ended = new AbortController()
  const { signal } = ended
  const left = countdown(clock, lease)
  const remaining = () => (signal.aborted ? 0 : left())
  const end = () => {
    ended.abort()
    pass()
  }
  const timer = clock.setTimeout(end, lease)
  lost?.addEventListener('abort', end)
  let own: number | undefined
  try {
    return await work({
      signal,
      remaining,
      async begin() {
        let generation = 0
        await options.update((stored) => {
          const left = remaining()
          if (!stored || left <= 0) return stored
          generation = Math.max(stored.version.generation, stored.pending?.generation ?? 0) + 1
          return { ...stored, pending: { generation, until: clock.now() + left } }
        })
        if (!generation) throw new Error(say('lease'))
        own = generation
        return generation
      },
      async clear(generation) {
        await options.update((stored) =>
          // It has lapsed, but its number is not given out again: whoever had it before may still come.
          stored?.pending?.generation === generation && generation === own
            ? { ...stored, pending: { generation, until: 0 } }
            : stored,
        )
      },
    })
  } finally {
    clock.clearTimeout(timer)
    pass()
  }
}

/** One turn after the other, in the order in which they were asked for: for one process, or one tab. */
export function createTurns(options: TurnOptions): SessionStore['exclusive'] {
  const queue = createLine()
  return (work, signal) => queue(signal).then((pass) => takeTurn(options, work, pass))
}
