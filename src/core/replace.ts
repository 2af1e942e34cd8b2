import type { Content } from './beginning.ts'
import { SessionError } from './errors.ts'
import type { Parts } from './parts.ts'
import { compareVersions, newEpoch, type Stored, timeOf, type Version } from './store.ts'

/**
 * Begins a new epoch: here at once, durable when it resolves.
 *
 * @param leaves the server will be told of it: those who observe hear of it then, and somebody wants to know which tokens
 *   are replaced
 * @returns the newest of them: another context may have newer ones, or this one none yet
 */
export async function replace(parts: Parts, content: Content, leaves?: boolean): Promise<Stored['tokens']> {
  const { known, room, running, store, nonce, settings } = parts
  // First the end that is still to be told, and what is done on hearing of it.
  if (!content.ended) known.tell()
  if (room.closed) throw new SessionError('session_closed')
  const before = known.record
  const blind = !before || known.comesLast
  const next = { version: newVersion(parts, before), ...content }
  const begin = (record: Stored) => known.become(record, 'signed-in', undefined, leaves)
  begin(next)
  const looking = leaves ? store.load().catch(() => undefined) : undefined
  const save = async () => {
    if (looking && !before) await looking
    const saved = await store.save(next)
    const { record = next } = known
    const { epoch } = saved.version
    // By a verb of this session, called meanwhile.
    const outdone = record !== next && record.version.nonce === nonce
    const time = timeOf(epoch)
    // Of the same moment: where nothing was known before, it may have been there.
    const later = time > timeOf(next.version.epoch) || before
    // Ours may be ahead, too, and somebody have refreshed it already.
    if (outdone || epoch === next.version.epoch || (later && time <= settings.clock.now())) {
      begin(saved)
      return saved
    }
    // The store knows an epoch that our clock has not come to, or of this very moment: nobody has begun it after us.
    const last = { version: newVersion(parts, saved), ...content }
    begin(last)
    return store.save(last)
  }
  const saving = save()
  if (blind) known.begins(saving, true)
  const saved = await saving
  running.outdate(saved.version.epoch)
  const found = await looking
  const newer = found?.tokens && (!before || compareVersions(found.version, before.version) > 0)
  return (newer ? found : before)?.tokens
}

/** Of a sign-in that begins, later than what was seen. */
export function newVersion({ settings, nonce }: Parts, seen?: Stored): Version {
  return { epoch: newEpoch(settings.clock, seen?.version.epoch), generation: 1, nonce }
}
