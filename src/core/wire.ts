import type { Events } from './events.ts'
import type { Known } from './known.ts'
import type { Credentials, SessionRequest } from './request.ts'

/** What a client's promise was settled with, and how. */
export interface Answered {
  readonly outcome: unknown
  readonly failed: boolean
}

/** Requests on their way. */
export class Wire {
  /** Those that may be taken off it. */
  #requests: Set<SessionRequest<unknown>> | undefined

  /** Puts a request on its way; `land` takes it off, whatever came of it. */
  send(request: SessionRequest<unknown>, credentials: Credentials, events: Events): Promise<unknown> {
    if (request.recallable) {
      this.#requests ??= new Set()
      this.#requests.add(request)
    }
    request.recalled = false
    request.attempts++
    const sent = request.transmit(credentials)
    events.note(request, { type: request.attempts > 1 ? 'request-replayed' : 'request-sent' })
    return sent
  }

  /** @param outcome what it was answered with, or has failed with */
  land(request: SessionRequest<unknown>, outcome: unknown): void {
    request.land(outcome)
    this.#requests?.delete(request)
  }

  /**
   * Takes requests off the wire that were sent with `generation` or an older one and have no answer yet, in
   * order to send them again. A browser has six connections to a host; requests that are bound to fail must
   * not occupy the one that the refresh needs.
   */
  recall(generation: number, { epoch }: Known, events: Events): void {
    for (const request of this.#requests ?? []) {
      if (request.generation > generation || request.epoch !== epoch || request.begun) continue
      request.recalled = true
      events.note(request, { type: 'request-recalled' })
      request.recall()
    }
  }
}
