import { createClient } from 'redis'
import { afterAll, expect, test } from 'vitest'
import { startRedis } from '../test/stores/redis/redis-server.ts'
import { openPage } from './page.ts'

const page = await openPage()
const redis = await startRedis()
const clients = await Promise.all([0, 1].map(() => createClient({ url: redis.url }).connect()))
const { sessionsIn } = await import('./redis.ts')

afterAll(async () => {
  for (const client of clients) client.destroy()
  await redis.close()
  await page.close()
})

test('two processes share one session and its one refresh', async () => {
  const [first, second] = clients.map((client) => sessionsIn(client))
  if (!first || !second) throw new Error('there are no clients')
  const one = first('alice')
  await one.signIn(page.server.mint('alice'))
  const two = second('alice')
  await two.getAccessToken()
  await Promise.all([one.refresh(), two.refresh()])
  expect(await two.getAccessToken()).toBe(await one.getAccessToken())
  expect(page.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  one.close()
  two.close()
})
