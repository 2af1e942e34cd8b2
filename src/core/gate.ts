import { SessionError } from './errors.ts'
import type { Parts } from './parts.ts'
import { refreshOnce } from './refresh.ts'
import type { Visitor } from './waiting-room.ts'

/**
 * Whether a visitor may go on with what is known now. Undefined: yes, now. A promise: wait for it, then ask
 * again.
 *
 * @throws SessionError where waiting would not help
 */
export function gate(parts: Parts, visitor: Visitor, now?: number): Promise<void> | undefined {
  const { known, room, running, cooldown, cookie } = parts
  if (room.closed) throw new SessionError('session_closed')
  if (known.record?.tokens) visitor.epoch ??= known.epoch
  const { validity } = known
  const left = validity.left(now)
  if (left <= validity.soft && left > validity.hard && !running.flight && !cooldown.error)
    refreshOnce(parts, 'ahead')
  const { record } = known
  if (visitor.epoch && visitor.epoch !== known.epoch) throw new SessionError('session_changed')
  // Made by somebody who was signed in: it is not sent as nobody.
  if (record?.ended && visitor.epoch) throw known.expired
  if (known.reading || record?.ended) return whoIsSignedIn(parts, visitor)
  const unusable = record?.tokens ? left <= validity.hard : !cookie
  if (unusable) {
    const { error } = cooldown
    if (error) throw error
    refreshOnce(parts, record?.tokens ? 'expired' : 'unknown')
    // A listener may have made it needless: there is nothing to wait for.
    if (!running.flight) return gate(parts, visitor)
  }
  return unusable || running.flight?.holds ? room.enter(visitor) : undefined
}

/** What a visitor waits for until it is known whether somebody is signed in; undefined once it is. */
export function whoIsSignedIn({ known, room, look }: Parts, visitor: Visitor): Promise<void> | undefined {
  if (known.reading) return room.enter(visitor)
  return known.record?.ended ? look?.wait(visitor) : undefined
}
