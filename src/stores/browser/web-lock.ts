import { leaveWith, throwIfAborted } from '../../core/abortable.ts'
import { sleep } from '../../core/clock.ts'
import { say } from '../../core/messages.ts'
import type { SessionStore } from '../../core/store.ts'
import { createTurns, type TurnOptions, takeTurn } from '../../core/turns.ts'

/** What taking turns needs of the store. */
export interface WebLockOptions extends TurnOptions {
  readonly name: string
  readonly locks: LockManager | undefined
  /** Whether the holder answers: then it is alive, however slow. */
  alive(): Promise<boolean>
  /**
   * How far the refreshes of this session have come: the same for as long as a holder comes no further. Undefined where
   * nobody is passed over: while the access token can still be used, and where that has been done in this version
   * already. Where it is still `passedOver`, that is noted.
   */
  standing(passedOver?: string): Promise<string | undefined>
}

/** Whoever has waited so long, in milliseconds, looks at the holder. */
const UNUSUAL = 1_000

/** How often a holder is asked whether it is alive, in the time of a lease, before it is passed over. */
const PINGS = 3

/**
 * One turn after the other among all tabs and workers, by a Web Lock: it ends with its tab.
 *
 * Only a holder that is frozen keeps it beyond its lease. Then one of those who wait watches it for a
 * lease, asks whether it is alive, and steals the lock; but once in a version, or every tab in turn would send the same
 * refresh token.
 */
export function createWebLockTurns(options: WebLockOptions): SessionStore['exclusive'] {
  const { name, clock, lease, locks, alive, standing } = options
  const inThisContext = createTurns(options)

  return (work, signal) =>
    new Promise((resolve, reject) => {
      throwIfAborted(signal)
      const lost = new AbortController()
      /** Aborts when this one waits no longer in the queue. */
      const queue = new AbortController()
      const waited = queue.signal

      /** Asks for the lock, which is free again when the work is done or its lease has ended. */
      async function request(how: LockOptions, passedOver?: string): Promise<void> {
        const run = () => {
          leaveQueue()
          return new Promise<void>((pass) => {
            takeTurn(
              options,
              async (own) => {
                if (passedOver && passedOver !== (await standing(passedOver))) throw new Error(say('lease'))
                return work(own)
              },
              pass,
              lost.signal,
            ).then(resolve, reject)
          })
        }
        try {
          await locks?.request(name, how, run)
        } catch (reason) {
          // Stolen from us, or not to be had.
          lost.abort()
          if (passedOver) reject(reason)
        }
        if (waited.aborted) return
        // In a sandbox, or of another time: what is left is one turn at a time in this context.
        leaveQueue()
        inThisContext(work, signal).then(resolve, reject)
      }

      /** Waits for a holder that does not come back. Rejects when there is nothing to wait for any more. */
      async function watch(): Promise<void> {
        for (let before: string | undefined, silent = 0; ; ) {
          const now = await standing()
          silent = now && now === before && !(await alive()) ? silent + 1 : 0
          before = now
          throwIfAborted(waited)
          if (silent === PINGS) {
            leaveQueue()
            return request({ steal: true }, before)
          }
          await sleep(clock, lease / PINGS, waited)
          throwIfAborted(waited)
        }
      }

      function leaveQueue(): void {
        stay?.()
        clock.clearTimeout(timer)
        queue.abort()
      }

      const timer = clock.setTimeout(
        () => void locks?.request(`steal ${name}`, { signal: waited }, watch).catch(() => {}),
        UNUSUAL,
      )
      const stay = leaveWith(signal, (reason) => {
        leaveQueue()
        reject(reason)
      })
      void request({ signal: waited })
    })
}
