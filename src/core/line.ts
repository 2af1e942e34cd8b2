import { orAborted } from './abortable.ts'

/**
 * Lets one go after the other, in the order in which they came.
 *
 * @returns what somebody calls who joins the line: it resolves when it is his turn, with the function that lets the next
 * one go. Where the signal aborts before, it rejects with the reason.
 */
export function createLine(): (signal?: AbortSignal) => Promise<() => void> {
  /** The last of those in front; undefined where there is nobody. */
  let last: Promise<void> | undefined

  return async (signal) => {
    const before = last
    let pass = () => {}
    const own = new Promise<void>((resolve) => {
      pass = () => {
        if (last === own) last = undefined
        resolve()
      }
    })
    last = own
    try {
      // Also where nobody is in front: nothing runs before the caller has gone on.
      await ((before || signal?.aborted) && orAborted(Promise.resolve(before), signal))
    } catch (reason) {
      // Those behind go on waiting for those in front.
      Promise.resolve(before).then(pass)
      throw reason
    }
    return pass
  }
}
