import { memoryStore } from 'refresh-once'
import { describe, test } from 'vitest'
import { expireTogether } from './expire-together.ts'
import { newClock, startServer } from './setup.ts'

const SESSIONS = 10_000
const MAX = 1_000

/** Of the test, on a busy machine. */
const PATIENCE = 240_000

describe('a pool under load', () => {
  test(
    'ten thousand sessions that expire together: one refresh each, and no more in memory than there may be',
    async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 60_000 })
      const records = new Map<string, string>()
      const storage = {
        getItem: (key: string) => records.get(key) ?? null,
        setItem: (key: string, value: string) => void records.set(key, value),
        removeItem: (key: string) => void records.delete(key),
      }
      await expireTogether({
        server,
        clock: time.clock,
        sessions: SESSIONS,
        max: MAX,
        store: (id) => memoryStore({ storage, key: id, clock: time.clock }),
        expire: () => time.advance(60_000),
      })
    },
    PATIENCE,
  )
})
