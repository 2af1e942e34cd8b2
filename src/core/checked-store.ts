import type { Events } from './events.ts'
import { say } from './messages.ts'
import { type Lease, type SessionStore, type Stored, storedOf } from './store.ts'

/**
 * A store as a session uses it. Whoever wrote it may have broken its contract: what is no record counts as none, and
 * is told, by the name of the promise that was broken.
 */
export class CheckedStore implements SessionStore {
  readonly #store: SessionStore
  readonly #events: Events

  constructor(store: SessionStore, events: Events) {
    this.#store = store
    this.#events = events
  }

  async load(): Promise<Stored | undefined> {
    return this.#recordOf(await this.#store.load(), 'load')
  }

  async save(next: Stored): Promise<Stored> {
    return this.#recordOf((await this.#store.save(next)) ?? {}, 'save') ?? next
  }

  exclusive<T>(work: (lease: Lease) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#store.exclusive(work, signal)
  }

  watch(listener: (stored: Stored) => void, degraded: (reason: string) => void): () => void {
    const stop: unknown = this.#store.watch((found) => {
      const stored = this.#recordOf(found, 'watch')
      if (stored) listener(stored)
    }, degraded)
    return () => {
      if (typeof stop === 'function') stop()
    }
  }

  close(): void {
    this.#store.close()
  }

  #recordOf(found: unknown, promise: string): Stored | undefined {
    if (found === undefined || found === null) return undefined
    const stored = storedOf(found)
    if (!stored) this.#events.warn(say('contract', promise))
    return stored
  }
}
