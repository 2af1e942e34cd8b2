import type { Context } from './context.ts'
import { SessionError } from './errors.ts'
import { fly } from './flight.ts'
import { recall } from './in-flight.ts'
import type { RefreshReason } from './machine.ts'
import { become, endFlight } from './record.ts'
import type { Visitor } from './waiting-room.ts'

/**
 * Whether a visitor may go on with what is known now. Undefined: yes, now. A promise: wait for it, then ask
 * again.
 *
 * @throws SessionError where waiting would not help
 */
export function gate(context: Context, visitor: Visitor): Promise<void> | undefined {
  if (context.closed) throw new SessionError('session_closed')
  const { validity, room, cookie } = context
  if (context.record?.tokens) visitor.epoch ??= context.record.version.epoch
  const left = validity.left()
  if (left <= validity.soft && left > validity.hard && !context.flight && !cooling(context))
    refreshOnce(context, 'ahead')
  const { record, flight } = context
  if (visitor.epoch && visitor.epoch !== record?.version.epoch) throw new SessionError('session_changed')
  if (context.restoring) return room.enter(visitor)
  if (record?.ended) {
    // Made by somebody who was signed in: it is not sent as nobody.
    if (visitor.epoch) throw new SessionError('session_expired')
    return undefined
  }
  if (record?.tokens ? left <= validity.hard : !cookie) {
    const error = cooling(context)
    if (error) throw error
    refreshOnce(context, record?.tokens ? 'expired' : 'unknown')
    // A listener may have made it needless: there is nothing to wait for.
    if (!context.flight) return gate(context, visitor)
  } else if (!flight?.holds) return undefined
  return room.enter(visitor)
}

/** The failure of the last refresh, while it cools down. */
export function cooling({ failure, settings }: Context): SessionError | undefined {
  return failure && settings.clock.monotonic() < failure.until ? failure.error : undefined
}

/** Starts the one refresh, or joins it. */
export function refreshOnce(context: Context, reason: RefreshReason): void {
  const { events, record, nonce, settings, room } = context
  const { clock } = settings
  const joined = context.flight !== undefined
  const mine = context.flight ?? { holds: false, timer: undefined, needless: new AbortController() }
  context.flight = mine
  if (reason === 'rejected' && !mine.holds) {
    mine.holds = true
    mine.timer = clock.setTimeout(
      () => recall(context, record?.version.generation ?? 0),
      settings.recallAfter,
    )
  }
  events.emit({ type: joined ? 'refresh-joined' : 'refresh-started', reason })
  // A listener may have signed somebody in or out: then nobody needs it any more.
  if (joined || context.flight !== mine) return
  fly(context, mine.needless.signal).then(
    ({ record: landed, cause }) => {
      const ours = landed.version.nonce === nonce
      let expired: SessionError | undefined
      const current = context.flight === mine
      if (current) {
        endFlight(context)
        context.adopted = !ours
        // A sign-out elsewhere is no refusal: those who wait find another sign-in, or none.
        if (landed.ended === 'rejected') {
          const error = new SessionError('session_expired', 'the refresh was refused', { cause })
          events.emit({
            type: 'refresh-failed',
            code: error.code,
            message: String(cause),
            retryAt: undefined,
          })
          // Before the first token there was no session that could expire: those requests go out bare.
          if (record?.tokens || context.cookie) expired = error
        } else if (mine.holds) context.uncured.push(clock.monotonic())
      }
      if (!become(context, landed, ours ? 'refresh-succeeded' : 'refresh-adopted', expired))
        if (current) room.empty(expired)
    },
    (error: SessionError) => {
      if (context.flight !== mine) return
      endFlight(context)
      const { code, message, retryAt = 0 } = error
      context.failures++
      context.failure = {
        error,
        until: clock.monotonic() + retryAt - clock.now(),
        announced: Math.max(retryAt, context.failure?.announced ?? 0),
      }
      events.emit({ type: 'refresh-failed', code, message, retryAt })
      room.empty(error)
    },
  )
}

/** Whether refreshes have cured nothing so often that another one would be a loop. */
export function loops({ uncured, settings: { budget = {}, clock } }: Context): boolean {
  const { refreshes = 5, within = 30_000 } = budget
  const [since] = uncured.splice(0, uncured.length, ...uncured.slice(-refreshes))
  return uncured.length >= refreshes && clock.monotonic() - Number(since) < within
}
