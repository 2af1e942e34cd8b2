/** Times in milliseconds. */

/**
 * Traffic over short-lived tokens, four of them in a run of that length. What takes longer by three quarters of a refresh
 * than the median of the run without an expiry has waited.
 */
export const STEADY = {
  latency: { api: 25, refresh: 200 },
  lifetime: 4_000,
  every: 10,
  length: 14_000,
}

/** How often a scenario is played whose times can be told from an optimum. */
export const RUNS = 3

/** Requests of a storm, and how often it is measured. */
export const STORM = { requests: 100, rounds: 10 }

/** Requests at once, from few to very many. */
export const GROWTH = [100, 1_000, 10_000, 100_000, 1_000_000]
