import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import type { Lease } from './store.ts'

/**
 * One turn at the store for a verb of the session; nobody waits for it longer than the deadline.
 *
 * @param label of the verb
 */
export async function inTurn<T>(
  { store, settings: { clock, deadline } }: Parts,
  label: string,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const waiting = new AbortController()
  const timer = clock.setTimeout(() => waiting.abort(), deadline)
  try {
    return await store.exclusive((lease) => {
      clock.clearTimeout(timer)
      return work(lease)
    }, waiting.signal)
  } catch (error) {
    if (!waiting.signal.aborted) throw error
    throw new SessionError('refresh_timeout', say('deadline', label, deadline, 'it'))
  } finally {
    clock.clearTimeout(timer)
  }
}
