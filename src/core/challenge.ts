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
 * Parses a WWW-Authenticate header, or several joined by commas (RFC 9110 §11.6.1), in linear time.
 * What does not parse is passed over.
 *
 * @example
 * parseChallenges('Basic realm="x", Bearer error="invalid_token"')[1]?.parameters.error // 'invalid_token'
 */
export function parseChallenges(header: string | null | undefined): Challenge[] {
  const challenges: Challenge[] = []
  if (!header) return challenges
  // A name, then: '=' and a quoted string, or '=' and a token, or neither (then the name is a scheme).
  const piece = /([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+)))?/g
  for (const [, name = '', quoted, token] of header.slice(0, LONGEST_HEADER).matchAll(piece)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? token
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: Object.create(null) })
    else {
      const parameters = challenges.at(-1)?.parameters
      if (parameters) parameters[name.toLowerCase()] ??= value
    }
  }
  return challenges
}

/** What a 401 asks for. */
export type Remedy = 'refresh' | 'nonce' | 'none'

/** A new access token would be refused in the same way (RFC 6750 §3.1, RFC 9470 §3). */
const INCURABLE = /^(insufficient_scope|invalid_request|insufficient_user_authentication)$/

/**
 * What would cure a 401 with this WWW-Authenticate header: a refresh where a token is called invalid or
 * nothing is said (CORS may hide the header), another DPoP nonce (RFC 9449 §9), or nothing that we could do.
 */
export function remedyOf(header: string | null | undefined): Remedy {
  const errors = parseChallenges(header).map(({ parameters }) => parameters.error ?? '')
  if (errors.includes('use_dpop_nonce')) return 'nonce'
  return errors.some((error) => INCURABLE.test(error)) && !errors.includes('invalid_token')
    ? 'none'
    : 'refresh'
}
