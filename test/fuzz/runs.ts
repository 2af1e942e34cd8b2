import fc from 'fast-check'

/** How many runs each property gets in a usual run of the tests, and in a soak. */
const SAMPLE = 60
const soak = Number(process.env.SOAK_RUNS ?? 0)

const seed = Number(process.env.SOAK_SEED ?? 20_261_129)

/** Milliseconds that a property may take. */
export const timeout: number = Math.max(60_000, soak * 100)

/**
 * Tries a property with chance's choice of what comes in, as often as a sample or a soak asks for, and prints the seed by
 * which the same runs are made again (`SOAK_SEED`).
 *
 * @param share of the runs of a soak
 */
export async function attempt<Given>(
  name: string,
  share: number,
  given: fc.Arbitrary<Given>,
  holds: (given: Given) => Promise<void>,
): Promise<void> {
  const numRuns = soak ? Math.ceil(soak * share) : SAMPLE
  await fc.assert(fc.asyncProperty(given, holds), { numRuns, seed })
  console.log(`${name}: seed ${seed}, runs ${numRuns}`)
}
