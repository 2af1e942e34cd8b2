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
  /**
   * Names the sign-in: no token, and no user, but another one for each sign-in, in whichever tab it was made. What was
   * loaded under another name, or under none, may be another user's. Undefined while nobody is known to be signed in.
   */
  readonly signIn?: string | undefined
  /** When the access token expires, in epoch milliseconds, where that is known. */
  readonly expiresAt?: number | undefined
  /**
   * When the session itself ends, in epoch milliseconds, where the server has told: its refresh token expires. A refresh
   * may bring a later one.
   */
  readonly sessionEndsAt?: number | undefined
}

interface Facts {
  readonly record: Stored | undefined
  readonly generation: number
  readonly reading: boolean
}

interface Refreshing {
  readonly flight: unknown
}

/** Those of a session's parts that it is made of. */
export interface Shown {
  readonly known: Facts
  readonly running: Refreshing
}

/** The state that follows from what is known: nothing else is ever said about a session. */
export function stateOf({ known: { record, generation, reading }, running }: Shown): SessionState {
  return Object.freeze({
    status: reading ? 'restoring' : record?.ended ? 'signed-out' : record?.tokens ? 'signed-in' : 'unknown',
    refreshing: running.flight !== undefined,
    generation,
    signIn: record?.tokens && record.version.epoch,
    expiresAt: record?.tokens?.expiresAt,
    sessionEndsAt: record?.tokens?.refreshExpiresAt,
  })
}

/** Whether two states say the same. */
export function isSame(state: SessionState, other: SessionState): boolean {
  const names = Object.keys(state) as (keyof SessionState)[]
  return names.every((name) => state[name] === other[name])
}
