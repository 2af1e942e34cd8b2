import type * as oauth from 'oauth4webapi'
import { readBody } from '../core/answer.ts'
import { claimsOf } from '../core/tokens.ts'
import type { OAuthClientOptions } from './client.ts'

/** What a provider that departs from the standard needs: spread it into the options of a grant. */
export type Preset = Required<Pick<OAuthClientOptions, 'server' | 'fetch'>>

/** A fetch whose answers in JSON are read in another way. What is none is left as it is. */
function reading(read: (body: Record<string, unknown>) => object): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init)
    if (!response.body) return response
    let text = await readBody(response)
    try {
      text = JSON.stringify(read(JSON.parse(text)))
    } catch {
      // A page, of whoever stands in between.
    }
    return new Response(text, response)
  }
}

/**
 * Slack, whose apps rotate their tokens. Its types of tokens are `bot` and `user`, which are sent as Bearer tokens, and the
 * answer to a code has the user's tokens in `authed_user`. It has no metadata, and no RFC 7009: sign out by `auth.revoke`.
 *
 * @param whose tokens the session is for; each is refreshed for itself. Its default is 'bot'
 *
 * @see https://docs.slack.dev/authentication/using-token-rotation
 *
 * @example
 * refreshTokenGrant({ ...slack(), clientId, clientAuth: oauth.ClientSecretPost(secret) })
 */
export function slack(whose: 'bot' | 'user' = 'bot'): Preset {
  return {
    server: {
      issuer: 'https://slack.com',
      authorization_endpoint: 'https://slack.com/oauth/v2/authorize',
      token_endpoint: 'https://slack.com/api/oauth.v2.access',
    },
    fetch: reading(({ authed_user, ...body }) => {
      const tokens: Record<string, unknown> = { ...body, ...(whose === 'user' && (authed_user as object)) }
      if (/^(bot|user)$/.test(String(tokens.token_type))) tokens.token_type = 'bearer'
      return tokens
    }),
  }
}

/**
 * Microsoft Entra ID for accounts of several tenants (`common`, `organizations`): the issuer of each ID token is its own
 * tenant, and not the one of the metadata. For one tenant nothing is needed but its `issuer`.
 *
 * @param tenant Its default is 'common'
 *
 * @see https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
 *
 * @example
 * refreshTokenGrant({ ...entra(), clientId, scope: 'openid offline_access api://orders/read' })
 */
export function entra(tenant = 'common'): Preset {
  const login = (of: unknown) => `https://login.microsoftonline.com/${of}`
  const server: oauth.AuthorizationServer & { issuer: string } = {
    issuer: `${login(tenant)}/v2.0`,
    authorization_endpoint: `${login(tenant)}/oauth2/v2.0/authorize`,
    token_endpoint: `${login(tenant)}/oauth2/v2.0/token`,
  }
  return {
    server,
    fetch: reading((body) => {
      const { tid } = claimsOf(String(body.id_token))
      if (tid) server.issuer = `${login(tid)}/v2.0`
      return body
    }),
  }
}
