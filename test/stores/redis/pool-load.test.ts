import { createClient } from 'redis'
import { redisStores } from 'refresh-once/redis'
import { describe, test } from 'vitest'
import { expireTogether } from '../../expire-together.ts'
import { newClock, startServer } from '../../setup.ts'
import { startRedis } from './redis-server.ts'

/** `npm run soak` takes more. */
const SESSIONS = Number(process.env.SOAK_POOL ?? 2_000)

describe('a pool with Redis under load', () => {
  test(`${SESSIONS} sessions that expire together: one refresh each, and no more in memory than there may be`, async () => {
    const redis = await startRedis()
    const client = await createClient({ url: redis.url }).connect()
    try {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 60_000 })
      await expireTogether({
        server,
        clock: time.clock,
        sessions: SESSIONS,
        max: SESSIONS / 10,
        store: redisStores({ client, clock: time.clock }),
        expire: () => time.advance(60_000),
      })
    } finally {
      client.destroy()
      await redis.close()
    }
  })
})
