import fc from 'fast-check'
import type { Command, Plan } from './plan.ts'
import type { Tally } from './trial.ts'

/** What a property says of one run. */
export type Law = (plan: Plan, commands: Command[], scheduler: fc.Scheduler) => Promise<Tally>

/** How many runs each property gets in a usual run of the tests; `npm run check` makes do with fewer. */
const SAMPLE = Number(process.env.LAWS_RUNS ?? 800)

/** How many runs all properties together get at the least, in a soak. */
const soak = Number(process.env.SOAK_RUNS ?? 0)

const seed = Number(process.env.LAWS_SEED ?? process.env.SOAK_SEED ?? 20_261_123)

/** Milliseconds that a property may take. */
export const timeout: number = Math.max(60_000, soak * 60)

/**
 * Checks `law` in its `share` of all runs: each is another world, another script and another order of events.
 * Prints what has happened in them, and the seed by which the same runs are made again (`LAWS_SEED`).
 */
export async function hold(
  name: string,
  share: number,
  plan: fc.Arbitrary<Plan>,
  script: fc.Arbitrary<Command[]>,
  law: Law,
): Promise<void> {
  const numRuns = soak ? Math.ceil(soak * share) : SAMPLE
  const orders = new Set<string>()
  const sum: Partial<Tally> = {}
  const property = fc.asyncProperty(plan, script, fc.scheduler(), async (...run) => {
    const tally = await law(...run)
    orders.add(orderOf(run[2]))
    for (const key of Object.keys(tally) as (keyof Tally)[]) sum[key] = (sum[key] ?? 0) + tally[key]
  })
  try {
    await fc.assert(property, {
      numRuns,
      seed,
      ...(process.env.LAWS_PATH ? { path: process.env.LAWS_PATH, endOnFailure: true } : {}),
    })
  } finally {
    const counts = Object.entries(sum).map(([key, count]) => `${key} ${count}`)
    console.log(
      [`${name}: seed ${seed}`, `runs ${numRuns}`, `interleavings ${orders.size}`, ...counts].join(', '),
    )
  }
}

/** Tells orders of events apart: two runs that did the same in the same order count once. */
function orderOf(scheduler: fc.Scheduler): string {
  let hash = 0
  let length = 0
  for (const { label, taskId } of scheduler.report()) {
    for (const character of `${taskId}${label}`) hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0
    length++
  }
  return `${length}:${hash}`
}
