/** What the tests of the backend-for-frontend share: all of it real, and each in a place of its own. */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient } from 'redis'
import { createOidcServer, type OidcServer } from '../../test/oidc-server.ts'
import { type RedisServer, startRedis } from '../../test/stores/redis/redis-server.ts'
import { type Bff, createBff } from './bff.ts'
import { keyOf } from './cookies.ts'

/** One process of the backend-for-frontend: a pool and a Redis client of its own. */
export interface Instance {
  readonly origin: string
  readonly bff: Bff
  /** What has come to it. */
  readonly received: { method: string; cookie: string }[]
}

export interface Stage {
  readonly oidc: OidcServer
  readonly redis: RedisServer
  readonly api: Api
  readonly instances: readonly [Instance, Instance]
  /** A page of another origin than any of them. */
  readonly stranger: string
  /** All that Redis holds, as text. */
  stored(): Promise<string>
  /** Puts something else in the place of a session: whoever asks for it is given an error. */
  spoil(id: string): Promise<void>
}

export interface ApiRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly status: number
}

/** The API that is called: it asks the authorization server whose token has come. */
export interface Api {
  readonly url: string
  readonly requests: ApiRequest[]
  /** Every token that it has been given. */
  readonly tokens: Set<string>
  /** Takes the next request that has a good token, in place of the usual answer. */
  next(): Promise<{ request: IncomingMessage; response: ServerResponse }>
}

export const LIFETIME = 60

export async function setStage(
  app: (bff: Bff) => RequestListener,
  closers: (() => Promise<unknown>)[],
): Promise<Stage> {
  const listen = async (): Promise<{ server: Server; port: number }> => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    closers.push(() => closed(server))
    return { server, port: (server.address() as AddressInfo).port }
  }
  const fronts = [await listen(), await listen()] as const
  const origins = fronts.map(({ port }) => `http://localhost:${port}`)
  const oidc = await createOidcServer({
    accessTokenLifetime: LIFETIME,
    clients: [
      {
        client_id: 'bff',
        client_secret: 'for-tests-only',
        redirect_uris: origins.map((origin) => `${origin}/bff/callback`),
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
      },
    ],
  })
  closers.push(oidc.close)
  // It is killed in the middle, and comes back with all it has confirmed.
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  closers.push(redis.close)
  const back = await listen()
  const api = serveApi(back.server, `http://127.0.0.1:${back.port}`, oidc)

  const open = async ({ server, port }: { server: Server; port: number }): Promise<Instance> => {
    const client = createClient({ url: redis.url, socket: { reconnectStrategy: 50 } })
    client.on('error', () => {})
    await client.connect()
    closers.push(async () => client.destroy())
    const origin = `http://localhost:${port}`
    const bff = await createBff({
      client,
      origin,
      issuer: oidc.url,
      clientId: 'bff',
      clientSecret: 'for-tests-only',
      scope: 'openid offline_access',
      api: `${api.url}/v1`,
      headers: { toApi: ['x-kept'], toPage: ['x-api'] },
    })
    closers.push(bff.close)
    const serve = app(bff)
    const received: Instance['received'] = []
    server.on('request', (request, response) => {
      received.push({ method: request.method ?? '', cookie: request.headers.cookie ?? '' })
      if (/^\/(\?|$)/.test(request.url ?? '')) sendPage(response)
      else serve(request, response)
    })
    return { origin, bff, received }
  }
  const elsewhere = await listen()
  elsewhere.server.on('request', (request, response) => {
    const [, id] = /plant=(.+)/.exec(request.url ?? '') ?? []
    if (id)
      response.setHeader('set-cookie', `__Host-session=${id}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    sendPage(response)
  })

  return {
    oidc,
    redis,
    api,
    instances: [await open(fronts[0]), await open(fronts[1])],
    stranger: `http://localhost:${elsewhere.port}`,
    async stored() {
      const client = await createClient({ url: redis.url }).connect()
      try {
        const records = (await client.keys('*')).map((key) => client.hGetAll(key).catch(() => 'no hash'))
        return JSON.stringify(await Promise.all(records))
      } finally {
        client.destroy()
      }
    },
    async spoil(id) {
      const client = await createClient({ url: redis.url }).connect()
      await client.set(`bff:session:${keyOf(id)}`, 'something else')
      client.destroy()
    },
  }
}

function serveApi(server: Server, url: string, oidc: OidcServer): Api {
  const requests: ApiRequest[] = []
  const tokens = new Set<string>()
  const takers: ((taken: { request: IncomingMessage; response: ServerResponse }) => void)[] = []
  server.on('request', async (request, response) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (token) tokens.add(token)
    const account = token && (await oidc.accountOf(token))
    const status = account ? 200 : 401
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, status })
    const take = account ? takers.shift() : undefined
    if (take) return take({ request, response })
    response.writeHead(status, {
      'content-type': 'application/json',
      'set-cookie': 'api=1',
      'access-control-allow-origin': request.headers.origin ?? '*',
      'x-accel-redirect': '/secret',
      'x-sendfile': '/etc/passwd',
      'x-of-nobody': '1',
      etag: '"1"',
      ...(account ? { 'x-api': 'yes' } : { 'www-authenticate': 'Bearer error="invalid_token"' }),
    })
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    response.end(JSON.stringify({ account, url: request.url, sent: String(Buffer.concat(chunks)) }))
  })
  return {
    url,
    requests,
    tokens,
    next: () => new Promise((resolve) => takers.push(resolve)),
  }
}

function sendPage(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/html' })
  response.end('<!doctype html><title>page</title><link rel="icon" href="data:,">')
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
