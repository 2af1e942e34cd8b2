/**
 * An MCP server on loopback: Streamable HTTP and SSE behind bearer tokens. Its authorization server has a port of its own,
 * registers clients, wants PKCE, rotates refresh tokens and revokes a family whose token is used twice, without grace.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { InvalidGrantError, InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import type { OAuthServerProvider } from '@modelcontextprotocol/sdk/server/auth/provider.js'
import { createOAuthMetadata, mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import {
  type EventStore,
  StreamableHTTPServerTransport,
} from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { OAuthClientInformationFull, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import express from 'express'
import * as z from 'zod/v4'

interface Grant {
  family: string
  client: string
  scopes: string[]
  resource: URL | undefined
  user: string
}

export interface World {
  readonly origin: string
  readonly issuer: string
  /** What was asked of the authorization server, and of the MCP server. */
  readonly count: {
    registrations: number
    exchanges: number
    refreshes: number
    reuses: number
    unauthorized: number
    /** Token requests that carried an access token. */
    leaks: number
    /** Requests that came to the other server with a token, after a redirect. */
    strays: number
    /** Sessions of the protocol that were ended by DELETE. */
    ended: number
    /** Access tokens that clients were given in their own name. */
    credentials: number
  }
  /** How many streams of notifications are open. */
  readonly streams: number
  /** Cuts these, and those of calls of `wait` that have no answer yet. */
  cutStreams(): Promise<void>
  /** Tells all who listen. */
  notify(text: string): Promise<void>
  /** Answers calls of `wait`. */
  answer(): void
  /** Streams of notifications are answered 401, whatever the token. */
  refusingStreams(refuses: boolean): void
  /** How often each key was added. */
  readonly added: Map<string, number>
  /** Who has called `whoami`. */
  readonly users: string[]
  /** Every access token is refused from now on. */
  expire(): void
  /** Every refresh token is refused from now on. */
  revoke(): void
  forgetClients(): void
  /** Answers so many token requests like this. */
  failing(times: number, status: number, body: string, type?: string): void
  /** Cuts the connection of so many token requests. */
  cutting(times: number): void
  /** Milliseconds that the authorization server takes for each answer. */
  delay: number
  /** Token requests are answered as they should be. */
  heal(): void
  /** The next token request is told, by the name of its process, and never answered. */
  holding(told: (name: string) => void): void
  /** Calls of `admin` need this scope. */
  requires(scope: string): void
  /** Who is at the browser. */
  user: string
  /** The user agrees, and comes back with the code. */
  consent(page: URL | undefined): Promise<URL>
  close(): Promise<void>
}

/**
 * @param options `lifetime` of access tokens, in seconds; `brief`: there are no streams of notifications, which only keep a
 * connection; `together`: the authorization server is on the origin of the MCP server
 */
export async function startWorld({ lifetime = 3600, brief = true, together = false } = {}): Promise<World> {
  const clients = new Map<string, OAuthClientInformationFull>()
  const codes = new Map<string, Grant & { challenge: string }>()
  const access = new Map<string, Grant & { end: number; dead?: boolean }>()
  const renewals = new Map<string, Grant & { used?: boolean }>()
  const revoked = new Set<string>()
  const count = {
    registrations: 0,
    exchanges: 0,
    refreshes: 0,
    reuses: 0,
    unauthorized: 0,
    leaks: 0,
    strays: 0,
    ended: 0,
    credentials: 0,
  }
  const added = new Map<string, number>()
  const users: string[] = []
  const servers: Server[] = []
  let fault: ((response: express.Response) => void) | undefined
  let faults = 0
  let needed: string | undefined
  let refusingStreams = false
  /** Responses that stay open. */
  const streams = new Set<express.Response>()
  const talking = new Set<McpServer>()
  let answer = (): void => {}
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })

  const listen = async (app: express.Express): Promise<string> => {
    const server = await new Promise<Server>((resolve) => {
      const made = app.listen(0, '127.0.0.1', () => resolve(made))
    })
    servers.push(server)
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  function issue(grant: Grant): OAuthTokens {
    const [token, renewal] = [randomUUID(), randomUUID()]
    // Good for longer than was announced: between the two a machine may have much else to do.
    access.set(token, { ...grant, end: Date.now() + (lifetime + 60) * 1000 })
    renewals.set(renewal, { ...grant, used: false })
    return {
      access_token: token,
      refresh_token: renewal,
      token_type: 'Bearer',
      expires_in: lifetime,
      scope: grant.scopes.join(' '),
    }
  }

  const provider: OAuthServerProvider = {
    clientsStore: {
      getClient: (id: string) => clients.get(id),
      registerClient(client) {
        count.registrations++
        const full = {
          ...client,
          client_id: randomUUID(),
          client_id_issued_at: 1,
        } as OAuthClientInformationFull
        clients.set(full.client_id, full)
        return full
      },
    },
    async authorize(client, { codeChallenge, scopes = [], resource, redirectUri, state }, response) {
      const code = randomUUID()
      codes.set(code, {
        family: randomUUID(),
        client: client.client_id,
        challenge: codeChallenge,
        scopes,
        resource,
        user: world.user,
      })
      const back = new URL(redirectUri)
      back.searchParams.set('code', code)
      if (state) back.searchParams.set('state', state)
      response.redirect(back.href)
    },
    async challengeForAuthorizationCode(_, code) {
      const found = codes.get(code)
      if (!found) throw new InvalidGrantError('no such code')
      return found.challenge
    },
    async exchangeAuthorizationCode(client, code) {
      count.exchanges++
      const found = codes.get(code)
      codes.delete(code)
      if (found?.client !== client.client_id) throw new InvalidGrantError('the code of another client')
      const { challenge: _, ...grant } = found
      return issue(grant)
    },
    async exchangeRefreshToken(client, token) {
      count.refreshes++
      await new Promise((resolve) => setTimeout(resolve, 10))
      const grant = renewals.get(token)
      if (!grant || grant.client !== client.client_id || revoked.has(grant.family))
        throw new InvalidGrantError('unknown')
      if (grant.used) {
        count.reuses++
        revoked.add(grant.family)
        throw new InvalidGrantError('used twice')
      }
      grant.used = true
      return issue({ ...grant })
    },
    async verifyAccessToken(token) {
      const grant = access.get(token)
      if (!grant || grant.dead || revoked.has(grant.family) || grant.end < Date.now())
        throw new InvalidTokenError('expired')
      const { client: clientId, scopes, end, user } = grant
      return { token, clientId, scopes, expiresAt: end / 1000, extra: { user } }
    },
  }

  const app = express()
  const origin = await listen(app)
  const authorization = together ? app : express()
  // For pages, which come from elsewhere.
  for (const each of new Set([app, authorization])) {
    each.use((request, response, next) => {
      response.set({
        'access-control-allow-origin': '*',
        'access-control-allow-headers': String(request.headers['access-control-request-headers'] ?? ''),
        'access-control-allow-methods': 'GET, POST, DELETE',
        'access-control-expose-headers': 'www-authenticate, mcp-session-id',
      })
      return request.method === 'OPTIONS' ? void response.status(204).end() : next()
    })
  }
  // For programs of other runtimes.
  app.post('/expire', (_, response) => {
    world.expire()
    response.end()
  })
  const issuer = together ? origin : await listen(authorization)
  authorization.use(async (request, response, next) => {
    if (world.delay) await new Promise((resolve) => setTimeout(resolve, world.delay))
    if (request.path !== '/token') {
      if (request.path.startsWith('/stray') && request.headers.authorization) count.strays++
      return request.path.startsWith('/stray') ? void response.status(401).end() : next()
    }
    if (/^bearer/i.test(request.headers.authorization ?? '')) count.leaks++
    if (!fault) return next()
    const answer = fault
    if (--faults <= 0) fault = undefined
    answer(response)
  })
  authorization.post('/token', express.urlencoded(), (request, response, next) => {
    const { grant_type, client_id, client_assertion, resource } = request.body
    if (grant_type !== 'client_credentials') return next()
    const user = client_assertion
      ? 'signed'
      : (client_id ?? atob(String(request.headers.authorization).slice(6)))
    count.credentials++
    const grant = {
      family: randomUUID(),
      client: user,
      scopes: [],
      resource: resource && new URL(resource),
      user,
    }
    const { refresh_token: _, ...tokens } = issue(grant)
    response.json(tokens)
  })
  const rateLimit = false as const
  const issuerUrl = new URL(issuer)
  // Without the slash that the router adds: some clients compare issuers to the letter, as they must (RFC 8414 §3.3).
  authorization.get('/.well-known/oauth-authorization-server', (_, response) => {
    response.json({ ...createOAuthMetadata({ provider, issuerUrl }), issuer })
  })
  authorization.use(
    mcpAuthRouter({
      provider,
      issuerUrl,
      authorizationOptions: { rateLimit },
      tokenOptions: { rateLimit },
      clientRegistrationOptions: { rateLimit, clientIdGeneration: false },
      revocationOptions: { rateLimit },
    }),
  )

  const metadataOf = (path: string): string => `${origin}/somewhere/metadata${path}`
  for (const path of ['/mcp', '/sse', '/moved', '/astray']) {
    // Whoever comes back from a login in another process has not seen where it is.
    app.get([`/somewhere/metadata${path}`, `/.well-known/oauth-protected-resource${path}`], (_, response) => {
      response.json({ resource: origin, authorization_servers: [issuer] })
    })
  }
  const guard =
    (path: string): express.RequestHandler =>
    (request, response, next) => {
      response.on('finish', () => {
        if (response.statusCode === 401) count.unauthorized++
      })
      requireBearerAuth({ verifier: provider, resourceMetadataUrl: metadataOf(path) })(
        request,
        response,
        (error) => {
          if (error) return next(error)
          const { scopes = [] } = request.auth ?? {}
          if (!needed || scopes.includes(needed) || !JSON.stringify(request.body ?? '').includes('"admin"'))
            return next()
          response
            .status(403)
            .set(
              'www-authenticate',
              `Bearer error="insufficient_scope", scope="${needed}", resource_metadata="${metadataOf(path)}"`,
            )
            .json({ error: 'insufficient_scope' })
        },
      )
    }
  const connect = async (transport: unknown): Promise<void> => {
    const mcp = new McpServer({ name: 'world', version: '1' }, { capabilities: { logging: {} } })
    talking.add(mcp)
    const said = (text: string) => ({ content: [{ type: 'text' as const, text }] })
    mcp.registerTool('add', { inputSchema: { key: z.string() } }, async ({ key }) => {
      added.set(key, (added.get(key) ?? 0) + 1)
      return said(key)
    })
    mcp.registerTool('wait', { inputSchema: { key: z.string() } }, async ({ key }) => {
      added.set(key, (added.get(key) ?? 0) + 1)
      await answered
      return said(key)
    })
    mcp.registerTool('admin', { inputSchema: {} }, async () => said('admin'))
    mcp.registerTool('whoami', { inputSchema: {} }, async (_, { authInfo }) => {
      const user = String(authInfo?.extra?.user)
      users.push(user)
      return said(user)
    })
    await mcp.connect(transport as Transport)
  }
  const sessions = new Map<string, StreamableHTTPServerTransport>()
  app.all('/moved', (_, response) => response.redirect(307, '/mcp'))
  app.all('/astray', (_, response) => response.redirect(307, `${issuer}/stray`))
  const refusal: express.RequestHandler = (request, response, next) =>
    refusingStreams && request.method === 'GET'
      ? void response.status(401).set('www-authenticate', 'Bearer error="invalid_token"').end()
      : next()
  app.all('/mcp', express.json(), refusal, guard('/mcp'), async (request, response) => {
    if (brief && request.method === 'GET') return void response.status(405).end()
    if (request.method === 'GET' || JSON.stringify(request.body ?? '').includes('"wait"')) {
      streams.add(response)
      response.once('close', () => streams.delete(response))
    }
    if (request.method === 'DELETE') count.ended++
    let transport = sessions.get(String(request.headers['mcp-session-id']))
    if (!transport) {
      const made = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        ...(!brief && { eventStore: newEventStore() }),
        onsessioninitialized: (id) => void sessions.set(id, made),
      })
      await connect(made)
      transport = made
    }
    await transport.handleRequest(request, response, request.body)
  })
  const sse = new Map<string, SSEServerTransport>()
  app.get('/sse', guard('/sse'), async (_, response) => {
    streams.add(response)
    response.once('close', () => streams.delete(response))
    const transport = new SSEServerTransport('/messages', response)
    sse.set(transport.sessionId, transport)
    await connect(transport)
  })
  app.post('/messages', express.json(), guard('/sse'), async (request, response) => {
    await sse.get(String(request.query.sessionId))?.handlePostMessage(request, response, request.body)
  })

  const world: World = {
    origin,
    issuer,
    count,
    added,
    users,
    user: 'Ada',
    delay: 0,
    get streams() {
      return streams.size
    },
    async cutStreams() {
      const closed = [...streams].map((response) => once(response, 'close'))
      for (const response of streams) response.socket?.destroy()
      await Promise.all(closed)
    },
    async notify(data) {
      const params = { level: 'info' as const, data }
      for (const { server } of talking) await server.sendLoggingMessage(params)
    },
    answer,
    refusingStreams(refuses) {
      refusingStreams = refuses
    },
    expire() {
      for (const grant of access.values()) grant.dead = true
    },
    revoke() {
      for (const { family } of renewals.values()) revoked.add(family)
    },
    forgetClients: () => clients.clear(),
    failing(times, status, body, type = 'application/json') {
      faults = times
      fault = (response) => void response.status(status).type(type).send(body)
    },
    cutting(times) {
      faults = times
      fault = (response) => void response.socket?.destroy()
    },
    heal() {
      fault = undefined
    },
    holding(told) {
      faults = 1
      fault = (response) => told(String(response.req.headers['x-worker']))
    },
    requires(scope) {
      needed = scope
    },
    async consent(page) {
      if (!page) throw new Error('no page was opened')
      const response = await fetch(page, { redirect: 'manual' })
      return new URL(response.headers.get('location') ?? 'about:blank')
    },
    async close() {
      for (const server of servers) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
  return world
}

/** Keeps what was sent, for those whose stream was cut. */
function newEventStore(): EventStore {
  const events: { id: string; stream: string; message: JSONRPCMessage }[] = []
  return {
    async storeEvent(stream, message) {
      const id = String(events.length)
      events.push({ id, stream, message })
      return id
    },
    async replayEventsAfter(last, { send }) {
      const { stream = '' } = events[Number(last)] ?? {}
      for (const event of events.slice(Number(last) + 1))
        if (event.stream === stream && 'jsonrpc' in event.message) await send(event.id, event.message)
      return stream
    },
  }
}
