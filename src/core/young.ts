import type { Known } from './known.ts'
import type { Settings } from './options.ts'
import type { SessionRequest } from './request.ts'
import type { Running } from './running.ts'
import type { Version } from './store.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** A token is young for so many milliseconds, and no nap is longer. */
const YOUNG = 4_500

/** The first nap, in milliseconds; each of the next is twice as long. */
const NAP = 500

/** What libraries say of a JWT whose `nbf` or `iat` (RFC 7519 §4.1) is still to come. */
const EARLY = /\b(before|yet|nbf|iat|future|early|not active)\b/i

/**
 * Tokens that an API calls too new: its clock is behind that of the authorization server, and whatever would be fetched
 * in their place were newer still. They are tried again a few times.
 *
 * Only where it says so: a new token that is refused for another reason has to be replaced at once.
 */
export class Young {
  /** The naps are about this one. */
  #version: Version | undefined
  /** When they have begun, by the monotonic clock. */
  #began = 0
  /** They were of no use, and no token has been accepted since. */
  #vain = false
  /** Somebody has accepted this one meanwhile. */
  #woken = false

  /** The newest token was accepted: others may be luckier now. */
  accept({ since }: Known, room: WaitingRoom, { flight }: Running): void {
    this.#vain = false
    if (this.#version !== since || this.#woken) return
    this.#woken = true
    if (!flight) room.empty()
  }

  /** The newest token was refused: what to wait for before it is tried again; undefined where that is of no use. */
  nap(
    request: SessionRequest<unknown>,
    challenge: string,
    { since, record, validity }: Known,
    room: WaitingRoom,
    { clock, deadline }: Settings,
  ): Promise<unknown> | undefined {
    if (this.#vain || !EARLY.test(challenge)) return undefined
    const now = clock.monotonic()
    if (this.#version !== since) {
      const age = clock.now() - Number(record?.tokens?.receivedAt)
      if (!(age >= 0 && age < YOUNG)) return undefined
      this.#version = since
      this.#began = now
      this.#woken = false
    }
    const ms = now - this.#began + NAP
    this.#vain = ms > Math.min(YOUNG, deadline / 2, validity.left() - validity.hard)
    if (this.#vain) return undefined
    return room
      .enter({
        epoch: undefined,
        looked: false,
        label: request.label,
        onLeave: (leave) => {
          const stay = request.onLeave(leave)
          const timer = clock.setTimeout(() => leave(this), ms)
          return () => {
            clock.clearTimeout(timer)
            stay?.()
          }
        },
      })
      .catch((reason) => {
        if (reason !== this) throw reason
      })
  }
}
