import type { Challenge } from './challenge.ts'
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
  /** Grows with every new token set of one sign-in; 0 before the first. */
  readonly generation: number
  /** When the access token expires, in epoch milliseconds, where that is known. */
  readonly expiresAt?: number
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
}

interface TokenNews {
  readonly generation: number
  readonly expiresAt?: number
}

interface RequestNews {
  readonly request: RequestInfo
}

/** What happened; told apart by `type`. */
export type SessionNews =
  | ({
      readonly type: 'request-sent' | 'request-replayed'
      readonly generation: number
      readonly attempt: number
    } & RequestNews)
  | ({ readonly type: 'request-held' } & RequestNews)
  | ({ readonly type: 'request-ignored'; readonly reason: IgnoreReason } & RequestNews)
  | ({
      readonly type: 'request-rejected'
      readonly status: number
      readonly generation: number
      /** The parsed WWW-Authenticate header: `acr_values` and `max_age` of a step-up are here (RFC 9470). */
      readonly challenges: readonly Challenge[]
    } & RequestNews)
  | ({ readonly type: 'request-recalled'; readonly generation: number } & RequestNews)
  | ({
      readonly type: 'request-settled'
      readonly ok: boolean
      readonly status: number
      readonly code?: SessionErrorCode
    } & RequestNews)
  | {
      readonly type: 'refresh-started' | 'refresh-joined'
      readonly reason: RefreshReason
      readonly generation: number
    }
  /** A token set that came by `session.update()`. */
  | ({ readonly type: 'updated' } & TokenNews)
  /** Somebody else has refreshed: another tab, process or session object. */
  | ({ readonly type: 'refresh-adopted' } & TokenNews)
  | ({ readonly type: 'refresh-succeeded' } & TokenNews)
  | {
      readonly type: 'refresh-failed'
      readonly code: SessionErrorCode
      readonly message: string
      readonly retryAt?: number
    }
  | ({ readonly type: 'signed-in' } & TokenNews)
  | { readonly type: 'signed-out'; readonly reason: 'signed-out' | 'rejected' }
  /** The store has been read and holds nothing. */
  | { readonly type: 'nothing-stored' }
  /** Something no longer holds, for example the persistence of tokens. */
  | { readonly type: 'degraded'; readonly reason: string }

/** What observers get: what happened, and when, in epoch milliseconds. */
export type SessionEvent = SessionNews & { readonly at: number }

/** The state after `news`; the same object where nothing of it changes. */
export function transition(state: SessionState, news: SessionNews): SessionState {
  switch (news.type) {
    case 'signed-in':
    case 'updated':
    case 'refresh-adopted':
    case 'refresh-succeeded': {
      const { generation, expiresAt } = news
      return settle({
        status: 'signed-in',
        refreshing: false,
        generation,
        ...(expiresAt !== undefined && { expiresAt }),
      })
    }
    case 'signed-out':
      return settle({ status: 'signed-out', refreshing: false, generation: 0 })
    case 'nothing-stored':
      return settle({ ...state, status: 'unknown' })
    case 'refresh-started':
      return settle({ ...state, refreshing: true })
    case 'refresh-failed':
      return settle({ ...state, refreshing: false })
    default:
      return state
  }
}

const settle = (state: SessionState): SessionState => Object.freeze(state)
