/**
 * Runs `work` whenever it is called, one at a time: for those who call while it runs it runs once more, because what they
 * have heard of may have come too late for it. Resolves when it has run. `work` does not reject.
 */
export function createAgain(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  let again = false

  async function run(): Promise<void> {
    while (again) {
      again = false
      await work()
    }
    running = undefined
  }

  return () => {
    again = true
    running ??= run()
    return running
  }
}
