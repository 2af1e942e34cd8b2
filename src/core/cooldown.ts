import type { Clock } from './clock.ts'
import type { SessionError } from './errors.ts'

/** The longest cooldown, in milliseconds; the first is one second, and each doubles. */
const LONGEST_COOLDOWN = 30_000

/** The pause after a refresh that failed: until it is over everybody gets the same error, and nobody asks again. */
export class Cooldown {
  readonly #clock: Clock
  #failure: SessionError | undefined
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

  /** When a cooldown that begins now will end, in epoch milliseconds. */
  get next(): number {
    return this.#clock.now() + Math.min(1000 * 2 ** this.#failures, LONGEST_COOLDOWN)
  }

  /** A refresh has failed. */
  begin(error: SessionError): void {
    const { retryAt = 0 } = error
    this.#failures++
    this.#failure = error
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
