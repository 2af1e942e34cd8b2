import type { Clock } from './clock.ts'
import type { BudgetOptions } from './options.ts'

/** What it depends on. */
interface Limits {
  readonly clock: Clock
  readonly budget?: BudgetOptions | undefined
}

/** Refreshes that may cure nothing. */
const MOST = 5

const NONE: readonly never[] = []

/** How many refreshes may cure nothing, and in which time: what keeps a 401 and a refresh from going in circles. */
export class Budget {
  readonly #settings: Limits
  /** When refreshes came home (by the monotonic clock) since something was cured; the last ones, as many as may be made. */
  #spent: readonly number[] = NONE
  /** A request was sent again since then, and was refused. */
  #inVain = false

  constructor(settings: Limits) {
    this.#settings = settings
  }

  /** Whether one more refresh would be a loop. */
  get exhausted(): boolean {
    const { clock, budget: { refreshes = MOST, within = 30_000 } = {} } = this.#settings
    const [oldest] = this.#spent
    return this.#spent.length >= refreshes && !(clock.monotonic() - Number(oldest) >= within)
  }

  /** Whether a refresh has cured nothing so far. */
  get inQuestion(): boolean {
    return this.#spent.length > 0
  }

  /** A refresh has come home, whoever made it. */
  spend(): void {
    const { clock, budget: { refreshes = MOST } = {} } = this.#settings
    const spent = this.#spent.concat(clock.monotonic())
    this.#spent = spent.length > refreshes ? spent.slice(1) : spent
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
    this.#spent = NONE
    this.#inVain = false
  }
}
