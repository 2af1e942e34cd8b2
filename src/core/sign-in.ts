import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import type { SessionOptions } from './options.ts'
import type { Parts } from './parts.ts'
import { newEpoch, type Stored, type Version } from './store.ts'
import { readTokens } from './tokens.ts'

/** What a sign-in, or a sign-out, puts in the place of all that was before. */
type Content = Omit<Stored, 'version'>

/** Begins a new epoch: here at once, durable when it resolves. */
export async function replace(parts: Parts, content: Content): Promise<void> {
  const { known, room, running, store, nonce } = parts
  if (room.closed) throw new SessionError('session_closed')
  const before = known.record
  const next = { version: newVersion(parts, before), ...content }
  known.become(next, 'signed-in')
  let saved = await store.save(next)
  if (before || known.record !== next || saved.version.nonce === nonce) known.become(saved, 'signed-in')
  else {
    // The store had not been read yet, and knows an epoch that our clock has not come to.
    const later = { version: newVersion(parts, saved), ...content }
    known.become(later, 'signed-in')
    saved = await store.save(later)
  }
  running.outdate(saved.version.epoch)
}

/** Reads what an earlier page, process or session object has left; where that is nothing, begins with the options. */
export async function restore(parts: Parts, beginning: Content | undefined): Promise<void> {
  const { known, store, events } = parts
  let read = true
  try {
    const stored = await store.load()
    if (stored) known.become(stored, 'restored')
  } catch {
    read = false
    events.emit({ type: 'degraded', reason: say('load') })
    // It may hold a session: that nobody is signed in is for a store to say that was read.
    if (beginning?.ended) beginning = undefined
  }
  begin(parts, beginning, read)
}

/**
 * Begins with the options, where no store has anything to tell.
 *
 * @param read whether there is none, or it was read: what could not be read is not written over
 */
export function begin(parts: Parts, beginning: Content | undefined, read = true): void {
  const { known } = parts
  if (known.record) return
  if (!beginning) known.nothing()
  else if (beginning.tokens && read) void replace(parts, beginning).catch(() => {})
  // Not saved: whoever signs in elsewhere at this moment comes after us.
  else known.become({ version: newVersion(parts, undefined, 0), ...beginning }, 'restored')
}

/** What the options say of the beginning. */
export function contentOf(
  { settings, cookie, events }: Parts,
  tokens: SessionOptions['tokens'],
): Content | undefined {
  if (tokens === undefined) return undefined
  if (tokens === null) return { ended: 'signed-out' }
  // Nobody can be listening yet.
  const told = (reason: string) => void Promise.resolve().then(() => events.warn(reason))
  return { tokens: readTokens(tokens, settings.clock, cookie, false, { told }) }
}

function newVersion({ settings, nonce }: Parts, seen?: Stored, now?: number): Version {
  return { epoch: newEpoch(settings.clock, seen?.version.epoch, now), generation: 1, nonce }
}
