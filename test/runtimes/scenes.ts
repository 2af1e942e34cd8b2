import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import {
  type AuthServer,
  createAuthServer,
  type ReceivedRequest,
  type ServerCount,
  type TokenResponse,
} from 'refresh-once/testing'
import { expect } from 'vitest'
import type { Outcome } from './outcome.ts'

/** What one check of the program meets: the server's side of it. */
export interface Scene {
  server: AuthServer
  /** Another origin, to which `/away` of the server leads. */
  elsewhere: AuthServer
  tokens: TokenResponse
  /** What arrived whole at guarded routes. */
  received: ReceivedRequest[]
  /** The headers that came to the unguarded `/seen`, here and elsewhere. */
  seen: { here: IncomingHttpHeaders[]; elsewhere: IncomingHttpHeaders[] }
}

/** The server's side of a check: what happens there, and what must have happened when it is over. */
export interface Script {
  /** @returns what `/arrived` waits for */
  begin?(scene: Scene): Promise<unknown> | undefined
  verify(scene: Scene, outcome: Outcome): void
}

/** Opens a scene; the runtime's program plays in it. */
export async function openScene({ begin }: Script): Promise<Scene> {
  const seen: Scene['seen'] = { here: [], elsewhere: [] }
  const received: ReceivedRequest[] = []
  const elsewhere = await createAuthServer({
    fallback: (request, response) => answer(request, response, seen.elsewhere),
  })
  const server = await createAuthServer({
    onRequest: (request) => received.push(request),
    fallback(request, response) {
      const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
      if (pathname === '/away') {
        response.writeHead(307, { location: `${elsewhere.url}/seen${search}` }).end()
      } else if (pathname === '/arrived') {
        ready?.then(
          () => response.end(),
          () => response.destroy(),
        )
      } else {
        if (pathname === '/release') server.release()
        answer(request, response, seen.here)
      }
    },
  })
  const scene = { server, elsewhere, tokens: server.mint(), received, seen }
  const ready = begin?.(scene)
  return scene
}

/** Remembers the headers, and says yes once the body is there; or what `?status` says. */
function answer(request: IncomingMessage, response: ServerResponse, seen: IncomingHttpHeaders[]): void {
  seen.push(request.headers)
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
  request.resume().once('end', () => {
    response.writeHead(Number(searchParams.get('status') ?? 200), { 'content-type': 'application/json' })
    response.end('{}')
  })
}

export async function closeScene({ server, elsewhere }: Scene): Promise<void> {
  await Promise.all([server.close(), elsewhere.close()])
}

function counts({ server }: Scene, expected: Partial<ServerCount>): void {
  expect(server.count, server.explain()).toMatchObject({ reuses: 0, ...expected })
}

/** What came for a path with this id, multipart boundaries made alike. */
function bodiesOf({ received }: Scene, id: string): string[] {
  return received
    .filter(({ url }) => url.endsWith(`id=${id}`))
    .map(({ body }) => {
      const text = body.toString('latin1')
      const boundary = /^--(\S+)\r\n/.exec(text)?.[1]
      return boundary ? text.replaceAll(boundary, 'boundary') : text
    })
}

/** Sent twice, executed once, and the same each time. */
function replayed(scene: Scene, id: string, length: number): void {
  const [first = '', second, ...more] = bodiesOf(scene, id)
  expect(first.length, id).toBeGreaterThanOrEqual(length)
  expect([second, more], id).toEqual([first, []])
  expect(scene.server.effects(id), id).toBe(1)
}

function revoke({ server }: Scene): undefined {
  server.expireAccessTokens()
}

const core: Record<string, Script> = {
  'twenty calls of getAccessToken, one refresh': {
    verify: (scene) => counts(scene, { refreshes: 1, refreshRequests: 1 }),
  },
  'signs in and out, and tells subscribers': {
    verify: (scene) => counts(scene, { refreshRequests: 0 }),
  },
}

const everyTransport: Record<string, Script> = {
  'a storm of twenty on a revoked token: one refresh, twenty answers': {
    begin: revoke,
    verify(scene) {
      counts(scene, { refreshes: 1, refreshRequests: 1 })
      const answered = scene.server.requests.filter(({ status }) => status === 200)
      expect(answered.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual([...Array(20).keys()])
    },
  },
  'a POST is replayed byte for byte': {
    begin: revoke,
    verify(scene) {
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 12 })
      replayed(scene, 'string', 12)
      replayed(scene, 'form', 18)
      replayed(scene, 'buffer', 256)
      replayed(scene, 'view', 17)
      replayed(scene, 'blob', 256)
      replayed(scene, 'multipart', 256)
    },
  },
  'a caller aborts its request on the wire': {
    begin: ({ server }) => server.hold('/api/items').untilArrived(),
    verify(scene) {
      counts(scene, { refreshRequests: 0, api: 1 })
      expect(scene.server.requests[0]?.aborted).toBe(true)
    },
  },
  'a caller leaves while its request is held': {
    begin({ server }) {
      server.fault('slow')
      return server.until('fault')
    },
    verify(scene) {
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 1 })
      expect(scene.server.requests[0]?.id).toBe('next')
    },
  },
  'a redirect to another origin takes no Authorization along': {
    verify({ seen }, { saw }) {
      expect(saw).toMatch(/^followed/)
      expect(seen.elsewhere).toHaveLength(1)
      expect(seen.elsewhere[0]).not.toHaveProperty('authorization')
    },
  },
  'a redirect to another origin takes no header of applyToken along': {
    verify({ seen, tokens }, { saw }) {
      const tokensIn = (of: IncomingHttpHeaders[]) => of.map((headers) => headers['x-access-token'])
      expect(tokensIn(seen.here)).toEqual([tokens.access_token])
      // Nobody can keep XHR from it: a limit that docs/runtimes.md names.
      if (saw === 'followed by XHR') expect(tokensIn(seen.elsewhere)).toEqual([tokens.access_token])
      else expect(tokensIn(seen.elsewhere)).toEqual(seen.elsewhere.map(() => undefined))
    },
  },
}

/** The refresh hangs until a request was taken off the wire, and this request's path is held until then. */
const recalled: Script['begin'] = ({ server }) => {
  server.expireAccessTokens()
  server.fault('hang')
  const gate = server.hold('/api/late')
  void server
    .until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted))
    .then(() => {
      gate.release()
      server.release()
    })
    .catch(() => {})
  return gate.untilArrived()
}

const fetching: Record<string, Script> = {
  ...everyTransport,
  'a recalled request is sent again, and its signal is its caller’s': {
    begin: recalled,
    verify(scene) {
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 4 })
      expect(scene.server.requests.map(({ id }) => id).sort()).toEqual(['quick', 'quick', 'slow', 'slow'])
    },
  },
  'a caller aborts while its request is recalled': {
    begin: recalled,
    verify(scene) {
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 3 })
      expect(scene.server.requests.filter(({ id }) => id === 'slow')).toHaveLength(1)
    },
  },
  'a Request with a body is replayed byte for byte': {
    begin: revoke,
    verify(scene) {
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 2 })
      replayed(scene, 'request', 16)
      for (const { headers } of scene.received) expect(headers['content-type']).toBe('text/x-none')
    },
  },
  'a stream gets its own 401, and is not sent again': {
    begin: revoke,
    verify(scene, { saw }) {
      if (saw) return counts(scene, { refreshRequests: 0, api: 0 })
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 2 })
      expect(bodiesOf(scene, 'stream')).toHaveLength(1)
      expect(scene.server.effects('stream')).toBe(0)
    },
  },
  'a stream from a factory is replayed byte for byte': {
    begin: revoke,
    verify(scene, { saw }) {
      if (saw) return counts(scene, { refreshRequests: 0, api: 0 })
      counts(scene, { refreshes: 1, refreshRequests: 1, api: 2 })
      replayed(scene, 'factory', 16)
    },
  },
  'a 401 that a redirect to another origin led to starts no refresh': {
    verify(scene) {
      counts(scene, { refreshRequests: 0 })
      expect(scene.seen.elsewhere).toHaveLength(1)
    },
  },
}

/** By subject and by the name of the check in the program. */
export const scripts: Record<string, Record<string, Script>> = {
  core,
  axios: everyTransport,
  fetch: fetching,
}
