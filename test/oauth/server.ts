import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import Provider, { type ClientMetadata } from 'oidc-provider'
import { afterEach, beforeEach, vi } from 'vitest'
import { agree } from '../oidc-consent.ts'

export interface ServerOptions {
  /** Wants proofs, with nonces, at the token endpoint and at `/me`. */
  dpop?: boolean
  /** Seconds that an access token lives. @default 3600 */
  lifetime?: number
  /** Seconds that an ID token lives. @default 60 */
  idTokenLifetime?: number
  /** Scopes of the grants. @default 'openid offline_access read' */
  scope?: string
  /** Where sign-ins come back to. */
  redirectUris?: string[]
}

interface Granted {
  access_token: string
  refresh_token: string
  token_type: string
  expires_in: number
}

/** Takes the place of an answer: status, headers, body. */
export type Fault = readonly [status: number, headers?: Record<string, string>, body?: string]

export interface Server {
  readonly issuer: string
  readonly secret: string
  readonly privateKey: CryptoKey
  readonly provider: Provider
  /** What came, and what became of it. */
  readonly count: {
    /** Requests to the token endpoint, and how many of them were there at once. */
    token: number
    most: number
    /** Token requests that were answered with tokens. */
    granted: number
    /** Refresh tokens that came a second time. */
    reuses: number
    discoveries: number
    revocations: number
    api: number
    unauthorized: number
  }
  /** Answers for the token endpoint, its metadata and its revocations, in the place of the provider's. */
  readonly faults: {
    token?: ((form: URLSearchParams) => Fault | undefined) | undefined
    metadata?: Fault | undefined
    revocation?: Fault | undefined
  }
  /** The `acr_values` that `/api/…` wants, and the access tokens that have it. */
  readonly stepUp: { wanted?: string | undefined; strong: Set<string> }
  /** The token response of a sign-in. */
  mint(options?: {
    clientId?: string
    jkt?: string
    resources?: string[]
    account?: string
  }): Promise<Granted>
  /** Takes back one access token before its time; nobody tells the client. */
  refuse(accessToken: string): Promise<void>
  isAlive(refreshToken: string | undefined): Promise<boolean>
  /** Whether an access token would be accepted. */
  accepts(accessToken: string): Promise<boolean>
  close(): Promise<void>
}

const servers: Server[] = []

/** Call it in a file of tests: what `start` has started is closed after each. */
export function serving(): (options?: ServerOptions) => Promise<Server> {
  beforeEach(() => {
    // The provider warns that it is not set up for production.
    vi.spyOn(console, 'warn').mockImplementation(() => {})
  })
  afterEach(async () => {
    vi.useRealTimers()
    vi.restoreAllMocks()
    await Promise.all(servers.splice(0).map((server) => server.close()))
  })
  return async (options) => {
    const server = await createServerOf(options)
    servers.push(server)
    return server
  }
}

/**
 * An authorization server that others wrote, as a judge: refresh tokens rotate, and one that comes again ends its grant.
 * Its clients are `app` (public), `basic`, `post` and `jwt`. Beside it are APIs: `/me`, and any `/api/…`, which takes
 * tokens of its own audience (RFC 8707) or of none.
 */
async function createServerOf(options: ServerOptions = {}): Promise<Server> {
  const { dpop = false, lifetime = 3600, idTokenLifetime = 60 } = options
  const { scope = 'openid offline_access read', redirectUris = ['https://app.example.com/back'] } = options
  const http = createServer()
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const issuer = `http://localhost:${(http.address() as AddressInfo).port}`
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const secret = 'a-secret-of/thirty+two characters:%'
  const client = (id: string, more: Partial<ClientMetadata>): ClientMetadata => ({
    client_id: id,
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    redirect_uris: redirectUris,
    ...(redirectUris[0]?.startsWith('http:') && { application_type: 'native' }),
    ...(dpop && { dpop_bound_access_tokens: true }),
    ...more,
  })
  const provider = new Provider(issuer, {
    clients: [
      client('app', {
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
      }),
      client('basic', { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' }),
      client('post', { client_secret: secret, token_endpoint_auth_method: 'client_secret_post' }),
      client('jwt', {
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig' }] },
      } as Partial<ClientMetadata>),
    ],
    // By default tokens look alive for another 15 seconds.
    clockTolerance: 0,
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    cookies: { keys: ['for-tests-only'] },
    scopes: ['openid', 'offline_access', 'read', 'write'],
    clientBasedCORS: () => true,
    ttl: {
      AccessToken: lifetime,
      ClientCredentials: lifetime,
      IdToken: idTokenLifetime,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 86_400,
      Interaction: 60,
      AuthorizationCode: 60,
    },
    findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true, allowedPolicy: () => true },
      clientCredentials: { enabled: true },
      dPoP: dpop
        ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true }
        : { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: async () => undefined as never,
        useGrantedResource: async () => false,
        getResourceServerInfo: async () => ({ scope: 'read', accessTokenFormat: 'opaque' }),
      },
    },
  })
  const count = {
    token: 0,
    most: 0,
    granted: 0,
    reuses: 0,
    discoveries: 0,
    revocations: 0,
    api: 0,
    unauthorized: 0,
  }
  const faults: Server['faults'] = {}
  const stepUp: Server['stepUp'] = { strong: new Set() }
  let atOnce = 0
  provider.on('grant.success', () => count.granted++)
  provider.on('grant.error', (_, { error_detail = '' }) => {
    if (error_detail.includes('already used')) count.reuses++
  })
  const serve = provider.callback()

  http.on('request', (request, response) => {
    const { pathname } = new URL(request.url ?? '', issuer)
    const answers = pathname === '/me' || pathname.startsWith('/api/')
    if (answers && request.method !== 'OPTIONS') {
      count.api++
      response.on('finish', () => {
        if (response.statusCode === 401) count.unauthorized++
      })
    }
    const say = ([status, headers = {}, body = '']: Fault) =>
      void response.writeHead(status, headers).end(body)
    if (pathname.startsWith('/.well-known/')) {
      count.discoveries++
      if (faults.metadata) return say(faults.metadata)
    }
    if (pathname === '/token/revocation') {
      count.revocations++
      if (faults.revocation) return say(faults.revocation)
    }
    if (pathname === '/token' && request.method === 'POST') {
      count.token++
      count.most = Math.max(count.most, ++atOnce)
      response.on('close', () => atOnce--)
      if (faults.token) return void overToken(request, response)
    }
    if (pathname.startsWith('/interaction/')) return void agree(provider, request, response)
    if (pathname.startsWith('/api/')) return void api(request, say)
    void serve(request, response)
  })

  /** The form is read first, and then the provider gets it as others have parsed it. */
  async function overToken(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const part of request) text += part
    const form = new URLSearchParams(text)
    const fault = faults.token?.(form)
    if (fault) {
      const [status, headers = {}, body = ''] = fault
      response.writeHead(status, headers).end(body)
      return
    }
    Object.assign(request, { body: Object.fromEntries(form) })
    await serve(request, response)
  }

  /** Of a user, or of a machine. */
  async function tokenOf(value: string) {
    return (await provider.AccessToken.find(value)) ?? (await provider.ClientCredentials.find(value))
  }

  async function api(request: IncomingMessage, say: (fault: Fault) => void): Promise<void> {
    const cors = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization,dpop' }
    if (request.method === 'OPTIONS') return say([204, cors])
    const [, value = ''] = /^\w+ (.+)$/.exec(request.headers.authorization ?? '') ?? []
    const token = await tokenOf(value)
    const { pathname } = new URL(request.url ?? '', issuer)
    const refuse = (error: string) =>
      say([401, { ...cors, 'access-control-expose-headers': '*', 'www-authenticate': `Bearer ${error}` }])
    if (!token?.isValid || (token.aud && token.aud !== issuer + pathname))
      return refuse('error="invalid_token"')
    if (stepUp.wanted && !stepUp.strong.has(value))
      return refuse(`error="insufficient_user_authentication", acr_values="${stepUp.wanted}", max_age="300"`)
    say([200, { ...cors, 'content-type': 'application/json' }, '{}'])
  }

  return {
    issuer,
    secret,
    privateKey: privateKey as CryptoKey,
    provider,
    count,
    faults,
    stepUp,
    async mint({ clientId = 'app', jkt, resources = [], account = 'alice' } = {}) {
      const client = await provider.Client.find(clientId)
      if (!client) throw new Error('the provider does not know its own client')
      const grant = new provider.Grant({ accountId: account, clientId })
      grant.addOIDCScope(scope)
      for (const resource of resources) grant.addResourceScope(resource, 'read')
      const of = {
        accountId: account,
        client,
        grantId: await grant.save(),
        scope,
        gty: 'authorization_code',
        ...(jkt && { jkt }),
      }
      const asked = resources.length ? { resource: resources } : {}
      return {
        refresh_token: await new provider.RefreshToken({ ...of, ...asked } as never).save(),
        access_token: await new provider.AccessToken(of as never).save(),
        expires_in: lifetime,
        token_type: jkt ? 'DPoP' : 'Bearer',
      }
    },
    async refuse(accessToken) {
      await (await tokenOf(accessToken))?.destroy()
    },
    async isAlive(refreshToken = '') {
      return Boolean((await provider.RefreshToken.find(refreshToken))?.isValid)
    },
    async accepts(accessToken) {
      return Boolean((await provider.AccessToken.find(accessToken))?.isValid)
    },
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
}
