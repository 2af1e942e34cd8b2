/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  /** Authentication scheme in lower case, for example `bearer`. */
  scheme: string
  /** Parameters by their name in lower case, unquoted, for example `error`, `scope`, `acr_values`, `max_age`. */
  parameters: Record<string, string>
}

/** Longer headers are nobody's challenge. */
const LONGEST_HEADER = 8_192

/**
 * A name, then: '=' and a quoted string, or '=' and a token; else the name is a scheme, which a token68 may
 * follow (RFC 9110 §11.2). A quoted string that never closes takes the rest with it: whoever came back to look
 * behind its beginning would do so for each quote.
 */
const PIECE =
  /([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)("?)|([\w!#$%&'*+.^`|~-]+))|[ \t]+[\w.~+/-]+=*(?=[ \t]*(?:,|$)))?/gs

/** Not every client gives one string: there are lists, bytes, and nothing. */
function textOf(header: unknown): string {
  try {
    return [header].join().slice(0, LONGEST_HEADER)
  } catch {
    // It has no text.
    return ''
  }
}

/**
 * Parses a WWW-Authenticate header, or several in a list or joined by commas (RFC 9110 §11.6.1), in linear time.
 * What does not parse is passed over.
 *
 * @example
 * parseChallenges('Basic realm="x", Bearer error="invalid_token"')[1]?.parameters.error // 'invalid_token'
 */
export function parseChallenges(header: unknown): Challenge[] {
  const challenges: Challenge[] = []
  for (const [, name = '', quoted, closing, token] of textOf(header).matchAll(PIECE)) {
    const value = closing ? quoted?.replace(/\\(.)/gs, '$1') : token
    if (value !== undefined) {
      const parameters = challenges.at(-1)?.parameters
      if (parameters) parameters[name.toLowerCase()] ??= value
    } else if (quoted === undefined)
      challenges.push({ scheme: name.toLowerCase(), parameters: Object.create(null) })
  }
  return challenges
}

/** What a 401 asks for. */
export type Remedy = 'refresh' | 'nonce' | 'none'

/** A parameter, or a string or a word that belongs to none: nothing in it is looked at. */
const PARAMETER = /(?:([\w-]+)\s*=\s*)?(?:"((?:\\.|[^"\\])*)"?|([^\s,;"]+))/gs

/** The values of a parameter in all challenges of a WWW-Authenticate header, unquoted. In linear time, too. */
export function valuesOf(header: unknown, parameter: string): string[] {
  const values: string[] = []
  for (const [, name, quoted, value = quoted] of textOf(header).matchAll(PARAMETER))
    if (name?.toLowerCase() === parameter) values.push(String(value).replace(/\\(.)/gs, '$1'))
  return values
}

/**
 * What would cure a 401 with this WWW-Authenticate header: a new access token, where one is called invalid
 * or nothing is said (CORS may hide the header); another DPoP nonce (RFC 9449 §9); or nothing that a session
 * could do (RFC 6750 §3.1, RFC 9470 §3).
 */
export function remedyOf(header: unknown): Remedy {
  const errors = valuesOf(header, 'error').join()
  if (/use_dpop_nonce/.test(errors)) return 'nonce'
  return /insufficient_|invalid_request/.test(errors) && !/invalid_token/.test(errors) ? 'none' : 'refresh'
}
