import { Redis } from 'ioredis'
import { Redis as IoRedisOf5 } from 'ioredis-5'
import { default as defaultOf5Oldest } from 'ioredis-5-oldest'
import { createClient } from 'redis'
import { createClient as createClientOf4 } from 'redis-4'
import { createClient as createClientOf4Oldest } from 'redis-4-oldest'
import { createClient as createClientOf5 } from 'redis-5'
import { createClient as createClientOf5Oldest } from 'redis-5-oldest'
import { createClient as createClientOf6Oldest } from 'redis-6-oldest'
import { type IoRedis, type NodeRedis, type RedisStoresOptions, redisStores } from 'refresh-once/redis'
import type { OpenStore } from 'refresh-once/testing'

/** A client of either package, and how it is closed. */
export interface Client {
  readonly client: RedisStoresOptions['client']
  /** Resolves once everything that was sent before has been answered. */
  answered(): Promise<unknown>
  close(): Promise<void>
}

export interface Kind {
  readonly name: string
  open(url: string): Promise<Client>
}

/** Makes an unconnected client, as every release of node-redis does from 4.0 on. */
type CreateClient = (options: { url: string; socket: { reconnectStrategy: () => number } }) => NodeRedis & {
  connect(): Promise<unknown>
  ping(): Promise<unknown>
  /** From 5 on; before, `disconnect`. */
  destroy?(): void
  disconnect?(): unknown
}

/** The class of ioredis, as every release from 5.0 on has it. */
type IoRedisClass = new (
  url: string,
  options: { retryStrategy: () => number; maxRetriesPerRequest: null },
) => IoRedis & { ping(): Promise<unknown>; disconnect(): void }

const nodeRedis = (release: string, createClient: CreateClient): Kind => ({
  name: `redis${release} (node-redis)`,
  async open(url) {
    const client = createClient({ url, socket: { reconnectStrategy: () => 50 } })
    client.on('error', () => {})
    await client.connect()
    const close = async (): Promise<void> => {
      await (client.destroy ?? client.disconnect)?.call(client)
    }
    return { client, answered: () => client.ping(), close }
  },
})

const ioRedis = (release: string, Redis: IoRedisClass): Kind => ({
  name: `ioredis${release}`,
  async open(url) {
    const client = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null })
    client.on('error', () => {})
    await client.ping()
    return { client, answered: () => client.ping(), close: async () => client.disconnect() }
  },
})

/** Of CommonJS, where the class is the module, whatever its types say. */
const IoRedisOf5Oldest = defaultOf5Oldest as unknown as typeof defaultOf5Oldest.default

/** The newest of each package. */
export const kinds: readonly Kind[] = [nodeRedis('', createClient), ioRedis('', Redis)]

/** The oldest that the peer range of each allows. */
export const oldestKinds: readonly Kind[] = [
  nodeRedis(' 4.0', createClientOf4Oldest),
  ioRedis(' 5.0', IoRedisOf5Oldest),
]

/** The newest and the oldest of each major release in between. */
export const kindsBetween: readonly Kind[] = [
  nodeRedis(' 4.7', createClientOf4),
  nodeRedis(' 5.0', createClientOf5Oldest),
  nodeRedis(' 5.12', createClientOf5),
  nodeRedis(' 6.0', createClientOf6Oldest),
  ioRedis(' 5.11', IoRedisOf5),
]

/** The stores of one process. */
export function storesOf(
  { client }: Client,
  options: Partial<RedisStoresOptions> = {},
): ReturnType<typeof redisStores> {
  return redisStores({ client, ...options })
}

/** Opens the stores of a contract, at each of these clients by turns; each is a process of its own. */
export function openerOf(clients: readonly Client[]): OpenStore {
  const stores = new Map<string, ReturnType<typeof redisStores>>()
  let opened = 0
  return (place, lease) => {
    const turn = opened++ % clients.length
    const client = clients[turn]
    if (!client) throw new Error('the clients are not there yet')
    const known = stores.get(`${turn} ${lease}`) ?? storesOf(client, { lease })
    stores.set(`${turn} ${lease}`, known)
    return known(place)
  }
}
