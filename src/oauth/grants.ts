import type * as oauth from 'oauth4webapi'
import { SessionError } from '../core/errors.ts'
import { say } from '../core/messages.ts'
import type { RefreshContext, RefreshResult, SessionOptions } from '../core/options.ts'
import { claimsOf, type TokenSet } from '../core/tokens.ts'
import { createClient, type OAuthClient, type OAuthClientOptions, type Target } from './client.ts'

/** What a grant puts into `createSession`. */
export interface Grant extends Pick<SessionOptions, 'isTerminal' | 'applyToken' | 'shouldRefresh'> {
  refresh: (context: RefreshContext) => Promise<Exclude<RefreshResult, undefined>>
  /**
   * For `signOut({ server: grant.revoke })`: ends the refresh token at the server, or where there is none the access token
   * (RFC 7009). The session calls it, too, for what a late answer brings after the sign-out. Rejects where the server
   * could not be reached.
   */
  revoke: (ended: { tokens: TokenSet | undefined }) => Promise<void>
  /** The metadata of the server, for the sign-in. Rejects where they cannot be had; the next call tries again. */
  server: () => Promise<oauth.AuthorizationServer>
}

/**
 * A grant that can begin with a code, see `redeemCode`, and can renew other access tokens with the same refresh token, see
 * `audience`.
 */
export interface RefreshTokenGrant extends Grant, Pick<OAuthClient, 'client' | 'request'> {
  /** One refresh, for another target. */
  exchange: (context: RefreshContext, target: Target) => Promise<oauth.TokenEndpointResponse | Response>
}

/** How many spent refresh tokens are remembered. */
const REMEMBERED = 100

/**
 * The refresh token grant (RFC 6749 §6) of a user who has signed in, on oauth4webapi. Spread it into `createSession`.
 *
 * - A new refresh token replaces the old one; where there is none, the old one is kept. The session saves it before
 *   anybody goes on.
 * - An ID token must be about the same user (OpenID Connect Core §12.2): else the session ends. What it says of time does
 *   not count. One of another issuer, or for another client, is not taken, and a `degraded` event says so; the tokens
 *   beside it are.
 * - `invalid_grant` ends the session. `invalid_client` and its kin do not: the error names the setting.
 * - A scope that is narrower than asked for is a `degraded` event.
 * - A refresh token that another session has spent, with this grant, is not sent: a second use would end the grant. The
 *   error says so. Let these sessions share a store.
 *
 * @throws TypeError where there is no issuer, or no client
 *
 * @example
 * const grant = refreshTokenGrant({ issuer: 'https://id.example.com', clientId: 'app' })
 * const session = createSession({ ...grant, store: browserStore({ name: 'app' }) })
 * await session.signOut({ server: grant.revoke })
 */
export function refreshTokenGrant(options: OAuthClientOptions): RefreshTokenGrant {
  const client = createClient(options)
  /** Refresh tokens that are on their way, or spent. */
  const used = new Set<string>()

  async function exchange({ tokens, signal, warn }: RefreshContext, target: Target) {
    const token = tokens?.refreshToken
    if (!token) throw new SessionError('session_expired', say('renewal'))
    if (used.has(token)) throw new SessionError('refresh_failed', say('spent'))
    if (used.size > REMEMBERED) used.clear()
    used.add(token)
    // What nobody waits for any more may be sent again, as the session decides.
    signal.addEventListener('abort', () => used.delete(token))
    let answer: Awaited<ReturnType<typeof client.request>> | undefined
    try {
      answer = await client.request('refresh_token', { refresh_token: token }, target, signal)
    } finally {
      const { refresh_token } = Object(answer)
      if (refresh_token && refresh_token !== token) used.add(token)
      else used.delete(token)
    }
    if (answer instanceof Response) return answer
    const former = claimsOf(`${tokens.id_token}`)
    const { iss, aud, sub } = claimsOf(`${answer.id_token}`)
    if (differ(tokens.sub ?? former.sub, sub)) throw new SessionError('session_expired', say('subject'))
    const { issuer } = await client.server()
    const { clientId } = options
    // The tokens beside it are good: they are of the server that was asked.
    if (differ(former.iss ?? issuer, iss) || ![aud ?? clientId].flat().includes(clientId)) {
      warn(say('id-token'))
      Object.assign(answer, { id_token: tokens.id_token })
    }
    const granted = `${answer.scope ?? ''}`
    // Some give a list.
    if (granted && target.scope?.split(' ').some((one) => !granted.split(/[ ,]/).includes(one)))
      warn(say('narrowed', granted))
    return answer
  }

  return grantOf({ ...client, exchange }, options, { refresh: (context) => exchange(context, options) })
}

/**
 * The client credentials grant (RFC 6749 §4.4), for a machine that acts for itself. There is no user, no refresh token,
 * and nobody who could sign in again: no refusal ends the session.
 *
 * Processes that share a store share the token: one token request serves them all.
 *
 * @throws TypeError where there is no issuer, or no client
 *
 * @example
 * const grant = clientCredentialsGrant({ issuer, clientId, clientAuth: oauth.PrivateKeyJwt(key) })
 * const session = createSession({ ...grant, store: redisStores({ client })('reports') })
 */
export function clientCredentialsGrant(options: OAuthClientOptions): Grant {
  const client = createClient(options)
  const refresh: Grant['refresh'] = ({ signal }) => client.request('client_credentials', {}, options, signal)
  return grantOf(client, options, { refresh, isTerminal: () => false })
}

/**
 * A grant, with what grants have in common. What is no option of a session is inherited: whoever spreads the grant into one
 * leaves it behind.
 */
const grantOf = <Besides extends OAuthClient>(
  besides: Besides,
  { dpop }: OAuthClientOptions,
  own: Pick<Grant, 'refresh' | 'isTerminal'>,
): Grant & Besides =>
  Object.assign(Object.create(besides), {
    ...own,
    revoke: besides.revoke,
    applyToken: dpop?.applyToken,
    shouldRefresh: dpop?.shouldRefresh,
  })

/** Whether two ID tokens say different things: what one of them does not say is no difference. */
const differ = (one: unknown, other: unknown): boolean => (one ?? other) !== (other ?? one)
