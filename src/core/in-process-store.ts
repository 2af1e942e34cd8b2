import type { Clock } from './clock.ts'
import { join, type SessionStore, type Stored } from './store.ts'

/**
 * A store for one process: a record in memory, and a queue for the turn to refresh. A turn passes on when its
 * work is done, or when its lease has ended.
 */
export function inProcessStore(clock: Clock, leaseTime: number): SessionStore {
  let record: Stored | undefined
  let turn = Promise.resolve()

  const save = async (next: Stored) => {
    record = record ? join(record, next) : next
    return record
  }

  return {
    load: async () => record,
    save,

    async exclusive(work, signal) {
      const before = turn
      let pass = () => {}
      turn = new Promise((resolve) => {
        pass = resolve
      })
      // Whoever leaves lets those behind go on waiting for those in front.
      await (signal ? orAborted(before, signal, () => before.then(pass)) : before)
      const ended = new AbortController()
      const [wall, monotonic] = [clock.now(), clock.monotonic()]
      const remaining = () => leaseTime - Math.max(clock.now() - wall, clock.monotonic() - monotonic)
      const timer = clock.setTimeout(() => {
        ended.abort()
        pass()
      }, leaseTime)
      try {
        return await work({
          signal: ended.signal,
          remaining,
          async begin() {
            if (!record || remaining() <= 0) throw new Error('the lease has ended')
            const generation = Math.max(record.version.generation, record.pending?.generation ?? 0) + 1
            await save({ ...record, pending: { generation, until: clock.now() + remaining() } })
            return generation
          },
          async clear(generation) {
            if (record?.pending?.generation === generation) record = { ...record, pending: undefined }
          },
        })
      } finally {
        clock.clearTimeout(timer)
        pass()
      }
    },

    // Nobody else writes to this memory: there is no news.
    watch: () => () => {},
    close() {},
  }
}

/** What `awaited` brings, unless the signal aborts first: then its reason, and `leave` is called. */
function orAborted(awaited: Promise<void>, signal: AbortSignal, leave: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      leave()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    awaited.then(() => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}
