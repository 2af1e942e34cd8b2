import * as oauth from 'oauth4webapi'
import { SessionError, type SessionOptions, type TokenSet } from 'refresh-once'
import type { SignIn } from './cookies.ts'

export interface AuthorizationServerOptions {
  /** The issuer identifier, under which its metadata is found. */
  issuer: string
  clientId: string
  clientSecret: string
  /** Where it sends the browser back to. */
  redirectUri: string
  /** Must bring a refresh token; with many servers `offline_access` does. */
  scope: string
}

/** The authorization server, as its confidential client sees it. */
export interface AuthorizationServer {
  /** Where the browser goes to sign in, and what must be remembered meanwhile. */
  begin(): Promise<{ url: URL } & Omit<SignIn, 'former'>>
  /** The tokens for the code that the browser has brought back. */
  finish(callback: URL, signIn: SignIn): Promise<Granted>
  refresh: SessionOptions['refresh']
  /** Resolves with whether the server has taken back what it granted (RFC 7009). */
  revoke(tokens: Pick<TokenSet, 'accessToken' | 'refreshToken'>): Promise<boolean>
}

/** A token set, and whom it is about. */
export type Granted = TokenSet & { sub: string | undefined }

/** Milliseconds that a sign-out waits for the revocation. */
const REVOCATION_TIMEOUT = 3_000

/** Asks the authorization server where its endpoints are. */
export async function discover(options: AuthorizationServerOptions): Promise<AuthorizationServer> {
  const { clientId, clientSecret, redirectUri, scope } = options
  const issuer = new URL(options.issuer)
  // Plain http is for this machine only: an authorization server under development, or under test.
  const insecure = {
    [oauth.allowInsecureRequests]: /^(localhost|127\.0\.0\.1|\[::1\])$/.test(issuer.hostname),
  }
  const metadata = await oauth.discoveryRequest(issuer, insecure)
  const server = await oauth.processDiscoveryResponse(issuer, metadata)
  const client: oauth.Client = { client_id: clientId }
  const proof = oauth.ClientSecretBasic(clientSecret)

  return {
    async begin() {
      const state = oauth.generateRandomState()
      const nonce = oauth.generateRandomNonce()
      const verifier = oauth.generateRandomCodeVerifier()
      if (!server.authorization_endpoint) throw new TypeError(`${issuer} has no authorization endpoint`)
      const url = new URL(server.authorization_endpoint)
      const parameters = {
        client_id: clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope,
        state,
        nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      }
      for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
      return { url, state, nonce, verifier }
    },

    async finish(callback, { state, nonce, verifier }) {
      const code = oauth.validateAuthResponse(server, client, callback, state)
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        proof,
        code,
        redirectUri,
        verifier,
        insecure,
      )
      return checked(response, async () => {
        const answer = await oauth.processAuthorizationCodeResponse(server, client, response, {
          expectedNonce: nonce,
          requireIdToken: true,
        })
        // The ID token has told whom it is about; nobody needs it any more.
        const { access_token: accessToken, refresh_token: refreshToken, ...rest } = answer
        const sub = oauth.getValidatedIdTokenClaims(answer)?.sub
        return { ...rest, accessToken, refreshToken, expiresIn: rest.expires_in, id_token: undefined, sub }
      })
    },

    async refresh({ tokens, signal }) {
      if (!tokens?.refreshToken) throw new SessionError('session_expired', 'there is no refresh token')
      const response = await oauth.refreshTokenGrantRequest(server, client, proof, tokens.refreshToken, {
        ...insecure,
        signal,
      })
      // The session knows what each error means.
      if (!response.ok) return response
      return checked(response, async () => {
        const answer = await oauth.processRefreshTokenResponse(server, client, response)
        // An ID token of a refresh must be about the same user (OpenID Connect Core §12.2).
        const sub = oauth.getValidatedIdTokenClaims(answer)?.sub ?? tokens.sub
        if (sub !== tokens.sub)
          throw new SessionError('session_expired', 'the new tokens are about another user')
        return { ...answer, id_token: undefined, sub }
      })
    },

    revoke,
  }

  async function revoke({ accessToken, refreshToken }: Partial<TokenSet>): Promise<boolean> {
    const token = refreshToken ?? accessToken
    if (!token) return false
    try {
      const response = await oauth.revocationRequest(server, client, proof, token, {
        ...insecure,
        additionalParameters: { token_type_hint: refreshToken ? 'refresh_token' : 'access_token' },
        signal: AbortSignal.timeout(REVOCATION_TIMEOUT),
      })
      await oauth.processRevocationResponse(response)
      return true
    } catch {
      return false
    }
  }

  /** Reads a grant by `read`; where that finds it to be wrong, nobody keeps its tokens, and they are taken back. */
  async function checked<T>(response: Response, read: () => Promise<T>): Promise<T> {
    const copy = response.clone()
    try {
      return await read()
    } catch (error) {
      const granted = Object(await copy.json().catch(() => undefined))
      await revoke({ accessToken: granted.access_token, refreshToken: granted.refresh_token })
      throw error
    }
  }
}
