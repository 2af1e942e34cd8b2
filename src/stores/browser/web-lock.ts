import { leaveWith } from '../../core/abortable.ts'
import type { SessionStore } from '../../core/store.ts'
import { createTurns, type TurnOptions, takeTurn } from '../../core/turns.ts'

/** What taking turns needs of the store. */
export interface WebLockOptions extends TurnOptions {
  readonly name: string
  readonly locks: LockManager
  /** Whether the holder answers: then it is alive, however slow. */
  alive(): Promise<boolean>
  /**
   * What tells this attempt to refresh from others. Undefined where nobody is passed over: while the access token can
   * still be used, and where that has been done in this generation already.
   */
  attempt(): Promise<string | undefined>
  /** Notes that the holder is passed over. Rejects where another attempt is under way by now. */
  passOver(attempt: string): Promise<void>
  /** There is no lock to be had: what is left is one turn at a time in this context. */
  alone(): void
}

/** Whoever has waited so long, in milliseconds, looks at the holder. */
const UNUSUAL = 1_000

/** How often a holder is asked whether it is alive, before it is passed over. */
const PINGS = 3

/**
 * One turn after the other among all tabs and workers, by a Web Lock: it ends with its tab.
 *
 * Only a holder that is frozen keeps it beyond its lease. Then one of those who wait watches this one attempt for a
 * lease, asks whether it is alive, and steals the lock; but once in a generation, or every tab in turn would send the
 * same refresh token.
 */
export function createWebLockTurns(options: WebLockOptions): SessionStore['exclusive'] {
  const { name, clock, lease, locks, alive, attempt, passOver, alone } = options
  const inThisContext = createTurns(options)

  /** Who is at it, and at what. */
  async function observe(): Promise<{ holder: string | undefined; at: string } | undefined> {
    const { held = [] } = await locks.query()
    const at = await attempt()
    return at === undefined ? undefined : { holder: held.find((lock) => lock.name === name)?.clientId, at }
  }

  return (work, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      /** Aborts when this one waits no longer in the queue. */
      const queueing = new AbortController()
      const waited = queueing.signal
      const lost = new AbortController()
      let begun = false

      /** The lock is free again when the promise resolves. */
      const run = (first?: () => Promise<void>) => {
        begun = true
        leaveQueue()
        return new Promise<void>((pass) => {
          takeTurn(
            options,
            async (own) => {
              await first?.()
              return work(own)
            },
            pass,
            lost.signal,
          ).then(resolve, reject)
        })
      }

      const leaveQueue = () => {
        stay?.()
        clock.clearTimeout(timer)
        queueing.abort()
      }

      async function watch(): Promise<void> {
        while (!waited.aborted) {
          const before = await observe()
          await sleep(lease)
          if (await answers()) continue
          const now = await observe()
          if (waited.aborted || !before || before.at !== now?.at || before.holder !== now.holder) continue
          leaveQueue()
          locks.request(name, { steal: true }, () => run(() => passOver(before.at))).catch(robbed)
        }
      }

      async function answers(): Promise<boolean> {
        for (let pings = 0; pings < PINGS; pings++) if (waited.aborted || (await alive())) return true
        return false
      }

      function sleep(ms: number): Promise<void> {
        return new Promise((wake) => {
          const timer = clock.setTimeout(wake, ms)
          leaveWith(waited, () => {
            clock.clearTimeout(timer)
            wake()
          })
        })
      }

      function robbed(reason: unknown): void {
        if (begun) lost.abort()
        else reject(reason)
      }

      const timer = clock.setTimeout(
        () => void locks.request(`${name}:rescue`, { signal: waited }, watch).catch(() => {}),
        Math.min(UNUSUAL, lease),
      )
      const stay = leaveWith(signal, (reason) => {
        leaveQueue()
        reject(reason)
      })
      locks
        .request(name, { signal: waited }, () => run())
        .catch((reason) => {
          if (begun) robbed(reason)
          else if (!waited.aborted) {
            leaveQueue()
            alone()
            inThisContext(work, signal).then(resolve, reject)
          }
        })
    })
}
