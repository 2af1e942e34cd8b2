/** What the tests of faults share: Redis behind a proxy, an authorization server, and contexts with clients of their own. */
import { createClient } from 'redis'
import type { Session, SessionOptions, SessionStore } from 'refresh-once'
import type { RedisStoresOptions } from 'refresh-once/redis'
import type { AuthServer, AuthServerOptions } from 'refresh-once/testing'
import { afterEach } from 'vitest'
import { open, refreshAt, startServer } from '../../setup.ts'
import { type Client, type Kind, storesOf } from './clients.ts'
import { type RedisProxy, startProxy } from './proxy.ts'
import { type RedisServer, type RedisServerOptions, startRedis } from './redis-server.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

export interface Stage {
  readonly redis: RedisServer
  readonly proxy: RedisProxy
  readonly server: AuthServer
  /** A session of a context of its own, which reaches Redis through the proxy. */
  context(options?: ContextOptions): Promise<Context>
  /** A command to Redis, past the proxy. */
  command(...args: string[]): Promise<unknown>
}

export interface ContextOptions {
  kind?: Kind
  stores?: Partial<RedisStoresOptions>
  session?: Partial<SessionOptions>
  /** @default through the proxy */
  url?: string
}

export interface Context {
  readonly session: Session
  readonly store: SessionStore
  readonly client: Client
}

const ID = 'alice'

export async function setStage(
  kind: Kind,
  options: { redis?: RedisServerOptions; server?: AuthServerOptions } = {},
): Promise<Stage> {
  const redis = await newRedis(options.redis)
  const proxy = await startProxy(redis.port)
  closers.push(proxy.close)
  const server = await startServer(options.server)
  return {
    redis,
    proxy,
    server,
    command: (...args) => commandTo(redis, ...args),
    async context({ kind: other = kind, stores = {}, session = {}, url = proxy.url } = {}) {
      const client = await other.open(url)
      closers.push(client.close)
      const store = storesOf(client, stores)(ID)
      return {
        client,
        store,
        session: open({ refresh: refreshAt(server), store, tokens: null, ...session }),
      }
    },
  }
}

/** Signed in through the first, known to all. */
export async function signedIn(stage: Stage, count: number, options?: ContextOptions): Promise<Context[]> {
  const first = await stage.context(options)
  await first.session.signIn(stage.server.mint('alice'))
  const contexts = [first]
  while (contexts.length < count) {
    const next = await stage.context(options)
    await next.session.getAccessToken()
    contexts.push(next)
  }
  return contexts
}

export async function newRedis(options?: RedisServerOptions): Promise<RedisServer> {
  const redis = await startRedis(options)
  closers.push(redis.close)
  return redis
}

export async function commandTo({ url }: RedisServer, ...args: string[]): Promise<unknown> {
  const client = await createClient({ url }).connect()
  try {
    return await client.sendCommand(args)
  } finally {
    client.destroy()
  }
}
