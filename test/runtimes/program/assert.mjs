/** Plain assertions: the program has no test framework, because it runs where none does. */

/** Both as JSON has them. */
export function equal(actual, expected, what) {
  const [got, wanted] = [actual, expected].map((value) => JSON.stringify(value))
  if (got !== wanted) throw new Error(`${what}: expected ${wanted}, got ${got}`)
}

/** What the promise rejects with. */
export async function rejection(promise, what) {
  const [outcome] = await Promise.allSettled([promise])
  if (outcome.status === 'fulfilled') throw new Error(`${what}: expected a rejection`)
  return outcome.reason
}
