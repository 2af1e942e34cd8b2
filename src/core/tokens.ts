import type { Clock } from './clock.ts'

/** What a session holds. Members that we do not know are kept as they came. */
export interface TokenSet {
  /** Opaque: never parsed, but for `exp` and `iat` as a hint where nothing else tells the lifetime. */
  accessToken: string
  refreshToken?: string
  /** When the access token expires, in epoch milliseconds of this machine's clock. */
  expiresAt?: number
  /** When the set was received, in epoch milliseconds of this machine's clock. */
  receivedAt?: number
  scope?: string
  [member: string]: unknown
}

/** Token sets as people have them: a plain object, an OAuth token response (RFC 6749 §5.1), or a bare string. */
export type TokenInput =
  | string
  | {
      accessToken: string
      refreshToken?: string | undefined
      /** Lifetime in seconds, as in OAuth. */
      expiresIn?: number | string | undefined
      /** Epoch milliseconds. */
      expiresAt?: number | undefined
      [member: string]: unknown
    }
  | {
      access_token: string
      refresh_token?: string | undefined
      expires_in?: number | string | undefined
      token_type?: string | undefined
      [member: string]: unknown
    }

/** How {@link readTokens} reads. */
export interface ReadTokensOptions {
  clock: Clock
  /**
   * The set has just been received: its lifetime counts from now, and a set that claims to have expired
   * already is used until somebody refuses it (a wrong clock must not loop). A set from elsewhere is believed.
   */
  fresh: boolean
  /** In cookie mode the access token is in an HttpOnly cookie that no script sees. */
  cookie?: boolean
  /** Refresh token, scope and the like are kept from here where the new set does not name them (RFC 6749 §6). */
  previous?: TokenSet | undefined
}

/**
 * Reads a token set out of what somebody gave us.
 *
 * @throws TypeError that says what is wrong with it
 */
export function readTokens(input: unknown, { clock, fresh, cookie, previous }: ReadTokensOptions): TokenSet {
  if (cookie && !isObject(input)) input = {}
  if (typeof input === 'string') input = { accessToken: input }
  if (!isObject(input)) {
    throw new TypeError(
      `expected a token set, got ${input === undefined ? 'nothing: is a `return` missing?' : Array.isArray(input) ? 'an array' : String(input)}`,
    )
  }
  const {
    access_token,
    refresh_token,
    expires_in,
    accessToken,
    refreshToken,
    expiresIn,
    expiresAt,
    ...rest
  } = { ...input }
  const token = cookie ? '' : (access_token ?? accessToken)
  // Visible ASCII without spaces: whatever else gets into a header breaks it, or the next one (RFC 9110 §5.5).
  if (!cookie && !(typeof token === 'string' && /^[\x21-\x7e]+$/.test(token))) {
    throw new TypeError(
      `expected an access token of visible ASCII characters, got ${token === '' ? 'an empty string' : typeof token === 'string' ? 'other characters' : typeof token}`,
    )
  }
  if (typeof rest.token_type === 'string' && !/^(bearer|dpop)$/i.test(rest.token_type)) {
    throw new TypeError(`expected token_type Bearer or DPoP, got ${rest.token_type.slice(0, 20)}`)
  }
  const now = clock.now()
  const tokens: TokenSet = { ...previous, ...rest, accessToken: token as string }
  delete tokens.expiresAt
  const renewal = refresh_token ?? refreshToken
  if (typeof renewal === 'string' && renewal) tokens.refreshToken = renewal
  if (fresh) tokens.receivedAt = now
  const seconds = Number(expires_in ?? expiresIn ?? Number.NaN)
  const hint =
    Number.isNaN(seconds) && typeof expiresAt !== 'number' ? jwtTimes(tokens.accessToken) : undefined
  const lifetime =
    seconds * 1000 || (fresh && hint?.iat !== undefined ? (hint.exp - hint.iat) * 1000 : Number.NaN)
  const end = lifetime ? now + lifetime : typeof expiresAt === 'number' ? expiresAt : hint && hint.exp * 1000
  if (end !== undefined && Number.isFinite(end) && (end > now || !fresh)) tokens.expiresAt = end
  return tokens
}

/** `exp` and `iat` of a JWT, in seconds; undefined where it is none. Nothing is verified: it is only a hint. */
function jwtTimes(token: string): { exp: number; iat?: number } | undefined {
  try {
    const { exp, iat } = JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/')))
    return typeof exp === 'number' ? (typeof iat === 'number' ? { exp, iat } : { exp }) : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** When a token set should, and when it must be refreshed. */
export interface Windows {
  /** Milliseconds before the end at which a background refresh starts. */
  refreshAhead?: number | undefined
  /** Milliseconds before the end from which on requests wait. */
  leeway?: number | undefined
}

/** How far a token set is from its end. */
export type Freshness = 'fresh' | 'soft' | 'expired'

/** A token set's place in time. */
export interface Validity {
  /** Milliseconds until the access token expires. */
  left(): number
  freshness(): Freshness
  /** Milliseconds until the soft window begins. */
  untilSoft(): number
}

/**
 * Follows a token set's time on both clocks: the wall clock sees the machine sleep, the monotonic one sees
 * through a wall clock that was set back. Undefined where the set does not say when it ends.
 */
export function validityOf(
  tokens: TokenSet | undefined,
  windows: Windows,
  clock: Clock,
): Validity | undefined {
  const end = tokens?.expiresAt
  if (!tokens || end === undefined) return undefined
  const now = clock.now()
  const lifetime = Math.max(end - (tokens.receivedAt ?? now), 0)
  const monotonicEnd = clock.monotonic() + Math.min(end - now, lifetime)
  // A window wider than the token's life would make every new token set look old.
  const half = lifetime / 2
  const hard = Math.min(windows.leeway ?? Math.min(5_000, lifetime / 20), half)
  const ahead = Math.min(windows.refreshAhead ?? Math.min(60_000, lifetime / 5), half)
  const soft = Math.max(hard, ahead * (1 - clock.random() / 5))
  const left = () => Math.min(end - clock.now(), monotonicEnd - clock.monotonic())
  return {
    left,
    untilSoft: () => left() - soft,
    freshness() {
      const rest = left()
      return rest > soft ? 'fresh' : rest > hard ? 'soft' : 'expired'
    },
  }
}
