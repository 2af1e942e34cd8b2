import { type Aborter, newController } from './abortable.ts'
import { awaiters } from './awaiters.ts'
import { type Clock, countdown } from './clock.ts'
import type { RequestPart } from './request.ts'
import type { Stored, Version } from './store.ts'
import type { TokenSet } from './tokens.ts'

/**
 * A refresh, from the need for it until it is home or not needed any more. Its identity is the fence: whoever began
 * it looks whether it is still the one that runs before doing anything in its name.
 */
export interface Flight {
  /** A 401 has asked for it: requests wait although the token has not expired. */
  holds: boolean
  /** Somebody wants it now: it does not wait until a failure has cooled down. */
  insists: boolean
  /** Ends its waiting, while it waits: for a turn, or for the next try. */
  waiting: Aborter | undefined
  /** Runs out when requests are to be recalled for it. */
  timer: unknown
}

/** A call of the user's `refresh` that has not been answered. */
export interface Call {
  readonly signal: AbortSignal
  /** The name of the function of ours that awaits it. */
  readonly name: string
  /** Of the sign-in that it renews. */
  readonly epoch: string
  /** It is sent with a cookie, and may still set one: nobody else sends that cookie meanwhile. */
  readonly inJar: boolean
  /** The function has not come to its first await. */
  synchronous: boolean
  /** Waits for the answer no longer: it may come late. */
  giveUp(): void
  /** Lets the next one have the turn: nobody will get its answer. */
  outdate(): void
}

/** A call of the user's `server` in `signOut`: what it sends carries the tokens that end. */
interface Leaving {
  readonly tokens: TokenSet | undefined
  readonly signal: AbortSignal
  /** The function has not come to its first await. */
  synchronous: boolean
}

const NONE: readonly never[] = []

/** What runs for the sake of new tokens, in this context. */
export class Running {
  readonly #clock: Clock
  #flight: Flight | undefined
  /** Not one: a call of the former user may be unanswered. */
  #calls: readonly Call[] = NONE
  /** The sign-out that its server is told of. */
  #leaving: Leaving | undefined
  #reserved: Version | undefined
  /** The reservation of somebody else that was met last. */
  #met: { name: string; left: () => number } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The refresh that is wanted now. */
  get flight(): Flight | undefined {
    return this.#flight
  }

  /** Somebody wants it now. */
  insist(flight: Flight): void {
    flight.insists = true
  }

  begin(): Flight {
    this.#flight = {
      holds: false,
      insists: false,
      waiting: undefined,
      timer: undefined,
    }
    return this.#flight
  }

  /** It waits until it calls `refresh`, or is not needed any more: then what is returned aborts. */
  wait(flight: Flight): Aborter {
    flight.waiting = newController()
    return flight.waiting
  }

  /** Requests wait for it from now on. `recall` runs when it has been unanswered for `after` milliseconds. */
  hold(flight: Flight, recall: () => void, after: number): void {
    if (flight.holds) return
    flight.holds = true
    flight.timer = this.#clock.setTimeout(recall, after)
  }

  /** What it brings home from now on is not waited for. */
  end(): void {
    const flight = this.#flight
    if (!flight) return
    this.#clock.clearTimeout(flight.timer)
    this.#flight = undefined
    // With a reason of its own: the engine would make an exception, and its stack, for nobody.
    flight.waiting?.abort('needless')
  }

  call(call: Call): void {
    if (this.#flight) this.#flight.waiting = undefined
    this.#calls = [...this.#calls, call]
  }

  answered(call: Call): void {
    this.#calls = this.#calls.filter((other) => other !== call)
  }

  /** What a request belongs to that is made now, with this signal; where it is sent later, that tells the rest then. */
  partOf(signal?: AbortSignal): RequestPart | undefined {
    for (const call of this.#calls) if (isPart(call, signal)) return 'refresh'
    return this.#leaving && isPart(this.#leaving, signal) ? 'sign-out' : undefined
  }

  /** The tokens that end by the sign-out that its server is told of. */
  get ending(): TokenSet | undefined {
    return this.#leaving?.tokens
  }

  /** Tells the server of a sign-out. */
  async leave(
    tokens: TokenSet | undefined,
    server: (ended: { tokens: TokenSet | undefined; signal: AbortSignal }) => unknown,
  ): Promise<void> {
    const { signal } = newController()
    const leaving: Leaving = { tokens, signal, synchronous: true }
    this.#leaving = leaving
    try {
      const done = server({ tokens, signal })
      leaving.synchronous = false
      await done
    } finally {
      if (this.#leaving === leaving) this.#leaving = undefined
    }
  }

  /**
   * Whether what is called now is awaited by the user's `refresh`: to wait for the refresh would be for ever.
   *
   * After the first await of `refresh` the stack tells, where the engine knows who awaits whom (V8: Chromium, Node,
   * Deno). Elsewhere the deadline ends the waiting.
   */
  get inside(): boolean {
    if (!this.#calls.length) return false
    const names = awaiters()
    return this.#calls.some(({ synchronous, name }) => synchronous || names.includes(name))
  }

  /** Nobody is left who could use an answer. */
  giveUp(): void {
    for (const call of this.#calls) call.giveUp()
  }

  /**
   * The store has come to this epoch: what comes of refreshes of former ones is nobody's.
   *
   * @param all also where their cookies may still come
   */
  outdate(epoch: string, all?: boolean): void {
    for (const call of this.#calls) if (call.epoch < epoch && (all || !call.inJar)) call.outdate()
  }

  /** This context is going to send the refresh for that version. */
  reserve(version: Version): void {
    this.#reserved = version
  }

  /**
   * For how many milliseconds the reservation of somebody else still binds: no longer than a lease of ours, counted
   * from when it was first seen. It may have been written by a clock that was years ahead.
   */
  bound({ version, pending }: Stored, lease: number): number {
    if (!pending || this.#isOwn(version, pending.generation)) return 0
    const name = `${version.epoch} ${pending.generation} ${pending.until}`
    if (this.#met?.name !== name) {
      const left = Math.min(pending.until - this.#clock.now(), lease)
      this.#met = { name, left: countdown(this.#clock, left) }
    }
    return this.#met.left()
  }

  #isOwn({ epoch }: Version, generation: number): boolean {
    return this.#reserved?.epoch === epoch && this.#reserved.generation === generation
  }
}

function isPart(call: Call | Leaving, signal: AbortSignal | undefined): boolean {
  return call.synchronous || signal === call.signal
}
