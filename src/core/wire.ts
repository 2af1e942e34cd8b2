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
  readonly request: SessionRequest<unknown>
  readonly sent: Promise<unknown>
  /** With what the caller's answer is to come of: once. */
  settle(answer: Answered | Promise<Answered>): void
  /** Its index among those without an answer. */
  place: number
}

/** A browser has so many connections to a host (HTTP/1.1). */
const CONNECTIONS = 6

/** Requests on their way. */
export class Wire {
  /** Without an answer. A list without an order: what hashes costs a request more than all the rest of this. */
  readonly #sends: Send[] = []

  /** Puts a request on its way, and takes it off, whatever comes of it. */
  send(request: SessionRequest<unknown>, credentials: Credentials, events: Events): Promise<Answered> {
    const sent = this.#transmit(request, credentials, events)
    return new Promise((settle) => {
      const send = { request, sent, settle, place: this.#sends.length }
      this.#sends.push(send)
      // Without a promise in between: each costs a request a turn.
      sent.then(
        (outcome) => this.#land(send, outcome, false),
        (outcome) => this.#land(send, outcome, true),
      )
    })
  }

  #land(send: Send, outcome: unknown, failed: boolean): void {
    this.#drop(send)
    const answer: Answered = { outcome, failed }
    send.settle(answer)
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

  /**
   * Takes requests off the wire that were sent with `generation` or an older one and have no answer yet, in
   * order to send them again. A browser has six connections to a host; requests that are bound to fail must
   * not occupy the one that the refresh needs.
   */
  recall(generation: number, { epoch }: Known, events: Events): void {
    for (const { request } of this.#sends) {
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
    const late = this.#sends.filter(
      ({ request }) =>
        request.raceable &&
        !request.begun &&
        !request.abandoned &&
        request.generation < generation &&
        request.epoch === epoch &&
        request.line === line,
    )
    const full = late.length >= CONNECTIONS
    for (const send of late) {
      const { request, sent } = send
      if (full && request.recallable) this.#recall(request, events)
      else {
        this.#drop(send)
        send.settle(first(request, answerOf(sent)))
      }
    }
  }

  /** The last one takes its place. */
  #drop(send: Send): void {
    const { place } = send
    if (this.#sends[place] !== send) return
    const last = this.#sends.at(-1) ?? send
    last.place = place
    this.#sends[place] = last
    this.#sends.pop()
  }
}

function answerOf(sent: Promise<unknown>): Promise<Answered> {
  return sent.then(
    (outcome): Answered => ({ outcome, failed: false }),
    (outcome): Answered => ({ outcome, failed: true }),
  )
}
