/** No pause is longer, in milliseconds. */
const LONGEST = 5000

/**
 * Runs `step` again and again, after pauses that grow, as long as it resolves with true.
 *
 * @param first milliseconds before the first time; each later pause is twice as long
 */
export async function keepTrying(
  pause: (ms: number) => Promise<void>,
  first: number,
  step: () => Promise<boolean>,
): Promise<void> {
  for (let delay = first, more = true; more; delay *= 2) {
    await pause(Math.min(delay, LONGEST))
    more = await step()
  }
}
