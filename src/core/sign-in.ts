import type { Content } from './beginning.ts'
import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import { readResult, type Setback } from './outcome.ts'
import type { Parts } from './parts.ts'
import { compareVersions, newEpoch, type Stored, type Version } from './store.ts'
import { readTokens, type TokenSet } from './tokens.ts'

/**
 * Begins a new epoch: here at once, durable when it resolves.
 *
 * @param leaves the server will be told of it: those who observe hear of it then, and somebody wants to know which tokens
 *   are replaced
 * @param former what is known to be stored, though it is not believed
 * @returns the newest of them: another context may have newer ones, or this one none yet
 */
export async function replace(
  parts: Parts,
  content: Content,
  leaves?: boolean,
  former?: Stored,
): Promise<Stored['tokens']> {
  const { known, room, running, store, nonce } = parts
  if (room.closed) throw new SessionError('session_closed')
  const before = known.record
  const next = { version: newVersion(parts, before ?? former), ...content }
  const begin = (record: Stored) => known.become(record, 'signed-in', undefined, leaves)
  begin(next)
  const looking = leaves ? store.load().catch(() => undefined) : undefined
  if (looking && !before) await looking
  let saved = await store.save(next)
  // By somebody who has called a verb of this session meanwhile, not by what the store has told.
  const outdone = known.record !== next && known.record?.version.nonce === nonce
  if (before || outdone || saved.version.nonce === nonce) begin(saved)
  else {
    // The store had not been read yet, and knows an epoch that our clock has not come to.
    const later = { version: newVersion(parts, saved), ...content }
    begin(later)
    saved = await store.save(later)
  }
  running.outdate(saved.version.epoch)
  const found = await looking
  const newer = found?.tokens && (!before || compareVersions(found.version, before.version) > 0)
  return (newer ? found : before)?.tokens
}

/**
 * Whether it is to be seen if that end still stands: what a server has refused to an earlier page, it may grant to this
 * one, which may have a cookie of a login that led elsewhere, or another token in its options. One refresh finds out.
 */
export function isOpen({ known, settings }: Parts, { ended }: Stored): boolean {
  return known.reading && ended === 'rejected' && settings.tokens !== null
}

/** Reads what an earlier page, process or session object has left; where that is nothing, begins with the options. */
export async function restore(parts: Parts): Promise<void> {
  const { known, store, beginning, events } = parts
  let read = true
  let content: Content | undefined
  let stored: Stored | undefined
  try {
    stored = await store.load()
    // Somebody may have signed in meanwhile: then it is news.
    const type = known.reading ? 'restored' : 'refresh-adopted'
    if (stored && !isOpen(parts, stored)) known.become(stored, type)
  } catch {
    read = false
    events.emit({ type: 'degraded', reason: say('load') })
  }
  try {
    if (!known.record) content = await beginning.ask(parts)
  } catch {
    // Whoever needs a token first asks again.
    events.emit({ type: 'degraded', reason: say('tokens') })
  }
  // It may hold a session: that nobody is signed in is for a store to say that was read.
  begin(parts, read || !content?.ended ? content : undefined, read, stored)
}

/**
 * Begins with the options, where no store has anything to tell.
 *
 * @param read whether there is none, or it was read: what could not be read is not written over
 * @param stored what was read, and is not believed
 */
export function begin(parts: Parts, beginning: Content | undefined, read = true, stored?: Stored): void {
  const { known } = parts
  if (known.record) return
  if (!beginning) known.nothing()
  else if (beginning.tokens && read) void replace(parts, beginning, false, stored).catch(() => {})
  // Not saved: whoever signs in elsewhere at this moment comes after us.
  else known.become({ version: newVersion(parts, undefined, 0), ...beginning }, 'restored')
}

/**
 * What somebody signs in with. Token sets are read at once, so that the sign-in is in effect at once; all else may be
 * an answer, and is read as that of a refresh.
 *
 * @throws Error that says why there is no token in it
 */
export function tokensIn(
  { settings: { clock }, cookie, events, redaction }: Parts,
  given: unknown,
): TokenSet | Promise<TokenSet> {
  const told = (reason: string) => events.warn(reason)
  const plain = Object(given) !== given || TOKENS.test(Object.keys(Object(given)).join())
  if (plain || (cookie && !('status' in Object(given))))
    return readTokens(given, clock, cookie, true, { told, alone: true })
  return readResult(Promise.resolve(given), clock, cookie, undefined, undefined, told).catch(
    ({ cause }: Setback) => {
      const error = redaction.error(cause)
      // What was answered is no mistake of the caller's.
      throw 'status' in Object(given) ? error : new TypeError(error.message)
    },
  )
}

/** Names of members that make a token set. */
const TOKENS = /\b(access|refresh)_?token\b/i

/** Begins a new epoch of which only a refresh can tell whose it is. Nobody else hears of it until then. */
export function ask(parts: Parts): void {
  const { known } = parts
  known.become({ version: { ...newVersion(parts, known.record), generation: 0 } }, 'restored')
}

function newVersion({ settings, nonce }: Parts, seen?: Stored, now?: number): Version {
  return { epoch: newEpoch(settings.clock, seen?.version.epoch, now), generation: 1, nonce }
}
