import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { patience } from './patience.ts'
import type { Visitor } from './waiting-room.ts'

/**
 * Waits for code of the app's own that stands in the way of a request: no longer than the request waits, by its signal
 * and its timeout, or the deadline.
 *
 * @param name of the code
 * @param ms in the place of the deadline
 */
export function outlast<T>(
  { events, settings: { clock, deadline } }: Parts,
  request: Visitor,
  name: string,
  awaited: PromiseLike<T>,
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
    stay = request.onLeave(leave)
    if (over) stay?.()
    awaited.then(end(resolve), leave)
  })
}
