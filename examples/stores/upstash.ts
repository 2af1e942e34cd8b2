import { Redis } from '@upstash/redis'
import type { Cell } from 'refresh-once/cell'

/** A script runs at the primary. GET may be answered by a replica, which is behind. */
const READ = `return redis.call('GET', KEYS[1])`

const REPLACE = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[4] ~= '' then redis.call('PUBLISH', 'my-app:sessions', ARGV[4]) end
return 1`

/** As long as a refresh token lives, in milliseconds: after it nobody needs to know of a sign-out. */
const KEEP = 30 * 86_400_000

/** A cell for each session, in a Redis that is reached by HTTP. */
export function upstashCells(options: { url: string; token: string }): (id: string) => Cell {
  // By itself the client parses what looks like JSON: a text has to come back as it was written.
  const redis = new Redis({ ...options, automaticDeserialization: false })
  const watches = new Map<string, Set<() => void>>()
  let subscriber: ReturnType<typeof redis.subscribe<string>> | undefined

  function listen(): void {
    subscriber = redis.subscribe('my-app:sessions')
    subscriber.on('subscribe', () => {
      // What was said before that was not heard.
      for (const all of watches.values()) for (const changed of all) changed()
    })
    subscriber.on('message', ({ message }) => {
      for (const changed of watches.get(message) ?? []) changed()
    })
  }

  return (id) => {
    // It refuses what would be one key for two ids: half a surrogate pair.
    const name = encodeURIComponent(id)
    const key = `my-app:session:${name}`
    return {
      read: () => redis.eval<string[], string | null>(READ, [key], []),
      async replace(before = '', after, told) {
        return (await redis.eval(REPLACE, [key], [before, after, KEEP, told ? name : ''])) === 1
      },
      watch(changed) {
        const all = watches.get(name) ?? new Set()
        watches.set(name, all.add(changed))
        if (!subscriber) listen()
        changed()
        return () => {
          all.delete(changed)
          if (all.size === 0) watches.delete(name)
          if (watches.size > 0) return
          void subscriber?.unsubscribe()
          subscriber = undefined
        }
      },
    }
  }
}
