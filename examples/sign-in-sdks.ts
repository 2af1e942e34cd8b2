import type { Auth0Client } from '@auth0/auth0-spa-js'
import { InteractionRequiredAuthError, type IPublicClientApplication } from '@azure/msal-browser'
import type { GoTrueClient } from '@supabase/auth-js'
import type Keycloak from 'keycloak-js'
import type { UserManager } from 'oidc-client-ts'
import { SessionError, type SessionOptions } from 'refresh-once'

/** What a session needs where an SDK has the refresh token. */
type Renewal = Pick<SessionOptions, 'refresh' | 'isTerminal'>

const ENDS = /^(login_required|invalid_grant|missing_refresh_token|consent_required|interaction_required)$/

export function auth0Renewal(auth0: Auth0Client): Renewal {
  return {
    refresh: () => auth0.getTokenSilently({ cacheMode: 'off', detailedResponse: true }),
    isTerminal: ({ cause }) => ENDS.test(Object(cause).error) || undefined,
  }
}

/** `automaticSilentRenew: false` in its settings: two timers would be two refreshes. */
export function oidcRenewal(manager: UserManager): Renewal {
  return {
    async refresh() {
      const user = await manager.signinSilent()
      if (!user) throw new SessionError('session_expired', 'nobody is signed in')
      return { accessToken: user.access_token, expiresAt: user.expires_at }
    },
    isTerminal: ({ cause }) => ENDS.test(Object(cause).error) || undefined,
  }
}

export function keycloakRenewal(keycloak: Keycloak): Renewal {
  return {
    async refresh() {
      await keycloak.updateToken(-1)
      return keycloak.token
    },
    // It forgets its tokens when the server has refused them, and keeps them when nobody has answered.
    isTerminal: () => !keycloak.refreshToken || undefined,
  }
}

export function msalRenewal(msal: IPublicClientApplication, scopes: string[]): Renewal {
  return {
    async refresh() {
      const { accessToken, expiresOn } = await msal.acquireTokenSilent({ scopes, forceRefresh: true })
      return { accessToken, expiresAt: expiresOn }
    },
    isTerminal: ({ cause }) => cause instanceof InteractionRequiredAuthError || undefined,
  }
}

/** `autoRefreshToken: false` in its options. Its errors say their status. */
export function supabaseRenewal(auth: GoTrueClient): Renewal {
  return {
    async refresh() {
      const { data, error } = await auth.refreshSession()
      if (error || !data.session) throw error ?? new SessionError('session_expired', 'nobody is signed in')
      return data.session
    },
  }
}
