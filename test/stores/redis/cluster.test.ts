import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { Cluster as ClusterOf5 } from 'ioredis-5'
import { createCluster } from 'redis'
import { createCluster as createClusterOf4Oldest } from 'redis-4-oldest'
import { createCluster as createClusterOf5 } from 'redis-5'
import { type IoRedis, type NodeRedis, redisStores } from 'refresh-once/redis'
import { storeContract } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { open, refreshAt, startServer, times, watch } from '../../setup.ts'
import { type Client, openerOf, storesOf } from './clients.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { commandTo } from './stage.ts'

const SLOTS = 16_384

let nodes: RedisServer[] = []
beforeAll(async () => {
  nodes = await Promise.all(times(3, () => startRedis({ cluster: true })))
  await Promise.all(
    nodes.map((node, index) =>
      commandTo(
        node,
        'CLUSTER',
        'ADDSLOTSRANGE',
        String(Math.ceil((SLOTS * index) / 3)),
        String(Math.ceil((SLOTS * (index + 1)) / 3) - 1),
      ),
    ),
  )
  const [first, ...others] = nodes
  for (const node of others)
    if (first) await commandTo(node, 'CLUSTER', 'MEET', '127.0.0.1', String(first.port))
  for (let tries = 0; !(await isComplete()); tries++) {
    if (tries === 500) throw new Error('the nodes do not become a cluster')
    await sleep(100)
  }
})
afterAll(() => Promise.all(nodes.map((node) => node.close())))

async function isComplete(): Promise<boolean> {
  const infos = await Promise.all(nodes.map((node) => commandTo(node, 'CLUSTER', 'INFO')))
  return infos.every((info) => /state:ok/.test(String(info)) && /known_nodes:3/.test(String(info)))
}

interface Kind {
  name: string
  open(): Promise<Client>
}

type CreateCluster = (options: { rootNodes: { url: string }[]; useReplicas: true }) => NodeRedis & {
  connect(): Promise<unknown>
  destroy(): unknown
}

type ClusterClass = new (
  nodes: { host: string; port: number }[],
  options: { scaleReads: 'all' },
) => IoRedis & { ping(): Promise<unknown>; disconnect(): void }

const nodeRedis = (release: string, create: CreateCluster): Kind => ({
  name: `redis${release} (node-redis)`,
  async open() {
    const client = create({ rootNodes: nodes.map(({ url }) => ({ url })), useReplicas: true })
    client.on('error', () => {})
    await client.connect()
    return { client, answered: async () => {}, close: async () => void client.destroy() }
  },
})

const ioRedis = (release: string, Class: ClusterClass): Kind => ({
  name: `ioredis${release}`,
  async open() {
    const client = new Class(
      nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
      { scaleReads: 'all' },
    )
    client.on('error', () => {})
    await client.ping()
    return { client, answered: async () => {}, close: async () => client.disconnect() }
  },
})

const kinds = [
  nodeRedis('', createCluster),
  ioRedis('', Cluster),
  nodeRedis(' 5.12', createClusterOf5),
  ioRedis(' 5.11', ClusterOf5),
]

test('a cluster of node-redis that cannot listen yet is refused', () => {
  const client = createClusterOf4Oldest({ rootNodes: [] }) as unknown as NodeRedis
  expect(() => redisStores({ client })).toThrow('a cluster of redis from 5 on')
})

for (const kind of kinds) {
  describe(kind.name, () => {
    const clients: Client[] = []
    beforeAll(async () => {
      clients.push(await kind.open(), await kind.open())
    })
    afterAll(() => Promise.all(clients.map(({ close }) => close())))

    const checks = storeContract(openerOf(clients))
    for (const { name, run } of checks) test(name, run)

    test('sessions live on all nodes, and each is refreshed once', async () => {
      const server = await startServer()
      // Braces of an id do not choose its node.
      const ids = times(24, (index) => `{one}${kind.name}${index}`)
      const processes = clients.map((client) => storesOf(client))
      for (const id of ids) {
        const [one, two] = processes.map(
          (stores) => () => open({ refresh: refreshAt(server), store: stores(id), tokens: null }),
        )
        if (!one || !two) throw new Error('there are no clients')
        const first = one()
        await first.signIn(server.mint(id))
        const second = two()
        await second.getAccessToken()
        const adopted = watch(second).until('refresh-adopted')
        await first.refresh()
        await adopted
        expect(await second.getAccessToken()).toBe(await first.getAccessToken())
      }
      expect(server.count).toMatchObject({ refreshes: ids.length, reuses: 0 })
      const keys = await Promise.all(nodes.map((node) => commandTo(node, 'DBSIZE')))
      expect(keys.filter((count) => Number(count) > 0)).toHaveLength(3)
    })
  })
}
