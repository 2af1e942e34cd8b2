import { storeContract } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type Client, kinds, kindsBetween, oldestKinds, openerOf } from './clients.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.close())

for (const { name, open } of [...kinds, ...oldestKinds, ...kindsBetween]) {
  describe(name, () => {
    const clients: Client[] = []
    beforeAll(async () => {
      clients.push(await open(server.url), await open(server.url))
    })
    afterAll(() => Promise.all(clients.map(({ close }) => close())))

    const checks = storeContract(openerOf(clients))
    for (const { name, run } of checks) test(name, run)
  })
}
