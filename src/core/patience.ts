import { type Clock, idly } from './clock.ts'

/** A patience of so many parts. */
const PARTS = 5

/**
 * Calls `over` when somebody has waited for `ms`; returns the function that ends the waiting.
 *
 * It is counted in parts: a page that was frozen, or a process that was stopped, finds one timer due when it goes on,
 * before it is given the answer that has come meanwhile. Of a patience in one piece nothing would be left then. It keeps
 * no process alive that has nothing else to do.
 */
export function patience(clock: Clock, ms: number, over: () => void): () => void {
  let parts = PARTS
  let timer: unknown
  const wait = (): void => {
    if (parts--) timer = idly(clock, wait, ms / PARTS)
    else over()
  }
  wait()
  return () => clock.clearTimeout(timer)
}
