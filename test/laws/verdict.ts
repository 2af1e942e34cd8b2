import { findSessionError, type SessionErrorCode } from 'refresh-once'
import { DEADLINE, LEASE, type Logged, type Trial } from './trial.ts'

/** What the laws say of a request that is about to be sent. */
export function checkSend(
  { cookie, server, fault }: Trial,
  { id, request, context, sends, stamp, outcome }: Logged,
  token: string | undefined,
): void {
  const last = sends.at(-1)
  if (outcome) fault(`L3: request ${id} is sent after it was settled`)
  if (last) {
    if (context.closed) fault(`L3: request ${id} is sent again after the session was closed`)
    const open = sends.filter(({ end }) => end === undefined)
    // What is safe is raced: once, with another token than the one that it has.
    const raced = request.raceable && (cookie || last.token !== token) && open.length === 1
    if (open.length > 0 && !raced) fault(`L6: request ${id} is on the wire ${open.length + 1} times`)
    if (!request.replayable) fault(`L6: request ${id} cannot be replayed, and is sent again`)
    if (last.end !== 401 && last.end !== undefined && !(last.end === 'recalled' && request.method === 'GET'))
      fault(`L6: request ${id} is sent again after ${last.end}`)
  }
  if (cookie) return
  if (token && last?.end === 401 && last.token === token)
    fault(`L3: request ${id} is sent again with the token that was refused`)
  const objection = context.view.objection(stamp, token, server.grantOfAccess(token))
  if (objection) fault(`${objection} (request ${id}${last ? ', replayed' : ''})`)
  if (!token || context.used.at(-1) === token) return
  if (context.used.includes(token)) fault(`L2: request ${id} carries a token that was replaced before`)
  context.used.push(token)
}

/** Whether the caller of a request got what it should have got. */
export function checkOutcome(trial: Trial, logged: Logged): void {
  const { fault, tally } = trial
  const { id, kind, request, sends, stamp, outcome } = logged
  if (!outcome) return
  const { code, status, error } = outcome
  const last = sends.at(-1)
  if (code === 'session_changed') tally.changed++
  if (code && !isJustified(trial, logged, code)) fault(`L3: request ${id} ends with ${code}, for no reason`)
  if (request.abandoned || code) return
  if (!last) fault(`L3: request ${id} was never sent, and ends with ${String(error)}`)
  // Of a race the first good answer counts.
  else if (
    last.end !== status &&
    !(status === 200 && request.raceable && sends.some(({ end }) => end === 200))
  )
    fault(`L3: request ${id} was answered ${last.end}, and ends with ${status}`)
  if (status !== 200 && sends.some(({ end }) => end === 200))
    fault(`L3: request ${id} was answered 200, and ends with ${status}`)
  const refusals = sends.filter(({ end, token }) => end === 401 && token)
  if (status === 401 && kind !== 'locked' && request.replayable && stamp.floor?.grant && refusals.length < 2)
    fault(`L3: request ${id} got 401 with a token, and was not replayed`)
}

/** Whether something has happened that this error tells of. */
function isJustified(
  { plan, happened, time: { clock } }: Trial,
  { context, request, sends, since, stamp }: Logged,
  code: SessionErrorCode,
): boolean {
  switch (code) {
    case 'session_expired':
      return (
        happened.refused > 0 || context.left || context.view.signedOut || context.view.changedSince(stamp)
      )
    case 'refresh_failed':
      // Stores that are slow use up a lease, too, or the part of it that a storage is given.
      return happened.failed > 0 || happened.jumps > 0 || clock.monotonic() >= LEASE / 4
    case 'refresh_timeout':
      // For a refresh, or for the app's own code.
      return clock.monotonic() - since >= DEADLINE && (context.waits || plan.signsSlowly || plan.looksSlowly)
    case 'refresh_loop':
      // Tokens of others count, whether a refresh or an update has brought them. Or the request was refused more often
      // than any is sent again.
      return happened.renewed + happened.updated >= 5 || sends.filter(({ end }) => end === 401).length > 5
    case 'session_changed':
      return context.view.changedSince(stamp) || (happened.updated > 0 && sends.length > 0)
    case 'step_up_required':
      return false
    case 'session_closed':
      return context.closed
    case 'not_replayable':
      return !request.replayable
  }
}

export function codeOf(error: unknown): SessionErrorCode | undefined {
  return findSessionError(error)?.code
}
