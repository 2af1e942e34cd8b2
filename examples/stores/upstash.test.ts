import { afterAll, beforeAll } from 'vitest'
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
