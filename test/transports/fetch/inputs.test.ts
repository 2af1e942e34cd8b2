import { runInNewContext } from 'node:vm'
import { type SessionFetch, type SessionRequestInit, withSession } from 'refresh-once/fetch'
import { describe, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest'
import { deferred, failureOf, newClock, open, times, watch } from '../../setup.ts'
import { bearer, onWire, seenOf } from '../wire.ts'
import { stage } from './stage.ts'

test('it has the type of fetch, and its init may have a session', () => {
  expectTypeOf<SessionFetch>().toExtend<typeof fetch>()
  expectTypeOf<SessionFetch>().toBeCallableWith('/', { session: false })
  expectTypeOf<SessionFetch>().toBeCallableWith('/', { session: { replay: false, recall: true } })
})

describe('what fetch takes arrives as it would without us, at the first send and at the replay', () => {
  type Call = (at: (path: string) => string) => [input: RequestInfo | URL, init?: RequestInit]

  const calls: Record<string, Call> = {
    'a string': (at) => [at('/api/echo?a=1&b=%20#here')],
    'a URL': (at) => [new URL(at('/api/echo?a=1'))],
    'a string with tabs and newlines, as fetch reads it': (at) => [` ${at('/api/e\tch\no')} `],
    'a Request': (at) => [
      new Request(at('/api/echo'), { method: 'PUT', headers: { 'x-a': '1' }, body: 'b' }),
    ],
    'a Request without a body': (at) => [new Request(at('/api/echo'), { headers: { 'x-a': '1' } })],
    'a Request and init: init wins': (at) => [
      new Request(at('/api/echo'), { method: 'PUT', headers: { 'x-a': '1', 'x-b': '1' }, body: 'before' }),
      { method: 'DELETE', headers: { 'x-a': '2' }, body: 'after' },
    ],
    'a Request and another body: its Content-Type stays': (at) => [
      new Request(at('/api/echo'), { method: 'PUT', body: 'before' }),
      { body: new URLSearchParams({ a: '1' }) },
    ],
    'a Request and a body of null, which is none': (at) => [
      new Request(at('/api/echo'), { method: 'PUT', body: 'its own' }),
      { body: null },
    ],
    'a Request and an empty body': (at) => [
      new Request(at('/api/echo'), { method: 'PUT', body: 'before' }),
      { body: '' },
    ],
    'a Request and headers that are undefined': (at) => [
      new Request(at('/api/echo'), { headers: { 'x-a': '1' } }),
      { headers: undefined } as unknown as RequestInit,
    ],
    'a Request as init': (at) => [
      at('/api/echo?other'),
      new Request(at('/api/echo'), { method: 'DELETE', headers: { 'x-a': '1' } }),
    ],
    'headers as a list of pairs, one of them twice': (at) => [
      at('/api/echo'),
      { headers: [['x-a', '1'], ['x-a', '2'], ['X-B', 'ü']] }, // biome-ignore format: a table
    ],
    'headers as Headers': (at) => [
      at('/api/echo'),
      { headers: new Headers({ 'X-Mine': '1', accept: 'a/b' }) },
    ],
    'a method in lower case, as fetch sends it': (at) => [at('/api/echo'), { method: 'delete' }],
    'a method that is none of the usual': (at) => [at('/api/echo'), { method: 'REPORT', body: 'x' }],
    'an init without a prototype': (at) => [
      at('/api/echo'),
      Object.assign(Object.create(null), { method: 'PUT', body: 'x' }),
    ],
    'an init that inherits': (at) => [at('/api/echo'), Object.create({ method: 'PUT', body: 'x' })],
    'an init of a class': (at) => [
      at('/api/echo'),
      new (class {
        method = 'PUT'
        body = 'x'
      })(),
    ],
    'an init of another realm': (at) => [
      at('/api/echo'),
      runInNewContext("({ method: 'PUT', headers: { 'x-a': '1' }, body: 'x' })"),
    ],
    'an init that is null': (at) => [at('/api/echo'), null as unknown as RequestInit],
  }

  test.each(Object.entries(calls))('%s', async (_, call) => {
    const { server, api, at, received, tokens } = await stage()
    const [input, init] = call(at)
    const [same, sameInit] = call(at)
    const headers = new Headers(init?.headers ?? (input as Request).headers)
    headers.set('authorization', bearer(tokens).Authorization)
    // Without an init of its own a Request is copied, so that nothing but the token is added.
    const plain = new Request(input, init)
    for (const [name, value] of headers) if (name === 'authorization') plain.headers.set(name, value)
    await fetch(plain)
    server.expireAccessTokens()
    expect((await api(same, sameInit)).status).toBe(200)

    const [expected, first, replay, ...more] = received.map(seenOf)
    expect(first).toEqual(expected)
    expect(replay).toEqual(expected)
    expect(more).toEqual([])
    expect(received.map(({ headers }) => headers.authorization !== undefined)).toEqual([true, true, true])
    expect(server.count).toMatchObject({ refreshes: 1, rejected: 1 })
  })

  test('an init with getters is read once', async () => {
    const { server, api, at, received } = await stage()
    let reads = 0
    const init = {
      get method() {
        reads++
        return reads > 1 ? 'DELETE' : 'PUT'
      },
    }
    server.expireAccessTokens()
    await api(at('/api/echo'), init)
    expect(received.map(({ method }) => method)).toEqual(['PUT', 'PUT'])
    expect(reads).toBe(1)
  })
})

describe('members of init', () => {
  /** Notes what fetch itself makes of its arguments, and sends it. */
  function noting(): { fetch: typeof fetch; requests: Request[]; inits: RequestInit[] } {
    const requests: Request[] = []
    const inits: RequestInit[] = []
    return {
      requests,
      inits,
      fetch: (input, init) => {
        inits.push({ ...init })
        requests.push(new Request(input instanceof Request ? input.clone() : input, init))
        return fetch(input, init)
      },
    }
  }

  const members = {
    mode: 'same-origin',
    credentials: 'omit',
    cache: 'no-store',
    integrity: '',
    keepalive: true,
    referrer: 'about:client',
    referrerPolicy: 'origin',
    redirect: 'manual',
  } as const

  test.each(Object.entries(members))('%s is kept, also on the replay', async (name, value) => {
    const wire = noting()
    const { server, api, at } = await stage({ fetch: { fetch: wire.fetch } })
    server.expireAccessTokens()
    await api(at('/api/items'), { [name]: value })
    expect(wire.inits.map((init) => init[name as keyof RequestInit])).toEqual([value, value])
    expect(wire.requests.map((request) => request[name as keyof Request])).toEqual([value, value])
  })

  test.each(Object.entries(members))('%s of a Request is kept, also on the replay', async (name, value) => {
    const wire = noting()
    const { server, api, at } = await stage({ fetch: { fetch: wire.fetch } })
    server.expireAccessTokens()
    const request = new Request(at('/api/echo'), { method: 'PUT', body: 'x', [name]: value })
    expect(request[name as keyof Request]).toBe(value)
    await api(request)
    expect(wire.requests.map((request) => request[name as keyof Request])).toEqual([value, value])
    expect(server.count.api).toBe(2)
  })

  test.each([undefined, {}, { session: {} }])(
    'a Request keeps its referrer where the caller gives no init that matters (%j)',
    async (init) => {
      for (const expired of [false, true]) {
        const wire = noting()
        const { api, at } = await stage({ expired, fetch: { fetch: wire.fetch } })
        await api(new Request(at('/api/items'), { referrer: '', referrerPolicy: 'origin' }), init)
        const [{ referrer, referrerPolicy } = { referrer: '-', referrerPolicy: '-' }] = wire.requests
        expect({ referrer, referrerPolicy }).toEqual({ referrer: '', referrerPolicy: 'origin' })
      }
    },
  )

  test('with an init a Request loses its referrer, as it does without us', async () => {
    const wire = noting()
    const { api, at } = await stage({ fetch: { fetch: wire.fetch } })
    const make = () => new Request(at('/api/items'), { referrer: '', referrerPolicy: 'origin' })
    await api(make(), { headers: { 'x-a': '1' } })
    const { referrer, referrerPolicy } = new Request(make(), { headers: { 'x-a': '1' } })
    expect(wire.requests[0]).toMatchObject({ referrer, referrerPolicy })
    expect(referrer).toBe('about:client')
  })

  test('priority, and members that nobody knows, are kept, also on the replay', async () => {
    const wire = noting()
    const { server, api, at } = await stage({ fetch: { fetch: wire.fetch } })
    server.expireAccessTokens()
    const next = { revalidate: 60 }
    await api(at('/api/items'), { priority: 'low', next } as SessionRequestInit)
    expect(wire.inits).toMatchObject(times(2, () => ({ priority: 'low', next })))
    expect(wire.inits.every((init) => (init as { next?: object }).next === next)).toBe(true)
  })

  test.each(['a string', 'a Request'])('a dispatcher of undici sends both times (%s)', async (input) => {
    const { server, api, at } = await stage()
    await api(at('/api/items'))
    const own = Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1'))
    let dispatched = 0
    const dispatcher = {
      dispatch(...all: unknown[]) {
        dispatched++
        return own.dispatch(...all)
      },
    }
    server.expireAccessTokens()
    const url = at('/api/echo')
    const target = input === 'a string' ? url : new Request(url, { method: 'PUT', body: 'x' })
    await api(target, { dispatcher } as SessionRequestInit)
    expect(onWire(server, '/api/echo')).toHaveLength(2)
    expect(dispatched).toBe(2)
  })

  test('without recall no signal is added, and with recall a GET gets one', async () => {
    for (const recall of ['none', 'safe'] as const) {
      const wire = noting()
      const { api, at } = await stage({ fetch: { fetch: wire.fetch }, session: { recall } })
      await api(at('/api/items'))
      await api(at('/api/items'), { method: 'POST' })
      expect(wire.inits.map((init) => 'signal' in init)).toEqual([recall === 'safe', false])
    }
  })
})

describe('what the caller does to its arguments after the call changes nothing', () => {
  test('a held request is sent as it was, and so is its replay', async () => {
    const { server, api, at, received } = await stage({ expired: true })
    const refresh = server.hold('/token')
    const url = new URL(at('/api/echo?first'))
    const headers = new Headers({ 'x-mine': 'first' })
    const record: Record<string, string> = { 'x-mine': 'first' }
    const init: RequestInit = { method: 'PUT', headers, body: 'first' }
    const other: RequestInit = { method: 'PUT', headers: record, body: 'first' }
    const requests = [api(url, init), api(at('/api/echo?first'), other)]
    await refresh.untilArrived()
    url.search = '?second'
    url.host = 'evil.example'
    headers.set('x-mine', 'second')
    record['x-mine'] = 'second'
    for (const changed of [init, other])
      Object.assign(changed, { method: 'POST', body: 'second', headers: { 'x-other': '1' } })
    const echo = server.hold('/api/echo')
    refresh.release()
    await echo.untilArrived(2)
    echo.release()
    await Promise.all(requests)
    server.expireAccessTokens()
    expect(
      received.map(({ method, url, headers, body }) => [method, url, headers['x-mine'], `${body}`]),
    ).toEqual(times(2, () => ['PUT', '/api/echo?first', 'first', 'first']))
  })

  test('between the 401 and the replay, too', async () => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const headers: [string, string][] = [['x-mine', 'first']]
    const init: RequestInit = { method: 'PUT', headers, body: 'first' }
    const request = api(at('/api/echo'), init)
    await refresh.untilArrived()
    headers.push(['x-mine', 'second'])
    Object.assign(init, { method: 'POST', body: 'second' })
    refresh.release()
    await request
    expect(received.map(({ method, headers, body }) => [method, headers['x-mine'], `${body}`])).toEqual(
      times(2, () => ['PUT', 'first', 'first']),
    )
  })
})

describe('invalid arguments', () => {
  const calls: Record<string, (api: typeof fetch, at: (path: string) => string) => Promise<Response>> = {
    nothing: (api) => (api as () => Promise<Response>)(),
    'a relative URL where there is no page': (api) => api('/api/items'),
    'no URL at all': (api) => api('http://'),
    'a body on a GET': (api, at) => api(at('/api/items'), { body: 'x' }),
    'a forbidden method': (api, at) => api(at('/api/items'), { method: 'TRACE' }),
    'a method that is no token': (api, at) => api(at('/api/items'), { method: 'a b' }),
    'a header that is no token': (api, at) => api(at('/api/items'), { headers: { 'a b': '1' } }),
    'a value with a newline': (api, at) => api(at('/api/items'), { headers: { a: '1\n2' } }),
    'a mode that is none': (api, at) => api(at('/api/items'), { mode: 'x' as RequestMode }),
    'a signal that is none': (api, at) => api(at('/api/items'), { signal: {} as AbortSignal }),
    'a stream without duplex': (api, at) =>
      api(at('/api/items'), { method: 'PUT', body: new Blob(['x']).stream() }),
    'a user name in the URL': (api) => api('http://user:pass@127.0.0.1/'),
  }

  test.each(Object.entries(calls))('%s: a TypeError as a rejection, and nothing is sent', async (_, call) => {
    for (const recall of ['none', 'safe'] as const) {
      const { server, api, at } = await stage({ session: { recall } })
      const bare = await failureOf(call(fetch, at))
      expect(bare).toBeInstanceOf(TypeError)
      const promise = call(api, at)
      expect(promise).toBeInstanceOf(Promise)
      expect(await failureOf(promise)).toBeInstanceOf(TypeError)
      expect(server.count.api).toBe(0)
    }
  })

  test('a Request whose body was read before: a TypeError', async () => {
    const { server, api, at } = await stage()
    const request = new Request(at('/api/echo'), { method: 'PUT', body: 'x' })
    await request.text()
    expect(await failureOf(api(request))).toBeInstanceOf(TypeError)
    expect(server.count.api).toBe(0)
  })

  test('a `skip` that throws: a rejection with what it threw', async () => {
    const thrown = new Error('thrown by skip')
    const { api, at } = await stage({
      session: {
        skip: () => {
          throw thrown
        },
      },
    })
    expect(await failureOf(api(at('/api/items')))).toBe(thrown)
  })
})

describe('which fetch sends', () => {
  test('without one of its own it is the global one as it is at each call', async () => {
    const { server, api, at } = await stage()
    const { fetch: original } = globalThis
    onTestFinished(() => void vi.unstubAllGlobals())
    const patched = vi.fn(original)
    await api(at('/api/items'))
    expect(patched).not.toHaveBeenCalled()
    vi.stubGlobal('fetch', patched)
    await api(at('/api/items'))
    expect(patched).toHaveBeenCalledTimes(1)
    vi.unstubAllGlobals()
    await api(at('/api/items'))
    expect(patched).toHaveBeenCalledTimes(1)
    expect(server.count.api).toBe(3)
  })

  test('one that is patched between a 401 and its replay makes the replay', async () => {
    const { server, api, at } = await stage({ session: { refresh: () => tokens.promise } })
    const tokens = deferred<{ accessToken: string }>()
    onTestFinished(() => void vi.unstubAllGlobals())
    server.expireAccessTokens()
    const answer = api(at('/api/items'))
    await server.until('rejected')
    const patched = vi.fn(fetch)
    vi.stubGlobal('fetch', patched)
    tokens.resolve({ accessToken: server.mint().access_token })
    expect((await answer).status).toBe(200)
    expect(patched).toHaveBeenCalledTimes(1)
  })

  test('it is called as a function: browsers refuse a fetch that is a method of somebody else', async () => {
    const seen: unknown[] = []
    const own = function (this: unknown, ...all: Parameters<typeof fetch>) {
      seen.push(this)
      return fetch(...all)
    }
    const { api, at } = await stage({ fetch: { fetch: own } })
    await api(at('/api/items'))
    await api(at('/api/items'), { session: false })
    expect(seen).toEqual([undefined, undefined])
  })
})

describe('the session member of init', () => {
  test('false: the request goes out as it is, its 401 is the caller’s, and nobody waits', async () => {
    const { server, api, at } = await stage({ expired: true })
    const answer = await api(at('/api/items'), { session: false })
    expect(answer.status).toBe(401)
    expect(onWire(server, '/api/items')).toMatchObject([{ family: 'none' }])
    expect(server.count.refreshRequests).toBe(0)
  })

  test('`skip` does the same for clients that drop unknown members of init', async () => {
    const seen: string[] = []
    const { server, api, at } = await stage({
      expired: true,
      session: {
        skip(url, method) {
          seen.push(`${method} ${url}`)
          return url.endsWith('/login')
        },
      },
    })
    const wrong = { method: 'post', body: new URLSearchParams({ user: 'alice', password: 'wrong' }) }
    // fetch itself writes some methods in upper case, and not others.
    await api(at('/login'), wrong)
    const answer = await api(new Request(at('/login'), wrong))
    expect(answer.status).toBe(401)
    expect(await answer.json()).toEqual({ error: 'invalid_credentials' })
    expect(seen).toEqual(times(2, () => `POST ${at('/login')}`))
    expect(server.count.refreshRequests).toBe(0)
  })

  test('a refresh that sends a Request after an await: its signal is another one, but `skip` lets it through', async () => {
    for (const skips of [false, true]) {
      const time = newClock()
      const given = await stage({
        session: {
          clock: time.clock,
          retries: 0,
          skip: (url) => skips && url.endsWith('/refresh'),
          refresh: async ({ tokens, signal }) => {
            await Promise.resolve()
            const body = new URLSearchParams({ refresh_token: tokens?.refreshToken ?? '' })
            return given.api(new Request(given.at('/refresh'), { method: 'POST', body, signal }))
          },
        },
      })
      const { server, session, api, at } = given
      const seen = watch(session)
      server.expireAccessTokens()
      const answer = api(at('/api/items'))
      if (!skips) {
        await seen.until('refresh-failed')
        expect(seen.of('refresh-failed')[0]?.message).toContain(`POST ${at('/refresh')}`)
      }
      expect((await answer).status).toBe(skips ? 200 : 401)
      expect(server.count.refreshes).toBe(skips ? 1 : 0)
    }
  })

  test('`replay: false`: the 401 is the caller’s, and the refresh takes place', async () => {
    const { server, api, at } = await stage()
    server.expireAccessTokens()
    expect(
      (await api(at('/api/effects?id=pay'), { method: 'POST', session: { replay: false } })).status,
    ).toBe(401)
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(onWire(server, '/api/effects')).toHaveLength(1)
    expect(server.count).toMatchObject({ refreshes: 1, effects: 0 })
  })
})

test.each([
  ['an object', { 'X-Own': '1' }],
  ['a list', [['X-Own', '1']] as [string, string][]],
])('headers that are given as %s are handed on as one, with the token beside them', async (_, headers) => {
  const handed: unknown[] = []
  const session = open({ tokens: 'secret', refresh: () => 'unused' })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async (_, init) => {
      handed.push(init?.headers)
      return new Response()
    },
  })
  await api('https://api.example.com/items', { headers })
  const all = Object.entries({ 'X-Own': '1', Authorization: 'Bearer secret' })
  expect(handed).toEqual([Array.isArray(headers) ? all : Object.fromEntries(all)])
})

test('a call that is none of the session’s is handed on with the very arguments that it came with', async () => {
  const handed: unknown[][] = []
  const session = open({ tokens: 'secret', refresh: () => 'unused' })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async (...given) => {
      handed.push(given)
      return new Response()
    },
  })
  const init = { headers: { 'X-Own': '1' } }
  await api('https://elsewhere.example/items', init)
  await api('https://elsewhere.example/items')
  expect(handed.map(([, given]) => given)).toEqual([init, undefined])
  expect(handed[0]?.[1]).toBe(init)
})

test.each([
  ['Authorization', '', {}],
  ['authorization', '', {}],
  ['AUTHORIZATION', '', {}],
  ['Authorization', ', and another header is taken away', { 'X-Api-Key': undefined }],
])(
  'redirects are followed where the credentials are in `%s`, of which fetch knows whose it is%s',
  async (name, _, others) => {
    const handed: (string | undefined)[] = []
    const session = open({
      tokens: 'secret',
      refresh: () => 'unused',
      applyToken: ({ accessToken }) => ({ headers: { [name]: accessToken, ...others } }),
    })
    vi.stubGlobal('fetch', async (_: unknown, init?: RequestInit) => {
      handed.push(init?.redirect)
      return new Response()
    })
    const api = withSession(session, { origins: ['https://api.example.com'] })
    await api('https://api.example.com/items')
    vi.unstubAllGlobals()
    expect(handed).toEqual([undefined])
  },
)

test('an error in which there is no token is the client’s own, without a member more', async () => {
  const error = Object.assign(new Error('a broken pipe'), { path: undefined })
  const before = Object.getOwnPropertyDescriptors(error)
  const session = open({ tokens: 'secret-0123456789', refresh: () => 'unused' })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: () => Promise.reject(error),
  })
  await expect(api('https://api.example.com/items')).rejects.toBe(error)
  expect(Object.getOwnPropertyDescriptors(error)).toEqual(before)
  expect(error).not.toHaveProperty('url')
})

test('where no token was ever known, a refusal after an answer to a bare request is no sign-out', async () => {
  const refused = () => Promise.reject(Object.assign(new Error('no'), { status: 401 }))
  const session = open({ refresh: refused })
  const seen = watch(session)
  const answers = [200, 401]
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async () => new Response('', { status: answers.shift() ?? 401 }),
  })
  expect((await api('https://api.example.com/items')).status).toBe(200)
  await expect(session.signIn()).rejects.toMatchObject({ code: 'session_expired' })
  expect(seen.of('signed-out')).toEqual([])
})
