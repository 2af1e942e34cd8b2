import type { Answer, Conversation, TrackedAnswer } from './conversation.ts'
import type { RecognisedRequest } from './recognised.ts'
import { createRefreshGrant } from './refresh-grant.ts'
import type { Presented, RefusedEntry, ServerLog, SessionEntry } from './server-log.ts'
import { invalidGrant, REMOVED_COOKIES, tokenAnswer, tokenResponse } from './token-answer.ts'
import { fingerprint, type IssuedTokens, type TokenLedger } from './token-ledger.ts'
import { readTokenRequest, type TokenRequest, text } from './token-request.ts'

export interface TokenEndpointOptions {
  ledger: TokenLedger
  log: ServerLog
  /** What answers claim to be left of an access token's lifetime, in seconds. */
  expiresIn: (issued: IssuedTokens) => number | undefined
  password: string
}

/**
 * Everything that hands out or takes back tokens: `/token` (RFC 6749 §6); `/login`, `/refresh` and `/logout`
 * as the backend of a web app has them; `/revoke` (RFC 7009). The returned function takes a request if it is
 * for one of them.
 */
export function createTokenEndpoint(
  options: TokenEndpointOptions,
): (conversation: Conversation) => Promise<RecognisedRequest | undefined> {
  const { ledger, log, expiresIn, password } = options
  const exchangeToken = createRefreshGrant({ ledger, log, expiresIn })

  const routes: Record<string, (request: TokenRequest) => TrackedAnswer> = {
    '/token'(request) {
      if (request.fields.grant_type !== 'refresh_token') {
        return refuse(request, 'unsupported', { status: 400, body: { error: 'unsupported_grant_type' } })
      }
      const answer = { status: 400, body: { error: 'invalid_request' } }
      return request.refreshToken === undefined
        ? refuse(request, 'missing', answer)
        : exchangeToken(request, request.refreshToken)
    },
    '/refresh': (request) =>
      request.refreshToken === undefined
        ? refuse(request, 'missing', invalidGrant(request))
        : exchangeToken(request, request.refreshToken),
    '/login'(request) {
      const user = text(request.fields.user)
      if (user === undefined || request.fields.password !== password) {
        note('login', undefined, 'a login failed: wrong password', 401)
        return { status: 401, body: { error: 'invalid_credentials' } }
      }
      const issued = ledger.start(user)
      note('login', issued, `${user} signed in: family ${issued.family.id} begins`, 200)
      return tokenAnswer(request, tokenResponse(issued, expiresIn(issued)))
    },
    '/logout'(request) {
      const issued = signedInBy(request)
      if (issued) issued.family.revoked ??= 'signed out'
      const explanation = issued
        ? `${issued.family.user} signed out: family ${issued.family.id} is revoked`
        : 'somebody signed out without a token that is known here'
      note('logout', issued, explanation, 204)
      return { status: 204, headers: { 'set-cookie': REMOVED_COOKIES } }
    },
    '/revoke'({ fields }) {
      const token = text(fields.token)
      const issued = token === undefined ? undefined : ledger.find(token)
      // RFC 7009 §2.1: with a refresh token the whole grant goes, with an access token nothing else need go.
      const whole = issued?.refreshToken === token
      if (issued && whole) issued.family.revoked ??= 'revoked by the client'
      else if (issued) issued.expired = true
      const explanation = issued
        ? `${issued.family.user}'s ${whole ? 'family' : 'access token'} ${nameOf(issued, whole)} was revoked by the client`
        : 'a token that is not known here was to be revoked'
      note('revoked', issued, explanation, 200)
      // RFC 7009 §2.2: an unknown token is as good as a revoked one.
      return {}
    },
  }

  function note(
    kind: SessionEntry['kind'],
    issued: IssuedTokens | undefined,
    explanation: string,
    status: number,
  ): void {
    const owner = issued && { user: issued.family.user, family: issued.family.id }
    log.append<SessionEntry>({ kind, ...owner, status, explanation })
  }

  function refuse({ conversation }: TokenRequest, reason: 'missing' | 'unsupported', answer: Answer): Answer {
    const { method, path } = conversation
    const explanation = reason === 'missing' ? 'no refresh token came' : 'the grant type is not refresh_token'
    log.append<RefusedEntry>({ kind: 'refused', method, path, reason, explanation })
    return answer
  }

  function signedInBy({ conversation, refreshToken }: TokenRequest): IssuedTokens | undefined {
    const bearer = /^Bearer +(.+)$/i.exec(conversation.request.headers.authorization ?? '')?.[1]
    const token = refreshToken ?? bearer ?? conversation.cookie('access_token')
    return token === undefined ? undefined : ledger.find(token)
  }

  /** Known before the request is handled, so that the entry of a fault can name the token. */
  function presented({ refreshToken }: TokenRequest): Partial<Presented> {
    if (refreshToken === undefined) return { family: 'none' }
    const issued = ledger.find(refreshToken)
    const token = fingerprint(refreshToken)
    if (!issued) return { family: 'foreign', token }
    return { family: issued.family.id, generation: issued.generation, user: issued.family.user, token }
  }

  return async (conversation) => {
    const route = Object.hasOwn(routes, conversation.path) ? routes[conversation.path] : undefined
    if (!route) return undefined
    if (conversation.method !== 'POST') return METHOD_NOT_ALLOWED
    const refreshes = conversation.path === '/token' || conversation.path === '/refresh'
    if (refreshes) log.count.refreshRequests += 1
    const request = await readTokenRequest(conversation)
    return {
      place: refreshes ? 'token' : 'other',
      presented: presented(request),
      handle: () => route(request),
    }
  }
}

const METHOD_NOT_ALLOWED: RecognisedRequest = {
  place: 'other',
  presented: {},
  handle: () => ({ status: 405, headers: { allow: 'POST' }, body: { error: 'method_not_allowed' } }),
}

function nameOf({ family, generation }: IssuedTokens, whole: boolean): string {
  return whole ? family.id : `${family.id}/${generation}`
}
