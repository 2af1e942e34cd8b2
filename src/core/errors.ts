/**
 * Why a session could not serve a request.
 *
 * - `session_expired`: the authorization server refused the refresh; the user must sign in again.
 * - `refresh_failed`: no new token for now (network, 5xx, a misconfigured client); the tokens are kept.
 * - `refresh_timeout`: the refresh was not answered within `deadline`; it goes on.
 * - `refresh_loop`: new tokens keep being refused; see the `budget` option.
 * - `session_changed`: somebody signed in or out while the request waited.
 * - `session_closed`: `session.close()` was called.
 * - `not_replayable`: the body was consumed by the first send; only ever a `cause`.
 */
export type SessionErrorCode =
  | 'session_expired'
  | 'refresh_failed'
  | 'refresh_timeout'
  | 'refresh_loop'
  | 'session_changed'
  | 'session_closed'
  | 'not_replayable'

/** Details that some session errors carry. */
export interface SessionErrorDetails {
  /** What went wrong underneath: name, message, code and status, never the request or its tokens. */
  cause?: unknown
  /** When the next refresh will be tried, in epoch milliseconds. Only on `refresh_failed`. */
  retryAt?: number
}

/**
 * An error of the session, told apart by its `code`. It carries no request and no token.
 *
 * Throw `new SessionError('session_expired', 'no refresh token')` inside `refresh` to say that there is
 * nothing to refresh with.
 */
export class SessionError extends Error {
  readonly code: SessionErrorCode
  readonly retryAt?: number

  constructor(code: SessionErrorCode, message: string, { cause, retryAt }: SessionErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'SessionError'
    this.code = code
    if (retryAt !== undefined) this.retryAt = retryAt
  }
}

/**
 * The session error behind `error`: the error itself or one in its chain of causes, also when it was made
 * in another realm or by another copy of this package.
 */
export function findSessionError(error: unknown): SessionError | undefined {
  for (let depth = 0; depth < 8 && typeof error === 'object' && error !== null; depth++) {
    if ((error as Error).name === 'SessionError') return error as SessionError
    error = (error as Error).cause
  }
  return undefined
}

/**
 * Whether `error` is a session error or was caused by one.
 *
 * @example
 * if (isSessionError(error, 'session_expired')) location.assign('/login')
 */
export function isSessionError(error: unknown, code?: SessionErrorCode): boolean {
  const found = findSessionError(error)
  return found !== undefined && (code === undefined || found.code === code)
}

/**
 * What may be told of a foreign error: a refresh that failed often holds the refresh token in its request,
 * and a `cause` is printed by every logger.
 */
export function withoutSecrets(error: unknown): Error {
  const { name, message, stack, code, status, cause } = Object(error) as Error & {
    code?: unknown
    status?: unknown
  }
  const plain = new Error(message ?? String(error)) as Error & { code?: unknown; status?: unknown }
  plain.name = name ?? 'Error'
  if (stack) plain.stack = stack
  const known = code ?? (cause as { code?: unknown } | undefined)?.code
  if (known !== undefined) plain.code = known
  if (typeof status === 'number') plain.status = status
  return plain
}
