import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { type RedisStoresOptions, redisStores } from 'refresh-once/redis'
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

const nodeRedis: Kind = {
  name: 'redis (node-redis)',
  async open(url) {
    const client = createClient({ url, socket: { reconnectStrategy: 50 } })
    client.on('error', () => {})
    await client.connect()
    return { client, answered: () => client.ping(), close: async () => client.destroy() }
  },
}

const ioRedis: Kind = {
  name: 'ioredis',
  async open(url) {
    const client = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: null })
    client.on('error', () => {})
    await client.ping()
    return { client, answered: () => client.ping(), close: async () => client.disconnect() }
  },
}

export const kinds: readonly Kind[] = [nodeRedis, ioRedis]

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
