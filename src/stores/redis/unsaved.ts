import type { Clock } from '../../core/clock.ts'
import { join, type Stored } from '../../core/store.ts'

/** Milliseconds after which it is tried again; each next time comes twice as late. */
const FIRST = 200
const LONGEST = 5_000

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

  async function resend(): Promise<void> {
    for (let tries = 0; kept && tries < TRIES; tries++) {
      await new Promise<void>((resolve) => {
        const timer = clock.setTimeout(resolve, Math.min(FIRST * 2 ** tries, LONGEST))
        // A process that has nothing else to do is not kept alive.
        ;(timer as { unref?(): void }).unref?.()
      })
      const sent = kept
      try {
        await put(sent)
        if (kept === sent) kept = undefined
      } catch {
        // Again, later.
      }
    }
    kept = undefined
  }

  return {
    add(next) {
      const idle = !kept
      kept = kept ? join(kept, next) : next
      if (idle) void resend()
    },
  }
}
