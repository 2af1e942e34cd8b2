import { Readable } from 'node:stream'
import axios, { type AxiosRequestConfig } from 'axios'
import FormDataPackage from 'form-data'
import { findSessionError } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, times, watch } from '../../setup.ts'
import { bearer, landed, multipart, onWire, seenOf } from '../wire.ts'
import { errorOf, stage } from './stage.ts'

const ADAPTERS = ['http', 'fetch'] as const
const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index)
const OCTETS = { 'content-type': 'application/octet-stream' }

describe.each(ADAPTERS)('bodies that can be sent again (%s adapter)', (adapter) => {
  const bodies: Record<string, { data: () => unknown; headers?: Record<string, string> }> = {
    'a string': { data: () => 'naïve, 2 € and \u0000 bytes', headers: { 'content-type': 'text/plain' } },
    'an empty string': { data: () => '', headers: { 'content-type': 'text/plain' } },
    'a JSON object': { data: () => ({ name: 'Zoë', list: [1, { deep: null }] }) },
    'a JSON array': { data: () => [1, 'two', { three: 3 }] },
    URLSearchParams: {
      data: () =>
        new URLSearchParams([
          ['a', '1 & 2'],
          ['a', 'ü'],
        ]),
    },
    'a Blob': { data: () => new Blob(['blob ', BYTES], { type: 'image/x-none' }) },
    'an ArrayBuffer': { data: () => BYTES.slice().buffer, headers: OCTETS },
    'a typed-array view with an offset': {
      data: () => new Uint8Array(BYTES.slice().buffer, 3, 17),
      headers: OCTETS,
    },
    'a DataView with an offset': { data: () => new DataView(BYTES.slice().buffer, 5, 11), headers: OCTETS },
    'a Buffer': { data: () => Buffer.from(BYTES), headers: OCTETS },
    'a Buffer that is a part of another': { data: () => Buffer.from(BYTES).subarray(2, 40), headers: OCTETS },
    'nothing at all': { data: () => undefined },
  }

  test.each(Object.entries(bodies))(
    '%s: the replay equals the first send and what the bare client sends, byte for byte',
    async (_, { data, headers }) => {
      const { server, api, bare, received, tokens } = await stage({ client: { adapter } })
      await bare.post('/api/echo', data(), { headers: { ...headers, ...bearer(tokens) } })
      server.expireAccessTokens()
      const { status } = await api.post('/api/echo', data(), headers ? { headers } : {})

      expect(status).toBe(200)
      const [expected, first, replay, ...more] = received.map(seenOf)
      expect(first).toEqual(expected)
      expect(replay).toEqual(expected)
      expect(more).toEqual([])
      expect(server.count).toMatchObject({ refreshes: 1, rejected: 1 })
    },
  )

  test('a view that is sent as it is: the replay holds its bytes, not those around it', async () => {
    const { server, api, received } = await stage({ client: { adapter: 'fetch' } })
    server.expireAccessTokens()
    const view = new Uint8Array(BYTES.slice().buffer, 100, 20)
    await api.post('/api/echo', view, { headers: OCTETS, transformRequest: [(data) => data] })
    expect(received.map(({ body }) => [...body])).toEqual(times(2, () => times(20, (index) => 100 + index)))
  })

  test('FormData: the replay has a new boundary, in its header and in its body, and the same parts', async () => {
    const { server, api, bare, received, tokens } = await stage({ client: { adapter } })
    const form = new FormData()
    form.append('name', 'Zoë')
    form.append('file', new Blob([BYTES], { type: 'image/x-none' }), 'file.bin')
    await bare.post('/api/echo', form, { headers: bearer(tokens) })
    server.expireAccessTokens()
    await api.post('/api/echo', form)

    expect(received).toHaveLength(3)
    const [expected, first, replay] = received.map(multipart)
    expect(first?.body).toBe(expected?.body)
    expect(replay?.body).toBe(expected?.body)
    // Some runtimes use one boundary for ever.
    expect(first?.boundary !== replay?.boundary).toBe(expected?.boundary !== first?.boundary)
    const named = expected?.type?.includes(expected.boundary) === true
    for (const part of [first, replay]) {
      expect(part?.type?.includes(part.boundary)).toBe(named)
      expect(part?.declared).toBe(expected?.declared === undefined ? undefined : part?.length)
    }
    expect(server.count.refreshes).toBe(1)
  })

  test.each(['PUT', 'PATCH', 'DELETE'])('%s with a JSON body is replayed as it was', async (method) => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    await api.request({ method, url: '/api/echo', data: { some: 'thing' } })
    const [first, replay] = received.map(seenOf)
    expect(received).toHaveLength(2)
    expect(replay).toEqual(first)
    expect(replay?.body).toBe('{"some":"thing"}')
  })

  test('a body that waited for the refresh is sent once, and whole', async () => {
    const { server, api, received } = await stage({ client: { adapter }, expired: true })
    await api.post('/api/echo', { waited: true })
    expect(received.map(({ body }) => body.toString())).toEqual(['{"waited":true}'])
    expect(server.count).toMatchObject({ refreshes: 1, api: 1, rejected: 0 })
  })

  test('an Idempotency-Key of the caller is the same on replay', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    await api.post('/api/effects?id=pay', { amount: 1 }, { headers: { 'Idempotency-Key': 'key-1' } })
    expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(['key-1', 'key-1'])
    expect(server.effects('pay')).toBe(1)
  })

  test('an Idempotency-Key that an interceptor makes is made once for both sends', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    let keys = 0
    api.interceptors.request.use((config) => {
      config.headers.set('Idempotency-Key', `key-${++keys}`)
      return config
    })
    server.expireAccessTokens()
    await api.post('/api/effects?id=first')
    await api.post('/api/effects?id=second')
    expect(received.map(({ url, headers }) => [url, headers['idempotency-key']])).toEqual([
      ['/api/effects?id=first', 'key-1'],
      ['/api/effects?id=first', 'key-1'],
      ['/api/effects?id=second', 'key-2'],
    ])
    expect(server.count.effects).toBe(2)
  })

  test('the body has become longer, then shorter: Content-Length follows it', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    const sent = ['short', 'much longer than before', 'x']
    let made = 0
    const session = { body: () => Buffer.from(sent[made++] ?? '') }
    server.expireAccessTokens()
    await api.post('/api/echo', undefined, { headers: OCTETS, session })
    await api.post('/api/echo', undefined, { headers: OCTETS, session })

    expect(received.map(({ body }) => body.toString())).toEqual(sent)
    expect(received.map(({ headers }) => headers['content-length'])).toEqual(
      sent.map(({ length }) => `${length}`),
    )
    expect(made).toBe(3)
  })

  test('the config of an error is sent again with another body: Content-Length is that of the new one', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.fault('500', { on: '/api/echo' })
    const { config } = await errorOf(api.post('/api/echo', { long: 'x'.repeat(100) }))
    await api.request({ ...config, data: { short: true } })
    server.expireAccessTokens()
    await api.request({ ...config, data: { length: 'in between' } })

    const bodies = received.slice(1).map(({ body }) => body.toString())
    expect(bodies).toEqual(['{"short":true}', '{"length":"in between"}', '{"length":"in between"}'])
    expect(received.slice(1).map(({ headers }) => headers['content-length'])).toEqual(
      bodies.map(({ length }) => `${length}`),
    )
    expect(server.count.refreshes).toBe(1)
  })
})

describe('bodies that are gone once they have been sent', () => {
  const PARTS = times(5, (index) => `part ${index} ${'x'.repeat(1000)}\n`)
  const WHOLE = PARTS.join('')

  async function* generate(): AsyncGenerator<Buffer> {
    for (const part of PARTS) yield Buffer.from(part)
  }

  class Source {
    [Symbol.asyncIterator] = generate
  }

  const asItIs = [(data: unknown) => data]
  const oneShots = {
    'a Node stream through the http adapter': {
      config: { adapter: 'http', headers: OCTETS },
      make: () => Readable.from(generate()),
    },
    'a Node stream through the fetch adapter': {
      config: { adapter: 'fetch', headers: OCTETS },
      make: () => Readable.from(generate()),
    },
    'a web stream': {
      config: { adapter: 'fetch', headers: OCTETS },
      make: () => Readable.toWeb(Readable.from(generate())),
    },
    'an async iterable': {
      config: { adapter: 'fetch', headers: OCTETS, transformRequest: asItIs },
      make: generate,
    },
    'an async iterable that is no generator': {
      config: { adapter: 'fetch', headers: OCTETS, transformRequest: asItIs },
      make: () => new Source(),
    },
  }
  const kinds = Object.entries(oneShots)

  test.each(kinds)(
    '%s: the caller gets the original 401 at once, nothing truncated or empty was on the wire, and the next request finds a fresh token',
    async (_, { config, make }) => {
      const { server, session, api, received } = await stage()
      server.expireAccessTokens()
      const refreshes = server.hold('/token')
      const error = await errorOf(api.post('/api/echo', make(), config))
      expect(error.response?.status).toBe(401)
      expect(error.response?.data).toEqual({ error: 'invalid_token' })
      expect(findSessionError(error)?.code).toBe('not_replayable')
      refreshes.release()
      expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })

      expect(await landed(server, '/api/echo')).toMatchObject([{ status: 401 }])
      expect(received.map(({ body }) => body.toString())).toEqual([WHOLE, ''])
      expect(server.count).toMatchObject({ refreshes: 1, rejected: 1, api: 2 })
      expect(session.state.status).toBe('signed-in')
    },
  )

  test('the form-data package: the caller gets the original 401, and nothing truncated or empty was on the wire', async () => {
    const { server, api, received } = await stage()
    server.expireAccessTokens()
    const form = new FormDataPackage()
    form.append('name', 'Zoë')
    form.append('file', Readable.from(generate()), { filename: 'file.txt', knownLength: WHOLE.length })
    const boundary = form.getBoundary()
    const error = await errorOf(api.post('/api/echo', form))
    expect(error.response?.status).toBe(401)
    expect(findSessionError(error)?.code).toBe('not_replayable')
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })

    expect(onWire(server, '/api/echo')).toHaveLength(1)
    const [sent] = received.map((request) => multipart(request))
    expect(sent).toMatchObject({ boundary, type: `multipart/form-data; boundary=${boundary}` })
    expect(sent?.body).toContain(WHOLE)
    expect(sent?.body.endsWith('--BOUNDARY--\r\n')).toBe(true)
    expect(server.count.refreshes).toBe(1)
  })

  test.each(kinds)('%s that waited for the refresh is sent once, and whole', async (_, { config, make }) => {
    const { server, api, received } = await stage({ expired: true })
    expect((await api.post('/api/echo', make(), config)).status).toBe(200)
    expect(received.map(({ body }) => body.toString())).toEqual([WHOLE])
    expect(server.count).toMatchObject({ refreshes: 1, api: 1, rejected: 0 })
  })

  test.each(kinds)(
    '%s whose 401 is late: the caller gets it, and no refresh is started for a token that is fresh',
    async (_, { config, make }) => {
      const { server, api, received } = await stage()
      server.expireAccessTokens()
      const late = server.hold('/api/echo')
      const upload = errorOf(api.post('/api/echo', make(), config))
      await late.untilArrived()
      await api.get('/api/items')
      late.release()
      const error = await upload
      expect(error.response?.status).toBe(401)
      expect(findSessionError(error)?.code).toBe('not_replayable')
      expect(received.filter(({ method }) => method === 'POST').map(({ body }) => body.toString())).toEqual([
        WHOLE,
      ])
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
    },
  )

  test('postForm makes a stream of the form-data package in Node: the caller gets the original 401', async () => {
    const { server, api, received } = await stage()
    server.expireAccessTokens()
    const error = await errorOf(api.postForm('/api/echo', { name: 'Zoë', list: ['a', 'b'] }))
    expect(error.response?.status).toBe(401)
    expect(findSessionError(error)?.code).toBe('not_replayable')
    await api.get('/api/items')
    expect(onWire(server, '/api/echo')).toHaveLength(1)
    expect(received[0]?.body.toString()).toContain('Zoë')
    expect(server.count.refreshes).toBe(1)
  })

  test('a caller whose validateStatus accepts 401 gets the original response', async () => {
    const { server, api } = await stage()
    server.expireAccessTokens()
    const answer = await api.post('/api/echo', Readable.from(generate()), {
      headers: OCTETS,
      validateStatus: () => true,
    })
    expect(answer).toMatchObject({ status: 401, data: { error: 'invalid_token' } })
    expect(answer).not.toHaveProperty('cause')
    expect(onWire(server, '/api/echo')).toHaveLength(1)
    await api.get('/api/items')
    expect(server.count.refreshes).toBe(1)
  })

  test('a request that its caller does not want replayed is treated like one that cannot be', async () => {
    const { server, api, received } = await stage()
    server.expireAccessTokens()
    const error = await errorOf(
      api.post('/api/effects?id=pay', { amount: 1 }, { session: { replay: false } }),
    )
    expect(error.response?.status).toBe(401)
    expect(findSessionError(error)?.code).toBe('not_replayable')
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect(received.filter(({ method }) => method === 'POST')).toHaveLength(1)
    expect(server.effects('pay')).toBe(0)
    expect(server.count.refreshes).toBe(1)
  })

  test.each(kinds)('%s can be replayed where a factory makes it anew', async (_, { config, make }) => {
    const { server, api, received } = await stage()
    server.expireAccessTokens()
    let made = 0
    const body = () => {
      made++
      return make()
    }
    const { status } = await api.post('/api/echo', undefined, { ...config, session: { body } })
    expect(status).toBe(200)
    expect(made).toBe(2)
    expect(received.map((request) => request.body.toString())).toEqual([WHOLE, WHOLE])
    expect(received.map(({ headers }) => headers['content-type'])).toEqual(
      times(2, () => OCTETS['content-type']),
    )
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test.each<[string, AxiosRequestConfig]>([
    ['skipped', {}],
    ['of its own credentials', { headers: { ...OCTETS, authorization: 'Bearer mine' } }],
    ['to a foreign origin', {}],
  ])('a factory makes the body of a request that is left alone, too: %s', async (name, config) => {
    const { server, session, received } = await stage({ session: { skip: () => name === 'skipped' } })
    const api = axios.create({ baseURL: name.endsWith('origin') ? 'https://api.example.com' : server.url })
    attachSession(api, session)
    const given = { headers: OCTETS, session: { body: () => Readable.from(generate()) } }
    const error = await errorOf(api.post(`${server.url}/api/echo`, undefined, { ...given, ...config }))
    expect(error.response?.status).toBe(401)
    expect(error.config?.data).toBeUndefined()
    expect(received.map(({ body }) => `${body}`)).toEqual([WHOLE])
    expect(server.count.refreshRequests).toBe(0)
  })

  test('the form-data package can be replayed where a factory makes it anew, each time with its own boundary', async () => {
    const { server, api, received } = await stage()
    server.expireAccessTokens()
    const body = () => {
      const form = new FormDataPackage()
      form.append('file', Readable.from(generate()), { filename: 'file.txt', knownLength: WHOLE.length })
      return form
    }
    const { status } = await api.post('/api/echo', undefined, { session: { body } })
    expect(status).toBe(200)
    const [first, replay] = received.map(multipart)
    expect(received).toHaveLength(2)
    expect(first?.boundary).not.toBe(replay?.boundary)
    expect(replay?.body).toBe(first?.body)
    for (const part of [first, replay]) {
      expect(part?.type).toBe(`multipart/form-data; boundary=${part?.boundary}`)
      expect(part?.declared).toBe(part?.length)
    }
  })

  test('a factory that returns a promise: a TypeError, and nothing is sent', async () => {
    for (const adapter of ADAPTERS) {
      const { server, api } = await stage({ client: { adapter } })
      const error = await failureOf(
        api.put('/api/echo', undefined, { session: { body: async () => 'too late' } }),
      )
      expect(error).toBeInstanceOf(TypeError)
      expect(server.count.api).toBe(0)
    }
  })

  test('a factory that throws: its error is the answer, and the session serves the next request', async () => {
    const { server, session, api } = await stage()
    const seen = watch(session)
    server.expireAccessTokens()
    let made = 0
    const body = () => {
      if (++made === 2) throw new RangeError('no more of it')
      return 'the first'
    }
    const outcome = api.post('/api/echo', undefined, { session: { body } })
    await expect(outcome).rejects.toThrow(new RangeError('no more of it'))
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect(onWire(server, '/api/echo')).toHaveLength(1)
    expect(seen.of('request-settled')).toHaveLength(2)
    expect(server.count.refreshes).toBe(1)
  })
})

describe.each(ADAPTERS)('an early 401 in the middle of an upload (%s adapter)', (adapter) => {
  const BIG = Buffer.alloc(8 * 2 ** 20, 'refresh once. ')

  test('a body that can be sent again is replayed whole', async () => {
    const { server, api, received } = await stage({ client: { adapter, maxBodyLength: 2 ** 24 } })
    server.expireAccessTokens()
    const { data } = await api.post('/api/early', BIG, { headers: OCTETS })
    expect(data.bodyLength).toBe(BIG.length)
    expect((await landed(server, '/api/early')).map(({ status }) => status)).toEqual([401, 200])
    // The first was refused before its body was read.
    expect(received).toHaveLength(1)
    expect(received[0]?.body.equals(BIG)).toBe(true)
    expect(server.count.refreshes).toBe(1)
  })

  test('a stream is not replayed: the caller gets the 401 while half of it was unsent', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    async function* upload() {
      yield Buffer.from('the first half, ')
      await deferred<void>().promise
    }
    const error = await errorOf(api.post('/api/early', Readable.from(upload()), { headers: OCTETS }))
    expect(error.response?.status).toBe(401)
    expect(findSessionError(error)?.code).toBe('not_replayable')
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect(onWire(server, '/api/early')).toHaveLength(1)
    expect(received.map(({ url }) => url)).toEqual(['/api/items'])
    expect(server.count.refreshes).toBe(1)
  })

  test('a stream that a factory has made for a send that was refused is let go of', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const first = new Readable({ read() {} })
    first.push('the first half, ')
    const streams = [first, Readable.from(['whole'])]
    const session = { body: () => streams.shift() }
    expect((await api.post('/api/early', undefined, { headers: OCTETS, session })).status).toBe(200)
    expect(first.destroyed).toBe(true)
    expect(received.map(({ body }) => body.toString())).toEqual(['whole'])
  })

  test('a stream that a factory makes anew is replayed from its beginning', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const refused = server.until('rejected')
    async function* upload() {
      yield Buffer.from('the first half, ')
      await refused
      yield Buffer.from('the second half')
    }
    const { status } = await api.post('/api/early', undefined, {
      headers: OCTETS,
      session: { body: () => Readable.from(upload()) },
    })
    expect(status).toBe(200)
    expect(received.map(({ body }) => body.toString())).toEqual(['the first half, the second half'])
    expect(onWire(server, '/api/early')).toHaveLength(2)
    expect(server.count.refreshes).toBe(1)
  })
})
