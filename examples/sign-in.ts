import * as oauth from 'oauth4webapi'
import { createSession } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'
import { redeemCode, refreshTokenGrant } from 'refresh-once/oauth'

const redirectUri = `${location.origin}/back`
const grant = refreshTokenGrant({ issuer: 'https://id.example.com', clientId: 'app' })
export const session = createSession({ ...grant, store: browserStore({ name: 'app' }) })

export async function signIn(): Promise<void> {
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()]
  sessionStorage.setItem('sign-in', JSON.stringify({ verifier, state }))
  const link = new URL((await grant.server()).authorization_endpoint ?? '')
  const asks = { client_id: 'app', redirect_uri: redirectUri, scope: 'openid offline_access', state }
  const code_challenge = await oauth.calculatePKCECodeChallenge(verifier)
  const proof = { code_challenge, code_challenge_method: 'S256', response_type: 'code' }
  for (const one of Object.entries({ ...asks, ...proof })) link.searchParams.set(...one)
  location.assign(link)
}

/** For the page to which the server leads back. */
export async function comeBack(): Promise<void> {
  const { verifier, state } = JSON.parse(sessionStorage.getItem('sign-in') ?? '{}')
  sessionStorage.removeItem('sign-in')
  await session.signIn(await redeemCode({ grant, redirectUri, verifier, state }))
  history.replaceState(null, '', '/')
}

export const signOut = (): Promise<void> => session.signOut({ server: grant.revoke })
