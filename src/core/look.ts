import type { Clock } from './clock.ts'
import { SessionError } from './errors.ts'
import type { Known } from './known.ts'
import type { SessionStore } from './store.ts'
import type { Visitor, WaitingRoom } from './waiting-room.ts'

/** For so many milliseconds a store is waited for, or for half of the deadline: it may have nothing to tell. */
const PATIENCE = 1000

/** Those of a session's parts that it needs to know. */
interface Concerned {
  readonly store: SessionStore
  readonly settings: { readonly clock: Clock; readonly deadline: number }
  readonly known: Known
  readonly room: WaitingRoom
  readonly nonce: string
}

/**
 * Looks into the store when somebody meets a session that has ended: another process may have signed in, and not every
 * store can tell of it at once.
 *
 * One look serves all who come while it lasts, and nobody looks twice: whoever is signed out costs the store no more
 * than one read at a time. Where it fails or takes too long, what is known holds.
 */
export class Look {
  readonly #parts: Concerned
  /** Whether the look that has begun takes too long; undefined where there is none. */
  #overdue: boolean | undefined

  constructor(parts: Concerned) {
    this.#parts = parts
  }

  /** What a visitor waits for; undefined where there is nothing left to learn. */
  wait(visitor: Visitor): Promise<void> | undefined {
    if (visitor.looked) return undefined
    visitor.looked = true
    if (this.#overdue === undefined) void this.#begin()
    return this.#overdue ? undefined : this.#enter(visitor)
  }

  async #enter(visitor: Visitor): Promise<void> {
    const { room, known, nonce } = this.#parts
    await room.enter(visitor)
    const { tokens, version } = known.record ?? {}
    // Somebody has signed in here, and after it was made: it is not sent in that name.
    if (tokens && version?.nonce === nonce) throw new SessionError('session_changed')
  }

  async #begin(): Promise<void> {
    const { store, known, room, settings } = this.#parts
    const { clock, deadline } = settings
    const over = (overdue: true | undefined) => {
      this.#overdue = overdue
      // Otherwise they have gone, and whoever is in the room by now waits for something else.
      if (known.record?.ended) room.empty()
    }
    this.#overdue = false
    const timer = clock.setTimeout(() => over(true), Math.min(PATIENCE, deadline / 2))
    const stored = await store.load().catch(() => undefined)
    clock.clearTimeout(timer)
    if (stored && !room.closed) known.become(stored, 'refresh-adopted')
    over(undefined)
  }
}
