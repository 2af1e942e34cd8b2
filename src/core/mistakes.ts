import type { RefreshAnswer } from './answer.ts'
import { say } from './messages.ts'
import { withoutQuery } from './url.ts'

/*
 * Mistakes in a program that its author sees at the first run. The build for production does not look for them: there
 * mistakes.production.ts takes the place of this file.
 */

const NAMES =
  /^(refresh(Ahead)?|mode|tokens|store|leeway|deadline|lease|retries|budget|recall(After)?|replays|keepFresh|endingNotice|skip|shouldRefresh|isTerminal|revoke|applyToken|clock)$/

const FUNCTIONS = /^(skip|shouldRefresh|isTerminal|revoke|applyToken)$/

const STORE = ['load', 'save', 'exclusive', 'watch', 'close']

/** @throws TypeError that says what is no option of `createSession`, or which of them cannot be of this kind */
export function checkOptions(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (!NAMES.test(name)) throw new TypeError(say('unknown', 'createSession', name))
    if (
      (name === 'mode' && !/^(token|cookie)$/.test(String(value))) ||
      (name === 'recall' && !/^(safe|race|none)$/.test(String(value))) ||
      (FUNCTIONS.test(name) && typeof value !== 'function')
    )
      throw new TypeError(say('option', 'createSession', name, value))
    const missing = STORE.filter((verb) => name === 'store' && value && typeof value[verb] !== 'function')
    if (missing.length) throw new TypeError(say('shape', missing.join(', ')))
  }
}

/** @throws TypeError where nobody can listen */
export function checkListener(listener: unknown): void {
  if (typeof listener !== 'function') throw new TypeError(say('listener', typeof listener))
}

/** @throws TypeError where the arguments of `attachSession` are no instance and a session, in this order */
export function checkInstance(instance: unknown, session: unknown): void {
  if (!Object(instance).interceptors?.request || !Object(session).transport)
    throw new TypeError(say('instance'))
}

/** @throws TypeError where the arguments of `withSession` are no session and a fetch, in this order */
export function checkFetch(session: unknown, own: unknown): void {
  if (!Object(session).transport || (own && typeof own !== 'function')) throw new TypeError(say('instance'))
}

/** What a template makes of a member that is not there, or of a whole token set. */
const NO_TOKEN = /(?:^| )(undefined|null|\[object \w+\])$/

/** @throws TypeError where what `applyToken` has returned holds nothing that could be sent, or no token */
export function checkCredentials(credentials: unknown): void {
  const { headers, query } = Object(credentials)
  if (Object(credentials) !== credentials || Symbol.iterator in Object(headers))
    throw new TypeError(say('credentials'))
  for (const [name, value] of Object.entries({ ...headers, ...query })) {
    const made = value !== undefined && NO_TOKEN.exec(String(value))
    if (made) throw new TypeError(say('templated', name, made[1]))
  }
}

/** @throws TypeError where `auth` and `provider` of `mcpSession` are not those of an SDK */
export function checkMcp(auth: unknown, provider: unknown): void {
  const refuse = (option: string, expected: string) => {
    throw new TypeError(say('mcp', option, expected))
  }
  if (typeof auth !== 'function') refuse('auth', 'the function of the SDK')
  if (typeof Object(provider).saveTokens !== 'function') refuse('provider', 'an OAuthClientProvider')
  // Its proofs are signed outside of our fetch: of a token that has been renewed since.
  if (Object(provider).dpop) refuse('provider', 'one without dpop()')
}

/** Milliseconds. A session sends nothing in the last second of a turn. */
const SHORTEST_TTL = 2_000

const STORAGE = ['getItem', 'setItem', 'removeItem']

/** @throws TypeError that says which option of `fileStore` cannot be what it is */
export function checkFile(options: object): void {
  const { lease = 1, ttl = SHORTEST_TTL, secrets, migrate } = options as Record<string, unknown>
  const right = {
    lease: typeof lease === 'number' && lease > 0,
    // It is written down.
    ttl: Number.isFinite(ttl) && Number(ttl) >= SHORTEST_TTL,
    migrate: !migrate || typeof migrate === 'function',
    secrets: !secrets || STORAGE.every((name) => typeof Object(secrets)[name] === 'function'),
  }
  for (const [name, is] of Object.entries(right)) if (!is) throw new TypeError(say('file', name))
}

/** Says of an answer without a token what it is, but for values: one of them may be a token under another name. */
export function whatCame({ body, status, url, header }: RefreshAnswer): string {
  if (body instanceof Object) return `: ${membersOf(body)}`
  return status ? `: ${say('page', header('content-type'), withoutQuery(String(url ?? '')))}` : ''
}

/** Names, and those one level deeper: `data.accessToken` says more than `data`. */
function membersOf(body: object): string {
  return Object.entries(body)
    .map(([name, value]) =>
      Object(value) === value && !Array.isArray(value) ? `${name}.{${Object.keys(value)}}` : name,
    )
    .join()
}
