import { leaveWith } from './abortable.ts'
import { SessionError } from './errors.ts'
import type { RefreshReason } from './events.ts'
import { gate, whoIsSignedIn } from './gate.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { refreshOnce } from './refresh.ts'
import type { TokenSet } from './tokens.ts'
import type { Visitor } from './waiting-room.ts'

/** Who asks for a token, and for how long. */
export interface UseOptions {
  /** Ends the waiting. */
  signal?: AbortSignal | undefined
  /** How many milliseconds it must still be good for. @default 0 */
  minValidity?: number
}

/** Who wants a refresh, and why. */
export interface RefreshOptions {
  /** Ends the waiting, and not the refresh. */
  signal?: AbortSignal | undefined
  /**
   * An access token that was refused elsewhere, by a WebSocket or another library. Where it has been replaced already
   * nothing is refreshed: ten sockets that are closed late cost one refresh.
   */
  unless?: string | undefined
}

/** The token set, once it is good. */
export async function usable(
  parts: Parts,
  label: string,
  { signal, minValidity = 0 }: UseOptions = {},
): Promise<TokenSet> {
  const { known, cookie } = parts
  if (cookie) throw new TypeError(say('cookie', label))
  const caller = callerOf(parts, label, signal)
  for (let wait = gate(parts, caller); wait; wait = gate(parts, caller)) await wait
  if (!known.validity.lasts(minValidity)) await renew(parts, 'forced', signal)
  const tokens = known.record?.tokens
  if (!tokens) throw known.expired
  return tokens
}

/** A refresh that somebody wants, unless another access token has come in the place of that one. */
export async function refresh(parts: Parts, { signal, unless }: RefreshOptions = {}): Promise<void> {
  ensureOpen(parts)
  // Whether somebody is signed in, and with which token, is for the store to say.
  const caller = callerOf(parts, 'refresh', signal)
  for (let wait = whoIsSignedIn(parts, caller); wait; wait = whoIsSignedIn(parts, caller)) await wait
  if (unless === undefined) await renew(parts, 'forced', signal, true)
  else if (parts.known.record?.tokens?.accessToken === unless) await renew(parts, 'rejected', signal, true)
}

/** Waits for a refresh, whatever the present token is worth. `insists`: although the last one has failed. */
export async function renew(
  parts: Parts,
  reason: RefreshReason,
  signal: AbortSignal | undefined,
  insists = false,
): Promise<void> {
  const { known, room, running } = parts
  ensureOpen(parts)
  const { record, epoch } = known
  if (record?.ended) throw known.expired
  refreshOnce(parts, reason, insists)
  if (running.flight) await room.enter(callerOf(parts, 'refresh', signal))
  ensureOpen(parts)
  if (record?.tokens && epoch !== known.epoch) throw new SessionError('session_changed')
}

export function ensureOpen({ room }: Parts): void {
  if (room.closed) throw new SessionError('session_closed')
}

/** A call of the session's own methods that waits. */
export function callerOf({ running }: Parts, label: string, signal?: AbortSignal | undefined): Visitor {
  const { inside } = running
  return {
    epoch: undefined,
    looked: false,
    label,
    onLeave: (leave) => (inside ? void leave(new TypeError(say('inside', label))) : leaveWith(signal, leave)),
  }
}
