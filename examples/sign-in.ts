import * as oauth from 'oauth4webapi'
import { createSession } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'
import { refreshTokenGrant } from 'refresh-once/oauth'
import { BACK, client, DEV, ISSUER, SCOPE } from './sign-in-settings.ts'

const grant = refreshTokenGrant({ issuer: ISSUER, clientId: client.client_id })
export const session = createSession({ ...grant, store: browserStore({ name: 'app' }) })

export async function signIn(): Promise<void> {
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()]
  sessionStorage.setItem('sign-in', JSON.stringify({ verifier, state }))
  const link = new URLSearchParams({
    ...client,
    response_type: 'code',
    redirect_uri: BACK,
    scope: SCOPE,
    state,
  })
  link.set('code_challenge', await oauth.calculatePKCECodeChallenge(verifier))
  link.set('code_challenge_method', 'S256')
  location.assign(`${(await grant.server()).authorization_endpoint}?${link}`)
}

/** For the page to which the server leads back. */
export async function comeBack(): Promise<void> {
  const { verifier, state } = JSON.parse(sessionStorage.getItem('sign-in') ?? '{}')
  const as = await grant.server()
  const code = oauth.validateAuthResponse(as, client, new URL(location.href), state)
  const got = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), code, BACK, verifier, DEV)
  await session.signIn({ ...(await oauth.processAuthorizationCodeResponse(as, client, got)) })
  sessionStorage.removeItem('sign-in')
  history.replaceState(null, '', '/')
}

export const signOut = (): Promise<void> => session.signOut({ server: grant.revoke })
