import type { Clock } from './clock.ts'
import type { BudgetOptions } from './options.ts'

/** How many refreshes may cure nothing, and in which time: what keeps a 401 and a refresh from going in circles. */
export class Budget {
  readonly #clock: Clock
  readonly #refreshes: number
  readonly #within: number
  /** When refreshes came home (by the monotonic clock) since something was cured; the last ones, as many as may be made. */
  #spent: number[] = []
  /** A request was sent again since then, and was refused. */
  #inVain = false

  constructor(clock: Clock, { refreshes = 5, within = 30_000 }: BudgetOptions = {}) {
    this.#clock = clock
    this.#refreshes = refreshes
    this.#within = within
  }

  /** Whether one more refresh would be a loop. */
  get exhausted(): boolean {
    const [oldest] = this.#spent
    return (
      this.#spent.length >= this.#refreshes && !(this.#clock.monotonic() - Number(oldest) >= this.#within)
    )
  }

  /** Whether a refresh has cured nothing so far. */
  get inQuestion(): boolean {
    return this.#spent.length > 0
  }

  /** A refresh has come home, whoever made it. */
  spend(): void {
    this.#spent.push(this.#clock.monotonic())
    if (this.#spent.length > this.#refreshes) this.#spent.shift()
  }

  /** A request that was sent again with the newest tokens was refused. */
  refuse(): void {
    this.#inVain = true
  }

  /**
   * The newest tokens were accepted. Where a request was sent again, that has cured it. An ordinary one shows only
   * that they are good: not after they have failed to cure what they were fetched for.
   */
  restore(again: boolean): void {
    if (this.#inVain && !again) return
    this.#spent = []
    this.#inVain = false
  }
}
