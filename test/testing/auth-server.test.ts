import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import {
  type AuthServer,
  type AuthServerOptions,
  createAuthServer,
  createTestClock,
  type FaultKind,
  type ReceivedRequest,
  type ReuseEntry,
  type TokenResponse,
} from '../../src/testing/index.ts'

const servers: AuthServer[] = []

async function start(options?: AuthServerOptions): Promise<AuthServer> {
  const server = await createAuthServer(options)
  servers.push(server)
  return server
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

function refresh(server: AuthServer, refreshToken: string, signal?: AbortSignal): Promise<Response> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken })
  return fetch(server.tokenEndpoint, { method: 'POST', body, ...(signal && { signal }) })
}

async function refreshed(server: AuthServer, refreshToken: string): Promise<TokenResponse> {
  const response = await refresh(server, refreshToken)
  expect(response.status).toBe(200)
  return (await response.json()) as TokenResponse
}

function call(
  server: AuthServer,
  path: string,
  accessToken?: string,
  init: RequestInit = {},
): Promise<Response> {
  const headers = new Headers(init.headers)
  if (accessToken !== undefined) headers.set('authorization', `Bearer ${accessToken}`)
  return fetch(`${server.url}${path}`, { ...init, headers })
}

function post(server: AuthServer, path: string, body: unknown, headers = {}): Promise<Response> {
  const json = { 'content-type': 'application/json', ...headers }
  return fetch(`${server.url}${path}`, { method: 'POST', headers: json, body: JSON.stringify(body) })
}

function reuses(server: AuthServer): ReuseEntry[] {
  return server.log.filter((entry): entry is ReuseEntry => entry.kind === 'reuse')
}

/** A client of one's own that can die in ways fetch cannot. */
async function rawConnection(server: AuthServer): Promise<Socket> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

function rawRefresh(refreshToken: string): string {
  const body = `grant_type=refresh_token&refresh_token=${refreshToken}`
  return `POST /token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

describe('rotation', () => {
  test('a refresh answers with the next generation and a new refresh token', async () => {
    const server = await start()
    const first = server.mint('alice')
    const second = await refreshed(server, first.refresh_token)
    expect(second).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'api' })
    expect(second.access_token).not.toBe(first.access_token)
    expect(second.refresh_token).not.toBe(first.refresh_token)
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'))
    expect(server.log.at(-1)).toMatchObject({ kind: 'refresh', user: 'alice', family: 'f1', generation: 2 })
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('the token endpoint takes a form and JSON', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    const response = await post(server, '/token', { grant_type: 'refresh_token', refresh_token })
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  test('a refresh token that comes again revokes its family and no other', async () => {
    const server = await start()
    const alice = server.mint('alice')
    const bob = server.mint('bob')
    const next = await refreshed(server, alice.refresh_token)

    const again = await refresh(server, alice.refresh_token)
    expect(again.status).toBe(400)
    expect(await again.json()).toEqual({ error: 'invalid_grant' })
    expect((await refresh(server, next.refresh_token)).status).toBe(400)
    expect((await call(server, '/api/items', next.access_token)).status).toBe(401)

    expect((await call(server, '/api/items', bob.access_token)).status).toBe(200)
    await refreshed(server, bob.refresh_token)
    expect(reuses(server)).toMatchObject([{ family: 'f1', generation: 1, cause: 'delivered', revoked: true }])
    expect(server.log).toContainEqual(
      expect.objectContaining({ kind: 'refused', reason: 'revoked', generation: 2 }),
    )
  })

  test('without reuse detection the second use is refused and the family lives on', async () => {
    const server = await start({ reuseDetection: false })
    const first = server.mint()
    const second = await refreshed(server, first.refresh_token)
    expect((await refresh(server, first.refresh_token)).status).toBe(400)
    await refreshed(server, second.refresh_token)
    expect(reuses(server)).toMatchObject([{ revoked: false }])
  })

  test('without rotation the same refresh token stays good and is not mentioned again', async () => {
    const server = await start({ rotate: false })
    const first = server.mint()
    const second = await refreshed(server, first.refresh_token)
    const third = await refreshed(server, first.refresh_token)
    expect(second).not.toHaveProperty('refresh_token')
    expect(third.access_token).not.toBe(second.access_token)
    expect(server.count).toMatchObject({ refreshes: 2, reuses: 0 })
  })

  test('within the grace the same successor is handed out again, after it the family is revoked', async () => {
    const { clock, jump } = createTestClock()
    const server = await start({ grace: 10_000, now: clock.now })
    const first = server.mint()
    const second = await refreshed(server, first.refresh_token)
    jump(9_999)
    const repeated = await refreshed(server, first.refresh_token)
    expect(repeated).toEqual({ ...second, expires_in: 290 })
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    jump(1)
    expect((await refresh(server, first.refresh_token)).status).toBe(400)
    expect(server.count.reuses).toBe(1)
  })

  test('the grace covers only the exchange that came last', async () => {
    const server = await start({ grace: 10_000 })
    const first = server.mint()
    const second = await refreshed(server, first.refresh_token)
    await refreshed(server, second.refresh_token)
    expect((await refresh(server, first.refresh_token)).status).toBe(400)
    expect(server.count.reuses).toBe(1)
  })

  test('two refreshes at once with one token are one rotation and one reuse', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    const answers = await Promise.all([refresh(server, refresh_token), refresh(server, refresh_token)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 1 })
  })

  test('unknown, missing and misplaced grants are refused with the errors of RFC 6749', async () => {
    const server = await start()
    const ask = async (fields: object): Promise<unknown> => (await post(server, '/token', fields)).json()
    expect(await ask({ grant_type: 'refresh_token', refresh_token: 'rt_other' })).toEqual({
      error: 'invalid_grant',
    })
    expect(await ask({ grant_type: 'refresh_token' })).toEqual({ error: 'invalid_request' })
    expect(await ask({ grant_type: 'password' })).toEqual({ error: 'unsupported_grant_type' })
    expect(await ask([])).toEqual({ error: 'unsupported_grant_type' })
    expect((await fetch(server.tokenEndpoint)).status).toBe(405)
    expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 4 })
  })

  test('expires_in is what the options say: left out, or claimed whatever the truth', async () => {
    expect((await start({ expiresIn: false })).mint()).not.toHaveProperty('expires_in')
    expect((await start({ expiresIn: 0 })).mint().expires_in).toBe(0)
    expect((await start({ accessTokenLifetime: 1_700 })).mint().expires_in).toBe(2)
  })
})

describe('every reuse is explained', () => {
  test('by the answer that was lost with the connection', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    server.fault('destroy-after')
    await expect(refresh(server, refresh_token)).rejects.toThrow()
    await refresh(server, refresh_token)
    const rotation = server.log.find(({ kind }) => kind === 'refresh')
    expect(rotation).toMatchObject({ answer: 'lost', loss: 'fault destroy-after' })
    expect(reuses(server)).toMatchObject([{ cause: 'lost-answer', rotation: rotation?.n }])
  })

  test('by the client that hung up before the answer', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    const gate = server.hold('/token')
    const giveUp = new AbortController()
    const gone = refresh(server, refresh_token, giveUp.signal)
    await gate.untilArrived()
    giveUp.abort()
    await expect(gone).rejects.toThrow()
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'lost'))
    gate.release()
    await refresh(server, refresh_token)
    expect(reuses(server)).toMatchObject([{ cause: 'lost-answer' }])
    expect(server.explain()).toContain('its answer was lost (the client hung up)')
  })

  test('by the client that hung up before its token was even looked at', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    server.fault('hang')
    const socket = await rawConnection(server)
    socket.write(rawRefresh(refresh_token))
    await server.until('fault')
    socket.resetAndDestroy()
    // Whatever is sent after the reset arrives after it.
    await fetch(`${server.url}/public/echo`)
    server.release()
    await server.until('refresh')
    await refresh(server, refresh_token)
    expect(reuses(server)).toMatchObject([{ cause: 'lost-answer' }])
  })

  test('by the client that died with the answer unread', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    const socket = await rawConnection(server)
    socket.write(rawRefresh(refresh_token))
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'))
    socket.resetAndDestroy()
    await server.until((log) => log.some((entry) => entry.kind === 'refresh' && entry.answer === 'lost'))
    await refresh(server, refresh_token)
    expect(reuses(server)).toMatchObject([{ cause: 'lost-answer' }])
  })

  test('by nothing but impatience while the answer is outstanding', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    const gate = server.hold('/token')
    const first = refresh(server, refresh_token)
    await gate.untilArrived(1)
    const second = refresh(server, refresh_token)
    await gate.untilArrived(2)
    gate.release()
    expect([(await first).status, (await second).status]).toEqual([200, 400])
    expect(reuses(server)).toMatchObject([{ cause: 'outstanding' }])
  })

  test('by no lost answer once a repeated answer was delivered within the grace', async () => {
    const { clock, jump } = createTestClock()
    const server = await start({ grace: 1_000, now: clock.now })
    const { refresh_token } = server.mint()
    server.fault('destroy-after')
    await expect(refresh(server, refresh_token)).rejects.toThrow()
    await refreshed(server, refresh_token)
    jump(1_000)
    await refresh(server, refresh_token)
    expect(reuses(server)).toMatchObject([{ cause: 'delivered' }])
  })
})

describe('the guarded API', () => {
  test('logs for every request whose token it carried', async () => {
    const server = await start()
    const alice = server.mint('alice')
    const bob = server.mint('bob')
    const next = await refreshed(server, alice.refresh_token)
    await call(server, '/api/items?id=1', alice.access_token)
    await call(server, '/api/items?id=2', next.access_token)
    await call(server, '/api/items?id=3', bob.access_token)
    await call(server, '/api/items?id=4', 'at_forged')
    await call(server, '/api/items?id=5')
    expect(server.requests).toMatchObject([
      { id: '1', user: 'alice', family: 'f1', generation: 1 },
      { id: '2', user: 'alice', family: 'f1', generation: 2 },
      { id: '3', user: 'bob', family: 'f2', generation: 1 },
      { id: '4', family: 'foreign' },
      { id: '5', family: 'none' },
    ])
    await server.until((log) => log.every((entry) => entry.kind !== 'api' || entry.status !== undefined))
    expect(server.requests.map(({ status }) => status)).toEqual([200, 200, 200, 401, 401])
    expect(server.count).toMatchObject({ api: 5, rejected: 2 })
  })

  test('finds the token in the header, a header of its own, the query and a cookie', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const answers = await Promise.all([
      call(server, '/api/items', undefined, { headers: { authorization: `bearer ${access_token}` } }),
      call(server, '/api/items', undefined, { headers: { 'x-access-token': access_token } }),
      call(server, `/api/items?access_token=${access_token}`),
      call(server, '/api/items', undefined, { headers: { cookie: `a=b; access_token=${access_token}` } }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  })

  test('says in a refresh token that is sent to it that this is one', async () => {
    const server = await start()
    await call(server, '/api/items', server.mint().refresh_token)
    expect(server.requests[0]?.explanation).toContain('REFRESH token')
  })

  test('challenges as RFC 6750 says: with an error only if a token came', async () => {
    const server = await start()
    const without = await call(server, '/api/items')
    expect(without.headers.get('www-authenticate')).toBe('Bearer realm="api"')
    const forged = await call(server, '/api/items', 'forged')
    expect(forged.headers.get('www-authenticate')).toBe('Bearer realm="api", error="invalid_token"')
    const forbidden = await call(server, '/api/forbidden', server.mint().access_token)
    expect(forbidden.status).toBe(403)
    expect(forbidden.headers.get('www-authenticate')).toContain('error="insufficient_scope"')
  })

  test('refuses a token after its lifetime, unless told not to', async () => {
    const { clock, jump } = createTestClock()
    const strict = await start({ accessTokenLifetime: 60_000, now: clock.now })
    const lax = await start({ accessTokenLifetime: 60_000, now: clock.now, enforceExpiry: false })
    const [one, other] = [strict.mint().access_token, lax.mint().access_token]
    jump(59_999)
    expect((await call(strict, '/api/items', one)).status).toBe(200)
    jump(1)
    expect((await call(strict, '/api/items', one)).status).toBe(401)
    expect((await call(lax, '/api/items', other)).status).toBe(200)
    expect(strict.log).toContainEqual(expect.objectContaining({ kind: 'rejected', reason: 'expired' }))
  })

  test('refuses every access token issued before expireAccessTokens(), and accepts what a refresh brings', async () => {
    const server = await start()
    const alice = server.mint('alice')
    const bob = server.mint('bob')
    server.expireAccessTokens('alice')
    expect((await call(server, '/api/items', alice.access_token)).status).toBe(401)
    expect((await call(server, '/api/items', bob.access_token)).status).toBe(200)
    const next = await refreshed(server, alice.refresh_token)
    expect((await call(server, '/api/items', next.access_token)).status).toBe(200)
    server.expireAccessTokens()
    expect((await call(server, '/api/items', bob.access_token)).status).toBe(401)
  })

  test('refuses everything of a revoked family, by token or by user', async () => {
    const server = await start()
    const [one, two, bob] = [server.mint('alice'), server.mint('alice'), server.mint('bob')]
    server.revokeFamily(one.refresh_token)
    expect((await call(server, '/api/items', one.access_token)).status).toBe(401)
    expect((await call(server, '/api/items', two.access_token)).status).toBe(200)
    server.revokeFamily('alice')
    expect((await call(server, '/api/items', two.access_token)).status).toBe(401)
    expect((await call(server, '/api/items', bob.access_token)).status).toBe(200)
    expect(() => server.revokeFamily('nobody')).toThrow(TypeError)
  })

  test('refuses for ever where it is told to', async () => {
    const server = await start()
    expect((await call(server, '/api/never', server.mint().access_token)).status).toBe(401)
    expect(server.log.at(-1)).toMatchObject({ kind: 'rejected', reason: 'never', user: 'alice' })
  })

  test('echoes method, URL, headers and body byte for byte', async () => {
    const server = await start()
    const bytes = new Uint8Array(70_000).map((_, index) => index)
    const init = { method: 'PUT', body: bytes, headers: { 'idempotency-key': 'k1' } }
    const response = await call(server, '/api/echo?x=1', server.mint().access_token, init)
    const echoed = (await response.json()) as Record<string, unknown>
    expect(echoed).toMatchObject({ method: 'PUT', url: '/api/echo?x=1', bodyLength: 70_000, user: 'alice' })
    expect(echoed.headers).toMatchObject({ 'idempotency-key': 'k1' })
    expect(Buffer.from(String(echoed.bodyBase64), 'base64')).toEqual(Buffer.from(bytes))
    expect((await fetch(`${server.url}/public/echo`)).status).toBe(200)
  })

  test('answers with any status that is asked for', async () => {
    const server = await start()
    const { access_token } = server.mint()
    for (const status of [204, 404, 418, 503]) {
      expect((await call(server, `/api/status/${status}`, access_token)).status).toBe(status)
    }
    expect((await call(server, '/api/status/abc', access_token)).status).toBe(404)
  })

  test('executes a side effect only for a good token, and counts it', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const init = { method: 'POST', body: 'x' }
    expect((await call(server, '/api/effects?id=a', access_token, init)).status).toBe(200)
    expect((await call(server, '/api/effects-late?id=a', access_token, init)).status).toBe(200)
    server.expireAccessTokens()
    expect((await call(server, '/api/effects?id=a', access_token, init)).status).toBe(401)
    expect((await call(server, '/api/effects-late?id=b', access_token, init)).status).toBe(401)
    expect([server.effects('a'), server.effects('b'), server.count.effects]).toEqual([2, 0, 2])
  })

  test('takes routes of the user, which may fail', async () => {
    const server = await start()
    const { access_token } = server.mint('carol')
    server.api('/mine', ({ user, body, request }) => ({
      status: 201,
      headers: { 'x-method': request.method ?? '' },
      body: { user, text: body.toString() },
    }))
    server.api('/broken', () => {
      throw new Error('out of order')
    })
    expect((await call(server, '/mine')).status).toBe(401)
    const response = await call(server, '/mine', access_token, { method: 'POST', body: 'hello' })
    expect([response.status, response.headers.get('x-method')]).toEqual([201, 'POST'])
    expect(await response.json()).toEqual({ user: 'carol', text: 'hello' })
    const broken = await call(server, '/broken', access_token)
    expect([broken.status, await broken.text()]).toEqual([500, expect.stringContaining('out of order')])
    expect(() => server.api('mine', () => ({}))).toThrow(TypeError)
  })

  test('takes a route for all that is below a path, which can be held as one', async () => {
    const server = await start()
    const { access_token } = server.mint()
    server.api('/trpc/*', ({ request }) => ({ body: request.url }))
    const gate = server.hold('/trpc/*')
    const answers = ['/trpc/a', '/trpc/b/c?batch=1'].map((path) => call(server, path, access_token))
    await gate.untilArrived(2)
    gate.release()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200])
    expect((await call(server, '/trpc', access_token)).status).toBe(404)
  })

  test('shows every request as it came, those that were refused or suffered a fault included', async () => {
    const received: ReceivedRequest[] = []
    const server = await start({ onRequest: (request) => received.push(request) })
    const init = { method: 'POST', body: 'payload' }
    await call(server, '/api/echo', 'forged', init)
    server.fault('500', { on: 'api' })
    await call(server, '/api/echo', server.mint().access_token, init)
    await call(server, '/api/echo', server.mint().access_token, init)
    expect(received.map(({ body }) => body.toString())).toEqual(['payload', 'payload', 'payload'])
    expect(received.map(({ n }) => n)).toEqual(server.requests.map(({ n }) => n))
    expect(received[0]?.headers.authorization).toBe('Bearer forged')
  })

  test('answers a stale upload early, before its body has arrived', async () => {
    const server = await start()
    const socket = await rawConnection(server)
    socket.write(
      'POST /api/early HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer old\r\nContent-Length: 1000\r\n\r\nhalf',
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 401/)
    socket.destroy()
    const init = { method: 'POST', body: 'whole' }
    const good = await call(server, '/api/early', server.mint().access_token, init)
    expect(await good.json()).toMatchObject({ bodyLength: 5 })
  })
})

describe('a hold', () => {
  test('keeps answers back in order of arrival, as many as a test wants', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const gate = server.hold('/api/items')
    const done: string[] = []
    const calls: Promise<unknown>[] = []
    for (const id of ['1', '2', '3']) {
      calls.push(call(server, `/api/items?id=${id}`, access_token).then(() => done.push(id)))
      await gate.untilArrived(calls.length)
    }
    expect([done, gate.arrived]).toEqual([[], 3])
    gate.release(1)
    await calls[0]
    expect(done).toEqual(['1'])
    gate.release(2)
    await Promise.all(calls)
    const fourth = call(server, '/api/items?id=4', access_token)
    await gate.untilArrived(4)
    gate.release()
    expect((await fourth).status).toBe(200)
    expect((await call(server, '/api/items?id=5', access_token)).status).toBe(200)
  })

  test('lets those pass that come after their release', async () => {
    const server = await start()
    const gate = server.hold('/api/items')
    gate.release(1)
    expect((await call(server, '/api/items', server.mint().access_token)).status).toBe(200)
  })

  test('with a query holds only that query', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const gate = server.hold('/api/items?id=slow')
    const slow = call(server, '/api/items?id=slow', access_token)
    await gate.untilArrived()
    expect((await call(server, '/api/items?id=fast', access_token)).status).toBe(200)
    gate.release()
    expect((await slow).status).toBe(200)
  })

  test('does not change what was decided on arrival, but for the routes that check late', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const paths = ['/api/items', '/api/effects', '/api/late', '/api/effects-late']
    const gates = paths.map((path) => server.hold(path))
    const calls = paths.map((path) => call(server, `${path}?id=x`, access_token, { method: 'POST' }))
    await Promise.all(gates.map((gate) => gate.untilArrived()))
    expect(server.effects('x')).toBe(1)
    server.expireAccessTokens()
    for (const gate of gates) gate.release()
    const statuses = (await Promise.all(calls)).map(({ status }) => status)
    expect(statuses).toEqual([200, 200, 401, 401])
    expect(server.effects('x')).toBe(1)
  })

  test('lets a stream begin and keeps its rest back', async () => {
    const server = await start()
    const gate = server.hold('/api/stream')
    const response = await call(server, '/api/stream', server.mint().access_token)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect(await reader?.read()).toMatchObject({ value: 'first\n' })
    gate.release()
    expect(await reader?.read()).toMatchObject({ value: 'rest\n' })
    expect(await reader?.read()).toMatchObject({ done: true })
  })

  test('executes what has arrived though the client has hung up', async () => {
    const server = await start()
    const gate = server.hold('/api/effects-late')
    const giveUp = new AbortController()
    const init = { method: 'POST', body: 'x', signal: giveUp.signal }
    const gone = call(server, '/api/effects-late?id=x', server.mint().access_token, init)
    await gate.untilArrived()
    giveUp.abort()
    await expect(gone).rejects.toThrow()
    await server.until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted === true))
    gate.release()
    await server.until('effect')
    expect(server.effects('x')).toBe(1)
    expect(server.requests[0]?.status).toBeUndefined()
  })
})

describe('a fault', () => {
  const answers: [FaultKind, number, string, string][] = [
    ['500', 500, 'text/html', 'Internal Server Error'],
    ['503', 503, 'text/html', 'Service Unavailable'],
    ['429', 429, 'application/json', 'too_many_requests'],
    ['html-200', 200, 'text/html', 'airport'],
    ['html-403', 403, 'text/html', 'firewall'],
    ['html-400', 400, 'text/html', 'Bad Request'],
    ['invalid-grant', 400, 'application/json', 'invalid_grant'],
    ['invalid-client', 401, 'application/json', 'invalid_client'],
  ]
  test.each(answers)(
    '%s answers %i once, touches no token, and is logged',
    async (kind, status, type, text) => {
      const server = await start()
      const { refresh_token } = server.mint()
      server.fault(kind)
      const response = await refresh(server, refresh_token)
      expect(response.status).toBe(status)
      expect(response.headers.get('content-type')).toContain(type)
      expect(await response.text()).toContain(text)
      expect(server.log.at(-1)).toMatchObject({ kind: 'fault', fault: kind, path: '/token', family: 'f1' })
      await refreshed(server, refresh_token)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
    },
  )

  test('json-truncated answers half a document', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    server.fault('json-truncated')
    const response = await refresh(server, refresh_token)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
    await expect(response.json()).rejects.toThrow(SyntaxError)
    await refreshed(server, refresh_token)
  })

  test('destroy-before breaks the connection and touches no token', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    server.fault('destroy-before')
    await expect(refresh(server, refresh_token)).rejects.toThrow()
    await refreshed(server, refresh_token)
    expect(server.count.reuses).toBe(0)
  })

  test('destroy-after executes the effect and breaks the connection', async () => {
    const server = await start()
    server.fault('destroy-after', { on: '/api/effects' })
    const init = { method: 'POST', body: 'x' }
    await expect(call(server, '/api/effects?id=x', server.mint().access_token, init)).rejects.toThrow()
    expect(server.effects('x')).toBe(1)
    expect(server.requests[0]?.status).toBeUndefined()
  })

  test('can strike after the tokens were rotated, whatever its kind', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    server.fault('503', { after: true })
    expect((await refresh(server, refresh_token)).status).toBe(503)
    expect(server.count.refreshes).toBe(1)
    await refresh(server, refresh_token)
    expect(reuses(server)).toMatchObject([{ cause: 'lost-answer' }])
  })

  test('hang does nothing until the release, and then goes on as if nothing had been', async () => {
    const server = await start()
    server.fault('hang')
    const pending = refresh(server, server.mint().refresh_token)
    await server.until('fault')
    expect(server.count.refreshes).toBe(0)
    server.release()
    expect((await pending).status).toBe(200)
    expect(server.count.refreshes).toBe(1)
  })

  test('slow rotates at once and answers at the release', async () => {
    const server = await start()
    server.fault('slow', { times: 2 })
    const first = refresh(server, server.mint('alice').refresh_token)
    const second = refresh(server, server.mint('bob').refresh_token)
    await server.until('refresh', 2)
    expect(server.count.refreshes).toBe(2)
    server.release()
    expect([(await first).status, (await second).status]).toEqual([200, 200])
  })

  test('redirect leads elsewhere', async () => {
    const server = await start()
    server.fault('redirect', { location: 'http://127.0.0.1:9/evil' })
    const body = new URLSearchParams({ grant_type: 'refresh_token' })
    const response = await fetch(server.tokenEndpoint, { method: 'POST', body, redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([307, 'http://127.0.0.1:9/evil'])
  })

  test('custom answers what the test says, or hands the response over', async () => {
    const server = await start()
    server.fault('custom', { respond: { status: 402, body: [1] }, on: '/public/echo' })
    server.fault('custom', {
      respond: (_, response) => response.writeHead(299).end('mine'),
      on: '/public/echo',
    })
    const first = await fetch(`${server.url}/public/echo`)
    expect([first.status, await first.json()]).toEqual([402, [1]])
    const second = await fetch(`${server.url}/public/echo`)
    expect([second.status, await second.text()]).toEqual([299, 'mine'])
    expect(() => server.fault('custom')).toThrow(TypeError)
  })

  test('strikes as often as it is told, where it is told, with the status and Retry-After it is told', async () => {
    const server = await start()
    const { access_token, refresh_token } = server.mint()
    const withdraw = server.fault('503', { times: 2, on: 'api', status: 502, retryAfter: '7' })
    const first = await call(server, '/api/items', access_token)
    expect([first.status, first.headers.get('retry-after')]).toEqual([502, '7'])
    await refreshed(server, refresh_token)
    expect((await call(server, '/api/late', access_token)).status).toBe(502)
    expect((await call(server, '/api/items', access_token)).status).toBe(200)
    withdraw()
    const withdrawn = server.fault('500', { times: Number.POSITIVE_INFINITY, on: '/api/items' })
    expect((await call(server, '/api/items', access_token)).status).toBe(500)
    withdrawn()
    expect((await call(server, '/api/items', access_token)).status).toBe(200)
  })
})

describe('the routes of a web app', () => {
  const cookies = (response: Response): string =>
    response.headers
      .getSetCookie()
      .map((cookie) => cookie.split(';')[0])
      .join('; ')

  test('login, refresh and logout with the refresh token in an HttpOnly cookie', async () => {
    const server = await start()
    const login = await post(server, '/login', { user: 'dora', password: 'secret' })
    expect(login.headers.getSetCookie()).toEqual([expect.stringMatching(/^refresh_token=.*HttpOnly/)])
    const jar = cookies(login)

    const next = await post(server, '/refresh', {}, { cookie: jar })
    const body = (await next.json()) as TokenResponse
    expect(body).not.toHaveProperty('refresh_token')
    expect((await call(server, '/api/items', body.access_token)).status).toBe(200)

    const logout = await post(server, '/logout', {}, { cookie: cookies(next) })
    expect(logout.status).toBe(204)
    expect(logout.headers.getSetCookie()).toContainEqual(expect.stringMatching(/^refresh_token=;.*Max-Age=0/))
    expect((await call(server, '/api/items', body.access_token)).status).toBe(401)
    expect((await post(server, '/refresh', {}, { cookie: cookies(next) })).status).toBe(401)
    expect(server.log.map(({ kind }) => kind)).toContain('logout')
  })

  test('refresh with the token in JSON answers in JSON', async () => {
    const server = await start()
    const { refresh_token } = server.mint()
    const response = await post(server, '/refresh', { refresh_token })
    expect(await response.json()).toMatchObject({ refresh_token: expect.stringMatching(/^rt_/) })
  })

  test.each(['/refresh?cookie', '/refresh'])(
    '%s puts the access token in a cookie if that is asked for',
    async (path) => {
      const server = await start()
      const { refresh_token } = server.mint()
      const fields = path.endsWith('cookie') ? {} : { cookie: true }
      const response = await post(server, path, fields, { cookie: `refresh_token=${refresh_token}` })
      expect(await response.json()).toEqual({ token_type: 'Bearer', expires_in: 300, scope: 'api' })
      const headers = { cookie: cookies(response) }
      expect((await call(server, '/api/items', undefined, { headers })).status).toBe(200)
    },
  )

  test('a wrong password is 401 without a challenge, a refresh of nobody is 401', async () => {
    const server = await start({ password: 'open sesame' })
    const wrong = await post(server, '/login', { user: 'dora', password: 'secret' })
    expect([wrong.status, wrong.headers.get('www-authenticate')]).toEqual([401, null])
    expect((await post(server, '/login', { user: 'dora', password: 'open sesame' })).status).toBe(200)
    expect((await post(server, '/refresh', {})).status).toBe(401)
    expect((await post(server, '/logout', {})).status).toBe(204)
  })

  test('revoke ends the family by its refresh token, and an access token alone by itself', async () => {
    const server = await start()
    const { access_token, refresh_token } = server.mint()
    expect((await post(server, '/revoke', { token: access_token })).status).toBe(200)
    expect((await call(server, '/api/items', access_token)).status).toBe(401)
    const next = await refreshed(server, refresh_token)
    expect((await post(server, '/revoke', { token: next.refresh_token })).status).toBe(200)
    expect((await call(server, '/api/items', next.access_token)).status).toBe(401)
    expect((await refresh(server, next.refresh_token)).status).toBe(400)
    expect((await post(server, '/revoke', { token: 'unknown' })).status).toBe(200)
  })
})

describe('other origins', () => {
  const origin = 'http://page.example'

  test('may call with credentials and read the challenge', async () => {
    const server = await start()
    const response = await call(server, '/api/items', undefined, { headers: { origin } })
    expect(response.headers.get('access-control-allow-origin')).toBe(origin)
    expect(response.headers.get('access-control-allow-credentials')).toBe('true')
    expect(response.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
    const asked = {
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'authorization',
    }
    const preflight = await call(server, '/api/items', undefined, {
      method: 'OPTIONS',
      headers: { origin, ...asked },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-methods')).toBe('PUT')
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization')
    expect(server.count.api).toBe(1)
  })

  test('see less, or nothing, if the options say so', async () => {
    const hidden = await start({ exposeChallenge: false })
    const response = await call(hidden, '/api/items', undefined, { headers: { origin } })
    expect(response.headers.get('access-control-expose-headers')).not.toContain('WWW-Authenticate')
    const closed = await start({ cors: false })
    const foreign = await call(closed, '/api/items', undefined, { headers: { origin } })
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull()
  })

  test('need not be: a fallback serves pages from the same origin', async () => {
    const server = await start({ fallback: (_, response) => response.end('a page') })
    expect(await (await fetch(`${server.url}/index.html`)).text()).toBe('a page')
    expect((await fetch(`${(await start()).url}/index.html`)).status).toBe(404)
  })
})

describe('the log', () => {
  test('never holds a token', async () => {
    const server = await start()
    const first = server.mint('alice')
    const second = await refreshed(server, first.refresh_token)
    await call(server, `/api/items?id=1&access_token=${second.access_token}`)
    await call(server, '/api/items', second.refresh_token)
    await call(server, '/api/items', 'at_forged')
    server.fault('500', { on: 'token' })
    await refresh(server, second.refresh_token)
    await refresh(server, first.refresh_token)
    await refresh(server, 'rt_forged')
    await post(server, '/logout', { refresh_token: second.refresh_token })
    server.revokeFamily(second.refresh_token)
    const written = `${JSON.stringify(server.log)}\n${server.explain()}`
    for (const token of [...Object.values(first), ...Object.values(second), 'at_forged', 'rt_forged']) {
      if (/^[ar]t_/.test(String(token))) expect(written).not.toContain(token)
    }
  })

  test('explains itself in one line per entry', async () => {
    const { clock, jump } = createTestClock()
    const server = await start({ now: clock.now })
    const { access_token, refresh_token } = server.mint('alice')
    await call(server, '/api/items?id=7', access_token)
    jump(20)
    server.fault('destroy-after')
    await expect(refresh(server, refresh_token)).rejects.toThrow()
    await refresh(server, refresh_token)
    expect(server.explain()).toBe(
      [
        '#1   +0 ms     login    family f1 was minted for alice',
        "#2   +0 ms     api      GET /api/items id 7 with alice's access token f1/1 (answered 200)",
        '#3   +20 ms    fault    POST /token suffers destroy-after, after it was handled',
        "#4   +20 ms    refresh  alice's refresh token f1/1 was exchanged for generation 2 (answer lost: fault destroy-after)",
        "#5   +20 ms    reuse    alice's refresh token f1/1 came again; #4 had consumed it, but its answer was lost (fault destroy-after); family f1 is revoked",
      ].join('\n'),
    )
  })

  test('lets a test wait for a kind, for a number of them, and for anything else', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const waits = Promise.all([
      server.until('api', 2),
      server.until('login'),
      server.until((log) => log.some((entry) => entry.kind === 'api' && entry.status === 200)),
    ])
    await call(server, '/api/items', access_token)
    await call(server, '/api/items', access_token)
    await waits
    expect(server.count.api).toBe(2)
  })
})

describe('robustness', () => {
  test('a body that is too long is refused and not kept', async () => {
    const server = await start({ longestBody: 1_000 })
    const init = { method: 'POST', body: 'x'.repeat(1_001) }
    expect((await call(server, '/api/echo', server.mint().access_token, init)).status).toBe(413)
    expect((await fetch(server.tokenEndpoint, init)).status).toBe(413)
  })

  test('a client that dies in the middle of its request executes nothing and harms nobody', async () => {
    const server = await start()
    const { access_token } = server.mint()
    const socket = await rawConnection(server)
    socket.write(
      `POST /api/effects?id=x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${access_token}\r\nContent-Length: 9\r\n\r\nhalf`,
    )
    await server.until('api')
    socket.resetAndDestroy()
    const garbage = await rawConnection(server)
    garbage.write('this is not HTTP\r\n\r\n')
    await once(garbage, 'close')
    expect((await call(server, '/api/items', access_token)).status).toBe(200)
    expect(server.effects('x')).toBe(0)
  })

  test('close ends everything at once, more than once', async () => {
    const server = await createAuthServer()
    const { access_token, refresh_token } = server.mint()
    const idle = await rawConnection(server)
    const gate = server.hold('/api/items')
    server.fault('hang')
    const held = call(server, '/api/items', access_token)
    const hanging = refresh(server, refresh_token)
    await Promise.all([gate.untilArrived(), server.until('fault')])
    const outcomes = Promise.allSettled([held, hanging, gate.untilArrived(2), server.until('reuse')])
    await Promise.all([server.close(), server.close(), once(idle, 'close')])
    await server[Symbol.asyncDispose]()
    expect((await outcomes).map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    await expect(fetch(server.url)).rejects.toThrow()
    await expect(server.until('reuse')).rejects.toThrow('the auth server was closed')
  })

  test('a port that is taken is an error', async () => {
    const server = await start()
    await expect(createAuthServer({ port: Number(new URL(server.url).port) })).rejects.toThrow('EADDRINUSE')
  })
})
