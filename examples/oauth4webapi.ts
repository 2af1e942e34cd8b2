import * as oauth from 'oauth4webapi'
import { SessionError, type SessionOptions } from 'refresh-once'

/** What must be known of the authorization server, and of the app as its client. */
export interface RefreshOptions {
  /** The issuer identifier: ID tokens must come from it. */
  issuer: string
  tokenEndpoint: string
  clientId: string
}

/**
 * The refresh function of a public client, by RFC 6749 §6 on oauth4webapi, which checks what the server
 * answers: `token_type`, `expires_in`, and the claims of an ID token.
 *
 * @example
 * const session = createSession({
 *   refresh: createRefresh({ issuer: 'https://id.example.com', tokenEndpoint: 'https://id.example.com/token', clientId: 'app' }),
 * })
 * // After the login: the session remembers whom its tokens are about.
 * await session.signIn({ ...answer, sub: oauth.getValidatedIdTokenClaims(answer)?.sub })
 */
export function createRefresh({
  issuer,
  tokenEndpoint,
  clientId,
}: RefreshOptions): SessionOptions['refresh'] {
  const server: oauth.AuthorizationServer = { issuer, token_endpoint: tokenEndpoint }
  const client: oauth.Client = { client_id: clientId }
  // Plain http is for this machine only: an authorization server under development, or under test.
  const insecure = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(new URL(tokenEndpoint).hostname)

  return async ({ tokens, signal }) => {
    if (!tokens?.refreshToken) throw new SessionError('session_expired', 'there is no refresh token')
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refreshToken, {
      signal,
      [oauth.allowInsecureRequests]: insecure,
    })
    // The session knows what each error means. A redirect is one: it is not followed, since it would take
    // the refresh token elsewhere.
    if (!response.ok) return response
    const answer = await oauth.processRefreshTokenResponse(server, client, response)
    // An ID token of a refresh must be about the same user (OpenID Connect Core §12.2).
    const sub = oauth.getValidatedIdTokenClaims(answer)?.sub ?? tokens.sub
    if (tokens.sub !== undefined && sub !== tokens.sub) {
      throw new SessionError('session_expired', 'the new tokens are about another user')
    }
    // Whatever else the answer has is kept, for example the scope, which may be narrower than before.
    return { ...answer, sub }
  }
}
