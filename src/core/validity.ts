import type { Clock } from './clock.ts'
import type { TokenSet } from './tokens.ts'

/** When a token set should, and when it must be refreshed. */
export interface Windows {
  /** Milliseconds before the end at which a background refresh starts. */
  refreshAhead?: number | undefined
  /** Milliseconds before the end from which on requests wait. */
  leeway?: number | undefined
}

/** A token set's place in time, in milliseconds. */
export interface Validity {
  /** Until the access token expires. `now`: by the monotonic clock, for whoever has looked at it already. */
  left(now?: number): number
  /** With less than this left, a refresh starts in the background. */
  readonly soft: number
  /** With less than this left, requests wait. */
  readonly hard: number
  /**
   * Whether it is good for another `ms`. More than half of its lifetime is not asked of it: no refresh could bring
   * a token that lasts longer, and every call would try.
   */
  lasts(ms: number): boolean
}

/** Of a set that does not say when it ends: it is good until it is refused. */
const ENDLESS: Validity = {
  left: () => Number.POSITIVE_INFINITY,
  soft: 0,
  hard: 0,
  lasts: () => true,
}

/**
 * Follows a token set's time on both clocks: the wall clock sees the machine sleep, the monotonic one sees
 * through a wall clock that was set back.
 */
export function validityOf(tokens: TokenSet | undefined, windows: Windows, clock: Clock): Validity {
  return tokens?.expiresAt === undefined ? ENDLESS : new Span(tokens, tokens.expiresAt, windows, clock)
}

/** A class, because a pool has one for each session. */
class Span implements Validity {
  readonly soft: number
  readonly hard: number
  readonly #tokens: TokenSet
  readonly #end: number
  readonly #clock: Clock
  /** When it ends by the monotonic clock. */
  readonly #until: number

  constructor(tokens: TokenSet, end: number, { refreshAhead, leeway }: Windows, clock: Clock) {
    const now = clock.now()
    const lifetime = lifetimeOf(tokens, end, now)
    // A window wider than the token's life would make every new token set look old.
    this.hard = Math.min(leeway ?? 5_000, leeway === undefined ? lifetime / 20 : lifetime / 2)
    const ahead = Math.min(refreshAhead ?? 60_000, refreshAhead === undefined ? lifetime / 5 : lifetime / 2)
    this.soft = Math.max(this.hard, ahead * (1 - clock.random() / 5))
    this.#tokens = tokens
    this.#end = end
    this.#clock = clock
    this.#until = clock.monotonic() + Math.min(end - now, lifetime)
  }

  left(now: number = this.#clock.monotonic()): number {
    return Math.min(this.#end - this.#clock.now(), this.#until - now)
  }

  lasts(ms: number): boolean {
    // How long it lasts is not known of a set that does not say since when we have it.
    const lifetime = lifetimeOf(this.#tokens, this.#end, Number.NEGATIVE_INFINITY)
    return !(this.left() < Math.min(ms, lifetime / 2))
  }
}

/** Since it was received; of a set that does not say when that was, what is left of it. */
function lifetimeOf({ receivedAt }: TokenSet, end: number, now: number): number {
  return Math.max(end - (receivedAt ?? now), 0)
}
