import { type Clock, systemClock } from './clock.ts'
import { join, type Lease, type SessionStore, type Stored } from './store.ts'

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
  lease: leaseTime = 60_000,
  clock = systemClock,
}: MemoryStoreOptions = {}): SessionStore {
  if (storage && typeof storage.getItem !== 'function') {
    throw new TypeError('memoryStore: expected `storage` to have getItem, setItem and removeItem')
  }
  let record: Stored | undefined
  let turn: Promise<void> = Promise.resolve()
  let writing: Promise<void> = Promise.resolve()
  let degrade: (reason: string, cause?: unknown) => void = () => {}

  async function load(): Promise<Stored | undefined> {
    if (storage) {
      try {
        const item = await storage.getItem(key)
        const found = typeof item === 'string' && item ? JSON.parse(item) : item
        if (isStored(found)) record = record ? join(record, found) : found
        else if (found) degrade('the storage holds something else under this key')
      } catch (cause) {
        degrade('the storage cannot be read', cause)
      }
    }
    return record
  }

  /** One write after the other, so that a slow older one cannot overwrite a newer. */
  function persist(): Promise<void> {
    if (!storage) return writing
    writing = writing.then(async () => {
      try {
        await storage.setItem(key, JSON.stringify(record))
      } catch (cause) {
        degrade('the storage cannot be written', cause)
        // Tokens of a session that is over must not stay behind.
        if (record?.ended) await Promise.resolve(storage.removeItem(key)).catch(() => {})
      }
    })
    return writing
  }

  async function save(next: Stored): Promise<Stored> {
    record = record ? join(record, next) : next
    await persist()
    return record
  }

  async function exclusive<T>(work: (lease: Lease) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = turn
    let pass = () => {}
    const passed = new Promise<void>((resolve) => {
      pass = resolve
    })
    turn = before.then(() => passed)
    const controller = new AbortController()
    let timer: unknown
    try {
      await unlessAborted(before, signal)
      const until = clock.now() + leaseTime
      const monotonicUntil = clock.monotonic() + leaseTime
      const remaining = () => Math.min(until - clock.now(), monotonicUntil - clock.monotonic())
      timer = clock.setTimeout(() => {
        controller.abort()
        pass()
      }, leaseTime)
      return await work({
        signal: controller.signal,
        remaining,
        async begin() {
          if (remaining() <= 0 || controller.signal.aborted) throw new Error('the lease has ended')
          if (!record) throw new Error('there is no record to reserve a generation of')
          const generation = Math.max(record.version.generation, record.pending?.generation ?? 0) + 1
          record = { ...record, pending: { generation, until: clock.now() + remaining() } }
          await persist()
          return generation
        },
        async clear(generation) {
          if (record?.pending?.generation !== generation) return
          const { pending: _, ...rest } = record
          record = rest
          await persist()
        },
      })
    } finally {
      clock.clearTimeout(timer)
      pass()
    }
  }

  return {
    load,
    save,
    exclusive,
    // Nobody else writes to this memory: there is no news but bad news.
    watch(_, degraded = () => {}) {
      degrade = degraded
      return () => {
        degrade = () => {}
      }
    },
    close() {},
  }
}

function unlessAborted(turn: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return turn
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    turn.then(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}

function isStored(value: unknown): value is Stored {
  const { version, tokens } = Object(value)
  return (
    typeof version?.epoch === 'string' &&
    Number.isSafeInteger(version.generation) &&
    typeof version.nonce === 'string' &&
    (tokens === undefined || typeof tokens?.accessToken === 'string')
  )
}
