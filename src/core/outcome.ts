import { type RefreshAnswer, readAnswer } from './answer.ts'
import type { Clock } from './clock.ts'
import { findSessionError } from './errors.ts'
import { say } from './messages.ts'
import { whatCame } from './mistakes.ts'
import { memberOf } from './redaction.ts'
import { type ReadingAids, readTokens, type TokenSet } from './tokens.ts'
import { withoutQuery } from './url.ts'

/**
 * What a failed refresh means.
 *
 * - `rejected`: the authorization server refused; the session is over
 * - `final`: it would fail again in the same way (a misconfigured client, a missing `return`)
 * - `definite`: failed, and the refresh token was certainly not spent
 * - `doubt`: failed, and the refresh token may have been spent
 * - `wait`: not tried, because another context may be refreshing
 */
export type SetbackKind = 'rejected' | 'final' | 'definite' | 'doubt' | 'wait'

/** What may be known of a {@link Setback} besides. */
interface SetbackDetails {
  /** No next try before this time, in epoch milliseconds. @default 0 */
  readonly notBefore?: number
  /** `refresh` has kept to itself what was answered: nobody can tell a refusal from a failure. */
  readonly untold?: boolean
  /** About the cause. */
  readonly remark?: string
  /** Somebody was reached, and has said something. */
  readonly answered?: boolean
}

/** Why there is no new token set. */
export class Setback implements SetbackDetails {
  readonly #mark = true
  readonly kind: SetbackKind
  /** As it came: only a {@link Redaction} tells of it. */
  readonly cause: unknown
  readonly notBefore: number = 0
  declare readonly untold?: boolean
  declare readonly remark?: string
  declare readonly answered?: boolean

  constructor(kind: SetbackKind, cause: unknown, details?: SetbackDetails) {
    this.kind = kind
    this.cause = cause
    Object.assign(this, details)
  }

  /** Not `instanceof`: what was thrown may be a proxy that does not want to be asked. */
  static is(thrown: unknown): thrown is Setback {
    return #mark in Object(thrown)
  }
}

/** A failed refresh as `isTerminal` gets to see it. */
export interface RefreshFailure {
  /** HTTP status of the answer, where there was one. */
  status: number | undefined
  /** OAuth error code of the answer (RFC 6749 §5.2), for example `invalid_grant`, or what the server has in its place. */
  error: string | undefined
  /** What the server says of it, for example in `error_description`. */
  description: string | undefined
  /** The body of the answer, parsed where it is JSON or a form. A Response in `cause` has been read already. */
  body: unknown
  /** The headers of the answer. */
  headers: { get(name: string): string | null }
  /** What `refresh` returned or threw. */
  cause: unknown
}

/** Whether a failed refresh ends the session; `undefined` leaves it to the default rule. */
export type IsTerminal = (failure: RefreshFailure) => boolean | undefined | Promise<boolean | undefined>

/** A server that asks for more patience, in milliseconds, is not believed. */
const LONGEST_RETRY_AFTER = 300_000

const ANY = /^/

/** A connection that broke, or an answer that was not waited for. */
const LOST =
  'network(?!])|fetch fa|to fetch|load fa|abort|deadline|timed?.?out|epipe|socket|conn|terminated|premature|size of -1'

/** What is said of a token that is over, and of whoever has it. */
const OVER =
  '(expired|revoked|invalid|inactive|bad|unknown|used|reuse|blacklisted|disabled|deleted|no.longer|not.(be.)?(found|valid|active|exist|in.))'

/** Who may be over. "Unexpected token 'B'", as V8 says of what is no JSON, is nobody. */
const WHO = "(token(?! '.')|session|user(?!ror)|jwt|account|credential)"

/**
 * What the answers of the world mean: the first rule that fits; `doubt` where none does.
 *
 * The first pattern meets the status (`-`: none), a mark (`+`: the body has words; `<`: it is a page) and what
 * clients' errors say; the second all that the server says. Both in lower case.
 */
const RULES: [about: RegExp, words: RegExp, kind: SetbackKind][] = [
  // The app itself cannot read what it was given (jwt-decode).
  [/^-.*token specified/s, ANY, 'final'],
  // No connection was made. Some clients have a status for that, too.
  [
    /^(-|50[03]).*(conn\w*.?refused|enotfound|eai_|unreach|und_err_connect_|cert|name_not_res|lookup|hostname|internet_dis|no_netw|too many|service.un)/s,
    ANY,
    'definite',
  ],
  // A body that broke off, and a client that calls a lost answer 503.
  [RegExp(`^2.*(${LOST})|^503.*(type|timeout|abort)error`, 's'), ANY, 'doubt'],
  // Said before any work is done.
  [/^(425|429|503)/, ANY, 'definite'],
  [
    /^[2-4-]/,
    /too.?many|rate.?(lim|ex)|throttl|(try|again).?later|a loop|slow.?down|temporar|unavailable|exhausted|captcha|dpop_nonce|unknown.err|permission_denied/,
    'definite',
  ],
  // Mistakes that look like refusals: no sign-in cures them.
  [
    /^[2-4-]/,
    /(invalid|bad|d(elet|isabl)ed).?(client(?!.req)|grant.?type|dpop)|secret|origin(?!a)|user.?pool|graphql_|[cx]srf|app.?check|api.?key/,
    'final',
  ],
  // There is no such address; it may be that of a refresh token.
  [/^40[45]/, /\/|cannot|route/, 'final'],
  [
    /^[2-4-]/,
    RegExp(
      `invalid.?(grant|code)|(signature|refresh).(has|ver)|_required|(login|interaction|reset).?required|reconnect|(session|account|idle|activity)[^x]{0,5}(been.)?(end(?!p)|term|time|close)|${OVER}[\\W_]*(refresh.?)?${WHO}|${WHO}[\\W_]*(\\w+\\W+){0,4}?(?!invalid_[ars])${OVER}`,
    ),
    'rejected',
  ],
  // What is said of a server, where nothing is said of a token.
  [
    /^[2-4-]/,
    /limit|quota|busy|overload|capacity|deadlock|wait|try.again|retry|concurren|in.progress|mainten|country|\bip\b|waf/,
    'definite',
  ],
  [
    /^[2-4-]/,
    /invalid_(re[qs]|scope|t[ae]|arg)|unauthorized_client|unsupported_|access_denied|denied due|rbac/,
    'final',
  ],
  // What the server has met with behind it, and has told in its own answer.
  [
    /^4/,
    RegExp(
      `internal|unexpected|gateway|database|went wrong|(server|system|db|an).err|read propert|sql|getaddr|${LOST}`,
    ),
    'doubt',
  ],
  [/^[2-4-]/, /(un|not.?|\bre.?)(auth|log)|logged.out|in again|please.(log|sign)/, 'rejected'],
  // A 401 that misses something misses who one is.
  [/^4(?!0[13])/, /missing|malformed|required/, 'final'],
  [/^(2|3|404|405)/, ANY, 'final'],
  // Bare, or in words that nobody knows. A page is a firewall's, and so is a 403 without words.
  [/^(400(?!<)|401|403\+)/, ANY, 'rejected'],
  [/^4/, ANY, 'definite'],
  // No answer, and no trouble on the way to one: it is the doing of `refresh` itself.
  [RegExp(`^-(?!.*(${LOST}|gateway|internal|server.?err|request[:_]f|sending req))`, 's'), ANY, 'final'],
]

/**
 * The new token set in what `refresh` returned or threw: an HTTP answer, an error that holds one, or a
 * token set in one of its shapes.
 *
 * An answer that came whole is never in doubt where its status is a success: the refresh token in it would be
 * sent a second time.
 *
 * @param told hears what of a token set had to be passed over
 * @throws Setback where there is none
 */
export async function readResult(
  result: Promise<unknown>,
  clock: Clock,
  cookie: boolean,
  isTerminal: IsTerminal | undefined,
  told?: (reason: string) => void,
): Promise<TokenSet> {
  let source: unknown
  let threw = false
  try {
    source = await result
  } catch (thrown) {
    source = thrown
    threw = true
  }
  const ours = findSessionError(source)
  if (ours) throw new Setback(ours.code === 'session_expired' ? 'rejected' : 'final', ours)
  const answer = await readAnswer(source, threw)
  const { status, body, error } = answer
  const place = answer.url ? `: ${withoutQuery(String(answer.url))}` : ''
  let problem = say('answer', `${status} ${error ?? ''}`.trim()) + place
  if (!threw && !Object(body).error && !Object(source).error && /^(2|undefined)/.test(String(status))) {
    try {
      return tokensIn(status ? (body ?? {}) : body, clock, cookie, {
        serverNow: Date.parse(answer.header('date')),
        told,
      })
    } catch (unusable) {
      problem = (unusable as Error).message + (whatCame(answer) || place)
    }
  }
  const about = `${status ?? '-'}${answer.form} ${answer.faults}`.toLowerCase()
  const notBefore = retryAt(answer, clock)
  // Whoever says when to come again has not refused.
  const words = notBefore ? 'wait' : answer.words.toLowerCase()
  let kind = RULES.find(([left, right]) => left.test(about) && right.test(words))?.[2] ?? 'doubt'
  const [name = 'Error', message, code] = ['name', 'message', 'code'].map((key) => memberOf(source, key))
  const untold = kind === 'final' && !status && (threw ? name === 'Error' && !code : source === null)
  const { innermost } = answer
  const unsaid = threw && !status && kind[0] === 'd' && !`${message}`.includes(innermost)
  const terminal = await isTerminal?.({
    status,
    error,
    description: answer.description,
    body,
    headers: { get: (name) => answer.header(name.toLowerCase()) || null },
    cause: source,
  })
  if (terminal) kind = 'rejected'
  else if (terminal === false && kind === 'rejected') kind = /^4/.test(about) ? 'definite' : 'final'
  const cause = threw ? source : new Error(problem)
  throw new Setback(kind, cause, {
    notBefore,
    untold,
    remark: untold ? `: ${say('unclear')}` : unsaid ? `: ${innermost}` : '',
    answered: status !== undefined,
  })
}

function tokensIn(body: unknown, clock: Clock, cookie: boolean, aids: ReadingAids): TokenSet {
  const { session } = Object(body)
  // A client's own wrapping (Supabase).
  const found = Object(session).access_token ? session : body
  return readTokens(found, clock, cookie, true, aids)
}

/** When Retry-After lets us try again: after seconds, or at a date of the server's own clock where it tells it. */
function retryAt(answer: RefreshAnswer, { now }: Clock): number {
  const value = answer.header('retry-after')
  const delay =
    Number(value.replace(/s$/, '')) * 1000 || Date.parse(value) - (Date.parse(answer.header('date')) || now())
  return delay > 0 ? Math.ceil(now() + Math.min(delay, LONGEST_RETRY_AFTER)) : 0
}
