import { idly } from './clock.ts'
import type { Parts } from './parts.ts'
import { refreshOnce } from './refresh.ts'

/**
 * Refreshes an idle session, too: at the soft window of each token set, or when a failure has cooled down.
 *
 * @returns the function that ends it
 */
export function keepFresh(parts: Parts): () => void {
  const { known, running, cooldown, events, settings } = parts
  const { clock } = settings
  let timer: unknown

  function arm(): void {
    const { validity } = known
    clock.clearTimeout(timer)
    const wait = Math.max(validity.left() - validity.soft, cooldown.error ? cooldown.left() : 0)
    if (running.flight || wait === Number.POSITIVE_INFINITY) return
    timer = idly(clock, () => (wait > 0 ? arm() : refreshOnce(parts, 'ahead')), Math.max(wait, 0))
  }

  const stop = events.subscribe(arm)
  return () => {
    stop()
    clock.clearTimeout(timer)
  }
}
