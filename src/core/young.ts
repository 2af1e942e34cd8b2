import type { Known } from './known.ts'
import type { Settings } from './options.ts'
import type { SessionRequest, SessionResponse } from './request.ts'
import type { Running } from './running.ts'
import type { Version } from './store.ts'
import { beginOf } from './tokens.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** A token is young for so many milliseconds, and no nap is longer. */
const YOUNG = 4_500

/** The first nap, in milliseconds; each of the next is twice as long. */
const NAP = 500

/** What libraries say of a JWT whose `nbf` or `iat` (RFC 7519 §4.1) is still to come. */
const EARLY = /before|yet\b|nbf|\biat\b|future|early|prior|not active/i

/**
 * Tokens that an API calls too new: its clock is behind that of the authorization server, and whatever would be fetched
 * in their place were newer still. They are tried again a few times.
 *
 * Only where it says so, or its own clock does: a new token that is refused for another reason has to be replaced at once.
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

  /**
   * The newest token was refused: waits until it may be tried again. Resolves at once with false where that is of no use.
   *
   * @param read gives the body of the answer
   */
  async nap(
    request: SessionRequest<unknown>,
    { headers }: SessionResponse,
    read: () => Promise<unknown>,
    known: Known,
    room: WaitingRoom,
    { clock, deadline }: Settings,
  ): Promise<boolean> {
    const { since, record, validity } = known
    const { accessToken, receivedAt } = record?.tokens ?? {}
    const age = clock.now() - Number(receivedAt)
    if (this.#vain || !(this.#version === since || (age >= 0 && age < YOUNG))) return false
    const early =
      Date.parse(`${headers.get('date')}`) < beginOf(`${accessToken}`) ||
      EARLY.test(headers.get('www-authenticate') + JSON.stringify(await read()))
    if (known.since !== since) return true
    if (!early) return false
    const now = clock.monotonic()
    if (this.#version !== since) {
      this.#version = since
      this.#began = now
      this.#woken = false
    }
    const ms = now - this.#began + NAP
    this.#vain = ms > Math.min(YOUNG, deadline / 2, validity.left() - validity.hard)
    if (this.#vain) return false
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
      .then(() => true)
  }
}
