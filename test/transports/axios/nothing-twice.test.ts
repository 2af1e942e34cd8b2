import { Agent, request as nodeRequest, type RequestOptions } from 'node:http'
import axios, { type AxiosResponse, getAdapter, type InternalAxiosRequestConfig } from 'axios'
import { findSessionError } from 'refresh-once'
import type { Barrier, TestClock } from 'refresh-once/testing'
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

describe.each(ADAPTERS)('nothing is executed twice (%s adapter)', (adapter) => {
  describe('recall', () => {
    test('a request whose response has begun is left alone', async () => {
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

    test('a stream that the caller has got is read to its end', async () => {
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
  })

  test('a replay whose answer has not begun is recalled, although that of the first send had', async () => {
    const { server, session, api, time } = await recallStage(adapter)
    const seen = watch(session)
    const slow = server.hold('/api/late')
    server.fault('custom', { on: '/api/late', respond: { status: 401, body: { words: 'that have begun' } } })
    // The caller's, since the fetch adapter tells only those who ask.
    const progress: number[] = []
    const request = api.get('/api/late', { onDownloadProgress: ({ loaded }) => progress.push(loaded) })
    await slow.untilArrived()
    expect(progress).not.toEqual([])

    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    const rejected = api.get('/api/items')
    await refreshes.untilArrived()
    await time.advance(250)
    expect(seen.of('request-recalled')).toMatchObject([{ request: { attempt: 2, generation: 2 } }])
    await server.until(() => onWire(server, '/api/late')[1]?.aborted === true)
    refreshes.release()
    slow.release()
    expect((await rejected).status).toBe(200)
    expect((await request).data).toMatchObject({ generation: 3 })
    expect(await landed(server, '/api/late')).toMatchObject([
      { status: 401 },
      { generation: 2, aborted: true },
      { generation: 3, status: 200 },
    ])
  })

  test('an answer that can have no body is one, also where requests are recalled', async () => {
    const { api } = await recallStage(adapter)
    expect((await api.get('/api/status/204')).status).toBe(204)
  })

  test('a cancelToken of the caller ends what is on its way, in his words', async () => {
    const { server, api } = await recallStage(adapter)
    const { token, cancel } = axios.CancelToken.source()
    const slow = server.hold('/api/late')
    const cancelled = errorOf(api.get('/api/late', { cancelToken: token }))
    await slow.untilArrived()
    cancel('the user left')
    expect(await cancelled).toMatchObject({ code: 'ERR_CANCELED', message: 'the user left' })
    slow.release()
  })

  describe("the caller's abort during a recall", () => {
    test.each(['signal', 'cancelToken'] as const)(
      'by %s while the recalled request waits: it is cancelled, and not replayed',
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
      'by %s at the very moment of the recall: it is cancelled, and not replayed',
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

    test('while the adapter has not let go of it yet, and the refresh is done: it is not replayed', async () => {
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

    test("the caller's abort of an in-flight request before the recall is the caller's, too", async () => {
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
  test('it is left alone without a progress callback of the caller', async () => {
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
    Stage & {
      time: TestClock
      slow: Barrier
      rejected: Promise<AxiosResponse>
      crowd: Promise<AxiosResponse>[]
    }
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

  test('all busy with slow requests and a dozen more queued: the refresh is not stuck behind them', async () => {
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

  test('without the recall it would be stuck: that is what the recall is for', async () => {
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

  test('a POST that holds one of the six is not recalled, and is executed once', async () => {
    let payment: Promise<AxiosResponse> | undefined
    let answers: Barrier | undefined
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
