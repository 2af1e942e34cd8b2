import { say } from './messages.ts'

/**
 * Refuses what cannot name a session, or could name two: half a surrogate pair is no character, and whoever encodes it
 * (for Redis, a file, a channel) makes the same U+FFFD of each. Two users would share one session.
 *
 * The message does not repeat the name: it may be a secret.
 *
 * @param expected who asks, and for what, for example `redisStores: expected the id of a session`
 * @throws TypeError
 */
export function ensureName(name: unknown, expected: string): asserts name is string {
  const fault =
    typeof name !== 'string'
      ? typeof name
      : !name
        ? 'an empty string'
        : /\p{Surrogate}/u.test(name)
          ? 'one with half a surrogate pair in it: it could be taken for another'
          : undefined
  if (fault) throw new TypeError(say('name', expected, fault))
}
