import type { Clock } from './clock.ts'
import { SessionError } from './errors.ts'

/** Whoever waits for the session: a request, or a call of the session's own methods. */
export interface Visitor {
  /** What the visitor is called in an error, for example `GET https://api.example.com/items`. */
  readonly label?: string
  /** Calls `leave` with the reason as soon as the visitor wants to wait no longer; returns the undoing. */
  onLeave?(leave: (reason: unknown) => void): (() => void) | undefined
}

/** Where everybody waits while the token is no good. */
export interface WaitingRoom {
  /** Resolves when the room is emptied; rejects when it is emptied with an error, at the deadline, or when the visitor leaves. */
  enter(visitor: Visitor): Promise<void>
  /** Lets everybody go, in the order of their arrival. */
  empty(error?: SessionError): void
}

interface Seat {
  visitor: Visitor
  /** By the monotonic clock. */
  since: number
  resolve: () => void
  reject: (reason: unknown) => void
  undo: (() => void) | undefined
}

/**
 * Keeps visitors in the order of their arrival. All wait equally long, so one timer watches for the
 * first: a million held requests cost one timer.
 */
export function createWaitingRoom(clock: Clock, deadline: number): WaitingRoom {
  const seats = new Set<Seat>()
  let timer: unknown

  function watch(): void {
    clock.clearTimeout(timer)
    timer = undefined
    for (const seat of seats) {
      const left = seat.since + deadline - clock.monotonic()
      if (left > 0) {
        timer = clock.setTimeout(watch, left)
        return
      }
      leave(seat)
      seat.reject(tooLong(seat.visitor, deadline))
    }
  }

  function leave(seat: Seat): void {
    seats.delete(seat)
    seat.undo?.()
  }

  return {
    enter(visitor) {
      return new Promise((resolve, reject) => {
        const seat: Seat = { visitor, since: clock.monotonic(), resolve, reject, undo: undefined }
        seats.add(seat)
        seat.undo = visitor.onLeave?.((reason) => {
          leave(seat)
          reject(reason)
        })
        // Somebody who left at the door.
        if (!seats.has(seat)) seat.undo?.()
        if (timer === undefined) timer = clock.setTimeout(watch, deadline)
      })
    },
    empty(error) {
      clock.clearTimeout(timer)
      timer = undefined
      for (const seat of seats) {
        leave(seat)
        if (error) seat.reject(error)
        else seat.resolve()
      }
    },
  }
}

function tooLong({ label = 'a call' }: Visitor, deadline: number): SessionError {
  return new SessionError(
    'refresh_timeout',
    `${label} waited ${deadline} ms for a refresh that has not been answered. If it is part of the refresh itself, give it the refresh's signal, or session: false`,
  )
}
