import type { SessionErrorCode } from '../core/errors.ts'
import type { IgnoreReason, RefreshReason, SessionEvent } from '../core/events.ts'
import type { Lane, Refresh, Step, TokenWindow } from './timeline.ts'

const BEGAN: Readonly<Record<RefreshReason, string>> = {
  unknown: 'nothing was known of the session',
  expired: 'the token had expired, or was about to',
  ahead: 'the token would expire soon; no request waited',
  rejected: 'the API had refused the token',
  forced: 'the app had asked for it',
}

const LEFT_ALONE: Readonly<Record<IgnoreReason, string>> = {
  'opted-out': 'it says session: false',
  skipped: 'the option skip says so',
  'foreign-origin': 'its origin is not on the list',
  'own-credentials': 'its caller has set credentials of another kind',
  refresh: 'it is part of the refresh',
  'sign-out': 'it tells the server of the sign-out',
  'foreign-answer': 'a redirect led to another origin, which answered',
}

const FAILED: Readonly<Record<SessionErrorCode, string>> = {
  session_expired: 'the user must sign in again',
  refresh_failed: 'there was no new token for now',
  refresh_timeout: 'the refresh was not answered in time',
  refresh_loop: 'new tokens kept being refused',
  step_up_required: 'the API wants a stronger sign-in',
  session_changed: 'somebody had signed in or out meanwhile',
  session_closed: 'the session was closed',
  not_replayable: 'its body could not be sent again',
}

const ENDED: Readonly<Record<Refresh['result'], string>> = {
  open: 'it is running',
  succeeded: 'it brought',
  adopted: 'another tab or process had brought',
  failed: 'it failed',
  refused: 'it was refused: the user must sign in again',
  ended: 'it was overtaken by a sign-in, a sign-out or an update',
}

/** Milliseconds in words: `220 ms`, `3.2 s`, `5 min`. */
export function durationOf(ms: number): string {
  const size = Math.abs(ms)
  if (size < 1_000) return `${Math.round(ms)} ms`
  if (size < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`
  if (size < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return `${Math.round(ms / 3_600_000)} h`
}

/** What happened to a request and why: a sentence for each step, each with the time since the first. */
export function explainLane(lane: Lane): string[] {
  return lane.steps.map((step) => `+${durationOf(step.event.at - lane.from)}: ${explainStep(step)}`)
}

/** What a refresh was for, and what it led to. */
export function explainRefresh({ number, from, to, result, waited, steps }: Refresh): string[] {
  const [first] = steps
  const end = steps.at(-1)?.event
  const why = first && 'reason' in first.event ? BEGAN[first.event.reason as RefreshReason] : undefined
  const lines = [`refresh ${number} began${why ? `: ${why}` : ''}`]
  if (to === undefined) lines.push(`${ENDED[result]}; ${countOf(waited)} for it`)
  else {
    const brought = /^(succeeded|adopted)$/.test(result) ? ` token set ${end?.state.generation}` : ''
    lines.push(`+${durationOf(to - from)}: ${ENDED[result]}${brought}; ${countOf(waited)} for it`)
  }
  if (end?.type === 'refresh-failed') {
    const retry = end.retryAt ? `; the next may be tried after ${durationOf(end.retryAt - end.at)}` : ''
    lines.push(`${end.code ?? 'failed'}: ${end.message}${retry}`)
  }
  return lines
}

/** What a token set could do at a moment. */
export function explainWindow(window: TokenWindow, at: number): string {
  const { generation, softAt, hardAt, expiresAt, refusedAt } = window
  const name = `token set ${generation}`
  if (refusedAt !== undefined && at >= refusedAt) return `${name}: refused by the API`
  if (expiresAt === undefined) return `${name}: good until it is refused`
  if (at >= expiresAt) return `${name}: expired ${durationOf(at - expiresAt)} ago`
  const left = `expires in ${durationOf(expiresAt - at)}`
  if (hardAt !== undefined && at >= hardAt) return `${name}: ${left}; requests wait`
  if (softAt !== undefined && at >= softAt) return `${name}: ${left}; it is refreshed in the background`
  return `${name}: fresh, ${left}`
}

function countOf(waited: number): string {
  return waited === 1 ? '1 request waited' : `${waited} requests waited`
}

function explainStep({ event, refresh }: Step): string {
  switch (event.type) {
    case 'request-held':
      return `held: ${[tokenAt(event), running(refresh)].filter(Boolean).join('; ')}`
    case 'request-sent':
      return event.request.generation ? `sent with token set ${event.request.generation}` : 'sent'
    case 'request-replayed':
      return `sent again with token set ${event.request.generation}`
    case 'request-recalled':
      return `called back: ${running(refresh) || 'a refresh was running'}, and its token would have been refused`
    case 'request-rejected':
      return rejected(event, refresh)
    case 'request-ignored':
      return `left alone: ${LEFT_ALONE[event.reason] ?? 'it is not in the care of the session'}`
    case 'request-settled': {
      const answer = event.status ? `answered with ${event.status}` : 'no answer'
      if (event.ok) return answer
      return `failed: ${answer}${event.code ? `; ${event.code}: ${FAILED[event.code]}` : ''}`
    }
    default:
      return event.type
  }
}

function rejected(
  { status, challenge, request, state }: Extract<SessionEvent, { type: 'request-rejected' }>,
  refresh: Refresh | undefined,
): string {
  const said = `refused with ${status}${challenge ? ` (${challenge})` : ''}`
  if (state.generation > request.generation && !refresh)
    return `${said}: late, token set ${state.generation} had come meanwhile, and no refresh was needed`
  return [said, running(refresh)].filter(Boolean).join('; held: ')
}

function running(refresh: Refresh | undefined): string {
  return refresh ? `refresh ${refresh.number} was running` : ''
}

/** What was known of the token when a request had to wait. */
function tokenAt({ at, state: { status, expiresAt } }: SessionEvent): string {
  if (status === 'restoring') return 'the store was being read'
  if (status !== 'signed-in') return 'nothing was known of the session'
  if (expiresAt === undefined) return 'its token was in question'
  return expiresAt > at
    ? `the token would expire in ${durationOf(expiresAt - at)}`
    : `the token expired ${durationOf(at - expiresAt)} ago`
}
