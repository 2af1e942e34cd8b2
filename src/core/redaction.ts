import type { TokenSet } from './tokens.ts'

/** Characters of what a stranger wrote: a sentence or two. */
const LONGEST = 400

/** Names, codes and the like are shorter. */
const LONGEST_NAME = 80

/** Lines of a stack. */
const MOST_FRAMES = 10

/** Half of a token is looked for, in these bounds, and what follows goes with it: a server may have cut it. */
const BEGINNING = [16, 40] as const
const REST = /\0[\w.~+/=%-]*/g

/** Shorter tokens may be a piece of any word: they are looked for where they are more than letters. */
const CERTAIN = 8

/** Line breaks, what terminals obey, what turns the direction of writing, what nobody sees, and halves of pairs. */
const UNPRINTABLE = /[^\P{C}\t]|\p{Zl}|\p{Zp}/gu

/** Clients like to name the URL: its query, and who logs in there. */
const SECRETS = /(\/\/)[^\s/@]*(?=@)|(\?)\S+/g

/** The lines of a stack that say where: V8's, and those of other engines. */
const FRAMES = /^ +at .+|^\S*@\S+:\d+$/gm

const NONE: readonly never[] = []

/** The tokens: the same array as long as it holds the same ones. */
interface Held {
  readonly known: { readonly held: readonly { tokens: TokenSet }[] }
}

/**
 * What may be told of what others wrote: servers, stores, clients. Their text is cleared of the tokens that this session
 * holds or held, in the forms in which texts repeat them, cut, and escaped: it may end in a log, or on a terminal.
 */
export class Redaction {
  readonly #parts: Held
  /** What the forms are of. */
  #seen: unknown
  #forms: readonly string[] = NONE

  constructor(parts: Held) {
    this.#parts = parts
  }

  text(foreign: unknown, longest: number = LONGEST): string {
    const text = this.#cleared(textOf(foreign))
    const cut = text.length > longest ? `${text.slice(0, longest)}…` : text
    return cut.replace(UNPRINTABLE, (found) => `\\u{${found.codePointAt(0)?.toString(16)}}`)
  }

  /**
   * What may be told of a foreign error, in one of ours: a refresh that failed often holds the refresh token in its
   * request, and a `cause` is printed by every logger.
   *
   * @param remark what else is known of it
   */
  error(foreign: unknown, remark = ''): Error {
    const [name, message, stack, code, status] = MEMBERS.map((member) => memberOf(foreign, member))
    const said = textOf(message ?? foreign)
    const error = new Error(this.#sentence(said) + this.#sentence(remark))
    error.name = String(this.#short(name ?? 'Error'))
    // Without the message, which may look like a line of its own.
    const frames =
      textOf(stack ?? '')
        .replace(said, '')
        .match(FRAMES) ?? []
    const lines = frames.slice(0, MOST_FRAMES).map((frame) => this.#sentence(frame))
    error.stack = [`${error.name}: ${error.message}`, ...lines].join('\n')
    return Object.assign(error, {
      code: this.#short(code ?? memberOf(memberOf(foreign, 'cause'), 'code')),
      status: this.#short(status),
    })
  }

  /** Takes tokens out of an error that stays its author's: platforms and clients repeat URLs. */
  scrub(foreign: unknown): void {
    let error = foreign
    for (let depth = 0; error && depth < DEEPEST; depth++) {
      for (const name of REPEATING) {
        const text = memberOf(error, name)
        const value = typeof text === 'string' ? this.#cleared(text) : text
        try {
          // Of some errors it is an accessor without a setter.
          if (value !== text)
            Reflect.defineProperty(Object(error), name, { value, configurable: true, writable: true })
        } catch {
          // A proxy.
        }
      }
      error = memberOf(error, 'cause')
    }
  }

  #sentence(foreign: string): string {
    return this.text(foreign).replace(SECRETS, '$1$2…')
  }

  #short(value: unknown): unknown {
    return value === undefined || typeof value === 'number' ? value : this.text(value, LONGEST_NAME)
  }

  #cleared(text: string): string {
    const { held } = this.#parts.known
    if (this.#seen !== held) {
      this.#seen = held
      this.#forms = [...new Set(held.flatMap(({ tokens }) => secretsOf(tokens)).flatMap(formsOf))]
    }
    const clear = (from: string) =>
      this.#forms.reduce((left, form) => (left.includes(form) ? left.split(form).join('\0') : left), from)
    const once = clear(text)
    // What is escaped is told without that only where there is a token in it.
    const decoded = decode(once)
    const twice = decoded === once ? once : clear(decoded)
    return (twice === decoded ? once : twice).replace(REST, '[token]')
  }
}

/** Members in which errors name what could not be sent. */
const REPEATING = ['message', 'stack', 'path', 'url']

/** Of the causes of an error. */
const DEEPEST = 5

const MEMBERS = ['name', 'message', 'stack', 'code', 'status']

/** A member of what somebody threw, which may throw itself when it is looked at. */
export function memberOf(object: unknown, name: string): unknown {
  try {
    return Object(object)[name]
  } catch {
    return undefined
  }
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    // It has no text.
    return ''
  }
}

/** All tokens of a set: an ID token is one, too. */
function secretsOf(tokens: TokenSet): string[] {
  return Object.entries(tokens).flatMap(([name, value]) =>
    /token$/i.test(name) && typeof value === 'string' ? value : [],
  )
}

/** A token as texts have it: as it is, without its escapes, and in base64, where it may begin at each place of a group. */
function formsOf(token: string): string[] {
  if (token.length < CERTAIN) return /..[\W\d]/.test(token) ? [token] : []
  const [least, most] = BEGINNING
  const beginning = token.slice(0, Math.max(least, Math.min(most, token.length / 2)))
  // The first characters tell of what comes before, too, the last of what comes after.
  const encoded = [0, 1, 2].map((before) =>
    btoa('-'.repeat(before) + beginning.replace(/[^\0-\xff]/g, '?'))
      .slice(before && before + 1)
      .replace(/.=*$/, ''),
  )
  const forURLs = encoded.map((form) => form.replace(/\+/g, '-').replace(/\//g, '_'))
  return [token, decode(token), beginning, decode(beginning), ...encoded, ...forURLs]
}

/** Without the escapes of URLs and forms (in URLs, too), of JSON (in JSON, too) and of pages. */
function decode(text: string): string {
  return text.replace(
    /(?:%(?:25)*|\\{1,3}u00|&#x)([\da-f]{2});?|&#(\d+);|\\{1,3}|\+/gi,
    (found, hex, decimal) =>
      hex || decimal
        ? String.fromCharCode(hex ? Number.parseInt(hex, 16) : decimal)
        : found === '+'
          ? ' '
          : '',
  )
}
