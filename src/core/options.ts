import { type Clock, systemClock } from './clock.ts'
import { say } from './messages.ts'
import { checkOptions } from './mistakes.ts'
import type { IsTerminal } from './outcome.ts'
import type { Credentials, CredentialTarget, Sent, SessionResponse } from './request.ts'
import type { SessionStore } from './store.ts'
import type { TokenInput, TokenSet } from './tokens.ts'

/** What the user's `refresh` function is given. */
export interface RefreshContext {
  /** The token set to renew. Undefined before the first one, and in cookie mode. */
  tokens: TokenSet | undefined
  /** Aborts when the session is closed or the lease ends, nowhere else: the answer may hold the only valid refresh token. */
  signal: AbortSignal
  /** Tells observers, once for each reason, that something does not hold: a `degraded` event. */
  warn: (reason: string) => void
}

/** What `refresh` may return; anything else is an error that says so. */
export type RefreshResult =
  /** The answer of a fetch, ok or not. Its body is read, and what it means for the session is worked out. */
  | Response
  /** The answer of axios. */
  | { status: number; headers: unknown; data?: unknown }
  | TokenInput
  /** Only in cookie mode. */
  | undefined

/** A token set, or the refresh token that the first one is to be had for. */
export type FirstTokens = TokenInput | { refreshToken: string } | { refresh_token: string }

/** How many refreshes may cure nothing, and in which time. */
export interface BudgetOptions {
  /** @default 5 */
  refreshes?: number
  /** Milliseconds. @default 30_000 */
  within?: number
}

/** Who is signed in at the beginning: `null` is nobody, `undefined` is not known. */
export type InitialTokens = FirstTokens | null | undefined

/** Options of `createSession`. Times are in milliseconds. */
export interface SessionOptions {
  /**
   * Obtains the next token set. It is called by one context at a time; what it throws or returns is
   * classified: `invalid_grant` and its like, 401, 400, and 403 in words of its own end the session; network
   * errors, 429, 5xx and HTML pages do not. Whichever client it uses, it hands over all that it has got.
   */
  refresh: (context: RefreshContext) => RefreshResult | Promise<RefreshResult>
  /**
   * `token`: the access token is known here and applied to requests. `cookie`: it is an HttpOnly cookie that
   * the browser sends by itself; then `refresh` need not return anything.
   * @default 'token'
   */
  mode?: 'token' | 'cookie' | undefined
  /**
   * What to begin with, where the store holds no record, or one that a server has refused: a token set, or a refresh
   * token alone. `null` says that nobody is signed in; without it, or where it is `undefined`, the session asks `refresh`
   * before the first request.
   *
   * Also a promise of it, or a function, which is asked once, and only where the store has nothing better. Where that
   * fails, nobody is taken for signed out: whoever needs a token asks the function again, or gets `refresh_failed`.
   */
  tokens?: InitialTokens | Promise<InitialTokens> | (() => InitialTokens | Promise<InitialTokens>)
  /** Where the record lives. The session closes it when it is closed itself. @default memoryStore() */
  store?: SessionStore | undefined
  /**
   * How long before its end the access token is refreshed in the background, while requests still go out
   * with it; jittered by up to a fifth, and at most half of the token's lifetime.
   * @default the smaller of 60_000 and 20 % of the lifetime
   */
  refreshAhead?: number | undefined
  /** How long before its end the access token is not used any more. @default the smaller of 5_000 and 5 % of the lifetime */
  leeway?: number | undefined
  /** How long a request waits for a refresh, before it rejects with `refresh_timeout`. The refresh goes on. @default 10_000 */
  deadline?: number | undefined
  /**
   * How long a refresh may stay unanswered until it is given up and another may be tried.
   * @default 60_000, or the `deadline` where that is longer
   */
  lease?: number | undefined
  /** How often a refresh that failed for now (and did not spend the refresh token) is tried again at once. @default 2 */
  retries?: number | undefined
  /** How many refreshes that cure nothing are made in which time. @default 5 within 30_000 */
  budget?: BudgetOptions | undefined
  /**
   * What becomes of GET, HEAD and OPTIONS that have no answer yet when a 401 has shown that their token is no good.
   * `race`: once there is a new token they are sent again with it, and the first good answer of the two is taken. `safe`:
   * the same, and where the refresh takes long, they are aborted before, and sent again after it; they would block the
   * connections that it needs. `none`: they are left alone until they are answered.
   * @default 'safe' in browsers, 'race' elsewhere
   */
  recall?: 'safe' | 'race' | 'none' | undefined
  /** How long a refresh must have been unanswered before requests are recalled. @default 250 */
  recallAfter?: number | undefined
  /** How often a request is sent again after a 401 of its own. @default 1 */
  replays?: number | undefined
  /**
   * Refreshes before the access token expires, and before the refresh token does where its end is known, even when there
   * are no requests.
   * @default false
   */
  keepFresh?: boolean | undefined
  /**
   * How long before the session itself ends (its refresh token expires, where the server has told when) observers get
   * `session-ending`: people must be able to ask for more time (WCAG 2.2.1). At most half of the time that the session had.
   * @default 300_000
   */
  endingNotice?: number | undefined
  /** Requests that the session leaves alone, for example the login: `(url) => url.endsWith('/login')`. */
  skip?: ((url: string, method: string) => boolean) | undefined
  /**
   * Looks at every response: `true` asks for a refresh and a replay, `false` for none, `undefined` leaves it
   * to the default rule (a 401 whose challenge a new token would cure). `outcome` is what the client's own promise
   * was settled with, for example an AxiosResponse or an AxiosError; `sent` says with which token it was sent, and when.
   */
  shouldRefresh?:
    | ((
        response: SessionResponse,
        outcome: unknown,
        sent: Sent,
      ) => boolean | undefined | Promise<boolean | undefined>)
    | undefined
  /**
   * Gets tokens that a refresh has brought when the user had signed out: nobody has them, and the server thinks them
   * good. What it throws is its own affair.
   */
  revoke?: ((late: { tokens: TokenSet }) => unknown) | undefined
  /** Whether a failed refresh ends the session; `undefined` leaves it to the default rule. */
  isTerminal?: IsTerminal | undefined
  /**
   * Makes the credentials of a request.
   * @default Bearer in the Authorization header (RFC 6750 §2.1)
   * @example
   * applyToken: ({ accessToken }) => ({ headers: { 'x-access-token': accessToken } })
   */
  applyToken?:
    | ((tokens: TokenSet, target: CredentialTarget) => Credentials | Promise<Credentials>)
    | undefined
  /** Time, timers and chance; for tests. @default the runtime's */
  clock?: Clock | undefined
}

/** The options that have a default which does not depend on anything. */
type Defaults = Required<
  Pick<
    SessionOptions,
    'deadline' | 'lease' | 'retries' | 'recallAfter' | 'replays' | 'endingNotice' | 'clock'
  >
>

/** The options, with their defaults. */
export type Settings = SessionOptions & { [Name in keyof Defaults]: NonNullable<Defaults[Name]> }

/** Options that are numbers, with their defaults. */
const NUMBERS: Readonly<Record<string, number | undefined>> = {
  refreshAhead: undefined,
  leeway: undefined,
  deadline: 10_000,
  lease: undefined,
  retries: 2,
  recallAfter: 250,
  replays: 1,
  endingNotice: 300_000,
}

/** Milliseconds. */
const FASTEST = 10

/** @throws TypeError that names the option, and what it is */
export function settingsOf(options: SessionOptions): Settings {
  if (typeof options?.refresh !== 'function') throw new TypeError(say('refresh', 'createSession'))
  checkOptions(options)
  // Not a spread: V8 would give each copy a hidden class of its own.
  const settings: Record<string, unknown> = Object.assign({ clock: systemClock }, NUMBERS)
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (
      name in NUMBERS &&
      // No network is that fast: seconds are meant.
      !(typeof value === 'number' && value >= (value && /^(deadline|lease)$/.test(name) ? FASTEST : 0))
    )
      throw new TypeError(say('option', 'createSession', name, value))
    settings[name] = value
  }
  // Whoever still waits for a refresh must not see it made a second time.
  settings.lease ??= Math.max(60_000, settings.deadline as number)
  return settings as unknown as Settings
}
