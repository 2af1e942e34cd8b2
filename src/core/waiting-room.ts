import type { Clock } from './clock.ts'
import { SessionError } from './errors.ts'

/** Whoever waits for the session: a request, or a call of the session's own methods. */
export interface Visitor {
  /** The sign-in it belongs to: set when it first meets one. */
  epoch: string | undefined
  /** What the visitor is called in an error, for example `GET https://api.example.com/items`. */
  readonly label: string
  /** Calls `leave` with the reason as soon as the visitor wants to wait no longer; returns the undoing. */
  onLeave(leave: (reason: unknown) => void): (() => void) | undefined
}

/** Where everybody waits while the token is no good. */
export interface WaitingRoom {
  /** Resolves when the room is emptied; rejects when it is emptied with an error, at the deadline, or when the visitor leaves. */
  enter(visitor: Visitor): Promise<void>
  /** How many wait. */
  readonly size: number
  /** Lets everybody go, in the order of their arrival. */
  empty(error?: SessionError): void
}

/** Ends one visitor's waiting: well, or badly, with a reason that may be any value. */
type Settle = (bad?: { reason: unknown }) => void

/**
 * Keeps visitors in the order of their arrival. All wait equally long, so one timer watches for the
 * first: a million held requests cost one timer.
 */
export function createWaitingRoom(clock: Clock, deadline: number): WaitingRoom {
  const seats = new Map<Settle, { visitor: Visitor; until: number }>()
  let timer: unknown

  function watch(): void {
    timer = undefined
    for (const [settle, { visitor, until }] of seats) {
      const left = until - clock.monotonic()
      if (left > 0) {
        timer = clock.setTimeout(watch, left)
        return
      }
      settle({
        reason: new SessionError(
          'refresh_timeout',
          `${visitor.label} waited ${deadline} ms for a refresh. Is it part of the refresh? Then give it its signal, or session: false`,
        ),
      })
    }
  }

  return {
    enter(visitor) {
      return new Promise((resolve, reject) => {
        const settle: Settle = (bad) => {
          seats.delete(settle)
          undo?.()
          if (bad) reject(bad.reason)
          else resolve()
        }
        let undo: (() => void) | undefined
        seats.set(settle, { visitor, until: clock.monotonic() + deadline })
        undo = visitor.onLeave((reason) => settle({ reason }))
        // Somebody who left at the door.
        if (!seats.has(settle)) undo?.()
        timer ??= clock.setTimeout(watch, deadline)
      })
    },
    get size() {
      return seats.size
    },
    empty(error) {
      clock.clearTimeout(timer)
      timer = undefined
      for (const settle of seats.keys()) settle(error && { reason: error })
    },
  }
}
