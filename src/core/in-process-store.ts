import { orAborted } from './abortable.ts'
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
      try {
        await orAborted(before, signal)
      } catch (reason) {
        // Those behind go on waiting for those in front.
        before.then(pass)
        throw reason
      }
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
            // It has lapsed, but its number is not given out again: whoever had it before may still come.
            if (record?.pending?.generation === generation)
              record = { ...record, pending: { generation, until: 0 } }
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
