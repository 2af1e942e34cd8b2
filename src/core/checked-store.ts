import type { Events } from './events.ts'
import { say } from './messages.ts'
import type { Settings } from './options.ts'
import { patience } from './patience.ts'
import { isCount, type Lease, type SessionStore, type Stored, storedOf } from './store.ts'

const NONE: readonly never[] = []

/** Whoever waits for a turn waits for another's, and for somebody to find out that he is gone: for so many leases. */
const TURNS = 3

/**
 * A store as a session uses it. Whoever wrote it may have broken its contract: what is no record counts as none, what
 * has not come to an end within a lease has failed, and both are told, by the name of the promise that was broken.
 */
export class CheckedStore implements SessionStore {
  readonly #store: SessionStore
  readonly #events: Events
  readonly #settings: Settings
  #listener: ((stored: Stored) => void) | undefined
  /** What ends the watching, if the store has told. */
  #stop: unknown
  /** What ends the waits. */
  #waits: readonly (() => void)[] = NONE

  constructor(store: SessionStore, events: Events, settings: Settings) {
    this.#store = store
    this.#events = events
    this.#settings = settings
  }

  load(): Promise<Stored | undefined> {
    const read = async () => this.#recordOf(await this.#store.load(), 'load')
    return this.#inTime('load', read)
  }

  save(next: Stored): Promise<Stored> {
    const write = async () => this.#recordOf((await this.#store.save(next)) ?? {}, 'save') ?? next
    return this.#inTime('save', write)
  }

  exclusive<T>(work: (lease: Lease) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      let working: Promise<T> | undefined
      let over = false
      const end = (error: unknown) => {
        over = true
        done()
        if (working) working.then(resolve, reject)
        else reject(error)
      }
      const hangs = () => end(this.#broken(say('hangs', 'exclusive')))
      let done = this.#patience(TURNS, hangs)
      const run = async (given: Lease) => {
        done()
        // It was given up, or is given twice.
        if (over || working) throw new Error(say('lease'))
        working = work(this.#leaseOf(given))
        try {
          return await working
        } finally {
          if (!over) done = this.#patience(1, hangs)
        }
      }
      // What throws at once rejects like any other.
      const taking = async () => this.#store.exclusive(run, signal)
      taking().then(() => end(working ?? this.#broken(say('contract', 'exclusive', 'turn'))), end)
    })
  }

  watch(listener: (stored: Stored) => void, degraded: (reason: string) => void): () => void {
    const hear = (found: unknown) => {
      const stored = this.#recordOf(found, 'watch')
      if (stored) listener(stored)
    }
    this.#listener = listener
    this.#stop = this.#whole('watch', () => this.#store.watch(hear, degraded) as unknown)
    return nothing
  }

  /** Ends the watching, too. */
  close(): void {
    for (const done of this.#waits) done()
    const stop = this.#stop
    if (typeof stop === 'function') this.#whole('watch', () => stop())
    this.#whole('close', () => this.#store.close())
  }

  #leaseOf(given: Lease): Lease {
    const { signal = new AbortController().signal } = Object(given)
    return {
      signal,
      remaining: () => given.remaining(),
      begin: async () => {
        const generation = await this.#inTime('begin', async () => given.begin())
        if (!isCount(generation)) throw this.#broken(say('contract', 'begin', 'number'))
        return generation
      },
      clear: (generation) => this.#inTime('clear', async () => given.clear(generation)),
    }
  }

  /** @param call rejects, and throws nothing */
  #inTime<T>(promise: string, call: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let over = false
      const done = this.#patience(1, () => {
        over = true
        reject(this.#broken(say('hangs', promise)))
      })
      const answered = (answer: T) => {
        if (over) this.#hearLate(answer)
        else resolve(answer)
      }
      call().then(answered, reject).then(done)
    })
  }

  /** A record that nobody waits for any more: no other news may follow it. What has no tokens yet is nobody's sign-in. */
  #hearLate(answer: unknown): void {
    const { tokens, ended } = Object(answer)
    if (tokens || ended) this.#listener?.(answer as Stored)
  }

  /** Calls `over` after so many leases, unless the store is closed before. */
  #patience(leases: number, over: () => void): () => void {
    const { clock, lease } = this.#settings
    const stop = patience(clock, leases * lease, over)
    const done = () => {
      stop()
      this.#waits = this.#waits.filter((other) => other !== done)
    }
    this.#waits = [...this.#waits, done]
    return done
  }

  /** What throws at once keeps nothing from going on. */
  #whole<T>(promise: string, call: () => T): T | undefined {
    try {
      return call()
    } catch {
      this.#broken(say('throws', promise))
      return undefined
    }
  }

  #recordOf(found: unknown, promise: string): Stored | undefined {
    if (found === undefined || found === null) return undefined
    const stored = storedOf(found)
    if (!stored) this.#broken(say('contract', promise, 'record'))
    return stored
  }

  #broken(reason: string): Error {
    this.#events.warn(reason)
    return new Error(reason)
  }
}

function nothing(): void {}
