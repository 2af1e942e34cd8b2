import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { patience } from './patience.ts'
import type { Visitor } from './waiting-room.ts'

/**
 * Waits for code of the app's own: no longer than `ms`, nor than the visitor for whom it is. Whatever comes of it after
 * that, nobody hears of it.
 *
 * @param name of the code
 */
export function outlast<T>(
  { events, settings: { clock, deadline } }: Parts,
  name: string,
  awaited: PromiseLike<T>,
  visitor?: Visitor,
  ms: number = deadline,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let stay: (() => void) | undefined
    let over = false
    const end = <V>(settle: (value: V) => void) => {
      return (value: V) => {
        over = true
        done()
        stay?.()
        settle(value)
      }
    }
    const leave = end(reject)
    const done = patience(clock, ms, () => {
      events.warn(say('hangs', name))
      leave(new SessionError('refresh_timeout', say('hangs', name)))
    })
    stay = visitor?.onLeave(leave)
    if (over) stay?.()
    awaited.then(end(resolve), leave)
  })
}
