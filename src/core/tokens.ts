import type { Clock } from './clock.ts'
import { say } from './messages.ts'

/** What a session holds. Members that we do not know are kept as they came. */
export interface TokenSet {
  /** Opaque: never parsed, but for `exp` and `iat` as a hint where nothing else tells the lifetime. */
  accessToken: string
  refreshToken?: string | undefined
  /** When the access token expires, in epoch milliseconds of this machine's clock. */
  expiresAt?: number | undefined
  /** When the set was received, in epoch milliseconds of this machine's clock. */
  receivedAt?: number | undefined
  /** When the refresh token expires, where the server has told, in epoch milliseconds of this machine's clock. */
  refreshExpiresAt?: number | undefined
  scope?: string | undefined
  /** The generation with which `update` has last replaced the set, where it has: refreshes keep it. */
  updateGeneration?: number | undefined
  [member: string]: unknown
}

interface PlainTokens {
  accessToken: string
  refreshToken?: string | null | undefined
  /** Lifetime in seconds, as in OAuth. It counts where the set has just been received. */
  expiresIn?: number | string | null | undefined
  /** Epoch milliseconds; a number below 1e11 is seconds, a text an ISO or HTTP date. */
  expiresAt?: number | string | Date | null | undefined
}

interface OAuthTokens {
  access_token: string
  refresh_token?: string | null | undefined
  /** Lifetime in seconds. It counts where the set has just been received. */
  expires_in?: number | string | null | undefined
  /** Epoch seconds; a number from 1e11 on is milliseconds, a text an ISO or HTTP date. */
  expires_at?: number | string | Date | null | undefined
  token_type?: string | null | undefined
}

/**
 * Token sets as people have them: a plain object, an OAuth token response (RFC 6749 §5.1), or a bare string.
 *
 * What says when the access token ends: `expires_in` or `expiresIn`; `expires_at`, `expiresAt`, `expires_on`, `exp`, `expiry`,
 * `expiration` or a name that begins with these two, as `expiry_date`; with `token_` or `access_token_` before it, too.
 * When the refresh token ends: `refresh_expires_in`, `refresh_token_expires_in`,
 * `x_refresh_token_expires_in`, `refresh_token_timeout` or `authorization_expires_in`; `refresh_expires_at` or
 * `refresh_token_expires_at`, `refresh_token_expiry` or `refresh_token_expiration` and what follows them; all of them in
 * camel case, too. The earliest counts, `null` is absent. Other members are kept as they come.
 */
export type TokenInput =
  | string
  | PlainTokens
  | OAuthTokens
  | ((PlainTokens | OAuthTokens) & { [member: string]: unknown })

/** What helps to read a token set. */
export interface ReadingAids {
  /** What the server's clock said when it answered, in epoch milliseconds. Undefined or NaN: not known. */
  readonly serverNow?: number | undefined
  /** A refresh token will do: the access token is the first thing that it is used for. */
  readonly alone?: boolean | undefined
  /** Hears what was passed over. */
  readonly told?: ((reason: string) => void) | undefined
}

const LIFETIMES = /^((access_?)?token_?)?expires?_?in(_?sec.*)?$/i
const ENDS = /^((access_?)?token_?)?exp(ires?_?(at|on)|ir(y|ation).*)?$/i
/** Keycloak; GitHub, LinkedIn, Microsoft; QuickBooks; draft-ietf-oauth-refresh-token-expiration-03 §6.1. Not `refresh_in`. */
const REFRESH_LIFETIMES = /^(x_)?(refresh|authorization).*(s_?in|timeout)$/i
const REFRESH_ENDS = /^refresh.*(s_?at|expir(y|at).*)$/i

/** A number below this is in seconds: as milliseconds it would be a time before March 1973. */
const SECONDS = 1e11

/** Times and lifetimes that are longer, in milliseconds, are none: the sum of two is still a date. */
const LONGEST = 1e15

/** `expires_at` and `exp` that are less than so many milliseconds apart say the same. */
const SAME = 60_000

/**
 * Reads a token set out of what somebody gave us.
 *
 * A set that has just been received is `fresh`: its lifetime counts from now, unless the server's clock says that it
 * began long before (a cache), and if it claims to have
 * expired already it is used until somebody refuses it, because a wrong clock must not loop. Of any other set
 * nobody knows when its lifetime began: there only a time counts, and it is believed.
 *
 * @throws TypeError that says what is wrong with it
 */
export function readTokens(
  input: unknown,
  clock: Clock,
  cookie: boolean,
  fresh: boolean,
  { serverNow, alone, told }: ReadingAids = {},
): TokenSet {
  const now = clock.now()
  const given = typeof input === 'string' ? { accessToken: input } : { ...(input as object) }
  const { access_token, refresh_token, accessToken, refreshToken, ...rest } = given as Record<string, unknown>
  const renewal = refresh_token ?? refreshToken
  const renewed = renewal && typeof renewal === 'string'
  /** It is over before it has begun. */
  const none = alone && renewed && (access_token ?? accessToken ?? undefined) === undefined
  const token = cookie || none ? '' : (access_token ?? accessToken)
  // Visible ASCII without spaces: anything else would break the header, or smuggle another one (RFC 9110 §5.5). JSON, and a
  // page, are no token: there may be a refresh token in it, which is none of the API's business.
  if (!cookie && !none && !(typeof token === 'string' && /^(?!["<[{])[!-~]+$/.test(token))) {
    throw new TypeError(say('token', input === undefined ? 'nothing' : token === '' ? 'blank' : typeof token))
  }
  // Absent, as some servers say it.
  if (rest.token_type === null) delete rest.token_type
  // These must not be sent without a proof (RFC 6749 §7.1). What others mean is between the app and its server.
  if (/^(mac|pop)$/i.test(rest.token_type as string)) throw new TypeError(say('scheme'))

  /** When it ends: by members with such names, else by a JWT. */
  function ending(lifetimes: RegExp, ends: RegExp, jwt: string): number | undefined {
    const lifetime = take(rest, lifetimes, told)
    let end = take(rest, ends, told, true)
    const { exp, iat } = claimsOf(jwt)
    const expiry = millisecondsOf(exp, true)
    // What has just come did not end in 1970: some write there how long it lasts, and in another unit.
    if (!(end >= (fresh ? SECONDS : 0))) end = expiry
    // On the server's clock, which may not be ours: it was issued just now, unless the server says what time it is.
    const then = serverNow || (Math.abs(end - expiry) < SAME && millisecondsOf(iat, true))
    if (fresh) end += now - (then || now)
    const known = end > (fresh ? now : -1)
    // A set from a cache, whose lifetime began before; or a JWT that lives shorter.
    const shorter = known && then && end < now + lifetime - SAME
    return fresh && lifetime && !shorter ? now + lifetime : known ? end : undefined
  }

  const end = ending(LIFETIMES, ENDS, token as string)
  const refreshExpiresAt = ending(REFRESH_LIFETIMES, REFRESH_ENDS, '')
  const tokens: TokenSet = Object.assign({}, rest, {
    accessToken: token as string,
    expiresAt: none ? 0 : end,
  })
  if (renewed) tokens.refreshToken = renewal
  // Who sends a refresh token tells its end, if it has one; else it is the former token's, which we know.
  if (renewed || refreshExpiresAt) tokens.refreshExpiresAt = refreshExpiresAt
  if (fresh) tokens.receivedAt = now
  return tokens
}

/** Takes the members with such names away, and gives the earliest lifetime or time of them; NaN where there is none. */
function take(
  from: Record<string, unknown>,
  names: RegExp,
  told: ReadingAids['told'],
  times?: boolean,
): number {
  let earliest = Number.NaN
  for (const [name, value] of Object.entries(from)) {
    if (!names.test(name)) continue
    delete from[name]
    const found = millisecondsOf(value, times)
    if (found >= 0) earliest = earliest < found ? earliest : found
    else if (value !== undefined && value !== null) told?.(say('time', name))
  }
  return earliest
}

/** The milliseconds of a lifetime in seconds, or of a time since the epoch; NaN where it is none. */
function millisecondsOf(value: unknown, time?: boolean): number {
  // `Number` would make a time of `true` and of nothing, and a date anything that has a number in it.
  const text = value instanceof Date ? value.toJSON() : typeof value === 'object' ? '' : String(value)
  const number =
    time && /^(\d{4}-|\w{3}, )/.test(text) ? Date.parse(text) : Number(text?.trim() || Number.NaN)
  const found = time && number >= SECONDS ? number : number * 1000
  return found >= 0 && found < LONGEST ? found : Number.NaN
}

/** The claims of a JWT. Nothing is verified: they are only a hint. */
export function claimsOf(token: string): Record<string, unknown> {
  const payload = token.split('.')[1]
  try {
    if (payload) return Object(JSON.parse(atob(payload.replace(/-/g, '+').replace(/_/g, '/'))))
  } catch {}
  return {}
}

/** From when on a JWT is good, in epoch milliseconds of its issuer's clock; NaN where it does not say. */
export function beginOf(token: string): number {
  const { iat, nbf = iat } = claimsOf(token)
  return millisecondsOf(nbf, true)
}
