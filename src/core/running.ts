import { type Clock, countdown } from './clock.ts'
import type { Stored, Version } from './store.ts'

/**
 * A refresh, from the need for it until it is home or not needed any more. Its identity is the fence: whoever began
 * it looks whether it is still the one that runs before doing anything in its name.
 */
export interface Flight {
  /** A 401 has asked for it: requests wait although the token has not expired. */
  holds: boolean
  /** Somebody wants it now: it does not wait until a failure has cooled down. */
  insists: boolean
  /** Its transaction is over: nothing is left to abort. */
  home: boolean
  /** Aborts when nobody waits for it any more. */
  readonly needless: AbortController
  /** Runs out when requests are to be recalled for it. */
  timer: unknown
}

/** A call of the user's `refresh` that has not been answered. */
export interface Call {
  readonly signal: AbortSignal
  /** The function has not come to its first await. */
  synchronous: boolean
  /** Waits for the answer no longer: it may come late. */
  giveUp(): void
}

/** What runs for the sake of new tokens, in this context. */
export class Running {
  readonly #clock: Clock
  #flight: Flight | undefined
  #call: Call | undefined
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
      home: false,
      needless: new AbortController(),
      timer: undefined,
    }
    return this.#flight
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
    if (!flight.home) flight.needless.abort('needless')
  }

  call(call: Call): void {
    this.#call = call
  }

  answered(call: Call): void {
    if (this.#call === call) this.#call = undefined
  }

  /** Whether what is sent now, with this signal, is part of the refresh. */
  sends(signal: AbortSignal | undefined): boolean {
    const call = this.#call
    return call !== undefined && (call.synchronous || signal === call.signal)
  }

  /** What is called now is called by the user's `refresh` itself, before its first await. */
  get synchronous(): boolean {
    return Boolean(this.#call?.synchronous)
  }

  /** Nobody is left who could use an answer. */
  giveUp(): void {
    this.#call?.giveUp()
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
