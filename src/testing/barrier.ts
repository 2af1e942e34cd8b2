import { createConditions } from './condition.ts'

/** Keeps requests on the server until a test lets them go: the order of events without sleeping. */
export interface Barrier {
  /** How many requests have reached it so far, those that went on included. */
  readonly arrived: number
  /** Resolves once `n` requests have reached it. @default n = 1 */
  untilArrived(n?: number): Promise<void>
  /**
   * Lets `n` requests go, in order of arrival; if fewer wait, the next ones to come pass at once. A request
   * whose client has hung up still has its turn, as on a real server.
   * Without `n`: all that wait go, and the gate stays open.
   */
  release(n?: number): void
}

/** The server's side of a {@link Barrier}. */
export interface BarrierKeeper extends Barrier {
  readonly open: boolean
  pass(): Promise<void>
  close(reason: Error): void
}

export function createBarrier(): BarrierKeeper {
  const waiting: (() => void)[] = []
  const arrivals = createConditions()
  let arrived = 0
  let passes = 0

  return {
    get arrived() {
      return arrived
    },
    get open() {
      return passes === Number.POSITIVE_INFINITY
    },
    async pass() {
      arrived += 1
      arrivals.check()
      if (passes > 0) passes -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
    },
    untilArrived: (n = 1) => arrivals.until(() => arrived >= n),
    release(n = Number.POSITIVE_INFINITY) {
      passes += n
      for (const go of waiting.splice(0, passes)) {
        passes -= 1
        go()
      }
    },
    // Requests that wait are left to be forgotten: their sockets are gone, and nothing may happen any more.
    close: (reason) => arrivals.close(reason),
  }
}
