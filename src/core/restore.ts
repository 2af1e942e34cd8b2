import type { Content } from './beginning.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { newEpoch, type Stored, type Version } from './store.ts'
import type { TokenSet } from './tokens.ts'

/**
 * Whether it is to be seen if that end still stands: what a server has refused to an earlier page, it may grant to this
 * one, which may have a cookie of a login that led elsewhere, or another token in its options. One refresh finds out.
 */
export function isOpen({ known }: Parts, { ended }: Stored): boolean {
  return known.reading && ended === 'rejected'
}

/** Reads what an earlier page, process or session object has left; where that is nothing, begins with the options. */
export async function restore(parts: Parts): Promise<void> {
  const { known, store, beginning, events } = parts
  let read = true
  let content: Content | undefined
  let stored: Stored | undefined
  try {
    stored = await store.load()
    // Somebody may have signed in meanwhile: then it is news, and else it is what was found.
    if (stored && !isOpen(parts, stored)) known.become(stored, 'refresh-adopted')
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
 * @param former what was read, and is not believed
 */
export function begin(parts: Parts, content: Content | undefined, read = true, former?: Stored): void {
  const { known, store } = parts
  if (known.record) return
  if (!content) {
    known.nothing()
    return
  }
  const { tokens } = content
  const first = { version: firstVersion(parts, tokens, former), ...content }
  const own = tokens && read
  known.become(first, own ? 'signed-in' : 'restored')
  if (!own) return
  const saving = store.save(first)
  known.begins(saving, false)
  // Whoever has come first, or has signed in meanwhile.
  void saving.then((saved) => known.become(saved, 'refresh-adopted')).catch(() => {})
}

/**
 * Older than any sign-in. Contexts that begin with the same tokens at the same time are one sign-in: what one of them has
 * refreshed is newer than what another one saves late. Whoever knows of nobody comes before them.
 */
function firstVersion({ settings: { clock } }: Parts, tokens?: TokenSet, former?: Stored): Version {
  const seen = former?.version.epoch
  const epoch = tokens ? newEpoch(clock, seen, 1, nameOf(tokens)) : newEpoch(clock, seen, 0)
  return { epoch, generation: 1, nonce: '0' }
}

/**
 * The same for the same credentials, and no secret: 48 bits. What is spent is the refresh token: another access token may
 * be beside it, or none.
 */
function nameOf({ accessToken, refreshToken }: TokenSet): number {
  let name = 0
  for (const letter of refreshToken ?? accessToken) name = (name * 31 + letter.charCodeAt(0)) % 2 ** 48
  return name
}
