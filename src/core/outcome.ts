import type { Clock } from './clock.ts'
import { findSessionError, withoutSecrets } from './errors.ts'
import { readTokens, type TokenSet } from './tokens.ts'

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

/** Why there is no new token set. */
export class Setback {
  readonly kind: SetbackKind
  readonly cause: Error
  /** No next try before this time, in epoch milliseconds. */
  readonly notBefore: number

  constructor(kind: SetbackKind, cause: unknown, notBefore = 0) {
    this.kind = kind
    this.cause = withoutSecrets(cause)
    this.notBefore = notBefore
  }
}

/** A failed refresh as `isTerminal` gets to see it. */
export interface RefreshFailure {
  /** HTTP status of the answer, where there was one. */
  status: number | undefined
  /** OAuth error code of the answer (RFC 6749 §5.2), for example `invalid_grant`. */
  error: string | undefined
  /** What `refresh` returned or threw. */
  cause: unknown
}

/** Whether a failed refresh ends the session; `undefined` leaves it to the default rule. */
export type IsTerminal = (failure: RefreshFailure) => boolean | undefined

/** Token responses are small; whatever is longer is not one, and is not read to its end. */
const LONGEST_BODY = 2 ** 18

/** A server that asks for more patience, in milliseconds, is not believed. */
const LONGEST_RETRY_AFTER = 300_000

/** Nothing has reached the server: no connection was made. */
const NOT_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|E(HOST|NET)UNREACH|UND_ERR_CONNECT_TIMEOUT)$/

/** The client is misconfigured (RFC 6749 §5.2, RFC 8707 §2); no user can mend that by signing in again. */
const MISCONFIGURED = /^(invalid_(client|request|scope|target)$|unauthorized_client|unsupported_)/

/** The authorization server is in trouble (RFC 6749 §4.1.2.1, RFC 8628 §3.5). */
const TROUBLED = /^(server_error|temporarily_unavailable|slow_down)$/

/** An HTTP answer as fetch, axios and those who stand on them have it. */
interface Answer {
  status: number
  headers: unknown
  type?: string
  /** axios: the body, parsed or not. */
  data?: unknown
  /** fetch. */
  body?: ReadableStream<Uint8Array> | null
  bodyUsed?: boolean
  text?(): Promise<string>
}

/**
 * The new token set in what `refresh` returned or threw: an HTTP answer, an error that holds one, or a
 * token set in one of its shapes.
 *
 * @throws Setback where there is none
 */
export async function readResult(
  result: Promise<unknown>,
  clock: Clock,
  cookie: boolean,
  isTerminal: IsTerminal | undefined,
  previous: TokenSet | undefined,
): Promise<TokenSet> {
  let threw = false
  const source: unknown = await result.catch((error) => {
    threw = true
    return error
  })
  const ours = threw ? findSessionError(source) : undefined
  if (ours) throw new Setback(ours.code === 'session_expired' ? 'rejected' : 'final', ours)
  const known = Object(source)
  const answer = [known.response, known.cause, known].find(isAnswer)
  const body = answer ? await readBody(answer, known) : threw ? undefined : source
  const status =
    answer?.type === 'opaqueredirect' ? 302 : Number((answer ?? known).status ?? (threw ? Number.NaN : 200))
  const error: string | undefined = [Object(body).error, known.error].find((code) => typeof code === 'string')
  const code = String(error)
  let problem = `the refresh was answered with ${status} ${error ?? ''}`
  if (!threw && !error && /^2/.test(String(status))) {
    try {
      return readTokens(body, clock, cookie, true, { previous })
    } catch (unusable) {
      if (!answer) throw new Setback('final', unusable)
      problem += String(unusable)
    }
  }
  const cause = threw ? source : new Error(problem)
  const refused =
    error === 'invalid_grant' ||
    (!MISCONFIGURED.test(code) &&
      !TROUBLED.test(code) &&
      (status === 401 || ((status === 400 || status === 403) && body !== undefined)))
  throw new Setback(
    (isTerminal?.({ status: status || undefined, error, cause: source }) ?? refused)
      ? 'rejected'
      : MISCONFIGURED.test(code) || /^(3|40[45])/.test(String(status))
        ? 'final'
        : // 429 and 503 are said before any work is done; an HTML 4xx is a firewall speaking, not the server.
          /^(4|503)/.test(String(status)) ||
            [known, known.cause, known.cause?.cause].some((failure) => NOT_SENT.test(failure?.code))
          ? 'definite'
          : 'doubt',
    cause,
    answer && retryAt(answer, clock),
  )
}

/**
 * The body: JSON parsed, `undefined` for anything else, empty where there was none.
 *
 * @param around what the answer was found in: an error of a client that has read the body holds it
 */
async function readBody(answer: Answer, around: { data?: unknown }): Promise<unknown> {
  try {
    const body =
      'data' in answer
        ? (answer.data ?? '')
        : answer.bodyUsed
          ? (around.data ?? around)
          : await readText(answer)
    return body && typeof body === 'string' ? JSON.parse(body) : body
  } catch {
    return undefined
  }
}

async function readText(answer: Answer): Promise<string | undefined> {
  const reader = answer.body?.getReader?.()
  if (!reader) return answer.text?.()
  const decoder = new TextDecoder()
  for (let text = ''; text.length < LONGEST_BODY; ) {
    const { done, value } = await reader.read()
    if (done) return text
    text += decoder.decode(value, { stream: true })
  }
  reader.cancel().catch(() => {})
  return undefined
}

/** When Retry-After lets us try again: after seconds, or at a date of the server's own clock where it tells it. */
function retryAt({ headers }: Answer, { now }: Clock): number {
  const header = (name: string) => String(Object(headers).get?.(name) ?? Object(headers)[name])
  const value = header('retry-after')
  const delay = Number(value) * 1000 || Date.parse(value) - (Date.parse(header('date')) || now())
  return delay > 0 ? now() + Math.min(delay, LONGEST_RETRY_AFTER) : 0
}

function isAnswer(value: unknown): value is Answer {
  // Not `instanceof`: test runners and frames have several realms.
  return 'status' in Object(value) && 'headers' in Object(value)
}
