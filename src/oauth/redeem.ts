import * as oauth from 'oauth4webapi'
import { say } from '../core/messages.ts'
import type { Target } from './client.ts'
import type { RefreshTokenGrant } from './grants.ts'

/** Options of {@link redeemCode}: what the authorization request has said, and where it has led. */
export interface RedeemOptions extends Pick<Target, 'resource'> {
  grant: RefreshTokenGrant
  /** The same as in the authorization request. */
  redirectUri: string
  /** Of the code challenge (RFC 7636). */
  verifier: string
  /** What the authorization request has sent along; whoever comes with another has not asked here. */
  state: string
  /** Where the server has led back to. @default the address of this page */
  url?: string | URL | undefined
}

/**
 * The tokens for an authorization code (RFC 6749 §4.1.3), for `session.signIn`: with the care, the client authentication and
 * the proofs of possession of the refreshes that follow. A clock that is off refuses nobody, and a nonce that the server
 * wants is sent.
 *
 * Rejects where the server says no, where `state` or the issuer is not the one that was asked, and where one of them is
 * missing.
 *
 * @example
 * await session.signIn(await redeemCode({ grant, redirectUri, verifier, state }))
 */
export async function redeemCode({
  grant,
  redirectUri,
  verifier,
  state,
  url = location.href,
  resource,
}: RedeemOptions): Promise<oauth.TokenEndpointResponse> {
  const as = await grant.server()
  const code = oauth.validateAuthResponse(as, grant.client, new URL(url), state).get('code')
  // Without them whoever leads the user here could have him signed in as somebody else.
  if (!state || !verifier || !code) throw new TypeError(say('redeem'))
  const own = { code, redirect_uri: redirectUri, code_verifier: verifier }
  const answer = await grant.request('authorization_code', own, { resource })
  // Whatever the clocks say, an ID token comes from the token endpoint itself.
  const client = { ...grant.client, [oauth.clockTolerance]: 2 ** 31 }
  const check = (response: Response) => oauth.processGenericTokenEndpointResponse(as, client, response)
  // What is no answer with tokens is told as oauth4webapi does.
  if (answer instanceof Response) return check(answer)
  // Whose they are must be certain. What is odd beside them is no reason to lose them.
  const { access_token, token_type, id_token, ...rest } = answer
  const body = JSON.stringify({ access_token, token_type, id_token: id_token || undefined })
  const headers = { 'content-type': 'application/json' }
  return Object.assign(await check(new Response(body, { headers })), rest)
}
