import { orAborted } from './abortable.ts'

/**
 * Lets one go after the other, in the order in which they came.
 *
 * @returns what somebody calls who joins the line: it resolves when it is his turn, with the function that lets the next
 * one go. Where the signal aborts before, it rejects with the reason.
 */
export function createLine(): (signal?: AbortSignal) => Promise<() => void> {
  /** Until those have gone who came before. */
  let last = Promise.resolve()

  return async (signal) => {
    const before = last
    let pass = () => {}
    last = new Promise((resolve) => {
      pass = resolve
    })
    try {
      await orAborted(before, signal)
    } catch (reason) {
      // Those behind go on waiting for those in front.
      before.then(pass)
      throw reason
    }
    return pass
  }
}
