import { Agent, request as nodeRequest, type RequestOptions, type ServerResponse } from 'node:http'
import axios, { type AxiosResponse, getAdapter, type InternalAxiosRequestConfig } from 'axios'
import { findSessionError } from 'refresh-once'
import type { AuthServer, Gate, TestClock } from 'refresh-once/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { deferred, newClock, times, watch } from '../../setup.ts'
import { landed, onWire } from '../wire.ts'
import { errorOf, type Stage, stage } from './stage.ts'

const ADAPTERS = ['http', 'fetch'] as const
type Adapter = (typeof ADAPTERS)[number]

/** A stage on which stale requests are recalled, and whose time stands still. */
async function recallStage(adapter: Adapter, options = {}): Promise<Stage & { time: TestClock }> {
  const time = newClock()
  const session = { recall: 'safe', clock: time.clock, ...options } as const
  return { ...(await stage({ session, client: { adapter } })), time }
}

/** The next refresh is not answered until the test does it. */
function unansweredRefresh(server: AuthServer): Promise<ServerResponse> {
  return new Promise((resolve) => {
    server.fault('custom', { respond: (_, response) => resolve(response) })
  })
}

describe.each(ADAPTERS)('nothing is executed twice (%s adapter)', (adapter) => {
  describe('requests that are not safe', () => {
    test.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
      '(C27) an executed %s is never aborted while a 401 elsewhere starts a refresh, and is executed once',
      async (method) => {
        const { server, session, api, time } = await recallStage(adapter)
        const seen = watch(session)
        const answers = server.hold('/api/effects')
        const slow = server.hold('/api/late')
        const refreshes = server.hold('/token')
        const payment = api.request({ method, url: '/api/effects', params: { id: 'pay' } })
        await answers.untilArrived()
        const stale = api.get('/api/late')
        await slow.untilArrived()
        server.expireAccessTokens()
        const rejected = api.get('/api/items')
        await refreshes.untilArrived()
        await time.advance(5_000)
        // The GET beside it shows that a recall took place.
        await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
        refreshes.release()
        slow.release()
        expect((await rejected).data).toMatchObject({ generation: 2 })
        expect((await stale).data).toMatchObject({ generation: 2 })
        answers.release()
        expect((await payment).data).toMatchObject({ times: 1 })

        expect(server.effects('pay')).toBe(1)
        expect(await landed(server, '/api/effects')).toMatchObject([{ method, status: 200 }])
        expect(seen.of('request-recalled')).toMatchObject([{ request: { method: 'GET' } }])
        expect(server.count.refreshes).toBe(1)
      },
    )

    test('(C27) a POST whose own token is refused late is replayed after its own 401, and is executed once', async () => {
      const { server, api, time } = await recallStage(adapter)
      const late = server.hold('/api/effects-late')
      const refreshes = server.hold('/token')
      const payment = api.post('/api/effects-late?id=pay')
      await late.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      refreshes.release()
      await rejected
      late.release()
      expect((await payment).data).toMatchObject({ times: 1 })

      expect(server.effects('pay')).toBe(1)
      expect((await landed(server, '/api/effects-late')).map(({ status }) => status)).toEqual([401, 200])
      expect(server.count.refreshes).toBe(1)
    })

    test('(C27) a POST that got no answer is not sent again by anybody', async () => {
      const { server, api, time } = await recallStage(adapter)
      server.fault('destroy-after', { on: '/api/effects' })
      const refreshes = server.hold('/token')
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      refreshes.release()
      await rejected
      const error = await errorOf(api.post('/api/effects?id=pay'))

      expect(error.response).toBeUndefined()
      expect(findSessionError(error)).toBeUndefined()
      expect(server.effects('pay')).toBe(1)
      expect(onWire(server, '/api/effects')).toHaveLength(1)
    })
  })

  describe('recall', () => {
    test.each(['GET', 'HEAD', 'OPTIONS'])(
      '(C28) a stale %s without an answer is recalled when the refresh has been unanswered for recallAfter, and replayed',
      async (method) => {
        const { server, session, api, time } = await recallStage(adapter)
        const seen = watch(session)
        const slow = server.hold('/api/late')
        const refreshes = server.hold('/token')
        const stale = api.request({ method, url: '/api/late', params: { id: 'slow' } })
        await slow.untilArrived()
        server.expireAccessTokens()
        const rejected = api.get('/api/items')
        await refreshes.untilArrived()

        await time.advance(249)
        expect(seen.of('request-recalled')).toEqual([])
        await time.advance(1)
        expect(seen.of('request-recalled')).toMatchObject([
          { request: { method, url: `${server.url}/api/late` } },
        ])
        await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
        refreshes.release()
        slow.release()
        expect((await stale).status).toBe(200)
        expect((await rejected).status).toBe(200)

        expect(await landed(server, '/api/late', 'slow')).toMatchObject([
          { method, generation: 1, aborted: true },
          { method, generation: 2, status: 200 },
        ])
        expect((await landed(server, '/api/items')).map(({ status }) => status)).toEqual([401, 200])
        expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
      },
    )

    test('(C28) twenty stale requests are recalled and replayed, each once', async () => {
      const { server, api, time } = await recallStage(adapter)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = times(20, (id) => api.get('/api/late', { params: { id } }))
      await slow.untilArrived(20)
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(250)
      await server.until(() => onWire(server, '/api/late').every(({ aborted }) => aborted))
      refreshes.release()
      slow.release()
      await rejected
      const answers = await Promise.all(stale)

      expect(answers.map(({ data }) => data)).toEqual(
        answers.map((_, id) => ({ id: `${id}`, user: 'alice', generation: 2 })),
      )
      expect(onWire(server, '/api/late')).toHaveLength(40)
      expect(server.count).toMatchObject({ refreshes: 1, api: 42 })
    })

    test('(C28) recalled for nothing: when the refresh fails for now, the request is sent again as it was', async () => {
      const { server, session, api, received, time } = await recallStage(adapter, { retries: 0 })
      const seen = watch(session)
      const slow = server.hold('/api/echo')
      const refresh = unansweredRefresh(server)
      const request = api.get('/api/echo?id=slow', { headers: { 'x-mine': 'kept' } })
      await slow.untilArrived()
      const never = errorOf(api.get('/api/never'))
      const response = await refresh
      await time.advance(250)
      await server.until(() => onWire(server, '/api/echo')[0]?.aborted === true)
      response.writeHead(503).end()
      const error = await never
      expect(error.response?.status).toBe(401)
      expect(findSessionError(error)?.code).toBe('refresh_failed')
      slow.release()
      expect((await request).status).toBe(200)

      expect(await landed(server, '/api/echo')).toMatchObject([
        { generation: 1, aborted: true },
        { generation: 1, status: 200 },
      ])
      const [first, again] = received.filter(({ url }) => url === '/api/echo?id=slow')
      expect(again).toMatchObject({ headers: first?.headers, body: first?.body })
      expect(again?.headers['x-mine']).toBe('kept')
      expect(session.state.status).toBe('signed-in')
      expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1 })
      expect(seen.of('request-replayed')).toHaveLength(1)
    })

    test('(C28) recalled, and the refresh is refused for good: the request rejects with session_expired and is not sent again', async () => {
      const { server, api, time } = await recallStage(adapter)
      const slow = server.hold('/api/late')
      const refresh = unansweredRefresh(server)
      const stale = errorOf(api.get('/api/late'))
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = errorOf(api.get('/api/items'))
      const response = await refresh
      await time.advance(250)
      await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}')
      const error = await stale

      expect(axios.isAxiosError(error)).toBe(true)
      expect(axios.isCancel(error)).toBe(false)
      expect(findSessionError(error)?.code).toBe('session_expired')
      expect((await rejected).response?.status).toBe(401)
      expect(onWire(server, '/api/late')).toHaveLength(1)
      expect(server.count.api).toBe(2)
    })

    test('(C28) a request whose response has begun is left alone', async () => {
      const { server, api, time } = await recallStage(adapter)
      const slow = server.hold('/api/late')
      const rest = server.hold('/api/stream')
      const refreshes = server.hold('/token')
      const begun = deferred<void>()
      const begunResponse = api.get('/api/stream', { onDownloadProgress: () => begun.resolve() })
      await begun.promise
      const stale = api.get('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
      rest.release()
      expect((await begunResponse).data).toBe('first\nrest\n')
      refreshes.release()
      slow.release()
      await Promise.all([stale, rejected])

      expect(await landed(server, '/api/stream')).toMatchObject([{ status: 200 }])
      expect(server.count.refreshes).toBe(1)
    })

    test('(C28) a stream that the caller has got is read to its end', async () => {
      const { server, api, time } = await recallStage(adapter)
      const slow = server.hold('/api/late')
      const rest = server.hold('/api/stream')
      const refreshes = server.hold('/token')
      const { data } = await api.get<AsyncIterable<Uint8Array>>('/api/stream', { responseType: 'stream' })
      const stale = api.get('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
      rest.release()
      const chunks: Uint8Array[] = []
      for await (const chunk of data) chunks.push(chunk)
      expect(Buffer.concat(chunks).toString()).toBe('first\nrest\n')
      refreshes.release()
      slow.release()
      await Promise.all([stale, rejected])
      expect(onWire(server, '/api/stream')).toHaveLength(1)
    })

    test('(C28) a refresh that is answered before recallAfter recalls nothing, then or later', async () => {
      const { server, session, api, time } = await recallStage(adapter)
      const seen = watch(session)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = api.get('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(249)
      refreshes.release()
      await rejected
      await time.advance(5_000)
      slow.release()
      // Its own 401 is late: it is replayed without a second refresh.
      expect((await stale).data).toMatchObject({ generation: 2 })

      expect(seen.of('request-recalled')).toEqual([])
      expect((await landed(server, '/api/late')).map(({ status }) => status)).toEqual([401, 200])
      expect(server.count.refreshes).toBe(1)
    })

    test('(C28) a forced refresh recalls nothing: no token was refused', async () => {
      const { server, session, api, time } = await recallStage(adapter)
      const seen = watch(session)
      const slow = server.hold('/api/items')
      const refreshes = server.hold('/token')
      const request = api.get('/api/items')
      await slow.untilArrived()
      const forced = session.refresh()
      await refreshes.untilArrived()
      await time.advance(5_000)
      slow.release()
      expect((await request).data).toMatchObject({ generation: 1 })
      refreshes.release()
      await forced

      expect(seen.of('request-recalled')).toEqual([])
      expect(await landed(server, '/api/items')).toMatchObject([{ status: 200 }])
    })

    test('(C28) outside of browsers nothing is recalled unless one asks for it', async () => {
      const time = newClock()
      const { server, session, api } = await stage({ session: { clock: time.clock }, client: { adapter } })
      const seen = watch(session)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = api.get('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      refreshes.release()
      await rejected
      slow.release()
      await stale

      expect(seen.of('request-recalled')).toEqual([])
      expect((await landed(server, '/api/late')).map(({ status }) => status)).toEqual([401, 200])
    })

    test('(C28) a single request may opt out of the recall', async () => {
      const { server, session, api, time } = await recallStage(adapter)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const kept = api.get('/api/late?id=kept', { session: { recall: false } })
      const stale = api.get('/api/late?id=recalled')
      await slow.untilArrived(2)
      server.expireAccessTokens()
      const seen = watch(session)
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(250)
      await server.until(() => onWire(server, '/api/late', 'recalled')[0]?.aborted === true)
      expect(seen.of('request-recalled')).toHaveLength(1)
      refreshes.release()
      slow.release()
      await Promise.all([kept, stale, rejected])

      expect((await landed(server, '/api/late', 'kept')).map(({ status }) => status)).toEqual([401, 200])
      expect(await landed(server, '/api/late', 'recalled')).toMatchObject([
        { aborted: true },
        { status: 200 },
      ])
      expect(server.count.refreshes).toBe(1)
    })
  })

  describe("the caller's abort during a recall", () => {
    test.each(['signal', 'cancelToken'] as const)(
      '(C29) by %s while the recalled request waits: it is cancelled, and not replayed',
      async (means) => {
        const { server, session, api, time } = await recallStage(adapter)
        const controller = new AbortController()
        const source = axios.CancelToken.source()
        const slow = server.hold('/api/late')
        const refreshes = server.hold('/token')
        const own = means === 'signal' ? { signal: controller.signal } : { cancelToken: source.token }
        const cancelled = errorOf(api.get('/api/late?id=cancelled', own))
        const stale = api.get('/api/late?id=other')
        await slow.untilArrived(2)
        server.expireAccessTokens()
        const rejected = api.get('/api/items')
        await refreshes.untilArrived()
        const seen = watch(session)
        await time.advance(250)
        await seen.until('request-recalled')
        await server.until(() => onWire(server, '/api/late').every(({ aborted }) => aborted))
        controller.abort()
        source.cancel('the user left')
        const error = await cancelled
        expect(axios.isCancel(error)).toBe(true)
        expect(error.code).toBe('ERR_CANCELED')
        refreshes.release()
        slow.release()
        expect((await stale).data).toMatchObject({ generation: 2 })
        await rejected

        expect(onWire(server, '/api/late', 'cancelled')).toHaveLength(1)
        expect(onWire(server, '/api/late', 'other')).toHaveLength(2)
        expect(server.count.refreshes).toBe(1)
      },
    )

    test.each(['signal', 'cancelToken'] as const)(
      '(C29) by %s at the very moment of the recall: it is cancelled, and not replayed',
      async (means) => {
        const { server, session, api, time } = await recallStage(adapter)
        const controller = new AbortController()
        const source = axios.CancelToken.source()
        session.observe(({ type }) => {
          if (type !== 'request-recalled') return
          controller.abort()
          source.cancel('the user left')
        })
        const slow = server.hold('/api/late')
        const refreshes = server.hold('/token')
        const own = means === 'signal' ? { signal: controller.signal } : { cancelToken: source.token }
        const cancelled = errorOf(api.get('/api/late', own))
        await slow.untilArrived()
        server.expireAccessTokens()
        const rejected = api.get('/api/items')
        await refreshes.untilArrived()
        await time.advance(250)
        const error = await cancelled
        expect(axios.isCancel(error)).toBe(true)
        refreshes.release()
        slow.release()
        await rejected

        expect(onWire(server, '/api/late')).toHaveLength(1)
        expect(server.count.refreshes).toBe(1)
      },
    )

    test('(C29) while the adapter has not let go of it yet, and the refresh is done: it is not replayed', async () => {
      const { server, api, time } = await recallStage(adapter)
      const controller = new AbortController()
      const recalled = deferred<void>()
      const letGo = deferred<void>()
      const own = async (config: InternalAxiosRequestConfig) => {
        try {
          return await getAdapter(adapter)(config)
        } catch (error) {
          recalled.resolve()
          await letGo.promise
          throw error
        }
      }
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const cancelled = errorOf(api.get('/api/late', { signal: controller.signal, adapter: own }))
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(250)
      await recalled.promise
      controller.abort()
      refreshes.release()
      slow.release()
      await rejected
      letGo.resolve()
      expect(axios.isCancel(await cancelled)).toBe(true)
      expect((await api.get('/api/items')).status).toBe(200)
      expect(onWire(server, '/api/late')).toHaveLength(1)
      expect(server.count.refreshes).toBe(1)
    })

    test("(C29) the caller's abort of an in-flight request before the recall is the caller's, too", async () => {
      const { server, api, time } = await recallStage(adapter)
      const controller = new AbortController()
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const cancelled = errorOf(api.get('/api/late', { signal: controller.signal }))
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api.get('/api/items')
      await refreshes.untilArrived()
      await time.advance(249)
      controller.abort()
      await time.advance(1)
      expect(axios.isCancel(await cancelled)).toBe(true)
      refreshes.release()
      slow.release()
      await rejected
      expect(onWire(server, '/api/late')).toHaveLength(1)
    })
  })
})

describe('a response that has begun, seen by nobody else', () => {
  test('(C28) it is left alone without a progress callback of the caller', async () => {
    const { server, api, time } = await recallStage('http')
    const slow = server.hold('/api/late')
    const rest = server.hold('/api/stream')
    const refreshes = server.hold('/token')
    const begun = deferred<void>()
    const transport = {
      request: (options: RequestOptions, answered: (response: unknown) => void) =>
        nodeRequest(options, (response) => {
          answered(response)
          response.once('data', () => setImmediate(begun.resolve))
        }),
    }
    const begunResponse = api.get('/api/stream', { transport })
    await begun.promise
    const stale = api.get('/api/late')
    await slow.untilArrived()
    server.expireAccessTokens()
    const rejected = api.get('/api/items')
    await refreshes.untilArrived()
    await time.advance(5_000)
    await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
    rest.release()
    expect((await begunResponse).data).toBe('first\nrest\n')
    refreshes.release()
    slow.release()
    await Promise.all([stale, rejected])
    expect(await landed(server, '/api/stream')).toMatchObject([{ status: 200 }])
  })
})

describe('a pool of six connections', () => {
  /** Slow requests and one that will be refused hold the six sockets; a dozen more wait for one. */
  async function crowdedPool(
    recall: 'safe' | 'none',
    occupy: (stage: Stage) => Promise<number> = async () => 0,
  ): Promise<
    Stage & { time: TestClock; slow: Gate; rejected: Promise<AxiosResponse>; crowd: Promise<AxiosResponse>[] }
  > {
    const time = newClock()
    const httpAgent = new Agent({ keepAlive: true, maxSockets: 6 })
    onTestFinished(() => httpAgent.destroy())
    const shared = axios.create({ adapter: 'http', httpAgent })
    const set = await stage({
      client: { adapter: 'http', httpAgent },
      session: {
        recall,
        clock: time.clock,
        refresh: ({ tokens, signal }) =>
          shared.post(
            set.server.tokenEndpoint,
            new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
            { signal },
          ),
      },
    })
    const { server, session, api } = set
    const occupied = await occupy(set)
    server.expireAccessTokens()
    const first = server.hold('/api/items')
    const slow = server.hold('/api/late')
    const seen = watch(session)
    const rejected = api.get('/api/items')
    await first.untilArrived()
    const crowd = times(17 - occupied, (id) => api.get('/api/late', { params: { id } }))
    await slow.untilArrived(5 - occupied)
    first.release()
    await seen.until('refresh-started')
    // The socket that the 401 has freed serves one of the dozen.
    await slow.untilArrived(6 - occupied)
    return { ...set, time, slow, rejected, crowd }
  }

  test('(C36) all busy with slow requests and a dozen more queued: the refresh is not stuck behind them', async () => {
    const { server, time, slow, rejected, crowd } = await crowdedPool('safe')
    expect(server.count.refreshRequests).toBe(0)
    await time.advance(250)
    // The slow requests are still slow: the refresh arrives in spite of them.
    await server.until('refresh')
    expect((await rejected).data).toMatchObject({ generation: 2 })
    slow.release()
    const answers = await Promise.all(crowd)

    expect(answers.map(({ data }) => data.generation)).toEqual(times(17, () => 2))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    // Six had reached the server; those that had no socket yet are sent once.
    const generations = onWire(server, '/api/late').map(({ generation }) => generation)
    expect(generations).toEqual([...times(6, () => 1), ...times(17, () => 2)])
  })

  test('(C36) without the recall it would be stuck: that is what the recall is for', async () => {
    const { server, time, slow, rejected, crowd } = await crowdedPool('none')
    const settled = errorOf(rejected)
    await time.advance(10_000)
    expect(findSessionError(await settled)?.code).toBe('refresh_timeout')
    expect(server.count.refreshRequests).toBe(0)
    slow.release()
    const answers = await Promise.all(crowd)
    expect(answers.map(({ data }) => data.generation)).toEqual(times(17, () => 2))
    expect(server.count.refreshes).toBe(1)
  })

  test('(C36) a POST that holds one of the six is not recalled, and is executed once', async () => {
    let payment: Promise<AxiosResponse> | undefined
    let answers: Gate | undefined
    const { server, time, slow, rejected, crowd } = await crowdedPool('safe', async ({ server, api }) => {
      answers = server.hold('/api/effects')
      payment = api.post('/api/effects?id=pay')
      await answers.untilArrived()
      return 1
    })
    await time.advance(250)
    await server.until('refresh')
    await rejected
    slow.release()
    await Promise.all(crowd)
    answers?.release()
    expect((await payment)?.data).toMatchObject({ times: 1 })

    expect(await landed(server, '/api/effects')).toMatchObject([{ status: 200 }])
    expect(server.effects('pay')).toBe(1)
    expect(server.count.refreshes).toBe(1)
  })
})
