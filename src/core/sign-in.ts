import { readResult, type Setback } from './outcome.ts'
import type { Parts } from './parts.ts'
import { newVersion, replace } from './replace.ts'
import { readTokens, type TokenSet } from './tokens.ts'
import { callerOf, ensureOpen, renew } from './use.ts'

/**
 * Begins a new sign-in: with what is given, or with what `refresh` is granted.
 *
 * @param given what `signIn` was called with
 */
export async function signIn(parts: Parts, given: readonly unknown[]): Promise<void> {
  const { known, room, cookie } = parts
  // What is missing by mistake is no login by a cookie.
  if (given.length || cookie) {
    const read = tokensIn(parts, given[0])
    await replace(parts, { tokens: 'then' in read ? ((await read) as TokenSet) : read })
    return
  }
  ensureOpen(parts)
  const caller = callerOf(parts, 'signIn')
  while (known.reading) await room.enter(caller)
  known.tell()
  // An epoch of which only a refresh can tell whose it is. Nobody else hears of it until then.
  known.become({ version: { ...newVersion(parts, known.record), generation: 0 } }, 'restored')
  await renew(parts, 'unknown', undefined)
  if (known.record?.ended) throw known.expired
}

/**
 * What somebody signs in with. Token sets are read at once, so that the sign-in is in effect at once; all else may be
 * an answer, and is read as that of a refresh.
 *
 * @throws Error that says why there is no token in it
 */
function tokensIn(
  { settings: { clock }, cookie, events, redaction }: Parts,
  given: unknown,
): TokenSet | Promise<TokenSet> {
  const told = (reason: string) => events.warn(reason)
  const plain = Object(given) !== given || TOKENS.test(Object.keys(Object(given)).join())
  if (plain || (cookie && !('status' in Object(given))))
    return readTokens(given, clock, cookie, true, { told, alone: true })
  return readResult(Promise.resolve(given), clock, cookie, undefined, told).catch(({ cause }: Setback) => {
    const error = redaction.error(cause)
    // What was answered is no mistake of the caller's.
    throw 'status' in Object(given) ? error : new TypeError(error.message)
  })
}

/** Names of members that make a token set. */
const TOKENS = /\b(access|refresh)_?token\b/i
