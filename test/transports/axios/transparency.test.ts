import { getEventListeners, once } from 'node:events'
import { Agent } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { inspect } from 'node:util'
import axios, {
  type AxiosError,
  type AxiosRequestConfig,
  type AxiosResponse,
  getAdapter,
  type InternalAxiosRequestConfig,
} from 'axios'
import MockAdapter from 'axios-mock-adapter'
import axiosRetry from 'axios-retry'
import { findSessionError } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { deferred, newClock, open, times, watch } from '../../setup.ts'
import { bearer, landed, onWire } from '../wire.ts'
import { errorOf, type Stage, stage } from './stage.ts'

const ADAPTERS = ['http', 'fetch'] as const

/** A config as the caller may look at it, but for the headers. */
function settingsOf({ config }: { config?: object | undefined }): object {
  const { headers, ...settings } = config as Record<string, unknown>
  return settings
}

function headerNames({ config }: Pick<AxiosResponse, 'config'>): string[] {
  return Object.keys(config.headers).map((name) => name.toLowerCase())
}

describe.each(ADAPTERS)('the replay is made like the first send (%s adapter)', (adapter) => {
  test('custom transforms run once, and the replay carries what they made', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const requests: unknown[] = []
    const responses: unknown[] = []
    const { data } = await api.post('/api/echo', 'the data', {
      transformRequest: [
        (data, headers) => {
          requests.push(data)
          headers.set('x-stamp', `${requests.length}`)
          headers.set('content-type', 'text/plain')
          return `made ${requests.length} of ${data}`
        },
      ],
      transformResponse: [
        (data, _, status) => {
          responses.push(status)
          return { made: JSON.parse(data) }
        },
      ],
    })
    expect(data.made.bodyLength).toBe('made 1 of the data'.length)
    expect(requests).toEqual(['the data'])
    expect(responses).toEqual([200])
    expect(received.map(({ body, headers }) => [body.toString(), headers['x-stamp']])).toEqual([
      ['made 1 of the data', '1'],
      ['made 1 of the data', '1'],
    ])
    expect(server.count.refreshes).toBe(1)
  })

  test('params and paramsSerializer make the same URL', async () => {
    const { server, api, bare, received, tokens } = await stage({ client: { adapter } })
    const config = {
      params: { list: ['a b', 'c|d'], when: new Date(0), none: undefined },
      paramsSerializer: { serialize: (params: object) => Object.keys(params).join('+') },
    }
    const plain = { params: config.params }
    await bare.get('/api/echo?fixed=1', { ...config, headers: bearer(tokens) })
    await bare.get('/api/echo?fixed=1', { ...plain, headers: bearer(tokens) })
    server.expireAccessTokens()
    await api.get('/api/echo?fixed=1', config)
    server.expireAccessTokens()
    await api.get('/api/echo?fixed=1', plain)

    const [serialized, standard, ...ours] = received.map(({ url }) => url)
    expect(serialized).toContain('list+when+none')
    expect(ours).toEqual([serialized, serialized, standard, standard])
    expect(server.count.refreshes).toBe(2)
  })

  test('interceptors run once, with the final answer', async () => {
    const { server, api, received } = await stage({ client: { adapter } })
    const log: string[] = []
    // The one before the session's, and one more that axios has to await.
    api.interceptors.request.use((config) => {
      log.push('request')
      config.headers.set('x-trace', `trace-${log.length}`)
      return config
    })
    api.interceptors.request.use(async (config) => {
      log.push('async request')
      return config
    })
    api.interceptors.response.use(
      (response) => {
        log.push(`response ${response.status}`)
        return response
      },
      (error: AxiosError) => {
        log.push(`error ${error.response?.status}`)
        throw error
      },
    )
    server.expireAccessTokens()
    await api.get('/api/echo')
    expect(log).toEqual(['async request', 'request', 'response 200'])
    expect(received.map(({ headers }) => headers['x-trace'])).toEqual(['trace-2', 'trace-2'])

    server.expireAccessTokens()
    await errorOf(api.get('/api/never'))
    expect(log.slice(3)).toEqual(['async request', 'request', 'error 401'])
    expect(server.count.refreshes).toBe(2)
  })

  test('an interceptor that was added after the session runs once, too', async () => {
    const { server, session } = await stage({ client: { adapter } })
    const instance = axios.create({ baseURL: server.url, adapter })
    let before = 0
    let after = 0
    instance.interceptors.request.use((config) => {
      before++
      return config
    })
    attachSession(instance, session)
    instance.interceptors.request.use((config) => {
      after++
      return config
    })
    server.expireAccessTokens()
    await instance.get('/api/items')
    expect({ before, after }).toEqual({ before: 1, after: 1 })
    expect(server.count.refreshes).toBe(1)
  })

  test('progress callbacks are called for the replay as for the first send', async () => {
    const { server, api } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const data = Buffer.alloc(2 ** 18, 'x')
    const uploads: number[] = []
    const downloads: number[] = []
    const refreshes = server.hold('/token')
    const answer = api.post('/api/echo', data, {
      onUploadProgress: ({ loaded }) => uploads.push(loaded),
      onDownloadProgress: ({ loaded }) => downloads.push(loaded),
    })
    await refreshes.untilArrived()
    await vi.waitFor(() => expect(uploads).not.toEqual([]))
    const [uploadsBefore, downloadsBefore] = [uploads.length, downloads.length]
    refreshes.release()
    expect((await answer).data.bodyLength).toBe(data.length)
    await vi.waitFor(() => {
      expect(uploads.slice(uploadsBefore)).not.toEqual([])
      // More than the answer to the first send.
      expect(Math.max(...downloads.slice(downloadsBefore))).toBeGreaterThan(1_000)
    })
    expect(server.count.refreshes).toBe(1)
  })

  test('responseType arraybuffer: the bytes of the final answer', async () => {
    const { server, api } = await stage({ client: { adapter } })
    const bytes = Buffer.from(times(256, (index) => index))
    server.api('/api/bytes', () => ({ headers: { 'content-type': 'image/x-none' }, body: bytes }))
    server.expireAccessTokens()
    const { data } = await api.get<ArrayBuffer>('/api/bytes', { responseType: 'arraybuffer' })
    expect(Buffer.from(data).equals(bytes)).toBe(true)
    expect((await landed(server, '/api/bytes')).map(({ status }) => status)).toEqual([401, 200])
  })

  test('responseType stream: the caller gets the final stream, and can read it', async () => {
    const { server, api } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const rest = server.hold('/api/stream')
    const request = api.get<AsyncIterable<Uint8Array>>('/api/stream', { responseType: 'stream' })
    await rest.untilArrived()
    rest.release(1)
    const { data, status } = await request
    expect(status).toBe(200)
    rest.release()
    const chunks: Uint8Array[] = []
    for await (const chunk of data) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toBe('first\nrest\n')
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('a validateStatus that accepts 401 does not hide it from the session', async () => {
    const { server, api } = await stage({ client: { adapter, validateStatus: () => true } })
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect((await landed(server, '/api/items')).map(({ status }) => status)).toEqual([401, 200])

    const { status, data } = await api.get('/api/never')
    expect({ status, data }).toEqual({ status: 401, data: { error: 'invalid_token' } })
    expect(onWire(server, '/api/never')).toHaveLength(2)
    expect(server.count.refreshes).toBe(2)
  })

  test('a validateStatus that accepts nothing rejects with the final answer', async () => {
    const { server, api } = await stage({ client: { adapter, validateStatus: () => false } })
    server.expireAccessTokens()
    const error = await errorOf(api.get('/api/items'))
    expect(error.response).toMatchObject({ status: 200, data: { generation: 2 } })
    expect(findSessionError(error)).toBeUndefined()
    expect(server.count.refreshes).toBe(1)
  })

  test('with the recall on, answers without a body are as they are without us', async () => {
    const { server, api, bare, tokens } = await stage({ client: { adapter }, session: { recall: 'safe' } })
    for (const [method, url] of [
      ['HEAD', '/api/items'],
      ['GET', '/api/status/204'],
      ['OPTIONS', '/api/status/204'],
    ]) {
      const expected = await bare.request({ method, url, headers: bearer(tokens) } as AxiosRequestConfig)
      const { status, data } = await api.request({ method, url } as AxiosRequestConfig)
      expect({ status, data }).toEqual({ status: expected.status, data: expected.data })
    }
    expect(server.count).toMatchObject({ api: 6, refreshes: 0 })
  })

  test.each([
    ['before it answers', ''],
    ['after the head of its answer', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n'],
    ['in the body of its answer', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'],
    ['in the body of a refusal', 'HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\nhalf'],
  ])('with the recall on, a server that hangs up %s is told of as without us', async (_, answer) => {
    const breaking = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(answer))
    })
    onTestFinished(() => void breaking.close())
    await once(breaking.listen(0, '127.0.0.1'), 'listening')
    const baseURL = `http://127.0.0.1:${(breaking.address() as AddressInfo).port}`
    const [bare, api] = [axios.create({ baseURL, adapter }), axios.create({ baseURL, adapter })]
    attachSession(api, open({ tokens: 'mine', refresh: () => 'unused', recall: 'safe' }))
    const told = async (client: typeof api, config: AxiosRequestConfig) => {
      const { name, message, code, status, cause } = await errorOf(client.request(config))
      // The oldest axios takes an answer that breaks off for one that is too long.
      const words = message.replace('maxContentLength size of -1 exceeded', 'stream has been aborted')
      return { name, words, code, status, cause: String(cause) }
    }
    const onDownloadProgress = () => {}
    for (const config of [{}, { onDownloadProgress }, { method: 'post', onDownloadProgress }])
      expect(await told(api, config)).toEqual(await told(bare, config))
  })

  test('the adapter that a single request asks for makes both of its sends', async () => {
    const { server, api } = await stage()
    const sends: unknown[] = []
    const own = (config: Parameters<ReturnType<typeof getAdapter>>[0]) => {
      sends.push(config.adapter)
      return getAdapter(adapter)(config)
    }
    server.expireAccessTokens()
    const { config } = await api.get('/api/items', { adapter: own })
    expect(sends).toEqual([own, own])
    expect(config.adapter).toBe(own)
    server.expireAccessTokens()
    await api.get('/api/items', { adapter: ['xhr', own] })
    expect(sends).toHaveLength(4)
    expect(server.count).toMatchObject({ refreshes: 2, api: 4 })
  })
})

describe('what only the http adapter has', () => {
  test('maxRedirects 0: the replay is not redirected either', async () => {
    const { server, api } = await stage({ client: { adapter: 'http' } })
    server.api('/api/moved', () => ({ status: 302, headers: { location: '/api/items' } }))
    server.expireAccessTokens()
    const error = await errorOf(api.get('/api/moved', { maxRedirects: 0 }))
    expect(error.response?.status).toBe(302)
    expect((await landed(server, '/api/moved')).map(({ status }) => status)).toEqual([401, 302])
    expect(onWire(server, '/api/items')).toEqual([])
  })

  test('redirects within the origin are followed with the token, and beforeRedirect is told of each', async () => {
    const { server, api } = await stage({ client: { adapter: 'http' } })
    server.api('/api/moved', () => ({ status: 302, headers: { location: '/api/items' } }))
    server.expireAccessTokens()
    const redirects: unknown[] = []
    const beforeRedirect = (options: Record<string, unknown>, { headers }: { headers: unknown }): void => {
      redirects.push([options.href, Object(headers).location])
    }
    const { data, config } = await api.get('/api/moved', { beforeRedirect })
    expect(data).toMatchObject({ generation: 2 })
    expect(redirects).toEqual([[`${server.url}/api/items`, '/api/items']])
    expect(config.beforeRedirect).toBe(beforeRedirect)
    expect(server.count).toMatchObject({ refreshes: 1, api: 3 })
  })

  test('responseType stream: the connection of the refused answer is free again for the replay', async () => {
    const httpAgent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => httpAgent.destroy())
    const { server, api } = await stage({ client: { adapter: 'http', httpAgent } })
    server.api('/api/long', () => ({ body: 'x'.repeat(2 ** 20) }))
    server.fault('custom', {
      on: '/api/long',
      respond: {
        status: 401,
        headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
        body: 'y'.repeat(2 ** 22),
      },
    })
    const { data } = await api.get<AsyncIterable<Uint8Array>>('/api/long', { responseType: 'stream' })
    let length = 0
    for await (const chunk of data) length += chunk.length
    expect(length).toBe(2 ** 20)
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })
})

describe.each(ADAPTERS)("the config in responses and errors is the caller's (%s adapter)", (adapter) => {
  /** Everything of the config that the session has to touch for a request, and a recall besides. */
  function mine(): AxiosRequestConfig {
    return {
      headers: { 'x-mine': 'kept' },
      params: { id: 7 },
      timeout: 20_000,
      timeoutErrorMessage: 'mine',
      signal: new AbortController().signal,
      cancelToken: axios.CancelToken.source().token,
      onDownloadProgress() {},
      onUploadProgress() {},
      beforeRedirect() {},
      validateStatus: (status) => status < 300,
      data: '{"my":"data"}',
    }
  }

  const outcomes: Record<string, { url: string; expire?: boolean; prepare?: (stage: Stage) => void }> = {
    'an answer': { url: '/api/items' },
    'an answer after a replay': { url: '/api/items', expire: true },
    'a 404': { url: '/api/status/404' },
    'a 500 after a replay': { url: '/api/status/500', expire: true },
    'a 401 that stays': { url: '/api/never' },
    'a network error': {
      url: '/api/items',
      prepare: ({ server }) => server.fault('destroy-before', { on: '/api/items', times: 2 }),
    },
  }

  test.each(Object.entries(outcomes))(
    '%s: it equals that of the bare client, and holds no token',
    async (_, { url, expire, prepare }) => {
      const set = await stage({ client: { adapter }, session: { recall: 'safe' } })
      const { server, api, bare, tokens } = set
      prepare?.(set)
      const config = mine()
      const outcomeOf = (promise: Promise<AxiosResponse>) => promise.catch((error: AxiosError) => error)
      const expected = await outcomeOf(
        bare.get(url, { ...config, headers: { ...config.headers, ...bearer(tokens) } }),
      )
      if (expire) server.expireAccessTokens()
      const outcome = await outcomeOf(api.get(url, config))

      expect(settingsOf(outcome)).toStrictEqual(settingsOf(expected))
      expect(outcome.config).toMatchObject({ signal: config.signal, cancelToken: config.cancelToken })
      const { response } = outcome as AxiosError
      if (response) expect(settingsOf(response)).toStrictEqual(settingsOf(expected))
      expect(headerNames(outcome as AxiosResponse)).toContain('x-mine')
      expect(headerNames(outcome as AxiosResponse)).not.toContain('authorization')
      const told = inspect(outcome.config, { depth: 9 }) + JSON.stringify(outcome.config)
      expect(told).not.toContain('Bearer')
      expect(told).not.toContain(tokens.access_token)
    },
  )

  test('without anything of the kind, nothing of the kind is left behind', async () => {
    const { server, api, bare, tokens } = await stage({ client: { adapter }, session: { recall: 'safe' } })
    const expected = await bare.get('/api/items', { headers: bearer(tokens) })
    server.expireAccessTokens()
    const response = await api.get('/api/items')
    expect(settingsOf(response)).toStrictEqual(settingsOf(expected))
    const names = [
      'signal',
      'cancelToken',
      'onDownloadProgress',
      'beforeRedirect',
      'timeoutErrorMessage',
    ] as const
    for (const name of names) {
      expect(response.config[name]).toBeUndefined()
    }
  })

  test('a body factory leaves the data of the config alone', async () => {
    const { server, api } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const session = { body: () => 'made anew' }
    const { config } = await api.post('/api/echo', undefined, { session })
    expect(config.data).toBeUndefined()
    expect(config.session).toEqual(session)
  })

  test("a session error's config tells no token either", async () => {
    const { server, api, tokens } = await stage({ client: { adapter } })
    server.fault('invalid-grant')
    server.expireAccessTokens()
    const error = await errorOf(api.get('/api/items', { headers: { 'x-mine': 'kept' } }))
    expect(findSessionError(error)?.code).toBe('session_expired')
    expect(headerNames(error as unknown as AxiosResponse)).not.toContain('authorization')
    expect(inspect(error.config, { depth: 9 })).not.toContain(tokens.access_token)
  })

  test('sent again by hand it works, through the session, and does not nest', async () => {
    const { server, session, api } = await stage({ client: { adapter } })
    const seen = watch(session)
    let response = await api.get('/api/echo?id=again')
    for (const _ of times(5, () => 0)) response = await api.request(response.config)
    expect(seen.of('request-sent')).toHaveLength(6)
    server.expireAccessTokens()
    response = await api.request(response.config)
    expect(response.status).toBe(200)
    expect(seen.of('request-sent')).toHaveLength(7)
    expect(seen.of('request-replayed')).toHaveLength(1)
    expect(server.count).toMatchObject({ refreshes: 1, api: 8, rejected: 1 })
  })
})

describe('axios-retry', () => {
  describe.each(['before', 'after'] as const)('added %s the session', (order) => {
    async function retrying(options: Parameters<typeof axiosRetry>[1] = {}) {
      const set = await stage()
      const api = axios.create({ baseURL: set.server.url })
      // Its types mean the CommonJS build of axios.
      const retry = () => axiosRetry(api as never, { retries: 3, ...options })
      if (order === 'before') retry()
      attachSession(api, set.session)
      if (order === 'after') retry()
      return { ...set, api, seen: watch(set.session) }
    }

    test('it retries on 500, each time once through the session', async () => {
      const { server, api, seen } = await retrying()
      server.fault('500', { on: '/api/items', times: 3 })
      expect((await api.get('/api/items')).status).toBe(200)
      expect((await landed(server, '/api/items')).map(({ status }) => status)).toEqual([500, 500, 500, 200])
      expect(seen.of('request-sent')).toHaveLength(4)
      expect(seen.of('request-replayed')).toEqual([])
      expect(server.count.refreshes).toBe(0)
    })

    test('it retries on 500 no more often than it would without us', async () => {
      const { server, api } = await retrying({ retries: 2 })
      server.fault('500', { on: '/api/items', times: 10 })
      expect((await errorOf(api.get('/api/items'))).response?.status).toBe(500)
      expect(onWire(server, '/api/items')).toHaveLength(3)
    })

    test('a token that expires between two attempts is replaced: the retry does not carry the old one', async () => {
      const { server, api, seen } = await retrying({ onRetry: () => server.expireAccessTokens() })
      server.fault('500', { on: '/api/items' })
      expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
      expect((await landed(server, '/api/items')).map(({ status }) => status)).toEqual([500, 401, 200])
      expect(seen.of('request-ignored')).toEqual([])
      expect(server.count.refreshes).toBe(1)
    })

    test('a replay that is answered 500 is retried with the new token', async () => {
      const { server, api } = await retrying()
      let calls = 0
      server.api('/api/flaky', () => ({ status: calls++ === 0 ? 500 : 200 }))
      server.expireAccessTokens()
      expect((await api.get('/api/flaky')).status).toBe(200)
      expect(await landed(server, '/api/flaky')).toMatchObject([
        { status: 401, generation: 1 },
        { status: 500, generation: 2 },
        { status: 200, generation: 2 },
      ])
      expect(server.count.refreshes).toBe(1)
    })

    test('a retried body is the same one', async () => {
      const { server, api, received } = await retrying({ retryCondition: () => true })
      server.fault('500', { on: '/api/echo' })
      await api.post('/api/echo', { some: 'thing' })
      expect(received.map(({ body }) => body.toString())).toEqual(times(2, () => '{"some":"thing"}'))
      expect(received.map(({ headers }) => headers['content-type'])).toEqual(
        times(2, () => 'application/json'),
      )
    })
  })
})

describe('attaching and detaching', () => {
  test('a detached instance sends what it would send without us', async () => {
    const { server, session } = await stage()
    const instance = axios.create({ baseURL: server.url })
    const detach = attachSession(instance, session)
    expect((await instance.get('/api/items')).status).toBe(200)
    detach()
    const error = await errorOf(instance.get('/api/items'))
    expect(error.response?.status).toBe(401)
    expect(onWire(server, '/api/items')).toMatchObject([{ generation: 1 }, { family: 'none' }])
    detach()
    attachSession(instance, session)
    expect((await instance.get('/api/items')).status).toBe(200)
    expect(server.count.refreshes).toBe(0)
  })

  test('requests on their way are served to their end', async () => {
    const { server, session } = await stage()
    const instance = axios.create({ baseURL: server.url })
    const detach = attachSession(instance, session)
    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    const request = instance.get('/api/items')
    await refreshes.untilArrived()
    detach()
    refreshes.release()
    expect((await request).data).toMatchObject({ generation: 2 })
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('attaching twice is attaching once', async () => {
    const { server, session, api } = await stage()
    attachSession(api, session)
    const seen = watch(session)
    server.expireAccessTokens()
    await api.get('/api/items')
    expect(seen.of('request-sent')).toHaveLength(1)
    expect(seen.of('request-replayed')).toHaveLength(1)
    expect(seen.of('request-settled')).toHaveLength(1)
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('the instance itself is not changed but for one interceptor: its defaults are its own', async () => {
    const { api, bare } = await stage()
    await api.get('/api/items')
    expect(api.defaults.adapter).toEqual(bare.defaults.adapter)
    expect(api.defaults.headers).toEqual(bare.defaults.headers)
  })
})

describe.each(['before', 'after'] as const)('axios-mock-adapter, put on %s the session', (order) => {
  async function mocked(options = {}) {
    const set = await stage()
    const api = axios.create({ baseURL: set.server.url })
    const early = order === 'before' ? new MockAdapter(api as never, options) : undefined
    attachSession(api, set.session)
    return { ...set, api, mock: early ?? new MockAdapter(api as never, options) }
  }

  test('its 401 is refreshed once and replayed, through the mock', async () => {
    const { server, api, mock, tokens } = await mocked()
    const authorizations: unknown[] = []
    mock.onGet('/mocked').reply(({ headers }) => {
      authorizations.push(headers?.Authorization)
      return authorizations.length === 1 ? [401] : [200, { mocked: true }]
    })
    expect((await api.get('/mocked')).data).toEqual({ mocked: true })
    expect(authorizations).toEqual([`Bearer ${tokens.access_token}`, expect.stringMatching(/^Bearer /)])
    expect(authorizations[1]).not.toBe(authorizations[0])
    expect(mock.history.get).toHaveLength(2)
    expect(server.count).toMatchObject({ refreshes: 1, api: 0 })
  })

  test('a mocked error is as without us', async () => {
    const { api, mock } = await mocked()
    mock.onPost('/mocked').networkErrorOnce()
    mock.onPost('/mocked').reply(418, { teapot: true })
    expect((await errorOf(api.post('/mocked'))).message).toBe('Network Error')
    expect((await errorOf(api.post('/mocked'))).response).toMatchObject({
      status: 418,
      data: { teapot: true },
    })
    expect(mock.history.post).toHaveLength(2)
  })

  test('what it lets pass reaches the server with the token, and is replayed', async () => {
    const { server, api } = await mocked({ onNoMatch: 'passthrough' })
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect((await landed(server, '/api/items')).map(({ status }) => status)).toEqual([401, 200])
    expect(server.count.refreshes).toBe(1)
  })

  test('when it is taken off, the instance is real again', async () => {
    const { server, api, mock } = await mocked()
    mock.onGet('/api/items').reply(200, 'mocked')
    expect((await api.get('/api/items')).data).toBe('mocked')
    mock.restore()
    server.expireAccessTokens()
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })
})

describe('adapters of their own', () => {
  test('an adapter that throws at once: its error is the answer, and the session serves the next request', async () => {
    const { server, session, api } = await stage()
    const seen = watch(session)
    const failure = new RangeError('not today')
    const adapter = (): never => {
      throw failure
    }
    await expect(api.get('/api/items', { adapter })).rejects.toBe(failure)
    expect(seen.of('request-settled')).toMatchObject([{ ok: false, status: 0 }])
    expect((await api.get('/api/items')).status).toBe(200)
    expect(server.count).toMatchObject({ refreshes: 0, api: 1 })
  })

  test('an adapter that throws on the replay: its error is the answer', async () => {
    const { server, session, api } = await stage()
    const seen = watch(session)
    server.expireAccessTokens()
    let calls = 0
    const failure = new RangeError('not twice')
    const adapter = (config: Parameters<ReturnType<typeof getAdapter>>[0]) => {
      if (++calls === 2) throw failure
      return getAdapter('http')(config)
    }
    await expect(api.get('/api/items', { adapter })).rejects.toBe(failure)
    expect(seen.of('request-settled')).toMatchObject([{ ok: false, status: 0 }])
    expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
    expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('an adapter that throws while others wait for the refresh harms none of them', async () => {
    const { server, api } = await stage({ expired: true })
    const refreshes = server.hold('/token')
    const failure = new RangeError('not today')
    const adapter = (): never => {
      throw failure
    }
    const failing = api.get('/api/items', { adapter }).catch((error: unknown) => error)
    const others = times(5, (id) => api.get('/api/items', { params: { id } }))
    await refreshes.untilArrived()
    refreshes.release()
    expect(await failing).toBe(failure)
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(times(5, () => 200))
    expect(server.count).toMatchObject({ refreshes: 1, api: 5 })
  })
})

describe.each(ADAPTERS)("the caller's cancellation (%s adapter)", (adapter) => {
  describe.each(['signal', 'cancelToken'] as const)('by %s', (means) => {
    // The fetch adapter of the oldest axios does not listen to a CancelToken.
    const heard = !(means === 'cancelToken' && adapter === 'fetch' && axios.VERSION === '1.7.0')
    const recalls = (['none', 'safe'] as const).filter((recall) => recall === 'safe' || heard)

    function cancellation() {
      const controller = new AbortController()
      const source = axios.CancelToken.source()
      return {
        own: means === 'signal' ? { signal: controller.signal } : { cancelToken: source.token },
        cancel() {
          controller.abort()
          source.cancel('the user left')
        },
        message: means === 'signal' ? 'canceled' : 'the user left',
        async expectCancelled(error: AxiosError) {
          expect(axios.isCancel(error)).toBe(true)
          expect(error.code).toBe('ERR_CANCELED')
          await vi.waitFor(() => expect(getEventListeners(controller.signal, 'abort')).toEqual([]))
        },
      }
    }

    test('while it is held: it is never sent, and the others are served', async () => {
      const { server, api } = await stage({ client: { adapter }, expired: true })
      const { own, cancel, message, expectCancelled } = cancellation()
      const refreshes = server.hold('/token')
      const request = errorOf(api.get('/api/items?id=cancelled', own))
      const other = api.get('/api/items?id=other')
      await refreshes.untilArrived()
      cancel()
      const error = await request
      await expectCancelled(error)
      expect(error.message).toBe(message)
      // A CancelToken's error is the same for all its requests, and has no config.
      if (means === 'signal') expect(error.config).toMatchObject({ url: '/api/items?id=cancelled', ...own })
      refreshes.release()
      expect((await other).data).toMatchObject({ id: 'other', generation: 2 })
      expect(onWire(server, '/api/items', 'cancelled')).toEqual([])
      expect(server.count).toMatchObject({ refreshes: 1, api: 1 })
    })

    test('before it is sent: it is never sent', async () => {
      const { server, api } = await stage({ client: { adapter } })
      const { own, cancel, expectCancelled } = cancellation()
      cancel()
      await expectCancelled(await errorOf(api.get('/api/items', own)))
      expect(server.count).toMatchObject({ refreshes: 0, api: 0 })
    })

    test.each(recalls)('while it is on the wire (recall: %s)', async (recall) => {
      const { server, api } = await stage({ client: { adapter }, session: { recall } })
      const { own, cancel, expectCancelled } = cancellation()
      const answers = server.hold('/api/items')
      const request = errorOf(api.get('/api/items', own))
      await answers.untilArrived()
      cancel()
      await expectCancelled(await request)
      expect(await landed(server, '/api/items')).toMatchObject([{ aborted: true }])
      expect(server.count.refreshes).toBe(0)
    })

    test('while it waits for the refresh that its 401 asked for: it is not replayed, and the refresh is kept', async () => {
      const { server, api } = await stage({ client: { adapter } })
      const { own, cancel, expectCancelled } = cancellation()
      server.expireAccessTokens()
      const refreshes = server.hold('/token')
      const request = errorOf(api.get('/api/items?id=cancelled', own))
      await refreshes.untilArrived()
      cancel()
      await expectCancelled(await request)
      refreshes.release()
      expect((await api.get('/api/items?id=next')).data).toMatchObject({ generation: 2 })
      expect(onWire(server, '/api/items', 'cancelled')).toHaveLength(1)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    })

    test.each(recalls)('while it is replayed (recall: %s)', async (recall) => {
      const { server, api } = await stage({ client: { adapter }, session: { recall } })
      const { own, cancel, expectCancelled } = cancellation()
      server.expireAccessTokens()
      const answers = server.hold('/api/items')
      const request = errorOf(api.get('/api/items', own))
      await answers.untilArrived()
      answers.release(1)
      await answers.untilArrived(2)
      cancel()
      await expectCancelled(await request)
      expect(await landed(server, '/api/items')).toMatchObject([{ status: 401 }, { aborted: true }])
      expect(server.count.refreshes).toBe(1)
    })

    test('after a recall: it is not sent again', async () => {
      const time = newClock()
      const { server, session, api } = await stage({
        client: { adapter },
        session: { recall: 'safe', clock: time.clock },
      })
      const { own, cancel, expectCancelled } = cancellation()
      const seen = watch(session)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const request = errorOf(api.get('/api/late', own))
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(250)
      await seen.until('request-recalled')
      await landed(server, '/api/late')
      cancel()
      await expectCancelled(await request)
      refreshes.release()
      slow.release()
      await rejected
      expect(onWire(server, '/api/late')).toHaveLength(1)
      expect(server.count.refreshes).toBe(1)
    })

    test('after the answer nothing of ours listens any more', async () => {
      const { server, api } = await stage({ client: { adapter }, session: { recall: 'safe' } })
      const { token } = axios.CancelToken.source()
      const subscribable = token as typeof token &
        Record<'subscribe' | 'unsubscribe', (listener: unknown) => void>
      const listeners = new Set<unknown>()
      const { subscribe, unsubscribe } = subscribable
      subscribable.subscribe = (listener) => {
        listeners.add(listener)
        subscribe.call(token, listener)
      }
      subscribable.unsubscribe = (listener) => {
        listeners.delete(listener)
        unsubscribe.call(token, listener)
      }
      const { signal } = new AbortController()
      server.expireAccessTokens()
      const own = means === 'signal' ? { signal } : { cancelToken: token }
      await Promise.all(times(3, () => api.get('/api/items', own)))
      await errorOf(api.get('/api/status/500', own))
      await vi.waitFor(() => expect(getEventListeners(signal, 'abort')).toEqual([]))
      await vi.waitFor(() => expect([...listeners]).toEqual([]))
      expect(server.count.refreshes).toBe(1)
    })

    test('after the answer: nothing happens', async () => {
      const { server, api } = await stage({ client: { adapter }, session: { recall: 'safe' } })
      const { own, cancel } = cancellation()
      server.expireAccessTokens()
      const { data } = await api.get('/api/items', own)
      cancel()
      expect(data).toMatchObject({ generation: 2 })
      expect((await api.get('/api/items')).data).toMatchObject({ generation: 2 })
      expect(server.count).toMatchObject({ refreshes: 1, api: 3 })
    })
  })
})

test.each([false, true])('a signal that cannot be listened to is let be (held: %s)', async (expired) => {
  const { server, api } = await stage({ expired })
  // That of an old polyfill, which only its adapter understands.
  const signal = { aborted: false }
  const adapter = (config: InternalAxiosRequestConfig) => {
    const { signal, ...rest } = config
    return getAdapter('http')(rest)
  }
  expect((await api.get('/api/items', { signal, adapter })).status).toBe(200)
  server.expireAccessTokens()
  expect((await api.get('/api/items', { signal, adapter })).status).toBe(200)
})

describe.each(ADAPTERS)("the caller's timeout (%s adapter)", (adapter) => {
  /** What the bare client says of the same timeout. */
  async function bareTimeout({ server, bare, tokens }: Stage, config: AxiosRequestConfig) {
    const hold = server.hold('/api/echo')
    const error = await errorOf(bare.get('/api/echo', { ...config, headers: bearer(tokens) }))
    hold.release()
    const { message, code } = error
    return { message, code }
  }

  test('it covers the hold: the request is never sent, and the others are served', async () => {
    const { server, api } = await stage({ client: { adapter }, expired: true })
    const refreshes = server.hold('/token')
    const request = errorOf(api.get('/api/items?id=impatient', { timeout: 50 }))
    const other = api.get('/api/items?id=patient')
    const error = await request
    expect(error).toMatchObject({ code: 'ECONNABORTED', message: 'timeout of 50ms exceeded' })
    expect(error.config).toMatchObject({ timeout: 50, url: '/api/items?id=impatient' })
    refreshes.release()
    expect((await other).data).toMatchObject({ generation: 2 })
    expect(onWire(server, '/api/items', 'impatient')).toEqual([])
    expect(server.count).toMatchObject({ refreshes: 1, api: 1 })
  })

  test("while it is held it speaks the caller's words: timeoutErrorMessage and clarifyTimeoutError", async () => {
    const { server, api } = await stage({ client: { adapter }, expired: true })
    const refreshes = server.hold('/token')
    const error = await errorOf(
      api.get('/api/items', {
        timeout: 50,
        timeoutErrorMessage: 'too slow for me',
        transitional: { clarifyTimeoutError: true },
      }),
    )
    expect(error).toMatchObject({ code: 'ETIMEDOUT', message: 'too slow for me' })
    refreshes.release()
    await api.get('/api/items')
    expect(server.count).toMatchObject({ refreshes: 1, api: 1 })
  })

  test('it covers the wait for the refresh that its own 401 asked for: it is not replayed', async () => {
    const { server, api } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    const request = errorOf(api.get('/api/items?id=impatient', { timeout: 1_000 }))
    await refreshes.untilArrived()
    expect(await request).toMatchObject({ code: 'ECONNABORTED', message: 'timeout of 1000ms exceeded' })
    refreshes.release()
    await api.get('/api/items')
    expect(onWire(server, '/api/items', 'impatient')).toHaveLength(1)
    expect(server.count.refreshes).toBe(1)
  })

  test('on the wire it is that of the bare client', async () => {
    const set = await stage({ client: { adapter } })
    const { server, api } = set
    const expected = await bareTimeout(set, { timeout: 50 })
    const hold = server.hold('/api/items')
    const error = await errorOf(api.get('/api/items', { timeout: 50 }))
    expect(error).toMatchObject(expected)
    expect(findSessionError(error)).toBeUndefined()
    hold.release()
    expect(server.count.refreshes).toBe(0)
  })

  test('during the replay it says the same as the bare client', async () => {
    const set = await stage({ client: { adapter } })
    const { server, api } = set
    const expected = await bareTimeout(set, { timeout: 1_000 })
    server.expireAccessTokens()
    const answers = server.hold('/api/items')
    const request = errorOf(api.get('/api/items', { timeout: 1_000 }))
    await answers.untilArrived()
    answers.release(1)
    await answers.untilArrived(2)
    const error = await request
    expect(error).toMatchObject(expected)
    expect(error.config?.timeout).toBe(1_000)
    expect(onWire(server, '/api/items')).toHaveLength(2)
    expect(server.count.refreshes).toBe(1)
  })

  test('hold, send and replay share it: what one has used up, the next does not have', async () => {
    const { server, api } = await stage({ client: { adapter }, expired: true })
    const timeouts: (number | undefined)[] = []
    const answered = deferred<void>()
    const own = async (config: Parameters<ReturnType<typeof getAdapter>>[0]) => {
      timeouts.push(config.timeout)
      if (timeouts.length === 2) answered.resolve()
      return getAdapter(adapter)(config)
    }
    const refreshes = server.hold('/token')
    const request = api.get('/api/echo', { timeout: 20_000, adapter: own })
    await refreshes.untilArrived()
    // Two requests that give up one after the other tell that this much time has passed.
    await errorOf(api.get('/api/items', { timeout: 100 }))
    refreshes.release(1)
    server.fault('custom', {
      on: '/api/echo',
      respond: (_, response) => {
        server.expireAccessTokens()
        response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
      },
    })
    await refreshes.untilArrived(2)
    await errorOf(api.get('/api/items', { timeout: 100 }))
    refreshes.release()
    const { status, config } = await request
    await answered.promise
    expect(status).toBe(200)
    const [first = Number.NaN, second = Number.NaN] = timeouts
    expect(timeouts).toHaveLength(2)
    expect(first).toBeLessThanOrEqual(19_900)
    expect(second).toBeLessThanOrEqual(first - 99)
    expect(second).toBeGreaterThan(0)
    expect(config.timeout).toBe(20_000)
    expect(server.count.refreshes).toBe(2)
  })

  test('the timeout of one request is not that of the next', async () => {
    const { server, api } = await stage({ client: { adapter } })
    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    const impatient = errorOf(api.get('/api/items', { timeout: 50 }))
    await impatient
    const patient = api.get('/api/items')
    refreshes.release()
    expect((await patient).status).toBe(200)
  })
})
