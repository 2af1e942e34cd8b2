import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { type RedisStoresOptions, redisStores } from 'refresh-once/redis'

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
