import type { Auth0Client } from '@auth0/auth0-spa-js'
import {
  BrowserAuthErrorCodes,
  InteractionRequiredAuthError,
  type IPublicClientApplication,
} from '@azure/msal-browser'
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
    isTerminal: ({ cause }) =>
      cause instanceof InteractionRequiredAuthError ||
      // Signed out there: it has no account any more. `setActiveAccount` says which one is meant.
      Object(cause).errorCode === BrowserAuthErrorCodes.noAccountError ||
      undefined,
  }
}

/** `autoRefreshToken: false` in its options, and `fetch: fetchForSupabase`. Its errors say their status. */
export function supabaseRenewal(auth: GoTrueClient): Renewal {
  return {
    async refresh({ tokens }) {
      // This refreshes a token whose time is over; asked to refresh it, it would do both.
      let { data, error } = await auth.getSession()
      if (data.session && data.session.access_token === tokens?.accessToken)
        ({ data, error } = await auth.refreshSession())
      if (error || !data.session) throw error ?? new SessionError('session_expired', 'nobody is signed in')
      return data.session
    },
    // It has no session any more, whatever has become of it.
    isTerminal: ({ cause }) => Object(cause).name === 'AuthSessionMissingError' || undefined,
  }
}

/**
 * It forgets its session for any answer that is no 5xx: the 404 of a deployment, the 429 or the page of a gateway. Here
 * only what an authorization server says when it refuses is one; the rest is a 503, which it tries again.
 */
export const fetchForSupabase: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init)
  const isRefresh = /grant_type=refresh_token/.test(input instanceof Request ? input.url : `${input}`)
  const isJson = /\bjson\b/.test(answer.headers.get('content-type') ?? '')
  if (!isRefresh || answer.ok || (isJson && /^40[03]$/.test(`${answer.status}`))) return answer
  return new Response(null, { status: 503, headers: answer.headers })
}
