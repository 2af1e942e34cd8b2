import { inTurn } from './in-turn.ts'
import { outlast } from './outlast.ts'
import type { Parts } from './parts.ts'
import { patience } from './patience.ts'
import { replace } from './replace.ts'
import type { TokenSet } from './tokens.ts'

/** How a session is ended. */
export interface SignOutOptions {
  /**
   * Tells the app's server. It runs while no refresh can, so that no late Set-Cookie revives the session. It is given the
   * tokens that end, to revoke them (RFC 7009). A guarded request that it makes before its first await, or with the
   * `signal` that it is given, carries them.
   */
  server?: (ended: { tokens: TokenSet | undefined; signal: AbortSignal }) => unknown
}

/** Ends the session, here at once, and tells its server while no refresh can run. */
export async function signOut(parts: Parts, { server }: SignOutOptions = {}): Promise<void> {
  const { known, running, settings } = parts
  // Then it has been answered: no cookie is to come.
  const { inside } = running
  const tell = () => known.tell()
  let stop: (() => void) | undefined
  try {
    const tokens = await replace(parts, { ended: 'signed-out' }, Boolean(server))
    if (!server) return
    if (inside) running.outdate(String(known.epoch), true)
    const logout = () => {
      // Whoever hears of it may go to another page, and cut it off.
      stop = patience(settings.clock, settings.deadline, tell)
      return outlast(parts, 'server', running.leave(tokens, server), undefined, settings.lease)
    }
    // A turn that is not to be had keeps nobody from signing out.
    await inTurn(parts, 'signOut', logout).catch((error) => {
      if (stop) throw error
      return logout()
    })
  } finally {
    stop?.()
    tell()
  }
}
