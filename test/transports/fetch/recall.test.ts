import { Agent, fetch as undiciFetch } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { deferred, newClock, type TurnedClock, times, watch } from '../../setup.ts'
import { landed, onWire } from '../wire.ts'
import { keeping, type Stage, type StageOptions, stage } from './stage.ts'

async function recallStage(options: StageOptions = {}): Promise<Stage & { time: TurnedClock }> {
  const time = newClock()
  const session = { recall: 'safe', clock: time.clock, ...options.session } as const
  return { ...(await stage({ ...options, session })), time }
}

test('an answer whose headers have come is left alone, and read to its end', async () => {
  const { server, api, at, time } = await recallStage()
  const slow = server.hold('/api/late')
  const rest = server.hold('/api/stream')
  const refreshes = server.hold('/token')
  const begun = await api(at('/api/stream'))
  const stale = api(at('/api/late'))
  await slow.untilArrived()
  server.expireAccessTokens()
  const rejected = api(at('/api/items'))
  await refreshes.untilArrived()
  await time.advance(5_000)
  await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
  rest.release()
  expect(await begun.text()).toBe('first\nrest\n')
  refreshes.release()
  slow.release()
  expect((await Promise.all([stale, rejected])).map(({ status }) => status)).toEqual([200, 200])
  expect(await landed(server, '/api/stream')).toMatchObject([{ status: 200 }])
  expect(server.count.refreshes).toBe(1)
})

test.each<[string, (url: string, init: RequestInit) => Parameters<Stage['api']>]>([
  ['in init', (url, init) => [url, { ...init, session: { recall: true } }]],
  ['in a Request', (url, init) => [new Request(url, init), { session: { recall: true } }]],
])('a POST is recalled where its caller says that it may be, with its body whole (%s)', async (_, call) => {
  const { server, api, at, time, received } = await recallStage()
  const slow = server.hold('/api/echo')
  const refreshes = server.hold('/token')
  const stale = api(...call(at('/api/echo'), { method: 'POST', body: 'some' }))
  await slow.untilArrived()
  server.expireAccessTokens()
  const rejected = api(at('/api/items'))
  await refreshes.untilArrived()
  await time.advance(250)
  await server.until(() => onWire(server, '/api/echo')[0]?.aborted === true)
  refreshes.release()
  slow.release()
  expect((await stale).status).toBe(200)
  await rejected
  const posts = received.filter(({ method }) => method === 'POST')
  expect(posts.map(({ body }) => `${body}`)).toEqual(['some', 'some'])
})

test('a body that is gone once it is sent is not recalled, whatever its caller says', async () => {
  const { server, session, api, at, time } = await recallStage()
  const seen = watch(session)
  const slow = server.hold('/api/echo')
  const refreshes = server.hold('/token')
  const body = new Blob(['once']).stream()
  const upload = api(at('/api/echo'), {
    method: 'POST',
    body,
    duplex: 'half',
    session: { recall: true },
  } as RequestInit)
  await slow.untilArrived()
  server.expireAccessTokens()
  const rejected = api(at('/api/items'))
  await refreshes.untilArrived()
  await time.advance(5_000)
  refreshes.release()
  await rejected
  slow.release()
  expect((await upload).status).toBe(200)
  expect(seen.of('request-recalled')).toEqual([])
  expect(onWire(server, '/api/echo')).toHaveLength(1)
})

test('a recall that comes between the headers and us: the body is dead, so the request is sent again', async () => {
  const arrived = deferred<void>()
  const letGo = deferred<void>()
  // As instrumentation does that has something to do first.
  const own: typeof fetch = async (...all) => {
    const response = await fetch(...all)
    if (response.url.endsWith('id=slow')) {
      arrived.resolve()
      await letGo.promise
    }
    return response
  }
  const { server, session, api, at, time } = await recallStage({ fetch: { fetch: own } })
  const seen = watch(session)
  const slow = api(at('/api/items?id=slow'))
  await arrived.promise
  server.expireAccessTokens()
  const refreshes = server.hold('/token')
  const rejected = api(at('/api/items'))
  await refreshes.untilArrived()
  await time.advance(250)
  expect(seen.of('request-recalled')).toHaveLength(1)
  letGo.resolve()
  refreshes.release()
  expect(await (await slow).json()).toMatchObject({ id: 'slow', generation: 2 })
  await rejected
  // It waits for the refresh like any other, and is told to.
  expect(seen.of('request-held')).toHaveLength(1)
  expect(onWire(server, '/api/items', 'slow')).toHaveLength(2)
  expect(server.count.refreshes).toBe(1)
})

test('a fetch that obeys no signal: the answer that comes all the same is let go of, and the request sent again', async () => {
  const deaf = keeping((input, init) => fetch(input, { ...init, signal: null }))
  const { server, session, api, at, time } = await recallStage({ fetch: { fetch: deaf } })
  const seen = watch(session)
  const answered = deferred<() => void>()
  server.fault('custom', {
    on: '/api/late',
    respond: (_, response) => answered.resolve(() => void response.writeHead(200).write('never ends')),
  })
  const stale = api(at('/api/late'))
  const answer = await answered.promise
  server.expireAccessTokens()
  const refreshes = server.hold('/token')
  const rejected = api(at('/api/items'))
  await refreshes.untilArrived()
  await time.advance(250)
  expect(seen.of('request-recalled')).toHaveLength(1)
  answer()
  await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
  refreshes.release()
  expect((await Promise.all([stale, rejected])).map(({ status }) => status)).toEqual([200, 200])
  expect(onWire(server, '/api/late')).toHaveLength(2)
})

describe('a pool of six connections', () => {
  /** Slow requests and one that will be refused hold the six; a dozen more wait for one, and so will the refresh. */
  async function crowded(recall: 'safe' | 'none') {
    const dispatcher = new Agent({ connections: 6, pipelining: 1 })
    onTestFinished(() => dispatcher.destroy())
    const pooled = ((input: string, init: object) =>
      undiciFetch(input, { ...init, dispatcher })) as unknown as typeof fetch
    const given = await recallStage({
      fetch: { fetch: pooled },
      session: {
        recall,
        refresh({ tokens, signal }) {
          const refresh_token = tokens?.refreshToken ?? ''
          const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
          return pooled(given.server.tokenEndpoint, { method: 'POST', body, signal })
        },
      },
    })
    const { server, session, api, at } = given
    server.expireAccessTokens()
    const first = server.hold('/api/items')
    const slow = server.hold('/api/late')
    const seen = watch(session)
    const rejected = api(at('/api/items'))
    await first.untilArrived()
    const crowd = times(17, (id) => api(at(`/api/late?id=${id}`)).then((answer) => answer.json()))
    await slow.untilArrived(5)
    first.release()
    await seen.until('refresh-started')
    // The connection that the 401 has freed serves one of the dozen.
    await slow.untilArrived(6)
    return { ...given, slow, rejected, crowd }
  }

  test('all busy with slow requests and a dozen more queued: the refresh is not stuck behind them', async () => {
    const { server, time, slow, rejected, crowd } = await crowded('safe')
    expect(server.count.refreshRequests).toBe(0)
    await time.advance(250)
    await server.until('refresh')
    expect((await rejected).status).toBe(200)
    slow.release()
    expect((await Promise.all(crowd)).map(({ generation }) => generation)).toEqual(times(17, () => 2))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    // Six had reached the server; those that had no connection yet are sent once.
    expect(onWire(server, '/api/late').map(({ generation }) => generation)).toEqual([
      ...times(6, () => 1),
      ...times(17, () => 2),
    ])
  })

  test('without the recall it would be stuck: that is what the recall is for', async () => {
    const { server, time, slow, rejected, crowd } = await crowded('none')
    await time.advance(10_000)
    expect((await rejected).status).toBe(401)
    expect(server.count.refreshRequests).toBe(0)
    slow.release()
    expect((await Promise.all(crowd)).map(({ generation }) => generation)).toEqual(times(17, () => 2))
    expect(server.count.refreshes).toBe(1)
  })
})
