import type { Context } from './context.ts'
import type { SessionErrorCode } from './errors.ts'

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

/** Why a refresh was started. */
export type RefreshReason =
  /** Nothing is known of the session yet. */
  | 'unknown'
  /** The access token has expired, or is about to. */
  | 'expired'
  /** It will expire soon; requests do not wait. */
  | 'ahead'
  /** The API answered 401. */
  | 'rejected'
  /** `session.refresh()` or `getAccessToken({ minValidity })`. */
  | 'forced'

/** Why a request went out as it was, without the session's care. */
export type IgnoreReason =
  /** `session: false`. */
  | 'opted-out'
  /** The `skip` option. */
  | 'skipped'
  /** The URL's origin is not on the list. */
  | 'foreign-origin'
  /** The caller set credentials that are none of this session's. */
  | 'own-credentials'
  /** It is part of the refresh. */
  | 'refresh'
  /** A redirect led to another origin, and that one answered 401. */
  | 'foreign-answer'

/** A request as observers see it. */
export interface RequestInfo {
  /** Counts up within one session. */
  readonly id: number
  readonly method: string
  /** Without query and fragment. */
  readonly url: string
  /** How often it has been sent. */
  readonly attempt: number
  /** The generation it was last sent with. */
  readonly generation: number
}

/** What happened to a request; told apart by `type`. */
export type RequestNews =
  | { readonly type: 'request-held' | 'request-sent' | 'request-replayed' | 'request-recalled' }
  | { readonly type: 'request-ignored'; readonly reason: IgnoreReason }
  | {
      readonly type: 'request-rejected'
      readonly status: number
      /** WWW-Authenticate, for `parseChallenges`: `acr_values` and `max_age` of a step-up are there (RFC 9470). */
      readonly challenge: string
    }
  | {
      readonly type: 'request-settled'
      /** Whether the caller's promise was fulfilled. */
      readonly ok: boolean
      /** 0 where nothing was answered. */
      readonly status: number
      readonly code: SessionErrorCode | undefined
    }

/** How a token set came: by our refresh, by that of another tab or process, by `update()`, by `signIn()`, or from the store. */
export type Arrival = 'refresh-succeeded' | 'refresh-adopted' | 'updated' | 'signed-in' | 'restored'

/** What happened to the session; told apart by `type`. */
export type SessionNews =
  | { readonly type: 'refresh-started' | 'refresh-joined'; readonly reason: RefreshReason }
  | { readonly type: Arrival }
  | {
      readonly type: 'refresh-failed'
      readonly code: SessionErrorCode
      readonly message: string
      readonly retryAt: number | undefined
    }
  | { readonly type: 'signed-out'; readonly reason: 'signed-out' | 'rejected' }
  /** Something no longer holds, for example the persistence of tokens. */
  | { readonly type: 'degraded'; readonly reason: string }

/** What observers get: what happened, when (epoch milliseconds), and the state after it. */
export type SessionEvent = (SessionNews | (RequestNews & { readonly request: RequestInfo })) & {
  readonly at: number
  readonly state: SessionState
}

/** The state that follows from what is known: nothing else is ever said about a session. */
export function stateOf({
  record,
  restoring,
  flight,
}: Pick<Context, 'record' | 'restoring' | 'flight'>): SessionState {
  return Object.freeze({
    status: restoring ? 'restoring' : record?.ended ? 'signed-out' : record?.tokens ? 'signed-in' : 'unknown',
    refreshing: flight !== undefined,
    generation: record?.version.generation ?? 0,
    expiresAt: record?.tokens?.expiresAt,
  })
}
