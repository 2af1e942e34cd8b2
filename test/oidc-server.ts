import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type ClientMetadata } from 'oidc-provider'
import { agree } from './oidc-consent.ts'

export interface OidcServer {
  readonly tokenEndpoint: string
  /** Origin of the server, with `/me` as the API that it guards. */
  readonly url: string
  readonly clientId: string
  /** How many refresh grants were exchanged for tokens. */
  readonly refreshes: number
  /** How many requests came to the token endpoint, whatever became of them. */
  readonly tokenRequests: number
  /** How many requests came to `/me`. */
  readonly apiRequests: number
  /** How often a refresh token was found to have been used before. */
  readonly reuses: number
  /** Access tokens that came out of its token endpoint, in that order. */
  readonly granted: readonly string[]
  /** The token response of a new sign-in. */
  mint(accountId?: string): Promise<TokenResponse>
  /** Whose access token this is, while it is good. */
  accountOf(accessToken: string): Promise<string | undefined>
  /** Takes back one access token before its time. */
  refuse(accessToken: string): Promise<void>
  /** While set, the token endpoint answers 503, and asks for so many seconds of patience. */
  busyFor: number | undefined
  /** Ends everything that was ever granted to an account. */
  revoke(accountId: string): Promise<void>
  close(): Promise<void>
}

interface TokenResponse {
  access_token: string
  refresh_token: string
  expires_in: number
  token_type: 'Bearer'
}

interface OidcServerOptions {
  /** Lifetime of access tokens in seconds. */
  accessTokenLifetime: number
  /** Further clients. Whoever comes to sign in at one is Alice, and agrees to everything. */
  clients?: ClientMetadata[]
}

const CLIENT = 'app'
const SCOPE = 'openid offline_access'

/**
 * An authorization server that others wrote, as a judge: refresh tokens rotate, and one that comes again ends
 * its grant. Tokens for the first sign-in come straight from the provider's own models.
 */
export async function createOidcServer(options: OidcServerOptions): Promise<OidcServer> {
  const { accessTokenLifetime, clients = [] } = options
  const http = createServer()
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const count = { refreshes: 0, tokenRequests: 0, apiRequests: 0, reuses: 0 }
  const grants = new Map<string, string[]>()
  const granted: string[] = []

  const provider = new Provider(url, {
    clients: [
      {
        client_id: CLIENT,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: [`${url}/callback`],
      },
      ...clients,
    ],
    // By default tokens look alive for another 15 seconds.
    clockTolerance: 0,
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    ttl: { AccessToken: accessTokenLifetime, RefreshToken: 3_600, Grant: 3_600, IdToken: 60 },
    cookies: { keys: ['for-tests-only'] },
    findAccount: async (_, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      deviceFlow: { enabled: true },
    },
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  })
  provider.on('grant.success', ({ oidc, body }) => {
    granted.push(String(Object(body).access_token))
    if (oidc.params?.grant_type === 'refresh_token') count.refreshes++
  })
  provider.on('grant.error', (_, error) => {
    if (error.error_detail?.includes('already used')) count.reuses++
  })
  const serve = provider.callback()
  http.on('request', (request, response) => {
    if (request.url === '/token') {
      count.tokenRequests++
      if (server.busyFor !== undefined) {
        response.writeHead(503, { 'retry-after': String(server.busyFor) }).end()
        return
      }
    }
    if (request.url?.startsWith('/me')) count.apiRequests++
    if (request.url?.startsWith('/interaction/')) void agree(provider, request, response, note)
    else void serve(request, response)
  })

  function note(accountId: string, grantId: string): void {
    grants.set(accountId, [...(grants.get(accountId) ?? []), grantId])
  }

  const server: OidcServer = {
    url,
    granted,
    busyFor: undefined,
    tokenEndpoint: `${url}/token`,
    clientId: CLIENT,
    get refreshes() {
      return count.refreshes
    },
    get tokenRequests() {
      return count.tokenRequests
    },
    get apiRequests() {
      return count.apiRequests
    },
    get reuses() {
      return count.reuses
    },
    async mint(accountId = 'alice') {
      const client = await provider.Client.find(CLIENT)
      if (!client) throw new Error('the provider does not know its own client')
      const grant = new provider.Grant({ accountId, clientId: CLIENT })
      grant.addOIDCScope(SCOPE)
      const grantId = await grant.save()
      note(accountId, grantId)
      const of = { accountId, client, grantId, scope: SCOPE, gty: 'authorization_code' }
      return {
        refresh_token: await new provider.RefreshToken({ ...of }).save(),
        access_token: await new provider.AccessToken({ ...of }).save(),
        expires_in: accessTokenLifetime,
        token_type: 'Bearer',
      }
    },
    async accountOf(accessToken) {
      const token = await provider.AccessToken.find(accessToken)
      return token?.isExpired ? undefined : token?.accountId
    },
    async refuse(accessToken) {
      await (await provider.AccessToken.find(accessToken))?.destroy()
    },
    async revoke(accountId) {
      for (const grantId of grants.get(accountId) ?? []) {
        await provider.AccessToken.revokeByGrantId(grantId)
        await provider.RefreshToken.revokeByGrantId(grantId)
        await (await provider.Grant.find(grantId))?.destroy()
      }
    },
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
  return server
}
