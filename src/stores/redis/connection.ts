import type { Clock } from '../../core/clock.ts'
import { within } from '../shared/within.ts'
import type { Script } from './scripts.ts'

/** What is used of node-redis (`redis`): a client, or a cluster. */
export interface NodeRedis {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  eval(source: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  duplicate(): NodeRedisSubscriber
  subscribe(channel: string, listener: (message: string, channel: string) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: unknown, channel: unknown) => void): Promise<unknown>
  on(event: string, listener: () => void): unknown
}

/** What is used of a connection of node-redis that only listens. */
export interface NodeRedisSubscriber extends Pick<NodeRedis, 'subscribe' | 'unsubscribe' | 'on'> {
  connect(): Promise<unknown>
  readonly isOpen?: boolean
  /** From release 5 on. */
  destroy?(): void
  /** In release 4, whose `destroy` it is. */
  disconnect?(): unknown
}

/** What is used of ioredis: a client, or a cluster. */
export interface IoRedis {
  readonly isCluster: boolean
  evalsha(sha: string, keys: number, ...args: string[]): Promise<unknown>
  eval(source: string, keys: number, ...args: string[]): Promise<unknown>
  duplicate(options?: object): IoRedisSubscriber
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  on(event: string, listener: (...args: string[]) => void): unknown
}

/** What is used of a connection of ioredis that only listens. */
export interface IoRedisSubscriber extends Pick<IoRedis, 'subscribe' | 'unsubscribe' | 'on'> {
  disconnect(): void
}

/** The one connection that listens. */
export interface Subscriber {
  add(channel: string): Promise<unknown>
  remove(channel: string): Promise<unknown>
  close(): void
}

/** What listens. */
interface Ears {
  heard(channel: string, message: string): void
  /** The connection is there, for the first time or again: messages may have been missed. */
  connected(): void
  /** The user has closed the client for good. */
  ended(): void
}

/** A client of either kind, as far as it is used here. */
export interface Connection {
  /** Runs a script at the master that has `key`. */
  run(script: Script, key: string, args: string[]): Promise<unknown>
  subscribe(ears: Ears): Subscriber
}

/** A server that answered with an error, by the code in front of it (`OOM`, `READONLY`, `CLUSTERDOWN`). */
const ERROR_REPLY = /^[A-Z]{2,} /

/**
 * Makes one of the two clients. Scripts are called by their name, and sent whole where the server does not know
 * them. A script whose reply was lost with the connection is sent once more: each of them can be.
 */
export function connect(client: NodeRedis | IoRedis): Connection {
  const listens = typeof client?.subscribe === 'function'
  const [call, subscribe] =
    listens && typeof (client as NodeRedis).evalSha === 'function'
      ? nodeRedis(client as NodeRedis)
      : listens && typeof (client as IoRedis).evalsha === 'function'
        ? ioRedis(client as IoRedis)
        : unknownClient()
  const named = async (script: Script, key: string, args: string[]): Promise<unknown> => {
    try {
      return await call(true, script, key, args)
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw error
      return call(false, script, key, args)
    }
  }
  return {
    subscribe,
    run: (script, key, args) =>
      named(script, key, args).catch((error) => {
        if (ERROR_REPLY.test(messageOf(error))) throw error
        return named(script, key, args)
      }),
  }
}

type Call = (byName: boolean, script: Script, key: string, args: string[]) => Promise<unknown>

function nodeRedis(client: NodeRedis): [Call, Connection['subscribe']] {
  return [
    (byName, { sha, source }, key, args) =>
      byName
        ? client.evalSha(sha, { keys: [key], arguments: args })
        : client.eval(source, { keys: [key], arguments: args }),
    ({ heard, connected, ended }) => {
      // A cluster opens a connection for subscriptions by itself.
      const own = 'masters' in client ? undefined : client.duplicate()
      const subscriber = own ?? client
      const listener = (message: unknown, channel: unknown) => heard(String(channel), String(message))
      subscriber.on('error', () => {})
      subscriber.on('ready', connected)
      subscriber.on('node-ready', connected)
      client.on('end', ended)
      own?.connect().catch(() => {})
      return {
        add(channel) {
          // What was never answered, or has been given up, is begun again.
          if (own?.isOpen === false) own.connect().catch(() => {})
          return subscriber.subscribe(channel, listener)
        },
        // Without the listener, those of others go, and one that has just come.
        remove: (channel) => subscriber.unsubscribe(channel, listener),
        close: () => own && (own.destroy ? own.destroy() : void disconnect(own)),
      }
    },
  ]
}

/** As release 4 of node-redis does it: what has been closed meanwhile, rejects. */
async function disconnect(subscriber: NodeRedisSubscriber): Promise<void> {
  try {
    await subscriber.disconnect?.()
  } catch {}
}

function ioRedis(client: IoRedis): [Call, Connection['subscribe']] {
  return [
    (byName, { sha, source }, key, args) =>
      byName ? client.evalsha(sha, 1, key, ...args) : client.eval(source, 1, key, ...args),
    ({ heard, connected, ended }) => {
      // A cluster opens a connection for subscriptions by itself. Our own subscribes again by our hand: where ioredis
      // does it, and the connection is lost once more, nobody handles the rejection.
      const own = client.isCluster ? undefined : client.duplicate({ autoResubscribe: false })
      const subscriber = own ?? client
      subscriber.on('error', () => {})
      subscriber.on('message', (channel, message) => heard(String(channel), String(message)))
      for (const event of ['ready', '+node', '-node']) subscriber.on(event, connected)
      client.on('end', ended)
      return {
        add: (channel) => subscriber.subscribe(channel),
        remove: (channel) => subscriber.unsubscribe(channel),
        close: () => own?.disconnect(),
      }
    },
  ]
}

function unknownClient(): never {
  throw new TypeError(
    'redisStores: expected `client` to be a client of redis (node-redis) or ioredis, or a cluster of redis from 5 on or ioredis',
  )
}

/**
 * `promise`, or an error that says that Redis is not available: clients queue commands while they are not connected,
 * and some for ever.
 *
 * The errors of clients hold the arguments of the command, tokens among them: only the message is kept.
 */
export async function answered<T>(promise: Promise<T>, timeout: number, clock: Clock): Promise<T> {
  try {
    return await within(clock, timeout, `no answer within ${timeout} ms`, () => promise)
  } catch (error) {
    const [message] = messageOf(error).split(', with args')
    throw Object.assign(new Error(`Redis is not available: ${message}`), { code: 'redis_unavailable' })
  }
}

function messageOf(error: unknown): string {
  return String(Object(error).message)
}
