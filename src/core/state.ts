import type { Stored } from './store.ts'

/** What anybody may know of a session: frozen, replaced when something changes, and never with a token in it. */
export interface SessionState {
  /**
   * `restoring` while the store is read; `unknown` where it holds nothing (a refresh cookie may still sign
   * the user in); otherwise `signed-in` or `signed-out`.
   */
  readonly status: 'unknown' | 'restoring' | 'signed-in' | 'signed-out'
  /** Whether a refresh is running. */
  readonly refreshing: boolean
  /** Grows with every new token set of one sign-in; 0 while nothing is known. Without meaning when signed out. */
  readonly generation: number
  /** When the access token expires, in epoch milliseconds, where that is known. */
  readonly expiresAt?: number | undefined
}

/** The state that follows from what is known: nothing else is ever said about a session. */
export function stateOf(record: Stored | undefined, reading: boolean, refreshing: boolean): SessionState {
  return Object.freeze({
    status: reading ? 'restoring' : record?.ended ? 'signed-out' : record?.tokens ? 'signed-in' : 'unknown',
    refreshing,
    generation: record?.version.generation ?? 0,
    expiresAt: record?.tokens?.expiresAt,
  })
}
