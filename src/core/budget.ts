import type { Clock } from './clock.ts'

/** How many refreshes may cure nothing, and in which time. */
export interface BudgetOptions {
  /** @default 5 */
  refreshes?: number
  /** Milliseconds. @default 30_000 */
  within?: number
}

/** Counts refreshes that a 401 asked for and that cured nothing. */
export interface Budget {
  /** A new generation came because the former was refused. */
  spend(): void
  /** A replay with the newest generation was accepted. */
  cured(): void
  exhausted(): boolean
}

/**
 * Stops the loop "refused, refreshed, refused": a server that refuses every token would otherwise be asked
 * for a new one as fast as the network allows.
 */
export function createBudget(clock: Clock, { refreshes = 5, within = 30_000 }: BudgetOptions = {}): Budget {
  let spent: number[] = []
  return {
    spend() {
      spent.push(clock.monotonic())
      spent = spent.slice(-refreshes)
    },
    cured() {
      spent = []
    },
    exhausted: () => spent.length >= refreshes && clock.monotonic() - (spent[0] ?? 0) < within,
  }
}
