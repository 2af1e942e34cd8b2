import type { Known } from './known.ts'
import { say } from './messages.ts'
import { checkCredentials } from './mistakes.ts'
import type { Settings } from './options.ts'
import type { Credentials, SessionRequest } from './request.ts'
import type { TokenSet } from './tokens.ts'

/** Those of a session's parts that it needs to know. */
interface Concerned {
  readonly settings: Settings
  readonly cookie: boolean
  readonly known: Known
}

/** Puts the record's token onto requests, and knows which of their headers hold credentials. */
export class Signing {
  readonly #parts: Concerned
  /** Names, in lower case, of the headers that hold credentials. */
  #names: readonly string[]
  /** The Bearer credentials of the newest tokens: the same object for every request. */
  #bearer: { tokens: TokenSet; credentials: Credentials } | undefined

  constructor(parts: Concerned) {
    this.#parts = parts
    this.#names = parts.cookie ? [] : BEARER
  }

  /** Whether `applyToken` tells with each signature which headers hold credentials. */
  get learns(): boolean {
    return this.#parts.settings.applyToken !== undefined
  }

  /**
   * Whose credentials a request brings, where they are not this user's: nobody's that the session knows (`foreign`), or
   * those of another sign-in (`former`), whose work is not done in the name of this one.
   */
  brings(request: SessionRequest<unknown>): 'foreign' | 'former' | undefined {
    const { known } = this.#parts
    for (const name of this.#names) {
      const value = request.header(name)
      if (value === undefined) continue
      const signIn = known.signInOf(value)
      if (signIn === undefined) return 'foreign'
      if (known.record?.tokens && signIn !== known.epoch) return 'former'
    }
    return undefined
  }

  /** Stamps a request with what it is sent with, and makes its credentials. */
  sign(request: SessionRequest<unknown>): Credentials | Promise<Credentials> {
    const { known, cookie, settings } = this.#parts
    const { record, generation, line } = known
    const tokens = record?.tokens
    request.generation = generation
    request.line = line
    request.bare = !tokens && (!cookie || record?.ended !== undefined)
    // In cookie mode the cookie is the token: what `applyToken` adds is another thing, a CSRF token for example.
    if (!tokens || (cookie && !settings.applyToken)) return this.#withoutStale(request)
    return this.credentialsOf(tokens, request)
  }

  /** The credentials of a request that is sent with these tokens. */
  credentialsOf(tokens: TokenSet, request: SessionRequest<unknown>): Credentials | Promise<Credentials> {
    const { applyToken } = this.#parts.settings
    if (!applyToken) return this.#bearerOf(tokens)
    const { method, url, nonce } = request
    const credentials = applyToken(tokens, { method, url, nonce })
    return 'then' in Object(credentials)
      ? Promise.resolve(credentials).then((signed) => this.#learn(signed))
      : this.#learn(credentials as Credentials)
  }

  #bearerOf(tokens: TokenSet): Credentials {
    if (this.#bearer?.tokens !== tokens)
      this.#bearer = {
        tokens,
        credentials: sendable({ headers: { Authorization: `Bearer ${tokens.accessToken}` } }),
      }
    return this.#bearer.credentials
  }

  /** Only `applyToken` tells which headers hold credentials. */
  #learn(credentials: Credentials): Credentials {
    checkCredentials(credentials)
    sendable(credentials)
    const { headers = {} } = credentials
    // What it takes away is no credential of anybody's.
    if (!this.#parts.cookie)
      this.#names = Object.keys(headers)
        .filter((name) => headers[name] !== undefined)
        .map((name) => name.toLowerCase())
    return credentials
  }

  /** A default header with a token that this session held must not outlive it. */
  #withoutStale(request: SessionRequest<unknown>): Credentials {
    const stale = this.#names.filter((name) => request.header(name) !== undefined)
    return { headers: Object.fromEntries(stale.map((name) => [name, undefined])) }
  }
}

/** What no header can hold (RFC 9110 §5.5, and fetch). */
const UNSENDABLE = /[^\t -~\x80-\xff]/

/** Platforms repeat the value in their errors, and each client has it from its own platform. */
function sendable(credentials: Credentials): Credentials {
  for (const [name, value = ''] of Object.entries(credentials.headers ?? {}))
    if (UNSENDABLE.test(value)) throw new TypeError(say('header', name))
  return credentials
}

const BEARER: readonly string[] = ['authorization']
