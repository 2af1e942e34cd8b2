import type { Clock } from './clock.ts'
import { SessionError } from './errors.ts'
import type { Known } from './known.ts'
import type { SessionStore } from './store.ts'
import type { Visitor, WaitingRoom } from './waiting-room.ts'

/** For so many milliseconds a store is waited for, or for half of the deadline: it may have nothing to tell. */
const PATIENCE = 1000

/**
 * Looks into the store when somebody meets a session that has ended: another process may have signed in, and not every
 * store can tell of it at once.
 *
 * One look serves all who come while it lasts, and nobody looks twice: whoever is signed out costs the store no more
 * than one read at a time. Where it fails or takes too long, what is known holds.
 */
export class Look {
  readonly #store: SessionStore
  readonly #clock: Clock
  readonly #known: Known
  readonly #room: WaitingRoom
  readonly #nonce: string
  readonly #patience: number
  /** Whether the look that has begun takes too long; undefined where there is none. */
  #overdue: boolean | undefined

  constructor(
    store: SessionStore,
    { clock, deadline }: { readonly clock: Clock; readonly deadline: number },
    known: Known,
    room: WaitingRoom,
    nonce: string,
  ) {
    this.#store = store
    this.#clock = clock
    this.#known = known
    this.#room = room
    this.#nonce = nonce
    this.#patience = Math.min(PATIENCE, deadline / 2)
  }

  /** What a visitor waits for; undefined where there is nothing left to learn. */
  wait(visitor: Visitor): Promise<void> | undefined {
    if (visitor.looked) return undefined
    visitor.looked = true
    if (this.#overdue === undefined) void this.#begin()
    return this.#overdue ? undefined : this.#enter(visitor)
  }

  async #enter(visitor: Visitor): Promise<void> {
    await this.#room.enter(visitor)
    const { tokens, version } = this.#known.record ?? {}
    // Somebody has signed in here, and after it was made: it is not sent in that name.
    if (tokens && version?.nonce === this.#nonce) throw new SessionError('session_changed')
  }

  async #begin(): Promise<void> {
    const over = (overdue: true | undefined) => {
      this.#overdue = overdue
      // Otherwise they have gone, and whoever is in the room by now waits for something else.
      if (this.#known.record?.ended) this.#room.empty()
    }
    this.#overdue = false
    const timer = this.#clock.setTimeout(() => over(true), this.#patience)
    const stored = await this.#store.load().catch(() => undefined)
    this.#clock.clearTimeout(timer)
    if (stored && !this.#room.closed) this.#known.become(stored, 'refresh-adopted')
    over(undefined)
  }
}
