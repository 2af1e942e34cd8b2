import type { Clock } from './clock.ts'
import { join, type Lease, type SessionStore, type Stored } from './store.ts'
import { type Change, createTurns, type TurnOptions } from './turns.ts'

/**
 * A store for one process: a record in memory, and a queue for the turn to refresh. A turn passes on when its
 * work is done, or when its lease has ended.
 *
 * A class, because a pool has one for each session; users get it {@link withOwnMembers}.
 */
export class InProcessStore implements SessionStore, TurnOptions {
  readonly clock: Clock
  readonly lease: number
  #record: Stored | undefined
  /** Made for the first turn. */
  #turns: SessionStore['exclusive'] | undefined

  constructor(clock: Clock, lease: number) {
    this.clock = clock
    this.lease = lease
  }

  get record(): Stored | undefined {
    return this.#record
  }

  /** Joins `next` into the record. */
  take(next: Stored): Stored {
    this.#record = this.#record ? join(this.#record, next) : next
    return this.#record
  }

  async load(): Promise<Stored | undefined> {
    return this.#record
  }

  async save(next: Stored): Promise<Stored> {
    return this.take(next)
  }

  exclusive<T>(work: (lease: Lease) => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#turns ??= createTurns(this)
    return this.#turns(work, signal)
  }

  async update(change: Change): Promise<void> {
    this.#record = change(this.#record)
  }

  /** Nobody else writes to this memory: there is no news. */
  watch(..._: Parameters<SessionStore['watch']>): () => void {
    return nothing
  }

  close(): void {}
}

/** The same with members of its own, which can be copied into another store. */
export function withOwnMembers(store: SessionStore): SessionStore {
  return {
    load: () => store.load(),
    save: (next) => store.save(next),
    exclusive: (work, signal) => store.exclusive(work, signal),
    watch: (listener, degraded) => store.watch(listener, degraded),
    close: nothing,
  }
}

function nothing(): void {}
