/**
 * Why a session could not serve a request.
 *
 * - `session_expired`: the authorization server refused the refresh; the user must sign in again.
 * - `refresh_failed`: no new token for now (network, 5xx, a misconfigured client); the tokens are kept.
 * - `refresh_timeout`: the refresh was not answered within `deadline`; it goes on.
 * - `refresh_loop`: new tokens keep being refused; see the `budget` option.
 * - `step_up_required`: the API wants a stronger, or a newer, authentication (RFC 9470); see `acr_values` and `max_age`.
 * - `session_changed`: somebody signed in or out, or `update` was called, while the request waited or was on its way.
 * - `session_closed`: `session.close()` was called.
 * - `not_replayable`: the body was consumed by the first send; only ever a `cause`.
 */
export type SessionErrorCode =
  | 'session_expired'
  | 'refresh_failed'
  | 'refresh_timeout'
  | 'refresh_loop'
  | 'step_up_required'
  | 'session_changed'
  | 'session_closed'
  | 'not_replayable'

/** Details that some session errors carry. */
export interface SessionErrorDetails {
  /** What went wrong underneath: name, message, code and status, never the request or its tokens. */
  cause?: unknown
  /** When the next refresh may be tried, in epoch milliseconds. Only on `refresh_failed`. */
  retryAt?: number
  /** Which authentication the API wants, the best first (RFC 9470 §3). Only on `step_up_required`. */
  acr_values?: string | undefined
  /** How many seconds ago it may have been at most. Only on `step_up_required`. */
  max_age?: string | undefined
}

/**
 * An error of the session, told apart by its `code`. It carries no request and no token.
 *
 * Throw `new SessionError('session_expired', 'no refresh token')` inside `refresh` to say that there is
 * nothing to refresh with.
 */
export class SessionError<Code extends SessionErrorCode = SessionErrorCode> extends Error {
  readonly code: Code
  declare readonly retryAt?: number
  declare readonly acr_values?: string
  declare readonly max_age?: string

  constructor(code: Code, message: string = code, { cause, ...details }: SessionErrorDetails = {}) {
    super(message, cause ? { cause } : undefined)
    this.name = 'SessionError'
    this.code = code
    Object.assign(this, details)
  }
}

const CODES =
  /^(step_up_required|session_(expired|changed|closed)|refresh_(failed|timeout|loop)|not_replayable)$/

/** Where clients, stores and query libraries keep what they were told. */
const PLACES = 'cause response error data meta payload networkError reason errors 0'.split(' ')

/**
 * The session error behind `error`: the error itself, the nearest one in what it holds (`cause`, `response`, `error`,
 * `data`, `meta`, `payload`, `networkError`, `reason`, the first of `errors`), or the reason why a response that it holds (or is) is a 401.
 *
 * Also when it was made in another realm or by another copy of this package, or is the plain object that a
 * serialisation has left of it. Where that dropped the code (Comlink), `code` is `undefined`.
 *
 * @param code finds it only where it is this one
 */
export function findSessionError<Code extends SessionErrorCode = SessionErrorCode>(
  error: unknown,
  code?: Code,
): SessionError<Code> | undefined {
  const found = nearest(error)
  return code === undefined || found?.code === code ? (found as SessionError<Code> | undefined) : undefined
}

function nearest(error: unknown): SessionError | undefined {
  // What is added to a set is visited, too: the nearest first, each once.
  const seen = new Set([error])
  for (const object of seen) {
    for (const place of PLACES) {
      try {
        // A proxy may hold others without end.
        if (seen.size < 99) seen.add((object as Record<string, unknown>)[place])
        const { name, code, cause } = object as SessionError
        // A name with a code of somebody else is not ours, and neither is our code under another name: APIs say
        // `session_expired`, too. Axios does not; of an error that was never sent it is all that a serialisation leaves.
        if (
          name === 'SessionError'
            ? !code || CODES.test(code)
            : name === 'AxiosError' && !cause && CODES.test(code)
        )
          return object as SessionError
      } catch {
        // It is nothing, or does not want to be looked at.
      }
    }
  }
  return undefined
}

/** Nothing has it: or other errors, too, would be of that type, and nothing were left of those that are not ours. */
declare const behind: unique symbol

/** What was caused by a session error: an error of a client, or a response that is a 401. Its `code` is its own. */
export interface CausedBySession {
  readonly name?: string
  readonly message?: string
  readonly code?: string | undefined
  readonly cause?: unknown
  readonly [behind]: true
}

/**
 * Whether `error` is a session error or was caused by one. `findSessionError` gives it.
 *
 * @example
 * if (isSessionError(error, 'session_expired')) location.assign('/login')
 */
export function isSessionError<Code extends SessionErrorCode = SessionErrorCode>(
  error: unknown,
  code?: Code,
): error is SessionError<Code> | CausedBySession {
  return findSessionError(error, code) !== undefined
}
