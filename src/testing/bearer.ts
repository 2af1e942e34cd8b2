import type { Answer, Conversation } from './conversation.ts'
import type { Presented, RejectedEntry } from './server-log.ts'
import { fingerprint, type IssuedTokens, type TokenLedger } from './token-ledger.ts'

/** What the guard thinks of a token. */
export type TokenVerdict =
  | { readonly issued: IssuedTokens; readonly refused?: never }
  | { readonly refused: RejectedEntry['reason'] }

/** The access token of a request (RFC 6750 §2), also where apps without OAuth put it. The first one counts. */
export function presentedToken({ request, query, cookie }: Conversation): string | undefined {
  const { authorization } = request.headers
  if (authorization !== undefined) return /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? authorization
  const header = request.headers['x-access-token']
  return (typeof header === 'string' ? header : query.get('access_token')) ?? cookie('access_token')
}

export function verdictOn(ledger: TokenLedger, token: string | undefined): TokenVerdict {
  if (token === undefined) return { refused: 'none' }
  const issued = ledger.findAccess(token)
  if (!issued) return { refused: 'foreign' }
  const refused = ledger.refusal(issued)
  return refused ? { refused } : { issued }
}

/** The 401 of RFC 6750 §3. */
export function challenge(reason: RejectedEntry['reason']): Answer {
  // §3.1: no error code for a request that lacks any authentication information.
  const error = reason === 'none' ? undefined : 'invalid_token'
  return {
    status: 401,
    headers: { 'www-authenticate': `Bearer realm="api"${error ? `, error="${error}"` : ''}` },
    body: { error: error ?? 'unauthorized' },
  }
}

/** Whose token it is, for the log. */
export function ownerOf(ledger: TokenLedger, token: string | undefined): Presented {
  if (token === undefined) return { family: 'none' }
  const issued = ledger.findAccess(token)
  if (!issued) return { family: 'foreign', token: fingerprint(token) }
  const { family, generation } = issued
  return { family: family.id, generation, user: family.user, token: fingerprint(token) }
}

/** The same for people. */
export function describeToken(ledger: TokenLedger, token: string | undefined): string {
  const { family, generation, user, token: short } = ownerOf(ledger, token)
  if (token === undefined) return 'no token'
  if (user !== undefined) return `${user}'s access token ${family}/${generation}`
  return ledger.find(token)
    ? `a REFRESH token (${short}), which belongs nowhere here`
    : `a foreign token (${short})`
}
