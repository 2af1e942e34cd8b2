import { type Clock, systemClock } from '../core/clock.ts'
import { ensureName } from '../core/name.ts'
import type { SessionStore } from '../core/store.ts'
import { connect, type IoRedis, type NodeRedis } from './redis/connection.ts'
import { orLocally } from './redis/locally.ts'
import { createNewsroom } from './redis/newsroom.ts'
import { createRedisStore } from './redis/store.ts'

export type { IoRedis, IoRedisSubscriber, NodeRedis, NodeRedisSubscriber } from './redis/connection.ts'

/** Options of {@link redisStores}. Times are in milliseconds. */
export interface RedisStoresOptions {
  /**
   * A connected client of `redis` (node-redis) or `ioredis`, or a cluster of either. It stays yours: close it yourself,
   * after the sessions.
   */
  client: NodeRedis | IoRedis
  /** In front of every key and channel. @default 'refresh-once:' */
  prefix?: string | undefined
  /** How long a refresh may stay unanswered until it loses its turn. @default 60_000 */
  lease?: number | undefined
  /**
   * How long Redis keeps the turn of a process that has died or lost contact; a living one renews it. This, and the
   * time that a refresh takes, should be less than the time for which your authorization server forgives a second
   * use of a refresh token. At least 2_000.
   * @default 5_000
   */
  ttl?: number | undefined
  /** How long a record is kept after its last change: at least as long as a refresh token lives. @default 30 days */
  keep?: number | undefined
  /** How long Redis may take for an answer, before it counts as not available. @default 2_000 */
  timeout?: number | undefined
  /**
   * What a refresh does that is needed while Redis is not available. `fail`: it fails for now, with
   * `refresh_failed`. `local`: this process refreshes by itself, and so may others, with the same refresh token.
   * @default 'fail'
   */
  onUnavailable?: 'fail' | 'local' | undefined
  /** @default the runtime's */
  clock?: Clock | undefined
}

/** Milliseconds. A session sends nothing in the last second of a turn. */
const SHORTEST_TTL = 2_000

const NUMBERS = /^(lease|ttl|keep|timeout)$/

/**
 * Keeps sessions in Redis, for all processes and machines that share them: one refresh at a time, and one token set.
 *
 * One hash per session, and one connection that listens for all of them. A request with a usable token costs no
 * command; a refresh four, and two for a process that waits for it.
 *
 * Records hold tokens as they are: who can read the keys can use them. One store is for one session object.
 *
 * @example
 * const stores = redisStores({ client })
 * const session = createSession({ refresh, store: stores(userId) })
 */
export function redisStores(options: RedisStoresOptions): (id: string) => SessionStore {
  for (const [name, value] of Object.entries(options)) {
    if (NUMBERS.test(name) && value !== undefined && !(typeof value === 'number' && value > 0))
      throw new TypeError(`redisStores: ${name} cannot be ${String(value)}`)
  }
  if (options.ttl !== undefined && options.ttl < SHORTEST_TTL)
    throw new TypeError(
      `redisStores: a ttl below ${SHORTEST_TTL} leaves a session no time to send, got ${options.ttl}`,
    )
  const { client, prefix = 'refresh-once:', clock = systemClock, onUnavailable = 'fail' } = options
  if (onUnavailable !== 'fail' && onUnavailable !== 'local')
    throw new TypeError(`redisStores: onUnavailable cannot be ${String(onUnavailable)}`)
  if (prefix !== '') ensureName(prefix, 'redisStores: expected a prefix')
  const { lease = 60_000, ttl = 5_000, keep = 30 * 86_400_000, timeout = 2_000 } = options
  const connection = connect(client)
  const newsroom = createNewsroom(connection, clock, timeout)
  const shared = { connection, newsroom, clock, prefix, lease, ttl: Math.min(ttl, lease), keep, timeout }

  return (id) => {
    ensureName(id, 'redisStores: expected the id of a session')
    const store = createRedisStore(id, shared)
    return onUnavailable === 'local' ? orLocally(store, clock, lease) : store
  }
}
