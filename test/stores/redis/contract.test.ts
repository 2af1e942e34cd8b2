import { storeContract } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { type Client, kinds, storesOf } from './clients.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.close())

for (const { name, open } of kinds) {
  describe(name, () => {
    const clients: Client[] = []
    beforeAll(async () => {
      clients.push(await open(server.url), await open(server.url))
    })
    afterAll(() => Promise.all(clients.map(({ close }) => close())))

    let opened = 0
    const checks = storeContract((place, lease) => {
      const client = clients[opened++ % 2]
      if (!client) throw new Error('the clients are not there yet')
      return storesOf(client, { lease })(place)
    })
    for (const { name, run } of checks) test(name, run)
  })
}
