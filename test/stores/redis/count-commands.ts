import type { IoRedis, NodeRedis } from 'refresh-once/redis'
import type { Client } from './clients.ts'

/** A client that counts what it is asked to send: each command is one round trip. */
export function countCommands({ client, ...rest }: Client): Client & { commands: () => number } {
  let commands = 0
  const counted = new Proxy(client, {
    get(target, name) {
      const value = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (/^(evalSha|evalsha|eval)$/.test(String(name))) commands++
      return value.bind(target)
    },
  }) as NodeRedis | IoRedis
  return { ...rest, client: counted, commands: () => commands }
}
