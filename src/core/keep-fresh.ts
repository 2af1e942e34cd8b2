import type { Context } from './context.ts'
import { listen } from './events.ts'
import { refreshOnce } from './refresh.ts'

/**
 * Refreshes an idle session, too: at the soft window of each token set, or when a failure has cooled down.
 *
 * @returns the function that ends it
 */
export function keepFresh(context: Context): () => void {
  const { clock } = context.settings
  let timer: unknown

  function arm(): void {
    const { validity, failure, flight } = context
    clock.clearTimeout(timer)
    const wait = Math.max(validity.left() - validity.soft, (failure?.until ?? 0) - clock.monotonic())
    if (flight || wait === Number.POSITIVE_INFINITY) return
    timer = clock.setTimeout(() => (wait > 0 ? arm() : refreshOnce(context, 'ahead')), Math.max(wait, 0))
    // An idle session keeps no process alive.
    ;(timer as { unref?(): void }).unref?.()
  }

  const stop = listen(context.events.subscribers, arm)
  return () => {
    stop()
    clock.clearTimeout(timer)
  }
}
