import { type Clock, idly } from '../../core/clock.ts'
import { keepTrying } from '../../core/keep-trying.ts'
import { join, type Stored } from '../../core/store.ts'

/** Milliseconds after which it is tried again for the first time. */
const FIRST = 200

/** About ten minutes. */
const TRIES = 120

/**
 * Keeps what could not be saved, and tries again: it may hold the only good refresh token, while others in their
 * innocence go on with the one that was spent. Saving is joining, so one that comes late does no harm.
 */
export function createUnsaved(
  clock: Clock,
  put: (next: Stored) => Promise<Stored>,
): { add(next: Stored): void } {
  let kept: Stored | undefined

  // A process that has nothing else to do is not kept alive.
  const pause = (ms: number) => new Promise<void>((resolve) => void idly(clock, resolve, ms))

  function resend(): Promise<void> {
    let tries = 0
    return keepTrying(pause, FIRST, async () => {
      const sent = kept
      const saved = sent && (await put(sent).catch(() => undefined))
      if ((saved && kept === sent) || ++tries === TRIES) kept = undefined
      return kept !== undefined
    })
  }

  return {
    add(next) {
      const idle = !kept
      kept = kept ? join(kept, next) : next
      if (idle) void resend()
    },
  }
}
