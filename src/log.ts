import type { SessionEvent } from './core/events.ts'

/** Where the lines go: `console`, or a logger with the same two methods. */
export interface LineLogger {
  info(line: string): void
  warn(line: string): void
}

/**
 * Makes one readable line of each event, for `session.observe`: what happened, to which request, why, and what follows.
 * A failed refresh and what no longer holds are warnings.
 *
 * No token is in it, no header and no body; of a URL neither query nor fragment.
 *
 * @example
 * const silence = session.observe(logTo(console))
 * // refresh-once: request-rejected #1 GET https://api.example.com/items, 401, Bearer error="invalid_token"
 * // refresh-once: refresh-started, rejected
 */
export function logTo(logger: LineLogger): (event: SessionEvent) => void {
  return (event) => {
    const level = event.type === 'degraded' || event.type === 'refresh-failed' ? 'warn' : 'info'
    logger[level](`refresh-once: ${lineOf(event)}`)
  }
}

/** What happened, in the line of a log. */
export function lineOf(event: SessionEvent): string {
  const { type, state } = event
  const details: unknown[] = [type]
  if ('request' in event)
    details[0] = `${type} #${event.request.id} ${event.request.method} ${event.request.url}`
  // Where it is not in the name.
  else if (!/^(refresh-(started|joined)|signed)|degraded/.test(type)) details.push(state.status)
  if ('status' in event) details.push(event.status || 'no answer')
  for (const name of ['challenge', 'reason', 'code', 'message'] as const)
    if (name in event) details.push((event as Partial<Record<typeof name, unknown>>)[name])
  // Its 401 is the caller's, and has no cause: it was not the session that failed.
  if (type === 'request-settled' && event.status === 401 && !event.code && state.status === 'signed-out')
    details.push('nobody is signed in')
  if ('retryAt' in event && event.retryAt) details.push(`next try ${timeOf(event.retryAt)}`)
  if ('endsAt' in event) details.push(`ends ${timeOf(event.endsAt)}`)
  return details.filter(Boolean).join(', ')
}

/** Whoever tells it may have a clock that is beyond all dates. */
function timeOf(time: number): string {
  return Math.abs(time) < 8.64e15 ? new Date(time).toISOString() : String(time)
}
