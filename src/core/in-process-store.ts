import type { Clock } from './clock.ts'
import { join, type SessionStore, type Stored } from './store.ts'
import { createTurns } from './turns.ts'

/**
 * A store for one process: a record in memory, and a queue for the turn to refresh. A turn passes on when its
 * work is done, or when its lease has ended.
 */
export function inProcessStore(clock: Clock, lease: number): SessionStore {
  let record: Stored | undefined

  return {
    load: async () => record,
    async save(next) {
      record = record ? join(record, next) : next
      return record
    },
    exclusive: createTurns({
      clock,
      lease,
      async update(change) {
        record = change(record)
      },
    }),
    // Nobody else writes to this memory: there is no news.
    watch: () => nothing,
    close: nothing,
  }
}

function nothing(): void {}
