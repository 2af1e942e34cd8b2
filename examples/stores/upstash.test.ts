import { inspect } from 'node:util'
import { createSession } from 'refresh-once'
import { cellStore } from 'refresh-once/cell'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { engineTests } from '../../test/stores/cell/storm.ts'
import { startUpstash, type UpstashFront } from '../../test/stores/cell/upstash-front.ts'
import { type RedisServer, startRedis } from '../../test/stores/redis/redis-server.ts'
import { upstashCells } from './upstash.ts'

let redis: RedisServer
let front: UpstashFront
let cells: ReturnType<typeof upstashCells>
beforeAll(async () => {
  redis = await startRedis()
  front = await startUpstash(redis.url)
  cells = upstashCells(front)
})
afterAll(async () => {
  await front?.close()
  await redis?.close()
})

engineTests(
  () => ({ engine: 'upstash', url: front.url, token: front.token }),
  () => cells,
)

test('a subscription that ends is not told of: who looks now and then hears all the same', async () => {
  const cell = cells('bob')
  const refresh = () => 'never'
  const session = createSession({ store: cellStore(cell, { poll: 100 }), refresh })
  const other = createSession({ store: cellStore(cell), refresh })
  await other.signIn('mine')
  expect(await session.getAccessToken()).toBe('mine')
  front.endSubscriptions()
  const heard = new Promise<void>((resolve) =>
    session.observe(({ type }) => type === 'signed-out' && resolve()),
  )
  await other.signOut()
  await heard
  session.close()
  other.close()
})

test('a wrong token: it is told, and no refresh token is spent', async () => {
  let refreshes = 0
  const wrong = upstashCells({ url: front.url, token: 'wrong-0123456789' })
  const session = createSession({
    store: cellStore(wrong('carol')),
    tokens: { accessToken: 'old-0123456789', refreshToken: 'rt-0123456789', expiresAt: 1 },
    retries: 0,
    refresh: () => `new-${++refreshes}`,
  })
  const error = await session.getAccessToken().catch((reason) => reason)
  expect(inspect(error)).toMatch(/the cell is not available: Unauthorized/)
  expect(inspect(error)).not.toMatch(/0123456789/)
  expect(refreshes).toBe(0)
  session.close()
})
