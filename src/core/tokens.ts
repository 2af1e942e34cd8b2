import { type Clock, countdown } from './clock.ts'

/** What a session holds. Members that we do not know are kept as they came. */
export interface TokenSet {
  /** Opaque: never parsed, but for `exp` and `iat` as a hint where nothing else tells the lifetime. */
  accessToken: string
  refreshToken?: string | undefined
  /** When the access token expires, in epoch milliseconds of this machine's clock. */
  expiresAt?: number | undefined
  /** When the set was received, in epoch milliseconds of this machine's clock. */
  receivedAt?: number | undefined
  scope?: string | undefined
  [member: string]: unknown
}

interface PlainTokens {
  accessToken: string
  refreshToken?: string | undefined
  /** Lifetime in seconds, as in OAuth. */
  expiresIn?: number | string | undefined
  /** Epoch milliseconds. */
  expiresAt?: number | undefined
}

interface OAuthTokens {
  access_token: string
  refresh_token?: string | undefined
  expires_in?: number | string | undefined
  token_type?: string | undefined
}

/**
 * Token sets as people have them: a plain object, an OAuth token response (RFC 6749 §5.1), or a bare string.
 * Other members are kept as they come.
 */
export type TokenInput =
  | string
  | PlainTokens
  | OAuthTokens
  | ((PlainTokens | OAuthTokens) & { [member: string]: unknown })

/**
 * Reads a token set out of what somebody gave us. What it does not name (refresh token, scope) is kept from
 * the previous one (RFC 6749 §6).
 *
 * A set that has just been received is `fresh`: its lifetime counts from now, and if it claims to have
 * expired already it is used until somebody refuses it, because a wrong clock must not loop. Any other set
 * is believed.
 *
 * @throws TypeError that says what is wrong with it
 */
export function readTokens(
  input: unknown,
  { now }: Clock,
  cookie: boolean,
  fresh: boolean,
  previous?: TokenSet | undefined,
): TokenSet {
  const given = typeof input === 'string' ? { accessToken: input } : { ...(input as object) }
  const {
    access_token,
    refresh_token,
    expires_in,
    accessToken,
    refreshToken,
    expiresIn,
    expiresAt,
    ...rest
  } = given as Record<string, unknown>
  const token = cookie ? '' : (access_token ?? accessToken)
  // Visible ASCII without spaces: anything else would break the header, or smuggle another one (RFC 9110 §5.5).
  if (!cookie && !(typeof token === 'string' && /^[!-~]+$/.test(token))) {
    throw new TypeError(
      `expected an access token, got ${input === undefined ? 'nothing: is a return missing?' : token === '' ? 'an empty string' : typeof token}`,
    )
  }
  if (!/^(bearer|dpop|undefined)$/i.test(String(rest.token_type)))
    throw new TypeError('expected token_type Bearer')
  const tokens: TokenSet = { ...previous, ...rest, accessToken: token as string, expiresAt: undefined }
  const renewal = refresh_token ?? refreshToken
  if (renewal && typeof renewal === 'string') tokens.refreshToken = renewal
  if (fresh) tokens.receivedAt = now()
  const seconds = Number(expires_in ?? expiresIn ?? Number.NaN)
  const hint = seconds || expiresAt ? {} : jwtTimes(tokens.accessToken)
  const lifetime = 1000 * (seconds || (fresh ? Number(hint.exp) - Number(hint.iat) : Number.NaN))
  const end = lifetime ? now() + lifetime : Number(expiresAt ?? Number(hint.exp) * 1000)
  if (Number.isFinite(end) && (end > now() || !fresh)) tokens.expiresAt = end
  return tokens
}

/** The claims of a JWT, of which `exp` and `iat` are of use. Nothing is verified: it is only a hint. */
function jwtTimes(token: string): { exp?: unknown; iat?: unknown } {
  try {
    return Object(JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/'))))
  } catch {
    return {}
  }
}

/** When a token set should, and when it must be refreshed. */
export interface Windows {
  /** Milliseconds before the end at which a background refresh starts. */
  refreshAhead?: number | undefined
  /** Milliseconds before the end from which on requests wait. */
  leeway?: number | undefined
}

/** A token set's place in time, in milliseconds. */
export interface Validity {
  /** Until the access token expires. */
  left(): number
  /** With less than this left, a refresh starts in the background. */
  readonly soft: number
  /** With less than this left, requests wait. */
  readonly hard: number
}

/**
 * Follows a token set's time on both clocks: the wall clock sees the machine sleep, the monotonic one sees
 * through a wall clock that was set back. A set that does not say when it ends is good until it is refused.
 */
export function validityOf(
  tokens: TokenSet | undefined,
  { refreshAhead, leeway }: Windows,
  clock: Clock,
): Validity {
  const end = tokens?.expiresAt
  if (end === undefined) return { left: () => Number.POSITIVE_INFINITY, soft: 0, hard: 0 }
  const now = clock.now()
  const lifetime = Math.max(end - (tokens?.receivedAt ?? now), 0)
  // A window wider than the token's life would make every new token set look old.
  const hard = Math.min(leeway ?? 5_000, leeway === undefined ? lifetime / 20 : lifetime / 2)
  const ahead = Math.min(refreshAhead ?? 60_000, refreshAhead === undefined ? lifetime / 5 : lifetime / 2)
  return {
    left: countdown(clock, Math.min(end - now, lifetime), end),
    soft: Math.max(hard, ahead * (1 - clock.random() / 5)),
    hard,
  }
}
