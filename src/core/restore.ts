import type { Content } from './beginning.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { newVersion, replace } from './replace.ts'
import type { Stored } from './store.ts'

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
