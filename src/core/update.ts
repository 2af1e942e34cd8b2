import { SessionError } from './errors.ts'
import { inTurn } from './in-turn.ts'
import { say } from './messages.ts'
import type { Parts } from './parts.ts'
import { readTokens, type TokenInput } from './tokens.ts'
import { callerOf, ensureOpen } from './use.ts'

/** How tokens are replaced. */
export interface UpdateOptions {
  /**
   * Whether what was sent with the former tokens may be sent again with these: they are for the same purpose, and only
   * better, as those of a step-up.
   * @default false
   */
  replay?: boolean
}

/** Puts other tokens of the same user in the place of those that there are. */
export async function update(
  parts: Parts,
  tokens: TokenInput,
  { replay }: UpdateOptions = {},
): Promise<void> {
  const { known, room, running, store, events, cookie, nonce, settings } = parts
  ensureOpen(parts)
  if (running.inside) throw new TypeError(say('inside', 'update'))
  // What is wrong with them is said at once, and their time counts from now.
  const fresh = readTokens(tokens, settings.clock, cookie, true, { told: (reason) => events.warn(reason) })
  const caller = callerOf(parts, 'update')
  while (known.reading) await room.enter(caller)
  // Whose they are: somebody else may sign in while it waits.
  const before = known.record
  if (known.first) await known.first
  const saved = await inTurn(parts, 'update', async (lease) => {
    const record = (await store.load()) ?? before
    // A store that was closed may not know the newest.
    ensureOpen(parts)
    if (record?.ended && before?.tokens) throw known.expired
    if (!record?.tokens || !before) throw new TypeError(say('update'))
    const { epoch } = record.version
    if (epoch !== before.version.epoch) throw new SessionError('session_changed')
    const generation = await lease.begin()
    const next = { ...record.tokens, ...fresh }
    if (!replay) next.updateGeneration = generation
    return store.save({ version: { epoch, generation, nonce }, tokens: next })
  })
  known.become(saved, 'updated')
  // A refresh was refused meanwhile: the session is over, and these tokens with it.
  if (known.record?.ended) throw known.expired
}
