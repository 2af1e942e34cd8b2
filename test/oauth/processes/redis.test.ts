import { onTestFinished, test } from 'vitest'
import { startRedis } from '../../stores/redis/redis-server.ts'
import { serving } from '../server.ts'
import { expectOneTokenRequestEach } from './crew.ts'

const start = serving()

async function newRedis(): Promise<string> {
  const redis = await startRedis()
  onTestFinished(() => redis.close())
  return redis.url
}

test('4 processes share a session in Redis and its rotating grant: one refresh at each expiry, all is answered', async () => {
  await expectOneTokenRequestEach(
    await start(),
    { redis: await newRedis() },
    { processes: 4, machine: false },
  )
})

test('8 machines share a session in Redis: one token request at each expiry', async () => {
  await expectOneTokenRequestEach(await start(), { redis: await newRedis() }, { processes: 8, machine: true })
})

test('4 processes share a session and a key in Redis: with proofs and nonces, one refresh at each expiry', async () => {
  const server = await start({ dpop: true })
  await expectOneTokenRequestEach(
    server,
    { redis: await newRedis() },
    { processes: 4, machine: false, dpop: true },
  )
})
