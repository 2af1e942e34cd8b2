import type { Events } from './events.ts'
import type { Known } from './known.ts'
import type { Credentials, SessionRequest } from './request.ts'

/** What a client's promise was settled with, and how. */
export interface Answered {
  readonly outcome: unknown
  readonly failed: boolean
}

/** A request on its way, whose answer may come of another send. */
interface Send {
  readonly sent: Promise<unknown>
  /** With what the caller's answer is to come of: once. */
  settle(answer: Answered | Promise<Answered>): void
}

/** A browser has so many connections to a host (HTTP/1.1). */
const CONNECTIONS = 6

/** Requests on their way. */
export class Wire {
  /** Those that may be taken off it, or be raced. */
  #requests: Map<SessionRequest<unknown>, Send> | undefined

  /** Puts a request on its way; `land` takes it off, whatever came of it. */
  send(request: SessionRequest<unknown>, credentials: Credentials, events: Events): Promise<Answered> {
    const sent = this.#transmit(request, credentials, events)
    return new Promise((settle) => {
      if (request.recallable || request.raceable) {
        this.#requests ??= new Map()
        this.#requests.set(request, { sent, settle })
      }
      tell(sent, settle)
    })
  }

  /** Sends it, whatever else of it is on its way. */
  transmit(request: SessionRequest<unknown>, credentials: Credentials, events: Events): Promise<Answered> {
    return answerOf(this.#transmit(request, credentials, events))
  }

  #transmit(request: SessionRequest<unknown>, credentials: Credentials, events: Events): Promise<unknown> {
    request.recalled = false
    request.attempts++
    // What an app hands in may return no promise.
    const sent = Promise.resolve(request.transmit(credentials))
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
    for (const request of this.#requests?.keys() ?? []) {
      if (!request.recallable || request.generation > generation || request.epoch !== epoch || request.begun)
        continue
      this.#recall(request, events)
    }
  }

  #recall(request: SessionRequest<unknown>, events: Events): void {
    request.recalled = true
    events.note(request, { type: 'request-recalled' })
    request.recall?.()
  }

  /**
   * Has those raced that are on their way with an older token than is known now, where that does no harm. `first` makes
   * the answer of another send and this one; they are neither recalled nor raced any more. Where they may have taken
   * all connections, they are recalled: another send would wait for the first, and what is quick for both.
   */
  race(
    { epoch, generation, line }: Known,
    events: Events,
    first: (request: SessionRequest<unknown>, original: Promise<Answered>) => Promise<Answered>,
  ): void {
    const late = [...(this.#requests ?? [])].filter(
      ([request]) =>
        request.raceable &&
        !request.begun &&
        !request.abandoned &&
        request.generation < generation &&
        request.epoch === epoch &&
        request.line === line,
    )
    const full = late.length >= CONNECTIONS
    for (const [request, { sent, settle }] of late) {
      if (full && request.recallable) this.#recall(request, events)
      else {
        this.#requests?.delete(request)
        settle(first(request, answerOf(sent)))
      }
    }
  }
}

function answerOf(sent: Promise<unknown>): Promise<Answered> {
  return new Promise((settle) => tell(sent, settle))
}

/** Without a promise in between: each costs a request a turn. */
function tell(sent: Promise<unknown>, settle: (answer: Answered) => void): void {
  sent.then(
    (outcome) => settle({ outcome, failed: false }),
    (outcome) => settle({ outcome, failed: true }),
  )
}
