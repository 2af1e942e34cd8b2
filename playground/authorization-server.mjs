import { createHash, randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { listen, peekForm } from './listen.mjs'

/** What a refresh token and a sign-in live; longer than anybody looks at the playground. */
const DAY = 86_400

/** More redirects than this are a mistake. */
const MOST_REDIRECTS = 10

/**
 * A real OAuth 2.0 authorization server (oidc-provider): authorization code with PKCE, refresh tokens that
 * rotate and whose reuse ends the whole grant, and access tokens that are JWTs of a few seconds.
 *
 * Only the person is missing: whoever is asked to sign in or to consent does so at once.
 *
 * @param audience names the API that the access tokens are for (RFC 8707)
 * @param lifetimes seconds that an access token lives, by client id
 */
export async function startAuthorizationServer({ audience, lifetimes }) {
  const Provider = await importProvider()
  let answer = (_request, response) => response.writeHead(503).end()
  const server = await listen((request, response) => answer(request, response))
  const issuer = server.origin
  const redirectUri = `${issuer}/signed-in`
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const provider = new Provider(issuer, {
    adapter: memoryAdapter(),
    clients: Object.keys(lifetimes).map((id) => ({
      client_id: id,
      token_endpoint_auth_method: 'none',
      application_type: 'native',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: [redirectUri],
      id_token_signed_response_alg: 'ES256',
    })),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'playground' }] },
    cookies: { keys: [randomBytes(24).toString('base64url')] },
    // The page is a public client, which asks for its tokens by itself.
    clientBasedCORS: () => true,
    // The provider's own 15 seconds would outlive the access tokens.
    clockTolerance: 0,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    ttl: {
      AccessToken: (_context, token) => lifetimes[token.clientId],
      AuthorizationCode: 60,
      Grant: DAY,
      IdToken: 60,
      Interaction: 60,
      RefreshToken: DAY,
      Session: DAY,
    },
    findAccount: async (_context, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_context, { uid }) => `/consent/${uid}` },
    features: {
      devInteractions: { enabled: false },
      // For those who send proofs; the API asks for nonces, which is enough to see them.
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => false },
      revocation: {
        enabled: true,
        allowedPolicy: async (_context, client, { clientId }) => clientId === client.clientId,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'items',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
  const callback = provider.callback()
  answer = (request, response) => {
    if (request.url.startsWith('/consent/')) return agree(request, response)
    if (request.url === '/token' && request.method === 'POST') return exchange(request, response)
    return callback(request, response)
  }

  /** Who stands at the token endpoint, by account. */
  const gates = new Map()
  /** Whose refresh token it is. One whose grant has ended is found nowhere else, and is counted all the same. */
  const owners = new Map()
  provider.on('refresh_token.saved', ({ jti, accountId }) => owners.set(jti, accountId))

  /** A token request; a refresh passes the gate of its account first. */
  async function exchange(request, response) {
    const { refresh_token = '' } = await peekForm(request)
    const pass = gates.get(owners.get(refresh_token))
    if (pass) {
      if (request.headers.origin) response.setHeader('access-control-allow-origin', request.headers.origin)
      if (!(await pass(response))) return
    }
    await callback(request, response)
  }

  /** Signs in whom the client has named, and agrees to all that it asks for. */
  async function agree(request, response) {
    const { prompt, params, session } = await provider.interactionDetails(request, response)
    if (prompt.name === 'login') {
      await provider.interactionFinished(request, response, { login: { accountId: params.login_hint } })
      return
    }
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
    grant.addOIDCScope('openid offline_access')
    grant.addResourceScope(audience, 'items')
    const consent = { grantId: await grant.save() }
    await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true })
  }

  /** Ids of the access tokens that each account was given, and those which are good no more. */
  const issued = new Map()
  const revoked = new Set()
  const grants = new Map()
  const reuse = new Set()
  const revocation = new Set()
  provider.on('access_token.issued', ({ accountId, jti, grantId }) => {
    issued.set(accountId, [...(issued.get(accountId) ?? []).slice(-100), jti])
    grants.set(accountId, grantId)
  })
  provider.on('grant.revoked', ({ oidc }) => {
    // At the token endpoint a grant ends for one reason: a refresh token came for the second time.
    const listeners = { token: reuse, revocation }[oidc.route] ?? []
    for (const tell of listeners) tell(oidc.entities.RefreshToken?.accountId)
  })

  async function token(parameters) {
    const body = new URLSearchParams(parameters)
    const response = await fetch(`${issuer}/token`, { method: 'POST', body })
    return { status: response.status, body: await response.json() }
  }

  async function authorize(client, account) {
    const verifier = randomBytes(32).toString('base64url')
    const state = randomBytes(16).toString('base64url')
    const cookies = new Map()
    let url = `${issuer}/auth?${new URLSearchParams({
      client_id: client,
      response_type: 'code',
      redirect_uri: redirectUri,
      login_hint: account,
      scope: 'openid offline_access items',
      resource: audience,
      prompt: 'consent',
      state,
      code_challenge_method: 'S256',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    })}`
    for (let redirects = 0; redirects < MOST_REDIRECTS; redirects++) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]*)=([^;]*)/.exec(line) ?? []
        if (value) cookies.set(name, value)
        else cookies.delete(name)
      }
      const location = response.headers.get('location')
      if (!location) throw new Error(`the sign-in ended with ${response.status}: ${await response.text()}`)
      url = new URL(location, url).href
      if (!url.startsWith(redirectUri)) continue
      const { code, error } = Object.fromEntries(new URL(url).searchParams)
      if (!code) throw new Error(`the sign-in was refused: ${error}`)
      return { url, redirectUri, verifier, state }
    }
    throw new Error('the sign-in goes round in circles')
  }

  return {
    issuer,
    keys: new URL(`${issuer}/jwks`),
    refresh: (client, refreshToken) =>
      token({ client_id: client, grant_type: 'refresh_token', refresh_token: refreshToken }),

    /** The authorization code flow with PKCE, as a browser goes through it, up to the code: for `redeemCode`. */
    authorize,

    /** The whole of it. */
    async signIn(client, account) {
      const { url, redirectUri, verifier } = await authorize(client, account)
      const code = new URL(url).searchParams.get('code')
      const grant = { grant_type: 'authorization_code', code, code_verifier: verifier }
      const tokens = await token({ client_id: client, redirect_uri: redirectUri, ...grant })
      if (tokens.status !== 200) throw new Error(`no tokens: ${tokens.body.error_description}`)
      return tokens.body
    },

    /** RFC 7009: the end of a refresh token, and with it of the grant. */
    async revoke(client, refreshToken) {
      const body = new URLSearchParams({ client_id: client, token: refreshToken })
      await fetch(`${issuer}/token/revocation`, { method: 'POST', body })
    },

    /** From now on the API refuses the access tokens that this account holds. Nobody tells the client. */
    revokeAccessTokens(account) {
      for (const id of issued.get(account) ?? []) revoked.add(id)
    },

    /** The revocation list that the API looks at. */
    isRevoked: (id) => revoked.has(id),

    /** The user's permission is withdrawn: the next refresh is answered with `invalid_grant`. */
    async endGrant(account) {
      const grantId = grants.get(account)
      if (grantId) await (await provider.Grant.find(grantId))?.destroy()
    },

    /**
     * `pass` gets to see the response to each refresh of an account, before it is made. Resolves with whether the refresh
     * goes on; else it has answered.
     */
    guardRefreshes(account, pass) {
      gates.set(account, pass)
      return () => gates.delete(account)
    },

    /** Calls `listener` with the account whose refresh token was revoked: it has signed out. */
    onRevocation(listener) {
      revocation.add(listener)
      return () => revocation.delete(listener)
    },

    /** Calls `listener` with the account whose refresh token was used a second time. */
    onReuse(listener) {
      reuse.add(listener)
      return () => reuse.delete(listener)
    },

    close: server.close,
  }
}

/** Imports the provider, without its advice that runs of Node 20 are better made with a later one. */
async function importProvider() {
  const { warn } = console
  console.warn = () => {}
  try {
    return (await import('oidc-provider')).default
  } finally {
    console.warn = warn
  }
}

/** Where the provider keeps what it has issued; the one it brings along warns that it is for development only. */
function memoryAdapter() {
  const records = new Map()

  return class MemoryAdapter {
    constructor(model) {
      this.model = model
    }

    key(id) {
      return `${this.model}:${id}`
    }

    async upsert(id, payload, expiresIn) {
      const expiresAt = expiresIn ? Date.now() + expiresIn * 1000 : Number.POSITIVE_INFINITY
      records.set(this.key(id), { payload, expiresAt })
    }

    async find(id) {
      const record = records.get(this.key(id))
      if (!record || record.expiresAt > Date.now()) return record?.payload
      records.delete(this.key(id))
      return undefined
    }

    async findByUid(uid) {
      for (const [key, { payload }] of records) {
        if (key.startsWith(`${this.model}:`) && payload.uid === uid) return payload
      }
      return undefined
    }

    async findByUserCode() {
      return undefined
    }

    async consume(id) {
      const payload = await this.find(id)
      if (payload) payload.consumed = Math.floor(Date.now() / 1000)
    }

    async destroy(id) {
      records.delete(this.key(id))
    }

    async revokeByGrantId(grantId) {
      for (const [key, { payload }] of records) {
        if (key.startsWith(`${this.model}:`) && payload.grantId === grantId) records.delete(key)
      }
    }
  }
}
