import type { Context } from './context.ts'
import type { RequestNews } from './machine.ts'
import { withoutQuery } from './origins.ts'
import type { SessionRequest } from './request.ts'

/**
 * Takes requests off the wire that were sent with `generation` or an older one and have no answer yet, in
 * order to send them again. A browser has six connections to a host; requests that are bound to fail must
 * not occupy the one that the refresh needs.
 */
export function recall(context: Context, generation: number): void {
  const epoch = context.record?.version.epoch
  for (const request of context.wire) {
    if (request.generation > generation || request.epoch !== epoch || request.begun) continue
    request.recalled = true
    note(context, request, { type: 'request-recalled' })
    request.recall()
  }
}

/** Tells observers of a request. */
export function note(context: Context, request: SessionRequest<unknown>, news: RequestNews): void {
  if (!context.events.observers.size) return
  request.id ||= ++context.ids
  const { id, method, url, attempts: attempt, generation } = request
  context.events.emit({ ...news, request: { id, method, url: withoutQuery(url), attempt, generation } })
}
