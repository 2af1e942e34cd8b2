/** SDKs that have the refresh token, in a page: a session asks one, and tells what has become of both. */
import { Auth0Client } from '@auth0/auth0-spa-js'
import {
  AuthenticationScheme,
  type Configuration,
  loadExternalTokens,
  PublicClientApplication,
} from '@azure/msal-browser'
import { broadcastResponseToMainFrame } from '@azure/msal-browser/redirect-bridge'
import Keycloak from 'keycloak-js'
import { createSession, isSessionError, type SessionOptions } from 'refresh-once'
import { auth0Renewal, keycloakRenewal, msalRenewal } from '../../examples/sign-in-sdks.ts'

const TENANT = '11111111-1111-1111-1111-111111111111'
const USER = '22222222-2222-2222-2222-222222222222'

const now = Math.floor(Date.now() / 1000)
const encode = (value: object) =>
  btoa(JSON.stringify(value)).replace(/=+$/, '').replace(/\+/g, '-').replace(/\//g, '_')
const jwt = (claims: object) =>
  `${encode({ alg: 'RS256' })}.${encode({ iat: now, nbf: now, exp: now + 3600, ...claims })}.x`

const claims = { aud: 'app', iss: 'https://auth0.test/', tid: TENANT, oid: USER, sub: 'alice' }
export const tokens = {
  token_type: AuthenticationScheme.BEARER,
  scope: 'User.Read',
  expires_in: 3600,
  access_token: jwt({ sub: 'alice', jti: 'new' }),
  refresh_token: jwt({ sub: 'alice', jti: 'rt' }),
  id_token: jwt(claims),
  client_info: encode({ uid: USER, utid: TENANT }),
}

// Where the frame of MSAL comes back to.
if (location.hash) void broadcastResponseToMainFrame()

interface Opened {
  renewal: Pick<SessionOptions, 'refresh' | 'isTerminal'>
  kept(): unknown
  /** Signs out there, and tells no session. */
  forget(): void
}

let opened: Opened

async function openKeycloak(): Promise<Opened> {
  const keycloak = new Keycloak({ url: 'https://keycloak.test', realm: 'test', clientId: 'app' })
  const { access_token: token, refresh_token: refreshToken } = tokens
  await keycloak.init({ token, refreshToken, checkLoginIframe: false })
  return {
    renewal: keycloakRenewal(keycloak),
    kept: () => keycloak.refreshToken,
    forget: () => keycloak.clearToken(),
  }
}

async function openAuth0(): Promise<Opened> {
  const key = '@@auth0spajs@@::app::default::openid profile email offline_access'
  const entry = { body: { ...tokens, client_id: 'app', audience: 'default' }, expiresAt: now + 3600 }
  localStorage.setItem(key, JSON.stringify(entry))
  const auth0 = new Auth0Client({
    domain: 'auth0.test',
    clientId: 'app',
    useRefreshTokens: true,
    cacheLocation: 'localstorage',
  })
  return {
    renewal: auth0Renewal(auth0),
    kept: () => localStorage.getItem(key)?.includes('refresh_token'),
    forget: () => localStorage.clear(),
  }
}

async function openMsal(): Promise<Opened> {
  sessionStorage.clear()
  const authority = `https://login.microsoftonline.com/${TENANT}`
  const config: Configuration = {
    auth: { clientId: 'app', authority, redirectUri: `${location.origin}/back` },
    system: { iframeBridgeTimeout: 30_000 },
  }
  const scopes = ['User.Read']
  const clientInfo = tokens.client_info
  await loadExternalTokens(config, { scopes, authority }, tokens, { clientInfo })
  const msal = new PublicClientApplication(config)
  await msal.initialize()
  msal.setActiveAccount(msal.getAllAccounts()[0] ?? null)
  return {
    renewal: msalRenewal(msal, scopes),
    kept: () => Object.keys(sessionStorage).some((key) => key.includes('refreshtoken')),
    forget() {
      msal.setActiveAccount(null)
      sessionStorage.clear()
    },
  }
}

/** Signs in anew. */
export async function open(sdk: 'auth0' | 'keycloak' | 'msal'): Promise<void> {
  opened = await { auth0: openAuth0, keycloak: openKeycloak, msal: openMsal }[sdk]()
}

export const forget = (): void => opened.forget()

/** Who is signed in after one call, what came of it, and whether the SDK has its refresh token. */
export async function ask(): Promise<unknown[]> {
  const { renewal, kept } = opened
  const session = createSession({ ...renewal, retries: 0, tokens: { accessToken: 'old', expiresAt: 1 } })
  const outcome = await session.getAccessToken().then(
    () => 'tokens' as const,
    (error: unknown) => (isSessionError(error) ? error.code : `${error}`),
  )
  const { status } = session.state
  session.close()
  return [status, outcome, Boolean(kept())]
}
