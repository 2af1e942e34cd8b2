import { findSessionError, type SessionOptions } from 'refresh-once'
import { type SessionFetch, withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, times, watch } from '../setup.ts'

const API = 'https://api.example.com'

/** Milliseconds by which its clock is behind. */
const BEHIND = 3_000

const EARLY = 'Bearer error="invalid_token", error_description="The token is not valid yet"'

interface WorldOptions {
  behind?: number
  challenge?: string
  /** What it says in the body of a 401. */
  body?: unknown
  /** Whether its answers name the time of its clock, and tokens the time from which on they are good. */
  dated?: boolean
  /** What it refuses whatever it gets. */
  locked?: string
  /** Milliseconds that a token lives. */
  life?: number
  session?: Partial<SessionOptions>
}

/** An API whose clock is behind that of the authorization server, and a session whose token is over soon. */
function world({
  behind = BEHIND,
  challenge = EARLY,
  body,
  dated,
  locked,
  life = 60_000,
  session: own,
}: WorldOptions = {}) {
  const time = newClock()
  const { now } = time.clock
  const issued = new Map<string, number>()
  const sent: { token: string; path: string; status: number }[] = []
  const revoked = new Set<string>()
  let refreshes = 0
  const issue = () => {
    const claims = { nbf: Math.floor(now() / 1000) }
    const accessToken = `token-${issued.size}${dated ? `.${btoa(JSON.stringify(claims))}.x` : ''}`
    issued.set(accessToken, now())
    return { accessToken, refreshToken: 'r', expiresIn: life / 1000 }
  }
  const first = issue()
  const session = open({
    clock: time.clock,
    tokens: { ...first, expiresAt: now() + life },
    refresh: () => {
      refreshes++
      return issue()
    },
    ...own,
  })
  const wire: typeof fetch = async (input, init) => {
    init?.signal?.throwIfAborted()
    const token = new Headers(init?.headers).get('authorization')?.slice(7) ?? ''
    const path = new URL(String(input)).pathname
    const from = Number(issued.get(token))
    const there = now() - behind
    const good = from <= there && there < from + life && !revoked.has(token) && path !== locked
    const status = good || path === '/punctual' ? 200 : 401
    sent.push({ token, path, status })
    const headers = new Headers(status === 401 ? { 'www-authenticate': challenge } : {})
    if (dated) headers.set('date', new Date(there).toUTCString())
    return body && status === 401
      ? Response.json(body, { status, headers })
      : new Response(null, { status, headers })
  }
  const api: SessionFetch = withSession(session, { origins: [API], fetch: wire })
  return {
    time,
    session,
    sent,
    revoked,
    issued,
    issue,
    refreshes: () => refreshes,
    get: async (path = '/items', init?: RequestInit) => api(API + path, init),
    /** Its first token is over, and the next one has come. */
    renewed: async () => {
      await time.advance(life)
      await session.getAccessToken()
    },
  }
}

/** Turns the clock until it has settled. */
async function turned<T>({ time }: ReturnType<typeof world>, awaited: Promise<T>): Promise<T> {
  let settled = false
  const end = () => {
    settled = true
  }
  awaited.then(end, end)
  for (let n = 0; n < 400; n++) {
    await time.advance(settled ? 0 : 50)
    if (settled) break
  }
  return awaited
}

describe('an API whose clock is behind', () => {
  test('accepts a token that has just come a little later: no other one is fetched, and no call fails', async () => {
    const there = world()
    await there.renewed()
    const start = there.time.clock.monotonic()
    expect((await turned(there, there.get())).status).toBe(200)
    expect(there.time.clock.monotonic() - start).toBeLessThan(5_000)
    expect(there.refreshes()).toBe(1)
    expect(new Set(there.sent.map(({ token }) => token))).toEqual(new Set(['token-1']))
  })

  test.each([
    [{ message: 'jwt not active' }],
    [{ error: { code: 'ERR_JWT', reason: '"nbf" claim timestamp check failed' } }],
    [{ detail: 'Cannot handle token prior to 2026-01-01T00:00:00+0000' }],
    [{ errors: [{ title: 'Token used before issued' }] }],
  ])('may say so in the body of its answer: %j', async (body) => {
    const there = world({ challenge: 'Bearer error="invalid_token"', body })
    await there.renewed()
    expect((await turned(there, there.get())).status).toBe(200)
    expect(there.refreshes()).toBe(1)
  })

  test('may say so by its clock, where the token says from when on it is good', async () => {
    const there = world({ challenge: 'Bearer error="invalid_token"', dated: true })
    await there.renewed()
    expect((await turned(there, there.get())).status).toBe(200)
    expect(there.refreshes()).toBe(1)
  })

  test('whose answer does not end is not waited for', async () => {
    const body = new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode('{')) })
    const answer = new Response(body, { status: 401, headers: { 'content-type': 'application/json' } })
    const answers = [answer, Response.json({})]
    const time = newClock()
    const session = open({ clock: time.clock, refresh: () => 'new' })
    await session.signIn('old')
    const api = withSession(session, {
      origins: [API],
      fetch: async () => answers.shift() ?? Response.error(),
    })
    const sent = api(API)
    await time.advance(1_000)
    expect((await sent).status).toBe(200)
  })

  test('accepts one of a sign-in a little later', async () => {
    const there = world()
    await there.session.signIn(there.issue())
    expect((await turned(there, there.get())).status).toBe(200)
    expect(there.refreshes()).toBe(0)
  })

  test('is asked a few times by each request, however many there are', async () => {
    const there = world()
    await there.renewed()
    const all = await turned(there, Promise.all(times(20, () => there.get())))
    expect(all.map(({ status }) => status)).toEqual(times(20, () => 200))
    expect(there.refreshes()).toBe(1)
    expect(there.sent.length).toBeLessThanOrEqual(20 * 4)
  })

  test('is asked again at once when somebody else has accepted the token, and others are not kept waiting', async () => {
    const there = world({ behind: 400 })
    await there.renewed()
    const waiting = there.get()
    await there.time.advance(400)
    expect((await there.get('/punctual')).status).toBe(200)
    expect((await waiting).status).toBe(200)
    expect(there.refreshes()).toBe(1)
  })

  test('is asked no oftener where much else is accepted meanwhile', async () => {
    const there = world({ behind: 1_400 })
    await there.renewed()
    const waiting = turned(there, there.get())
    for (let n = 0; n < 20; n++) await there.get('/punctual')
    expect((await waiting).status).toBe(200)
    expect(there.sent.filter(({ path }) => path === '/items').length).toBeLessThanOrEqual(5)
  })

  test('that is far behind gets another token in the end, as before', async () => {
    const there = world({ behind: 50_000 })
    await there.renewed()
    expect((await turned(there, there.get())).status).toBe(401)
    expect(there.refreshes()).toBe(2)
  })
})

test.each([
  'The token is not valid before 05/01/2030 10:00:00',
  'Jwt used before 2030-01-01T00:00:00Z',
  'jwt not active',
  '"nbf" claim timestamp check failed',
  'The token is not yet valid (iat)',
  'Jwt issued at future',
  'Token used too early',
])('libraries have words of their own for that: %s', async (words) => {
  const there = world({
    challenge: `Bearer error="invalid_token", error_description="${words.replaceAll('"', '')}"`,
  })
  await there.renewed()
  expect((await turned(there, there.get())).status).toBe(200)
  expect(there.refreshes()).toBe(1)
})

test('a token that was fetched for a refusal is given the time, too: no call fails', async () => {
  const there = world({ life: 3_600_000 })
  await there.time.advance(10_000)
  there.revoked.add('token-0')
  expect((await turned(there, there.get())).status).toBe(200)
  expect(there.refreshes()).toBe(1)
})

describe('nobody waits for a token to grow older', () => {
  test('that is old: one that was revoked is replaced at once', async () => {
    const there = world({ behind: 0, life: 3_600_000 })
    await there.renewed()
    await there.time.advance(10_000)
    there.revoked.add('token-1')
    expect((await there.get()).status).toBe(200)
    expect(there.refreshes()).toBe(2)
  })

  test('that the first tokens of the options hold: nobody knows since when', async () => {
    const there = world({ behind: 0 })
    there.revoked.add('token-0')
    expect((await there.get()).status).toBe(200)
    expect(there.refreshes()).toBe(1)
  })

  test.each([
    '',
    'Bearer',
    'Bearer error="invalid_token"',
    'Bearer error="invalid_token", error_description="The access token expired"',
    'Bearer error="invalid_token", error_description="Token has been revoked"',
  ])('of which the API does not say that it is too new: %s', async (challenge) => {
    const there = world({ behind: 0, challenge })
    await there.renewed()
    there.revoked.add('token-1')
    expect((await there.get()).status).toBe(200)
    expect(there.refreshes()).toBe(2)
  })

  test('that is good by the clock of the API', async () => {
    const there = world({ behind: 0, challenge: 'Bearer', dated: true, body: { message: 'jwt expired' } })
    await there.renewed()
    there.revoked.add([...there.issued.keys()][1] ?? '')
    expect((await there.get()).status).toBe(200)
    expect(there.refreshes()).toBe(2)
  })

  test('where the app itself has asked for another one', async () => {
    const there = world({ behind: 0, session: { shouldRefresh: ({ status }) => status === 401 } })
    await there.renewed()
    there.revoked.add('token-1')
    expect((await there.get()).status).toBe(200)
    expect(there.refreshes()).toBe(2)
  })

  test('with a body that can be sent once', async () => {
    const there = world()
    await there.renewed()
    const body = new ReadableStream({ start: (controller) => controller.close() })
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    const answer = await there.get('/items', init)
    expect([answer.status, findSessionError(answer)?.code]).toEqual([401, 'not_replayable'])
    expect(there.sent).toHaveLength(1)
  })

  test('with a deadline that is shorter than that', async () => {
    const there = world({ session: { deadline: 500 } })
    await there.renewed()
    expect((await there.get()).status).toBe(401)
  })
})

test('an endpoint that always refuses costs the waiting once for a token, and none for those fetched for it', async () => {
  const there = world({ behind: 0, locked: '/locked', life: 3_600_000 })
  await there.renewed()
  expect((await turned(there, there.get('/locked'))).status).toBe(401)
  expect(there.refreshes()).toBe(2)
  const before = there.sent.length
  // With the clock at rest: there is nothing to wait for.
  for (let n = 0; n < 3; n++) expect((await there.get('/locked')).status).toBe(401)
  expect(there.sent.length - before).toBeLessThanOrEqual(6)
})

test('a refusal of a token that has been replaced since is not waited for, whatever it says', async () => {
  const time = newClock()
  const session = open({ clock: time.clock, refresh: () => 'new' })
  await session.signIn('old')
  const refusal = deferred<Response>()
  const answers = [refusal.promise, new Response('served')]
  const api = withSession(session, {
    origins: [API],
    fetch: async () => answers.shift() ?? Response.error(),
  })
  const sent = api(API, { method: 'POST' })
  await time.advance(0)
  await session.refresh()
  refusal.resolve(new Response(null, { status: 401, headers: { 'www-authenticate': EARLY } }))
  // The clock is at rest.
  expect(await (await sent).text()).toBe('served')
})

test('nor one whose token is replaced while its body is read: it is sent again, and nothing is refreshed twice', async () => {
  const time = newClock()
  let refreshes = 0
  const session = open({ clock: time.clock, refresh: () => `new-${++refreshes}` })
  await session.signIn('old')
  let end = () => {}
  const body = new ReadableStream({
    start: (stream) => {
      end = () => {
        stream.enqueue(new TextEncoder().encode('{}'))
        stream.close()
      }
    },
  })
  const answers = [
    new Response(body, { status: 401, headers: { 'content-type': 'application/json' } }),
    new Response('served'),
  ]
  const api = withSession(session, {
    origins: [API],
    fetch: async () => answers.shift() ?? Response.error(),
  })
  const sent = api(API, { method: 'POST' })
  await time.advance(0)
  await session.refresh()
  end()
  expect(await (await sent).text()).toBe('served')
  expect(refreshes).toBe(1)
})

test('where the app itself asks for another token, it is fetched at once', async () => {
  const there = world({ session: { shouldRefresh: ({ status }) => status === 401 || undefined } })
  await there.renewed()
  there.revoked.add('token-1')
  const sent = there.get()
  await there.time.advance(0)
  expect(there.refreshes()).toBe(2)
  await turned(there, sent)
})

test('a nonce that a server asks for is sent at once, in whatever words it asks', async () => {
  const time = newClock()
  const session = open({
    clock: time.clock,
    refresh: () => 'unused',
    applyToken: ({ accessToken }, { nonce }) => ({
      headers: { authorization: `DPoP ${accessToken}`, dpop: nonce },
    }),
  })
  await session.signIn('mine')
  const words = 'DPoP error="use_dpop_nonce", error_description="This nonce was not issued before"'
  const api = withSession(session, {
    origins: [API],
    fetch: async (_, init) =>
      new Headers(init?.headers).get('dpop') === 'n-1'
        ? new Response('served')
        : new Response(null, { status: 401, headers: { 'www-authenticate': words, 'dpop-nonce': 'n-1' } }),
  })
  expect(await (await api(API)).text()).toBe('served')
})

describe('whoever waits for it may leave at once', () => {
  test('by an abort', async () => {
    const there = world()
    await there.renewed()
    const controller = new AbortController()
    const failure = failureOf(there.get('/items', { signal: controller.signal }))
    await there.time.advance(100)
    controller.abort()
    expect(await failure).toMatchObject({ name: 'AbortError' })
    expect(there.sent).toHaveLength(1)
  })

  test.each(['signOut', 'close'] as const)('when the session ends: %s', async (verb) => {
    const there = world()
    await there.renewed()
    const answer = there.get()
    await there.time.advance(100)
    await there.session[verb]()
    expect((await answer).status).toBe(401)
    expect(findSessionError(await answer)?.code).toBe(verb === 'close' ? 'session_closed' : 'session_changed')
    expect(there.sent).toHaveLength(1)
  })

  test('when somebody else signs in: it is not sent with the token of another', async () => {
    const there = world()
    await there.renewed()
    const answer = there.get()
    await there.time.advance(100)
    await there.session.signIn(there.issue())
    expect(findSessionError(await answer)?.code).toBe('session_changed')
    expect(there.sent).toHaveLength(1)
  })

  test('when a newer token has come: it is sent with that', async () => {
    const there = world({ behind: 0 })
    await there.renewed()
    there.revoked.add('token-1')
    const seen = watch(there.session)
    const answer = there.get()
    await there.time.advance(100)
    await there.session.refresh()
    expect((await answer).status).toBe(200)
    expect(there.refreshes()).toBe(2)
    expect(seen.of('refresh-succeeded')).toHaveLength(1)
  })
})
