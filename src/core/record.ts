import type { Context } from './context.ts'
import type { SessionError } from './errors.ts'
import type { Arrival } from './machine.ts'
import { compareVersions, type Stored } from './store.ts'
import { validityOf } from './tokens.ts'
import type { Visitor } from './waiting-room.ts'

/** How many access tokens are remembered as ours. */
const REMEMBERED = 9

/** What a flight brings home from now on is no longer waited for. */
export function endFlight(context: Context): void {
  const { flight, settings } = context
  settings.clock.clearTimeout(flight?.timer)
  context.flight = undefined
  flight?.needless.abort()
}

/** Takes a record over, unless a newer one is known, and tells everybody. `error` is for those who wait. */
export function become(context: Context, next: Stored, type: Arrival, error?: SessionError): boolean {
  const { record, held, settings } = context
  const difference = record ? compareVersions(next.version, record.version) : 1
  // Whoever has seen a session end does not see it live again: only another sign-in does that.
  const over = record?.ended && record.version.epoch === next.version.epoch
  const { tokens, ended } = next
  // Of one version only the end is news, or tokens that could not be had before.
  if (difference < 0 || over || (!difference && !ended && (!tokens || record?.tokens))) return false
  // Others may have cured as little as we have: their refreshes count, as soon as one of ours is in question.
  if (type === 'refresh-adopted' && (context.flight?.holds || context.uncured.length))
    context.uncured.push(settings.clock.monotonic())
  context.record = next
  context.validity = validityOf(tokens, settings, settings.clock)
  context.bearer = undefined
  context.restoring = false
  context.failure = undefined
  if (record?.version.epoch !== next.version.epoch) context.reserved = 0
  context.failures = 0
  if (tokens?.accessToken) held.push(tokens.accessToken)
  if (held.length > REMEMBERED) held.splice(1, 1)
  endFlight(context)
  context.events.emit(ended ? { type: 'signed-out', reason: ended } : { type })
  context.room.empty(error)
  return true
}

/** Resolves after `ms`, or as soon as the record changes, a flight ends or the session is closed. */
export async function pause({ settings: { clock }, room }: Context, ms: number): Promise<void> {
  const sleeper: Visitor = {
    epoch: undefined,
    label: 'a pause',
    onLeave(leave) {
      const timer = clock.setTimeout(() => leave(undefined), Math.max(ms, 0))
      return () => clock.clearTimeout(timer)
    },
  }
  await room.enter(sleeper).catch(() => {})
}
