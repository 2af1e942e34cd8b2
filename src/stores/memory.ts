import { type Clock, systemClock } from '../core/clock.ts'
import { InProcessStore, withOwnMembers } from '../core/in-process-store.ts'
import { say } from '../core/messages.ts'
import { ensureName } from '../core/name.ts'
import { patience } from '../core/patience.ts'
import { type SessionStore, type Stored, storedOf } from '../core/store.ts'
import type { Change } from '../core/turns.ts'

/** Any place that keeps strings by key: localStorage, AsyncStorage, SecureStore, unstorage, a file. */
export interface KeyValueStorage {
  getItem(key: string): unknown
  setItem(key: string, value: string): unknown
  removeItem(key: string): unknown
}

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** Keeps the record beyond this process. Its methods may be asynchronous. @default nothing is kept */
  storage?: KeyValueStorage | undefined
  /** @default 'refresh-once' */
  key?: string | undefined
  /** Milliseconds after which a refresh that has not come back loses its turn. @default 60_000 */
  lease?: number | undefined
  /** @default the runtime's */
  clock?: Clock | undefined
}

/**
 * Keeps a session in the memory of this process, and in `storage` where one is given.
 *
 * Memory is the truth and `storage` follows: where that throws, is full, does not answer or holds garbage, the
 * session goes on and observers get a `degraded` event. Two processes or tabs that share a `storage` adopt each
 * other's tokens but are not kept from refreshing at the same time. One store object is for one session object.
 *
 * A storage that cannot be read is not an empty one: the keychain of a phone that is locked throws, and holds a
 * session. Until it has been read once it is not written, but for a sign-out, and `load` rejects: nobody knows who is
 * signed in. A sign-in takes effect in memory, and is written as soon as the storage can be read.
 *
 * @throws TypeError where `storage` is none
 *
 * @example
 * createSession({ refresh, store: memoryStore({ storage: AsyncStorage, key: 'my-app' }) })
 */
export function memoryStore(options: MemoryStoreOptions = {}): SessionStore {
  const { storage, key = 'refresh-once', lease = 60_000, clock = systemClock } = options
  if ('getItem' in options) {
    throw new TypeError(say('options'))
  }
  if (!storage) return withOwnMembers(new InProcessStore(clock, lease))
  const missing = METHODS.filter((name) => typeof storage[name] !== 'function')
  if (missing.length) {
    throw new TypeError(say('storage', missing.join(', ')))
  }
  ensureName(key, 'memoryStore: expected a key')
  return withOwnMembers(new PersistentStore(clock, lease, storage, key))
}

const METHODS = ['getItem', 'setItem', 'removeItem'] as const

/** A storage is waited for this part of the lease: a write that hangs must leave time for the refresh. */
const PATIENCE = 4

/** The memory of this process, which is written to a storage whenever it has changed, and read from it. */
class PersistentStore extends InProcessStore {
  #report: ((reason: string) => void) | undefined
  readonly #storage: KeyValueStorage
  readonly #key: string
  /** Whether the storage was read once: what could not be read is not overwritten. */
  #seen = false
  #reading: Promise<void> | undefined
  #writing: Promise<void> | undefined
  /** A write that has not begun: it will write what is newest then, so that nobody needs another. */
  #queued: Promise<void> | undefined
  /** How often the storage was told what to hold. What it has done late is not what it was told last. */
  #told = 0

  constructor(clock: Clock, lease: number, storage: KeyValueStorage, key: string) {
    super(clock, lease)
    this.#storage = storage
    this.#key = key
  }

  override async load(): Promise<Stored | undefined> {
    const known = this.record
    const unwritten = known && !this.#seen
    try {
      await this.#read()
      if (unwritten) void this.#write()
    } catch (unreadable) {
      if (!known) throw unreadable
    }
    return this.record
  }

  override async save(next: Stored): Promise<Stored> {
    const saved = this.take(next)
    if (!this.#seen) await this.#read().catch(() => {})
    await this.#write()
    return this.record ?? saved
  }

  /** A reservation counts once it is written. */
  override async update(change: Change): Promise<void> {
    const { record } = this
    await super.update(change)
    if (this.record !== record) await this.#write()
  }

  override watch(_: (stored: Stored) => void, degraded?: (reason: string) => void): () => void {
    this.#report = degraded
    return () => {
      this.#report = undefined
    }
  }

  /** Takes what the storage holds into memory. Rejects where it cannot be read. */
  #read(): Promise<void> {
    this.#reading ??= this.#look().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #look(): Promise<void> {
    let item: unknown
    try {
      item = await this.#answerOf(() => this.#storage.getItem(this.#key))
    } catch (cause) {
      this.#report?.(say('storage-unreadable'))
      throw new Error('memoryStore: the storage cannot be read', { cause })
    }
    const found = recordIn(item)
    if (found) this.take(found)
    else if (item) this.#report?.(say('storage-foreign'))
    this.#seen = true
  }

  /** One write after the other: a slow older one must not overwrite a newer. */
  #write(): Promise<void> {
    if (this.#queued) return this.#queued
    const queued = Promise.resolve(this.#writing).then(async () => {
      this.#queued = undefined
      await this.#put()
      // The last one leaves nothing behind.
      if (this.#writing === queued) this.#writing = undefined
    })
    this.#queued = queued
    this.#writing = queued
    return queued
  }

  async #put(): Promise<void> {
    const { record } = this
    // Who signs out means whatever is stored. Of all else nobody knows whether it is newer than what is there.
    if (!this.#seen && record?.ended !== 'signed-out') return
    try {
      await this.#tell(() => this.#storage.setItem(this.#key, JSON.stringify(record)))
    } catch {
      this.#report?.(say('storage-unwritable'))
      // The tokens of a session that is over must not stay behind.
      if (record?.ended) await this.#forget()
    }
  }

  async #forget(): Promise<void> {
    try {
      await this.#tell(() => this.#storage.removeItem(this.#key))
    } catch {
      // Said already: it cannot be written.
    }
  }

  #tell(call: () => unknown): unknown {
    const told = ++this.#told
    return this.#answerOf(call, () => this.#told === told || this.#write())
  }

  /**
   * What the storage answers, or a promise of it, which rejects where that does not come in time. A call that was given
   * up runs on all the same: `late` hears when it has come to its end, and may have undone what came after it.
   */
  #answerOf(call: () => unknown, late?: () => unknown): unknown {
    const answer = call()
    if (!('then' in Object(answer))) return answer
    const { clock, lease } = this
    return new Promise((resolve, reject) => {
      let over = false
      const done = patience(clock, lease / PATIENCE, () => {
        over = true
        reject(new Error('the storage does not answer'))
      })
      const settle = (): void => {
        done()
        if (over) late?.()
      }
      Promise.resolve(answer).then(resolve, reject).then(settle)
    })
  }
}

/** The record in what a storage holds; some (unstorage) have parsed it already. */
function recordIn(item: unknown): Stored | undefined {
  try {
    const found: unknown = typeof item === 'string' ? JSON.parse(item) : item
    return storedOf(found)
  } catch {
    return undefined
  }
}
