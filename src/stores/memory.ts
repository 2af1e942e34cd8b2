import { type Clock, systemClock } from '../core/clock.ts'
import { inProcessStore } from '../core/in-process-store.ts'
import { isStored, type SessionStore, type Stored } from '../core/store.ts'

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
 * Memory is the truth and `storage` follows: where that throws, is full or holds garbage, the session goes on
 * and observers get a `degraded` event. Two processes or tabs that share a `storage` adopt each other's tokens
 * but are not kept from refreshing at the same time. One store object is for one session object.
 *
 * @example
 * createSession({ refresh, store: memoryStore({ storage: AsyncStorage, key: 'my-app' }) })
 */
export function memoryStore({
  storage,
  key = 'refresh-once',
  lease = 60_000,
  clock = systemClock,
}: MemoryStoreOptions = {}): SessionStore {
  const memory = inProcessStore(clock, lease)
  return storage ? persistent(memory, storage, key) : memory
}

function persistent(memory: SessionStore, storage: KeyValueStorage, key: string): SessionStore {
  if (typeof storage.getItem !== 'function' || typeof storage.setItem !== 'function') {
    throw new TypeError('memoryStore: expected `storage` to have getItem, setItem and removeItem')
  }
  let report: (reason: string) => void = () => {}
  let writing: Promise<unknown> = Promise.resolve()

  async function load(): Promise<Stored | undefined> {
    try {
      const item = await storage.getItem(key)
      const found = typeof item === 'string' && item ? JSON.parse(item) : item
      if (isStored(found)) return memory.save(found)
      if (found) report('the storage holds something else under this key')
    } catch {
      report('the storage cannot be read')
    }
    return memory.load()
  }

  /** One write after the other: a slow older one must not overwrite a newer. */
  async function write(): Promise<Stored | undefined> {
    writing = writing.then(async () => {
      const record = await memory.load()
      try {
        await storage.setItem(key, JSON.stringify(record))
      } catch {
        report('the storage cannot be written')
        // The tokens of a session that is over must not stay behind.
        if (record?.ended) await forget()
      }
    })
    await writing
    return memory.load()
  }

  async function forget(): Promise<void> {
    try {
      await storage.removeItem(key)
    } catch {
      // Said already: it cannot be written.
    }
  }

  return {
    ...memory,
    load,
    async save(next) {
      const saved = await memory.save(next)
      return (await write()) ?? saved
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
