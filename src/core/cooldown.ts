import type { Clock } from './clock.ts'
import type { SessionError } from './errors.ts'

/** The longest cooldown, in milliseconds; the first is one second, and each doubles. */
const LONGEST_COOLDOWN = 30_000

/**
 * Whether the end of a pause is of our own making, and not what a server has asked for (Retry-After). Everybody who
 * shares a store is told by the half millisecond that only our own ends have.
 */
export function isOurs(notBefore: number): boolean {
  return notBefore % 1 !== 0
}

/** The pause after a refresh that failed: until it is over everybody gets the same error, and nobody asks again. */
export class Cooldown {
  readonly #clock: Clock
  #failure: SessionError | undefined
  /** Nobody has answered. */
  #lost = false
  /** How many refreshes in a row have failed. */
  #failures = 0
  /** Its end by the monotonic clock, which cannot be set back. */
  #until = 0
  /** The latest end that was told to others, by the wall clock. */
  #told = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The failure, while it cools down. */
  get error(): SessionError | undefined {
    return this.left() > 0 ? this.#failure : undefined
  }

  /** Milliseconds until `notBefore`, which the store tells (epoch milliseconds); of what was told by us, until the end. */
  left(notBefore = 0): number {
    if (this.#failure && notBefore <= this.#told) return this.#until - this.#clock.monotonic()
    return notBefore - this.#clock.now()
  }

  /** Ends the pause, where nobody was reached: there may be a network again. How many have failed is not forgotten. */
  lift(): boolean {
    const lifted = this.#lost && this.error !== undefined
    if (lifted) this.#until = 0
    return lifted
  }

  /** When a cooldown that begins now will end, in epoch milliseconds. */
  get next(): number {
    return Math.floor(this.#clock.now()) + Math.min(1000 * 2 ** this.#failures, LONGEST_COOLDOWN) - 0.5
  }

  /** A refresh has failed. What asked nobody counts nothing, and makes no pause longer. */
  begin(error: SessionError, asked: boolean, lost: boolean): void {
    const { retryAt = 0 } = error
    if (asked) this.#failures++
    else if (this.error) return
    this.#failure = error
    this.#lost = lost
    this.#until = this.#clock.monotonic() + retryAt - this.#clock.now()
    this.#told = Math.max(retryAt, this.#told)
  }

  /** There are new tokens, or other ones. */
  end(): void {
    this.#failure = undefined
    this.#failures = 0
    this.#told = 0
  }
}
