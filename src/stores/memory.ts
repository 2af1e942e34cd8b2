import { type Clock, systemClock } from '../core/clock.ts'
import { inProcessStore } from '../core/in-process-store.ts'
import { say } from '../core/messages.ts'
import { ensureName } from '../core/name.ts'
import { patience } from '../core/patience.ts'
import { type SessionStore, type Stored, storedOf } from '../core/store.ts'

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
  const memory = inProcessStore(clock, lease)
  if (!storage) return memory
  const missing = METHODS.filter((name) => typeof storage[name] !== 'function')
  if (missing.length) {
    throw new TypeError(say('storage', missing.join(', ')))
  }
  ensureName(key, 'memoryStore: expected a key')
  return persistent(memory, storage, key, { clock, ms: lease / PATIENCE })
}

const METHODS = ['getItem', 'setItem', 'removeItem'] as const

/** A storage is waited for this part of the lease: a write that hangs must leave time for the refresh. */
const PATIENCE = 4

function persistent(
  memory: SessionStore,
  storage: KeyValueStorage,
  key: string,
  limit: { readonly clock: Clock; readonly ms: number },
): SessionStore {
  let report: (reason: string) => void = () => {}
  /** Whether the storage was read once: what could not be read is not overwritten. */
  let seen = false
  let reading: Promise<void> | undefined
  let writing: Promise<void> = Promise.resolve()
  /** A write that has not begun: it will write what is newest then, so that nobody needs another. */
  let queued: Promise<void> | undefined
  /** What the storage holds if it has done as it was told last. */
  let latest: string | undefined

  /** Takes what the storage holds into memory. Rejects where it cannot be read. */
  function read(): Promise<void> {
    reading ??= look().finally(() => {
      reading = undefined
    })
    return reading
  }

  async function look(): Promise<void> {
    let item: unknown
    try {
      item = await answerOf(() => storage.getItem(key), limit)
    } catch (cause) {
      report(say('storage-unreadable'))
      throw new Error('memoryStore: the storage cannot be read', { cause })
    }
    const found = recordIn(item)
    if (found) await memory.save(found)
    else if (item) report(say('storage-foreign'))
    seen = true
  }

  /** One write after the other: a slow older one must not overwrite a newer. */
  function write(): Promise<void> {
    queued ??= writing.then(() => {
      queued = undefined
      return put()
    })
    writing = queued
    return queued
  }

  async function put(): Promise<void> {
    const record = await memory.load()
    // Who signs out means whatever is stored. Of all else nobody knows whether it is newer than what is there.
    if (!seen && record?.ended !== 'signed-out') return
    try {
      const text = JSON.stringify(record)
      latest = text
      await answerOf(
        () => storage.setItem(key, text),
        limit,
        () => latest === text || write(),
      )
    } catch {
      report(say('storage-unwritable'))
      // The tokens of a session that is over must not stay behind.
      if (record?.ended) await forget()
    }
  }

  async function forget(): Promise<void> {
    latest = undefined
    try {
      await answerOf(
        () => storage.removeItem(key),
        limit,
        () => latest === undefined || write(),
      )
    } catch {
      // Said already: it cannot be written.
    }
  }

  return {
    ...memory,
    async load() {
      const known = await memory.load()
      const unwritten = known && !seen
      try {
        await read()
        if (unwritten) void write()
      } catch (unreadable) {
        if (!known) throw unreadable
      }
      return memory.load()
    },
    async save(next) {
      const saved = await memory.save(next)
      if (!seen) await read().catch(() => {})
      await write()
      return (await memory.load()) ?? saved
    },
    exclusive: (work, signal) =>
      memory.exclusive(
        (lease) =>
          work({
            ...lease,
            async begin() {
              const generation = await lease.begin()
              await write()
              return generation
            },
            async clear(generation) {
              await lease.clear(generation)
              await write()
            },
          }),
        signal,
      ),
    watch(_, degraded) {
      if (degraded) report = degraded
      return () => {
        report = () => {}
      }
    },
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

/**
 * What the storage answers; rejects where it does not in time. A call that was given up runs on all the same:
 * `late` hears when it has come to its end, and may have undone what came after it.
 */
function answerOf(
  call: () => unknown,
  { clock, ms }: { readonly clock: Clock; readonly ms: number },
  late?: () => unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let over = false
    const done = patience(clock, ms, () => {
      over = true
      reject(new Error('the storage does not answer'))
    })
    const settle = (): void => {
      done()
      if (over) late?.()
    }
    const answer = (async () => call())()
    answer.then(resolve, reject).then(settle)
  })
}
