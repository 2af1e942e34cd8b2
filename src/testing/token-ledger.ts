import { createHash, randomBytes } from 'node:crypto'

/** All tokens that descend from one sign-in. Revoked as a whole (RFC 9700 §4.14.2). */
interface Family {
  readonly id: string
  readonly user: string
  /** Grows with every answer that carries new tokens. */
  generation: number
  /** Why the family is dead, if it is. */
  revoked?: string
}

/** What one answer of the token endpoint carried. */
export interface IssuedTokens {
  readonly family: Family
  readonly generation: number
  readonly accessToken: string
  readonly refreshToken: string
  readonly issuedAt: number
  /** Refused from now on, though neither its lifetime nor its family is over. */
  expired: boolean
  /** What the refresh token was exchanged for. It is good for one exchange. */
  successor?: IssuedTokens
  consumedAt?: number
}

export type RefreshVerdict =
  | { readonly kind: 'rotated'; readonly from: IssuedTokens; readonly issued: IssuedTokens }
  | { readonly kind: 'grace'; readonly from: IssuedTokens; readonly issued: IssuedTokens }
  | {
      readonly kind: 'reuse'
      readonly from: IssuedTokens
      readonly successor: IssuedTokens
      /** This reuse, and nothing before it, revoked the family. */
      readonly revoked: boolean
    }
  | { readonly kind: 'refused'; readonly reason: 'unknown' | 'revoked'; readonly from?: IssuedTokens }

export interface TokenLedger {
  /** A new family: somebody signed in. */
  start(user: string): IssuedTokens
  /** Presents a refresh token (RFC 6749 §6). */
  refresh(refreshToken: string): RefreshVerdict
  /** Finds the tokens by either of their two strings. */
  find(token: string): IssuedTokens | undefined
  /** Finds the tokens by their access token. */
  findAccess(accessToken: string): IssuedTokens | undefined
  /** Why the API refuses this access token, or `undefined` if it is good. */
  refusal(issued: IssuedTokens): 'expired' | 'revoked' | undefined
  families(user?: string): Family[]
  /** Every access token issued so far, of this user or of all, is refused from now on. */
  expireAccessTokens(user?: string): void
}

export interface TokenLedgerOptions {
  accessTokenLifetime: number
  reuseDetection: boolean
  grace: number
  rotate: boolean
  enforceExpiry: boolean
  now: () => number
}

/**
 * The authorization server's books: which token descends from which, and which are still good.
 *
 * Rotation with reuse detection is RFC 9700 §4.14.2: a refresh token is good for one exchange; if it comes a
 * second time, somebody else has it, and since nobody can tell who, the whole family dies.
 */
export function createTokenLedger(options: TokenLedgerOptions): TokenLedger {
  const { now } = options
  const families: Family[] = []
  const byAccessToken = new Map<string, IssuedTokens>()
  const byRefreshToken = new Map<string, IssuedTokens>()

  function issue(family: Family, refreshToken: string): IssuedTokens {
    family.generation += 1
    const issued: IssuedTokens = {
      family,
      generation: family.generation,
      accessToken: `at_${randomBytes(18).toString('base64url')}`,
      refreshToken,
      issuedAt: now(),
      expired: false,
    }
    byAccessToken.set(issued.accessToken, issued)
    byRefreshToken.set(refreshToken, issued)
    return issued
  }

  /** Grace covers the last exchange only: an older token was exchanged by somebody who got the answer. */
  function inGrace(from: IssuedTokens, successor: IssuedTokens): boolean {
    const since = now() - (from.consumedAt ?? Number.NEGATIVE_INFINITY)
    return since < options.grace && successor.generation === from.family.generation
  }

  return {
    start(user) {
      const family: Family = { id: `f${families.length + 1}`, user, generation: 0 }
      families.push(family)
      return issue(family, newRefreshToken())
    },
    refresh(refreshToken) {
      const from = byRefreshToken.get(refreshToken)
      if (!from) return { kind: 'refused', reason: 'unknown' }
      const { family, successor } = from
      if (successor && !inGrace(from, successor)) {
        const revoked = options.reuseDetection && !family.revoked
        if (revoked) family.revoked = `the refresh token of generation ${from.generation} was used again`
        return { kind: 'reuse', from, successor, revoked }
      }
      if (family.revoked) return { kind: 'refused', reason: 'revoked', from }
      if (successor) return { kind: 'grace', from, issued: successor }
      if (!options.rotate) return { kind: 'rotated', from, issued: issue(family, refreshToken) }
      from.successor = issue(family, newRefreshToken())
      from.consumedAt = now()
      return { kind: 'rotated', from, issued: from.successor }
    },
    find: (token) => byAccessToken.get(token) ?? byRefreshToken.get(token),
    findAccess: (accessToken) => byAccessToken.get(accessToken),
    refusal(issued) {
      if (issued.family.revoked) return 'revoked'
      if (issued.expired) return 'expired'
      const over = now() >= issued.issuedAt + options.accessTokenLifetime
      return options.enforceExpiry && over ? 'expired' : undefined
    },
    families: (user) => families.filter((family) => user === undefined || family.user === user),
    expireAccessTokens(user) {
      for (const issued of byAccessToken.values()) {
        if (user === undefined || issued.family.user === user) issued.expired = true
      }
    },
  }
}

/** Eight characters that tell tokens apart and give nothing away. */
export function fingerprint(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 8)
}

function newRefreshToken(): string {
  return `rt_${randomBytes(18).toString('base64url')}`
}
