/** A server that gives the answer that its path names, in the dialect of whoever asks: /<dialect>/<kind>. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SetbackKind } from '../../../src/core/outcome.ts'
import { NOBODY } from '../../setup.ts'

export type Verdict = 'tokens' | SetbackKind

/** What may happen to a refresh, and what it means, whoever has asked. */
export const ANSWERS = {
  tokens: 'tokens',
  invalid_grant: 'rejected',
  '401 in JSON': 'rejected',
  '401 without a body': 'rejected',
  '403, a page': 'definite',
  '429 with Retry-After': 'definite',
  '503 with Retry-After': 'definite',
  '503, a page': 'definite',
  '500 in JSON': 'doubt',
  '200, a page': 'final',
  '200 without a body': 'final',
  'cut off': 'doubt',
  reset: 'doubt',
  'no answer': 'doubt',
  'no server': 'definite',
} satisfies Record<string, Verdict>

export type Kind = keyof typeof ANSWERS

export const KINDS = Object.keys(ANSWERS) as Kind[]

export type Dialect = 'http' | 'trpc' | 'connect' | 'graphql' | 'gotrue'

type Reply = [status: number, body: unknown, headers?: Record<string, string>]

const PAGE = '<html><body>Request blocked</body></html>'
const LATER = { 'retry-after': '17' }
const TOKENS = { access_token: 'new.token', refresh_token: 'rt2', token_type: 'Bearer', expires_in: 3600 }
const JWT = `e30.${Buffer.from('{"sub":"u","iat":3900000000,"exp":4000000000}').toString('base64url')}.x`

const REPLIES: Partial<Record<Kind, Reply>> = {
  tokens: [200, TOKENS],
  invalid_grant: [400, { error: 'invalid_grant', error_description: 'it was revoked' }],
  '401 in JSON': [401, { message: 'Unauthorized' }],
  '401 without a body': [401, ''],
  '403, a page': [403, PAGE],
  '429 with Retry-After': [429, { message: 'slow down' }, LATER],
  '503 with Retry-After': [503, { message: 'busy' }, LATER],
  '503, a page': [503, PAGE, LATER],
  '500 in JSON': [500, { message: 'broken' }],
  '200, a page': [200, PAGE],
  '200 without a body': [200, ''],
  'cut off': [200, TOKENS],
}

const trpc = (message: string, code: string, httpStatus: number): Reply => [
  httpStatus,
  { error: { message, code: -32000, data: { code, httpStatus } } },
  /429|503/.test(String(httpStatus)) ? LATER : {},
]

/** What a server of another dialect says instead. */
const DIALECTS: Record<Dialect, Partial<Record<Kind, Reply>>> = {
  http: {},
  trpc: {
    tokens: [200, { result: { data: { accessToken: 'new.token', expiresIn: 3600 } } }],
    invalid_grant: trpc('it was revoked', 'UNAUTHORIZED', 401),
    '401 in JSON': trpc('who are you', 'UNAUTHORIZED', 401),
    '429 with Retry-After': trpc('slow down', 'TOO_MANY_REQUESTS', 429),
    '503 with Retry-After': trpc('busy', 'SERVICE_UNAVAILABLE', 503),
    '500 in JSON': trpc('broken', 'INTERNAL_SERVER_ERROR', 500),
  },
  connect: {
    tokens: [200, '"new.token"'],
    invalid_grant: [401, { code: 'unauthenticated', message: 'it was revoked' }],
    '401 in JSON': [401, { code: 'unauthenticated', message: 'who are you' }],
    '429 with Retry-After': [429, { code: 'resource_exhausted', message: 'slow down' }, LATER],
    '503 with Retry-After': [503, { code: 'unavailable', message: 'busy' }, LATER],
    '500 in JSON': [500, { code: 'internal', message: 'broken' }],
  },
  graphql: {
    tokens: [200, { data: { refresh: { accessToken: 'new.token', expiresIn: 3600 } } }],
    invalid_grant: [
      200,
      { data: null, errors: [{ message: 'no', extensions: { code: 'UNAUTHENTICATED' } }] },
    ],
    '401 in JSON': [401, { errors: [{ message: 'no', extensions: { code: 'UNAUTHENTICATED' } }] }],
  },
  gotrue: {
    tokens: [200, { ...TOKENS, access_token: JWT, expires_at: 4_000_000_000, user: { id: 'u' } }],
    invalid_grant: [
      400,
      {
        code: 400,
        error_code: 'refresh_token_not_found',
        msg: 'Invalid Refresh Token: Refresh Token Not Found',
      },
    ],
  },
}

export interface AnsweringServer {
  /** Where this is answered, under its own origin and at a path of two segments. */
  url(kind: Kind, dialect: Dialect): string
  close(): Promise<void>
}

export async function startAnsweringServer(): Promise<AnsweringServer> {
  const server = await listen(createServer(answer))
  const { port } = server.address() as AddressInfo
  return {
    url: (kind, dialect) =>
      `${kind === 'no server' ? NOBODY : `http://127.0.0.1:${port}`}/${dialect}/${slugOf(kind)}`,
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Some clients change what they find in a path. */
function slugOf(kind: Kind): string {
  return kind.replace(/\W+/g, '-')
}

async function listen(server: Server): Promise<Server> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, dialect, name] = new URL(request.url ?? '', 'http://x').pathname.split('/')
  const kind = KINDS.find((kind) => slugOf(kind) === name)
  request.resume().once('end', () => {
    if (kind === 'no answer') return
    if (kind === 'reset') return request.socket.destroy()
    const [status, body, headers] = (kind && (DIALECTS[dialect as Dialect][kind] ?? REPLIES[kind])) ?? [
      404,
      '',
    ]
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const type = text === PAGE ? 'text/html' : 'application/json'
    response.writeHead(status, {
      ...(text && { 'content-type': type }),
      'content-length': Buffer.byteLength(text),
      ...headers,
    })
    if (kind !== 'cut off') return response.end(text)
    // The other half does not come.
    response.write(text.slice(0, text.length / 2), () => setImmediate(() => request.socket.destroy()))
  })
}
