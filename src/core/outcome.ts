import type { Clock } from './clock.ts'
import { findSessionError, withoutSecrets } from './errors.ts'
import { readTokens, type TokenSet } from './tokens.ts'

/** What came of one run of the user's `refresh` function. */
export type Outcome =
  | { kind: 'tokens'; tokens: TokenSet }
  /** The authorization server refused: the session is over. */
  | { kind: 'rejected'; cause: Error }
  /** Failed, and the refresh token was certainly not spent. */
  | { kind: 'definite'; cause: Error; retry: boolean; retryAfter: number }
  /** Failed, and the refresh token may have been spent. */
  | { kind: 'doubt'; cause: Error }

/** A failed refresh as `isTerminal` gets to see it. */
export interface RefreshFailure {
  /** HTTP status of the answer, where there was one. */
  status?: number
  /** OAuth error code of the answer (RFC 6749 §5.2), for example `invalid_grant`. */
  error?: string
  /** What `refresh` returned or threw. */
  cause: unknown
}

/** What the reading of an outcome depends on. */
export interface OutcomeContext {
  clock: Clock
  cookie: boolean
  previous: TokenSet | undefined
  isTerminal: ((failure: RefreshFailure) => boolean | undefined) | undefined
}

/** Token responses are small; whatever is longer is not one, and is not read to its end. */
const LONGEST_BODY = 2 ** 18

/** A server that asks for more patience than this is not believed. */
const LONGEST_RETRY_AFTER = 300_000

/** Nothing has reached the server: no connection was made. */
const NOT_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_INVALID_URL)$/

/** The client is misconfigured (RFC 6749 §5.2, RFC 8707 §2); no user can mend that by signing in again. */
const MISCONFIGURED =
  /^(invalid_client|unauthorized_client|unsupported_|invalid_request|invalid_scope|invalid_target)/

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

/** Reads what `refresh` returned: an HTTP answer, or a token set in one of its shapes. */
export async function outcomeOfValue(value: unknown, context: OutcomeContext): Promise<Outcome> {
  if (isAnswer(value)) return outcomeOfAnswer(value, value, undefined, context)
  try {
    return tokensFrom(value, context)
  } catch (cause) {
    return typeof Object(value).error === 'string'
      ? judge(200, value, value, 0, context)
      : { kind: 'definite', cause: cause as Error, retry: false, retryAfter: 0 }
  }
}

/** Reads what `refresh` threw: HTTP clients throw errors that hold the answer. */
export async function outcomeOfError(error: unknown, context: OutcomeContext): Promise<Outcome> {
  const ours = findSessionError(error)
  if (ours) {
    return ours.code === 'session_expired'
      ? { kind: 'rejected', cause: ours }
      : { kind: 'definite', cause: ours, retry: false, retryAfter: 0 }
  }
  const thrown = Object(error)
  if (isAnswer(thrown.response)) return outcomeOfAnswer(thrown.response, error, thrown, context)
  if (typeof thrown.error === 'string') return judge(Number(thrown.status ?? 400), thrown, error, 0, context)
  const cause = withoutSecrets(error)
  if (context.isTerminal?.({ cause: error })) return { kind: 'rejected', cause }
  return NOT_SENT.test(thrown.code ?? thrown.cause?.code)
    ? { kind: 'definite', cause, retry: true, retryAfter: 0 }
    : { kind: 'doubt', cause }
}

/** @param thrown the error around the answer: where the client has read the body, it holds what was read */
async function outcomeOfAnswer(
  answer: Answer,
  cause: unknown,
  thrown: { data?: unknown } | undefined,
  context: OutcomeContext,
): Promise<Outcome> {
  let body: unknown
  try {
    body =
      'data' in answer
        ? (answer.data ?? '')
        : answer.bodyUsed
          ? (thrown?.data ?? thrown)
          : await readText(answer)
  } catch (error) {
    return { kind: 'doubt', cause: withoutSecrets(error) }
  }
  if (typeof body === 'string') body = body.trim() && parseJson(body)
  return judge(
    answer.type === 'opaqueredirect' ? 302 : answer.status,
    body,
    cause,
    retryAfterOf(answer, context.clock),
    context,
  )
}

/** @param body parsed JSON; `undefined` where it was something else, empty where there was none */
function judge(
  status: number,
  body: unknown,
  source: unknown,
  retryAfter: number,
  context: OutcomeContext,
): Outcome {
  const given = Object(body).error
  const error = typeof given === 'string' ? given : undefined
  let problem = `the refresh was answered with status ${status}${error ? ` and error ${error.slice(0, 60)}` : ''}`
  const ok = status >= 200 && status < 300
  if (ok && !error) {
    try {
      return tokensFrom(body, context)
    } catch (unusable) {
      problem += `: ${(unusable as Error).message}`
    }
  }
  const cause = source instanceof Error ? withoutSecrets(source) : new Error(problem)
  const terminal = context.isTerminal?.({ status, ...(error && { error }), cause: source })
  if (terminal ?? (error === 'invalid_grant' || (!ok && refuses(status, body, error))))
    return { kind: 'rejected', cause }
  if (error && MISCONFIGURED.test(error)) return { kind: 'definite', cause, retry: false, retryAfter }
  // 429 and 503 are said before any work is done; a firewall's page (HTML 4xx) comes from in front of the server.
  if (status === 429 || status === 503 || (status > 399 && status < 500)) {
    return { kind: 'definite', cause, retry: status !== 404 && status !== 405, retryAfter }
  }
  return status > 299 && status < 400
    ? { kind: 'definite', cause, retry: false, retryAfter }
    : { kind: 'doubt', cause }
}

/** Whether a 4xx answer is the authorization server's own word that this refresh token is no good. */
function refuses(status: number, body: unknown, error: string | undefined): boolean {
  if (error && (MISCONFIGURED.test(error) || TROUBLED.test(error))) return false
  return status === 401 || ((status === 400 || status === 403) && body !== undefined)
}

function tokensFrom(value: unknown, context: OutcomeContext): Outcome {
  return { kind: 'tokens', tokens: readTokens(value, { ...context, fresh: true }) }
}

/** Retry-After in milliseconds: seconds, or a date, measured by the server's own clock where it tells it. */
function retryAfterOf({ headers }: Answer, clock: Clock): number {
  const value = headerOf(headers, 'retry-after')
  const date = Date.parse(headerOf(headers, 'date') ?? '') || clock.now()
  const delay = Number.isNaN(Number(value)) ? Date.parse(value ?? '') - date : Number(value) * 1000
  return Math.min(Math.max(delay || 0, 0), LONGEST_RETRY_AFTER)
}

function headerOf(headers: unknown, name: string): string | undefined {
  const known = Object(headers)
  return (typeof known.get === 'function' ? known.get(name) : known[name]) ?? undefined
}

async function readText(answer: Answer): Promise<string | undefined> {
  const reader = answer.body?.getReader?.()
  if (!reader) return answer.text?.()
  const decoder = new TextDecoder()
  for (let text = ''; ; ) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value, { stream: true })
    if (text.length > LONGEST_BODY) {
      reader.cancel().catch(() => {})
      return undefined
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isAnswer(value: unknown): value is Answer {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Answer).status === 'number' &&
    'headers' in value
  )
}
