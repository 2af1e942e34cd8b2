import type { ServerResponse } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import FormDataPackage from 'form-data'
import { findSessionError, isSessionError } from 'refresh-once'
import type { SessionRequestInit } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, times, watch } from '../../setup.ts'
import { bearer, landed, multipart, onWire, seenOf } from '../wire.ts'
import { type Stage, stage } from './stage.ts'

const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index)

type Made = () => NonNullable<RequestInit['body']>

const bodies: Record<string, Made> = {
  'a string': () => 'naïve, 2 € and \u0000 bytes',
  'an empty string': () => '',
  URLSearchParams: () =>
    new URLSearchParams([
      ['a', '1 & 2'],
      ['a', 'ü'],
    ]),
  'a Blob': () => new Blob(['blob ', BYTES], { type: 'image/x-none' }),
  'an empty Blob': () => new Blob([]),
  'an ArrayBuffer': () => BYTES.slice().buffer,
  'a typed-array view with an offset': () => new Uint8Array(BYTES.slice().buffer, 3, 17),
  'a DataView with an offset': () => new DataView(BYTES.slice().buffer, 5, 11),
  'a Buffer': () => Buffer.from(BYTES),
  'a Buffer that is a part of another': () => Buffer.from(BYTES).subarray(2, 40),
}

/** How a body comes to fetch. */
const ways: Record<string, (url: string, init: SessionRequestInit) => Parameters<Stage['api']>> = {
  'in init': (url, init) => [url, init],
  'in a Request': (url, init) => [new Request(url, init)],
  'in init, beside a Request': (url, init) => [
    new Request(url, { method: 'PUT' }),
    { body: init.body ?? null, method: 'PUT' },
  ],
}

describe.each(Object.entries(ways))('bodies that can be sent again, %s', (_, way) => {
  test.each(Object.entries(bodies))(
    '%s: the replay equals the first send and what fetch itself sends, byte for byte',
    async (_, body) => {
      const { server, api, at, received, tokens } = await stage()
      const url = at('/api/echo')
      const [bareUrl, bareInit] = way(url, { method: 'PUT', body: body() })
      const plain = new Request(bareUrl, bareInit)
      plain.headers.set('authorization', bearer(tokens).Authorization)
      await fetch(plain)
      server.expireAccessTokens()
      expect((await api(...way(url, { method: 'PUT', body: body() }))).status).toBe(200)

      const [expected, first, replay, ...more] = received.map(seenOf)
      expect(first).toEqual(expected)
      expect(replay).toEqual(expected)
      expect(more).toEqual([])
      expect(replay?.headers['content-length']).toBe(`${received[2]?.body.length}`)
      expect(server.count).toMatchObject({ refreshes: 1, rejected: 1 })
    },
  )

  test('FormData: the boundary is the one that the header names, at both sends, and the parts are the same', async () => {
    const { server, api, at, received } = await stage()
    const form = new FormData()
    form.append('name', 'Zoë')
    form.append('file', new Blob([BYTES], { type: 'image/x-none' }), 'file.bin')
    server.expireAccessTokens()
    await api(...way(at('/api/echo'), { method: 'POST', body: form }))

    const [first, replay, ...more] = received.map(multipart)
    expect(more).toEqual([])
    expect(replay?.body).toBe(first?.body)
    expect(first?.body).toContain('filename="file.bin"')
    for (const part of [first, replay]) {
      expect(part?.type).toBe(`multipart/form-data; boundary=${part?.boundary}`)
      expect(part?.declared).toBe(part?.length)
    }
    expect(server.count.refreshes).toBe(1)
  })
})

describe('what belongs to a body', () => {
  test('FormData in init gets a new boundary for the replay', async () => {
    const { server, api, at, received } = await stage()
    const form = new FormData()
    form.append('name', 'Zoë')
    server.expireAccessTokens()
    await api(at('/api/echo'), { method: 'POST', body: form })
    const [first, replay] = received.map(multipart)
    expect(first?.boundary).not.toBe(replay?.boundary)
  })

  test('a Content-Type of the caller is kept', async () => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    const headers = { 'Content-Type': 'application/json' }
    await api(at('/api/echo'), { method: 'POST', headers, body: '{"a":1}' })
    expect(received.map(({ headers }) => headers['content-type'])).toEqual(times(2, () => 'application/json'))
  })

  test.each(['PUT', 'PATCH', 'DELETE'])('%s is replayed as it was', async (method) => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    await api(at('/api/echo'), { method, body: 'some' })
    expect(received.map(({ method, body }) => [method, `${body}`])).toEqual(times(2, () => [method, 'some']))
  })

  test('a body that waited for the refresh is sent once, and whole', async () => {
    const { server, api, at, received } = await stage({ expired: true })
    await api(new Request(at('/api/echo'), { method: 'POST', body: 'waited' }))
    expect(received.map(({ body }) => `${body}`)).toEqual(['waited'])
    expect(server.count).toMatchObject({ refreshes: 1, api: 1, rejected: 0 })
  })

  test('an Idempotency-Key is the same on replay', async () => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    const headers = { 'Idempotency-Key': 'key-1' }
    await api(at('/api/effects?id=pay'), { method: 'POST', headers, body: 'x' })
    expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(['key-1', 'key-1'])
    expect(server.effects('pay')).toBe(1)
  })

  test('the body has become longer, then shorter: Content-Length follows it', async () => {
    const { server, api, at, received } = await stage()
    const sent = ['short', 'much longer than before', 'x']
    let made = 0
    const init = { method: 'PUT', session: { body: () => sent[made++] } }
    server.expireAccessTokens()
    await api(at('/api/echo'), init)
    await api(at('/api/echo'), init)
    expect(received.map(({ body }) => `${body}`)).toEqual(sent)
    expect(received.map(({ headers }) => headers['content-length'])).toEqual(
      sent.map(({ length }) => `${length}`),
    )
    expect(made).toBe(3)
  })
})

describe('a Request with a body', () => {
  /** Counts how often Requests are cloned. */
  class Counted extends Request {
    static clones: Request[] = []
    override clone(): Request {
      const copy = super.clone()
      Counted.clones.push(copy)
      return copy
    }
  }

  const put = (url: string) => new Counted(url, { method: 'PUT', body: 'some' })

  test('is cloned for a replay, and the clone is let go when the answer is no 401', async () => {
    const { api, at } = await stage()
    Counted.clones = []
    const request = put(at('/api/echo'))
    expect((await api(request)).status).toBe(200)
    expect(request.bodyUsed).toBe(true)
    expect(Counted.clones.map(({ bodyUsed }) => bodyUsed)).toEqual([true])
  })

  test('the clone is let go when the request fails, is aborted, or keeps its 401', async () => {
    const { server, api, at } = await stage({ session: { retries: 0 } })
    const ends: (() => Promise<unknown>)[] = [
      async () => {
        server.fault('destroy-before', { on: '/api/echo' })
        await failureOf(api(put(at('/api/echo'))))
      },
      async () => {
        const controller = new AbortController()
        const echo = server.hold('/api/echo')
        const error = failureOf(api(put(at('/api/echo')), { signal: controller.signal }))
        await echo.untilArrived()
        controller.abort()
        await error
        echo.release()
      },
      async () => {
        server.expireAccessTokens()
        server.fault('503')
        expect((await api(put(at('/api/echo')))).status).toBe(401)
      },
    ]
    for (const end of ends) {
      Counted.clones = []
      await end()
      expect(Counted.clones.map(({ bodyUsed }) => bodyUsed)).toEqual([true])
    }
  })

  test.each([
    {
      how: 'is refused',
      status: 400,
      answer: '{"error":"invalid_grant"}',
      ends: { code: 'session_expired' },
    },
    { how: 'fails for now', status: 503, answer: '', ends: { status: 200 } },
  ])('the clone is let go when it was recalled, and the refresh $how', async ({ status, answer, ends }) => {
    const time = newClock()
    const { server, api, at } = await stage({ session: { recall: 'safe', retries: 0, clock: time.clock } })
    Counted.clones = []
    const echo = server.hold('/api/echo')
    const request = api(put(at('/api/echo')), { session: { recall: true } }).catch((error) => error)
    await echo.untilArrived()
    const refresh = deferred<ServerResponse>()
    server.fault('custom', { respond: (_, response) => refresh.resolve(response) })
    const rejected = api(at('/api/never'))
    const unanswered = await refresh.promise
    await time.advance(250)
    await server.until(() => onWire(server, '/api/echo')[0]?.aborted === true)
    unanswered.writeHead(status, { 'content-type': 'application/json' }).end(answer)
    echo.release()
    expect((await rejected).status).toBe(401)
    expect(await request).toMatchObject(ends)
    expect(Counted.clones.length).toBeGreaterThan(0)
    expect(Counted.clones.map(({ bodyUsed }) => bodyUsed)).not.toContain(false)
  })

  test.each<[string, SessionRequestInit, number | undefined]>([
    ['the session never replays', {}, 0],
    ['the caller wants no replay', { session: { replay: false } }, undefined],
    ['the session leaves it alone', { session: false }, undefined],
    ['init brings the body', { body: 'other' }, undefined],
    ['a factory makes the body', { session: { body: () => 'other' } }, undefined],
  ])('is not cloned where %s', async (_, init, replays) => {
    const { api, at } = await stage({ session: { replays } })
    Counted.clones = []
    await api(put(at('/api/echo')), init)
    expect(Counted.clones).toEqual([])
  })

  test('without a body it is not cloned', async () => {
    const { server, api, at } = await stage()
    Counted.clones = []
    server.expireAccessTokens()
    expect((await api(new Counted(at('/api/items')))).status).toBe(200)
    expect(Counted.clones).toEqual([])
  })

  test.each(['none', 'safe'] as const)(
    'that is a stream is replayed from the clone, whole (recall: %s)',
    async (recall) => {
      const { server, api, at, received } = await stage({ session: { recall } })
      server.expireAccessTokens()
      const init = { method: 'PUT', body: new Blob([BYTES]).stream(), duplex: 'half' }
      expect((await api(new Request(at('/api/echo'), init))).status).toBe(200)
      expect(received.map(({ body }) => [...body])).toEqual(times(2, () => [...BYTES]))
    },
  )

  test('survives two replays', async () => {
    const { server, api, at, received } = await stage({ session: { replays: 2 } })
    server.fault('custom', { on: '/api/echo', times: 2, respond: { status: 401 } })
    expect((await api(put(at('/api/echo')))).status).toBe(200)
    expect(received.map(({ body }) => `${body}`)).toEqual(times(3, () => 'some'))
    expect(server.count.refreshes).toBe(2)
  })
})

describe('bodies that are gone once they have been sent', () => {
  const PARTS = times(5, (index) => `part ${index} ${'x'.repeat(1000)}\n`)
  const WHOLE = PARTS.join('')

  async function* generate(): AsyncGenerator<Uint8Array> {
    for (const part of PARTS) yield Buffer.from(part)
  }

  class Source {
    [Symbol.asyncIterator] = generate
  }

  const oneShots: [string, () => unknown][] = [
    ['a web stream', () => Readable.toWeb(Readable.from(generate()))],
    ['a stream of a Blob', () => new Blob([WHOLE]).stream()],
    ['a Node stream', () => Readable.from(generate())],
    ['an async generator', generate],
    ['an async iterable that is no generator', () => new Source()],
  ]

  function upload(make: () => unknown): SessionRequestInit {
    return { method: 'PUT', body: make(), duplex: 'half' } as SessionRequestInit
  }

  test.each(oneShots)(
    '%s: the caller gets the original 401 at once, nothing truncated or empty was on the wire, and the next request finds a fresh token',
    async (_, make) => {
      const { server, session, api, at, received } = await stage()
      server.expireAccessTokens()
      const refreshes = server.hold('/token')
      const answer = await api(at('/api/echo'), upload(make))
      expect(answer.status).toBe(401)
      expect(findSessionError(answer)?.code).toBe('not_replayable')
      expect(isSessionError(answer, 'not_replayable')).toBe(true)
      expect(await answer.json()).toEqual({ error: 'invalid_token' })
      refreshes.release()
      expect(await (await api(at('/api/items'))).json()).toMatchObject({ generation: 2 })

      expect(await landed(server, '/api/echo')).toMatchObject([{ status: 401 }])
      expect(received.map(({ body }) => `${body}`)).toEqual([WHOLE, ''])
      expect(server.count).toMatchObject({ refreshes: 1, rejected: 1, api: 2 })
      expect(session.state.status).toBe('signed-in')
    },
  )

  test('the form-data package: the caller gets the original 401', async () => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    const form = new FormDataPackage()
    form.append('name', 'Zoë')
    const init = { method: 'POST', headers: form.getHeaders(), body: form.pipe(new PassThrough()) }
    const answer = await api(at('/api/echo'), { ...init, duplex: 'half' } as unknown as SessionRequestInit)
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)?.code).toBe('not_replayable')
    expect(onWire(server, '/api/echo')).toHaveLength(1)
    expect(`${received[0]?.body}`).toContain('Zoë')
  })

  test.each<[string, (next: AsyncGenerator<Uint8Array>['next']) => object]>([
    ['an iterator', (next) => ({ next })],
    ['a web stream that cannot be iterated', (read) => ({ getReader: () => ({ read }) })],
  ])('%s, with a fetch that reads it: the caller gets the original 401', async (_, made) => {
    const reading: typeof fetch = async (input, init) => {
      const body = init?.body as unknown as AsyncIterator<Uint8Array> & ReadableStream<Uint8Array>
      const reader = body.getReader?.()
      const parts: Uint8Array[] = []
      for (;;) {
        const { done, value } = await (reader ? reader.read() : body.next())
        if (done) break
        parts.push(value)
      }
      return fetch(input, { ...init, body: Buffer.concat(parts) })
    }
    const { server, api, at, received } = await stage({ fetch: { fetch: reading } })
    server.expireAccessTokens()
    const source = generate()
    const answer = await api(
      at('/api/echo'),
      upload(() => made(() => source.next())),
    )
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)?.code).toBe('not_replayable')
    expect(received.map(({ body }) => `${body}`)).toEqual([WHOLE])
  })

  test.each(oneShots)('%s that waited for the refresh is sent once, and whole', async (_, make) => {
    const { server, api, at, received } = await stage({ expired: true })
    expect((await api(at('/api/echo'), upload(make))).status).toBe(200)
    expect(received.map(({ body }) => `${body}`)).toEqual([WHOLE])
    expect(server.count).toMatchObject({ refreshes: 1, api: 1, rejected: 0 })
  })

  test.each(oneShots)(
    '%s whose 401 is late: the caller gets it, and no refresh is started for a token that is fresh',
    async (_, make) => {
      const { server, api, at } = await stage()
      server.expireAccessTokens()
      const late = server.hold('/api/echo')
      const answer = api(at('/api/echo'), upload(make))
      await late.untilArrived()
      await api(at('/api/items'))
      late.release()
      expect((await answer).status).toBe(401)
      expect(findSessionError(await answer)?.code).toBe('not_replayable')
      expect(onWire(server, '/api/echo')).toHaveLength(1)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
    },
  )

  test.each(oneShots)(
    '%s can be replayed where a factory makes it anew, as the body or beside it',
    async (_, make) => {
      for (const init of [{ body: make }, { session: { body: make } }]) {
        const { server, api, at, received } = await stage()
        server.expireAccessTokens()
        const answer = await api(at('/api/echo'), { method: 'PUT', ...init } as unknown as SessionRequestInit)
        expect(answer.status).toBe(200)
        expect(received.map(({ body }) => `${body}`)).toEqual([WHOLE, WHOLE])
        expect(server.count.refreshes).toBe(1)
      }
    },
  )

  test.each<[string, SessionRequestInit]>([
    ['opted out', { session: false }],
    ['skipped', {}],
    ['of its own credentials', { headers: { authorization: 'Bearer mine' } }],
  ])('a factory makes the body of a request that is left alone, too: %s', async (name, init) => {
    const { server, api, at, received } = await stage({ session: { skip: () => name === 'skipped' } })
    const body = (() => new Blob([WHOLE]).stream()) as unknown as BodyInit
    expect((await api(at('/api/echo'), { method: 'PUT', body, ...init })).status).toBe(401)
    expect(received.map(({ body }) => `${body}`)).toEqual([WHOLE])
    expect(server.count.refreshRequests).toBe(0)
  })

  test('a factory that returns a promise: a TypeError, and nothing is sent', async () => {
    const { server, api, at } = await stage()
    const session = { body: async () => 'too late' }
    const error = await failureOf(api(at('/api/echo'), { method: 'PUT', session }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch(/promise/)
    expect(server.count.api).toBe(0)
  })

  test('a factory that throws: its error is the answer, and the session serves the next request', async () => {
    const { server, session, api, at } = await stage()
    const seen = watch(session)
    const thrown = new Error('the file is gone')
    let made = 0
    const body = () => {
      if (made++) throw thrown
      return 'first'
    }
    server.expireAccessTokens()
    expect(await failureOf(api(at('/api/echo'), { method: 'PUT', session: { body } }))).toBe(thrown)
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(onWire(server, '/api/echo')).toHaveLength(1)
    expect(seen.of('request-settled').map(({ ok }) => ok)).toEqual([false, true])
    expect(server.count.refreshes).toBe(1)
  })
})

describe('an early 401 in the middle of an upload', () => {
  const HALF = 'x'.repeat(2 ** 16)

  test('a body that can be sent again is replayed whole', async () => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    const body = new Uint8Array(2 ** 22).fill(120)
    for (const [input, init] of [
      [at('/api/early'), { method: 'PUT', body }],
      [new Request(at('/api/early'), { method: 'PUT', body })],
    ] as const) {
      server.expireAccessTokens()
      const answer = await api(input, init)
      expect(answer.status).toBe(200)
      expect((await answer.json()).bodyLength).toBe(2 ** 22)
    }
    expect(received.at(-1)?.body.length).toBe(2 ** 22)
    expect(onWire(server, '/api/early').map(({ generation }) => generation)).toEqual([1, 2, 2, 3])
    expect(server.count.refreshes).toBe(2)
  })

  test('a stream is not replayed: the caller gets the 401 while half of it was unsent', async () => {
    const { server, api, at } = await stage()
    server.expireAccessTokens()
    const rest = deferred<void>()
    async function* slow() {
      yield Buffer.from(HALF)
      await rest.promise
      yield Buffer.from(HALF)
    }
    const init = { method: 'PUT', body: slow(), duplex: 'half' } as unknown as SessionRequestInit
    const answer = await api(at('/api/early'), init)
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)?.code).toBe('not_replayable')
    rest.resolve()
    await answer.body?.cancel()
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(onWire(server, '/api/early')).toHaveLength(1)
    expect(server.count.refreshes).toBe(1)
  })

  test('a stream that a factory makes anew is replayed from its beginning', async () => {
    const { server, api, at, received } = await stage()
    server.expireAccessTokens()
    const rest = deferred<void>()
    let made = 0
    async function* slow() {
      const first = !made++
      yield Buffer.from(HALF)
      if (first) await rest.promise
      yield Buffer.from(HALF)
    }
    const answer = await api(at('/api/early'), { method: 'PUT', session: { body: slow } })
    expect(answer.status).toBe(200)
    expect((await answer.json()).bodyLength).toBe(2 * HALF.length)
    rest.resolve()
    expect(received.map(({ body }) => body.length)).toEqual([2 * HALF.length])
    expect(made).toBe(2)
    expect(server.count.refreshes).toBe(1)
  })
})
