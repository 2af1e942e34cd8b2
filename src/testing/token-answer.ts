import type { Answer } from './conversation.ts'
import type { IssuedTokens } from './token-ledger.ts'
import type { TokenRequest } from './token-request.ts'

const ATTRIBUTES = 'Path=/; HttpOnly; SameSite=Lax'
const NO_STORE = { 'cache-control': 'no-store' }

/** A successful answer of the token endpoint (RFC 6749 §5.1). */
export interface TokenResponse {
  access_token: string
  token_type: 'Bearer'
  /** Seconds. Absent with the option `expiresIn: false`. */
  expires_in?: number
  refresh_token: string
  scope: string
}

export function tokenResponse(issued: IssuedTokens, expiresIn: number | undefined): TokenResponse {
  return {
    access_token: issued.accessToken,
    token_type: 'Bearer',
    ...(expiresIn === undefined ? {} : { expires_in: expiresIn }),
    refresh_token: issued.refreshToken,
    scope: 'api',
  }
}

/**
 * Hands tokens out the way the client asked: `/token` in the body alone; the routes for browsers with the
 * refresh token in an HttpOnly cookie, and in the body only for clients that have no such cookie. A refresh
 * token that stays the same is not mentioned (RFC 6749 §6).
 */
export function tokenAnswer(
  { conversation, cookie }: TokenRequest,
  response: TokenResponse,
  rotated = true,
): Answer {
  const { access_token, refresh_token, ...rest } = response
  const inCookie =
    conversation.path !== '/token' && (cookie || conversation.cookie('refresh_token') !== undefined)
  const body = {
    ...(cookie ? {} : { access_token }),
    ...rest,
    ...(rotated && !inCookie ? { refresh_token } : {}),
  }
  if (conversation.path === '/token') return { headers: NO_STORE, body }
  const cookies = rotated ? [`refresh_token=${refresh_token}; ${ATTRIBUTES}`] : []
  if (cookie) cookies.push(`access_token=${access_token}; ${ATTRIBUTES}`)
  return { headers: { ...NO_STORE, 'set-cookie': cookies }, body }
}

/** `/token` says 400 as RFC 6749 §5.2 has it; an app's own `/refresh` usually says 401. */
export function invalidGrant({ conversation }: TokenRequest): Answer {
  return {
    status: conversation.path === '/token' ? 400 : 401,
    headers: NO_STORE,
    body: { error: 'invalid_grant' },
  }
}

export const REMOVED_COOKIES: readonly string[] = ['refresh_token', 'access_token'].map(
  (name) => `${name}=; ${ATTRIBUTES}; Max-Age=0`,
)
