import type { Session, SessionStore } from 'refresh-once'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { open, watch } from '../../setup.ts'
import { hanging, hangTests, LEASE, type LetHang } from '../hanging.ts'
import { type Client, kinds, oldestKinds, storesOf } from './clients.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

let redis: RedisServer
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis?.close())

for (const kind of [...kinds, ...oldestKinds]) {
  const clients: Client[] = []
  afterAll(async () => {
    for (const client of clients) await client.close()
  })
  const node = kind.name.includes('node-redis')
  const stores = async (hangs: LetHang): Promise<(id: string) => SessionStore> => {
    const client = await kind.open(redis.url)
    clients.push(client)
    return storesOf({ ...client, client: hangs(client.client) }, { lease: LEASE, timeout: 200 })
  }

  test(`${kind.name}: an UNSUBSCRIBE that is never answered makes nobody deaf who comes after`, async () => {
    const [busy, other] = [await stores(hanging('unsubscribe')), await stores((client) => client)]
    const openWith = (store: SessionStore): Session => open({ store, refresh: () => 'new', lease: LEASE })
    const first = openWith(busy('bob'))
    await first.signIn('mine')
    first.close()
    const next = openWith(busy('bob'))
    const seen = watch(next)
    expect(await next.getAccessToken()).toBe('mine')
    await openWith(other('bob')).signOut()
    await seen.until('signed-out')
  })

  hangTests({
    name: kind.name,
    places: node ? ['evalSha', 'subscribe', 'connect'] : ['evalsha', 'subscribe'],
    shared: true,
    open: async (letHang) => (await stores(letHang))('alice'),
  })
}
