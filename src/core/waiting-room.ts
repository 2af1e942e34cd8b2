import type { Clock } from './clock.ts'
import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import type { Redaction } from './redaction.ts'

/** Whoever waits for the session: a request, or a call of the session's own methods. */
export interface Visitor {
  /** The sign-in it belongs to: set when it first meets one. */
  epoch: string | undefined
  /** It has looked into the store, for a session that has ended. */
  looked: boolean
  /** When it was sent for the first time, by the monotonic clock; 0 where it was not. */
  sentAt?: number
  /** What the visitor is called in an error, for example `GET https://api.example.com/items`. */
  readonly label: string
  /** Calls `leave` with the reason as soon as the visitor wants to wait no longer; returns the undoing. */
  onLeave(leave: (reason: unknown) => void): (() => void) | undefined
}

/** One visitor's waiting. */
interface Wait {
  readonly visitor: Visitor
  readonly until: number
  /** It was on its way for long, and will be again. */
  readonly slow: boolean
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
  /** The visitor need not tell any more when it leaves. */
  undo: (() => void) | undefined
}

/** Those of a session's parts that it needs to know. */
interface Concerned {
  readonly settings: { readonly clock: Clock; readonly deadline: number }
  readonly redaction: Redaction
}

/** Milliseconds without an answer, or until a 401, from which a request is slow. */
const SLOW = 250

/** How many who wait are named. */
const NAMED = 4

/**
 * Where everybody waits while the token is no good, in the order of their arrival. All wait equally long, so one
 * timer watches for the first: a million held requests cost one timer.
 *
 * They are let go in this order, too, but for those that are known to be slow: those are the last. Browsers have six
 * connections to a host, and what is quick would wait behind them, although it was the last to be asked for.
 */
export class WaitingRoom {
  readonly #parts: Concerned
  #waiting: Set<Wait> | undefined
  #timer: unknown
  #closed = false

  constructor(parts: Concerned) {
    this.#parts = parts
  }

  /** Nobody is let in or on any more. */
  get closed(): boolean {
    return this.#closed
  }

  close(): void {
    this.#closed = true
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting?.size ?? 0
  }

  /** Resolves when the room is emptied; rejects when it is emptied with an error, at the deadline, or when the visitor leaves. */
  enter(visitor: Visitor): Promise<void> {
    this.#waiting ??= new Set()
    const waiting = this.#waiting
    const { clock, deadline } = this.#parts.settings
    return new Promise((resolve, reject) => {
      const now = clock.monotonic()
      const { sentAt } = visitor
      const slow = Boolean(sentAt && now - sentAt >= SLOW)
      const wait: Wait = { visitor, until: now + deadline, slow, resolve, reject, undo: undefined }
      waiting.add(wait)
      wait.undo = visitor.onLeave((reason) => {
        waiting.delete(wait)
        wait.undo?.()
        reject(reason)
      })
      // Somebody who left at the door.
      if (!waiting.has(wait)) wait.undo?.()
      this.#timer ??= clock.setTimeout(() => this.#watch(), deadline)
    })
  }

  /** Lets everybody go, the slow ones last. */
  empty(error?: SessionError): void {
    this.#parts.settings.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = this.#waiting
    this.#waiting = undefined
    for (const late of [false, true]) {
      for (const { slow, undo, resolve, reject } of waiting ?? []) {
        if (slow !== late) continue
        undo?.()
        if (error) reject(error)
        else resolve()
      }
    }
  }

  #watch(): void {
    const { settings, redaction } = this.#parts
    const { clock, deadline } = settings
    this.#timer = undefined
    for (const wait of this.#waiting ?? []) {
      const { until, undo, reject } = wait
      const left = until - clock.monotonic()
      if (left > 0) {
        this.#timer = clock.setTimeout(() => this.#watch(), left)
        return
      }
      this.#waiting?.delete(wait)
      undo?.()
      // One of those who came later may be what the refresh itself waits for.
      const [label = '', ...later] = [wait, ...(this.#waiting ?? [])]
        .slice(0, NAMED)
        .map((named) => redaction.text(named.visitor.label))
      const message = say('deadline', label, deadline, later.join(' or ') || 'it')
      reject(new SessionError('refresh_timeout', message))
    }
  }
}
