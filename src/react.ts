import { useEffect, useState, useSyncExternalStore } from 'react'
import { findSessionError, type SessionError } from './core/errors.ts'
import type { Session } from './core/session.ts'
import type { SessionState } from './core/state.ts'

/** What a component needs to know of a session. */
export interface SessionView {
  /** The session's state, without a token. */
  readonly state: SessionState
  /** Whether somebody is signed in; undefined as long as that is not known. */
  readonly signedIn: boolean | undefined
  /** Why it is not known yet, where a refresh has failed for now. It is tried again when `retryAt` has come. */
  readonly failure: SessionError | undefined
  /** `session.signOut`. */
  readonly signOut: Session['signOut']
}

/** Options of {@link useSession}. */
export interface UseSessionOptions {
  /**
   * What a server renders with, and the browser until it has taken the page over; the same for both. Needed only where the
   * server knows who is signed in: its `session.state`, which holds no token, comes with the page.
   * @default of a session of which nothing is known: `signedIn` is undefined
   */
  served?: SessionState | undefined
  /**
   * Whether to find out who is signed in, by a refresh, while nothing is known. With `false`, the first request does so.
   * @default true
   */
  ask?: boolean | undefined
}

const NOTHING_KNOWN: SessionState = Object.freeze({ status: 'unknown', refreshing: false, generation: 0 })

/** Milliseconds until a refresh is tried again that has failed without saying when. */
const PAUSE = 1_000

/**
 * A session in a component of React 18 or 19, which is rendered again when the state changes. Make the session once,
 * outside of components.
 *
 * Renders on a server, too, without asking anything there.
 *
 * @example
 * const { signedIn, signOut } = useSession(session)
 */
export function useSession(session: Session, options: UseSessionOptions = {}): SessionView {
  const { served = NOTHING_KNOWN, ask = true } = options
  const state = useSyncExternalStore(
    session.subscribe,
    () => session.state,
    () => served,
  )
  const { status } = state
  const [failure, setFailure] = useState<SessionError>()
  useEffect(() => {
    // What a server has rendered may be less than what is known here.
    if (!ask || status !== 'unknown' || session.state.status !== 'unknown') return undefined
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const find = async () => {
      try {
        await findOut(session, gone.signal)
        setFailure(undefined)
      } catch (error) {
        const problem = findSessionError(error)
        if (gone.signal.aborted || !problem) return
        setFailure(problem)
        if (problem.code === 'session_closed') return
        const pause = Math.max(PAUSE, (problem.retryAt ?? 0) - Date.now())
        timer = setTimeout(find, pause)
      }
    }
    void find()
    return () => {
      gone.abort()
      clearTimeout(timer)
    }
  }, [session, ask, status])
  const unknown = status === 'unknown' || status === 'restoring'
  return {
    state,
    signedIn: unknown ? undefined : status === 'signed-in',
    failure: unknown ? failure : undefined,
    signOut: session.signOut,
  }
}

/** Where it stays unknown, it rejects; in cookie mode nobody can see a token. */
async function findOut(session: Session, signal: AbortSignal): Promise<void> {
  if (session.transport.mode === 'cookie') await session.refresh({ signal })
  else await session.getAccessToken({ signal })
}
