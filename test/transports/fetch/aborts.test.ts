import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { SessionRequestInit } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, type TurnedClock, times, watch } from '../../setup.ts'
import { landed, onWire } from '../wire.ts'
import { type Stage, stage } from './stage.ts'

const REASON = new Error('the user left')

/** How the signal comes to fetch. */
const ways: Record<string, (url: string, init: SessionRequestInit) => Parameters<Stage['api']>> = {
  'in init': (url, init) => [url, init],
  'in a Request': (url, init) => [new Request(url, init)],
}

describe.each(Object.entries(ways))("the caller's signal, %s", (_, way) => {
  test.each([
    ['no reason', undefined],
    ['a reason of the caller', REASON],
  ])('aborted before the call, with %s: rejects as fetch does, and nothing is sent', async (_, reason) => {
    for (const expired of [false, true]) {
      const { server, api, at } = await stage({ expired })
      const init = { signal: AbortSignal.abort(reason) }
      const bare = await failureOf(fetch(at('/api/items'), init))
      const error = await failureOf(api(...way(at('/api/items'), init)))
      expect(error.name).toBe(bare.name)
      expect(error).toBe(reason ?? error)
      expect(server.count.api).toBe(0)
    }
  })

  test('aborts a held request at once: it is never sent, and the others are served', async () => {
    const { server, api, at, session } = await stage({ expired: true })
    const seen = watch(session)
    const refresh = server.hold('/token')
    const controller = new AbortController()
    const { signal } = controller
    const mine = failureOf(api(...way(at('/api/items?id=mine'), { signal })))
    const others = times(5, (id) => api(at(`/api/items?id=${id}`)))
    await refresh.untilArrived()
    await seen.until('request-held', 6)
    controller.abort()
    expect(await mine).toMatchObject({ name: 'AbortError' })
    expect(await mine).toBe(signal.reason)
    refresh.release()
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual(times(5, () => 200))
    expect(onWire(server, '/api/items', 'mine')).toEqual([])
    expect(server.count.refreshes).toBe(1)
  })

  test('aborts a request that waits after its 401: it is not replayed, and the refresh is kept', async () => {
    const { server, api, at } = await stage()
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const controller = new AbortController()
    const { signal } = controller
    const mine = failureOf(api(...way(at('/api/items?id=mine'), { signal })))
    await refresh.untilArrived()
    controller.abort(REASON)
    expect(await mine).toBe(REASON)
    refresh.release()
    expect(await (await api(at('/api/items'))).json()).toMatchObject({ generation: 2 })
    expect(onWire(server, '/api/items', 'mine')).toHaveLength(1)
    expect(server.count.refreshes).toBe(1)
  })

  describe.each(['none', 'safe'] as const)('recall: %s', (recall) => {
    const given = (): Promise<Stage> => stage({ session: { recall } })

    test('aborts a request on the wire', async () => {
      const { server, api, at } = await given()
      const items = server.hold('/api/items')
      const controller = new AbortController()
      const error = failureOf(api(...way(at('/api/items'), { signal: controller.signal })))
      await items.untilArrived()
      controller.abort(REASON)
      expect(await error).toBe(REASON)
      expect(await landed(server, '/api/items')).toMatchObject([{ aborted: true }])
    })

    test('aborts a replay', async () => {
      const { server, api, at } = await given()
      server.expireAccessTokens()
      const items = server.hold('/api/items')
      const controller = new AbortController()
      const error = failureOf(api(...way(at('/api/items'), { signal: controller.signal })))
      await items.untilArrived()
      items.release(1)
      await items.untilArrived(2)
      controller.abort(REASON)
      expect(await error).toBe(REASON)
      expect(await landed(server, '/api/items')).toMatchObject([{ status: 401 }, { aborted: true }])
    })

    test('aborts the reading of the body, after the headers have come', async () => {
      const { server, api, at } = await given()
      const rest = server.hold('/api/stream')
      const controller = new AbortController()
      const answer = await api(...way(at('/api/stream'), { signal: controller.signal }))
      expect(answer.status).toBe(200)
      const text = failureOf(answer.text())
      await rest.untilArrived()
      controller.abort(REASON)
      expect(await text).toBe(REASON)
      expect(await landed(server, '/api/stream')).toMatchObject([{ aborted: true }])
      rest.release()
    })

    test('aborted when all is over: nothing happens', async () => {
      const { api, at } = await given()
      const controller = new AbortController()
      const answer = await api(...way(at('/api/items?id=1'), { signal: controller.signal }))
      expect(await answer.json()).toMatchObject({ id: '1' })
      controller.abort()
    })
  })
})

test.each(['none', 'safe'] as const)(
  'a signal that two requests share still aborts the one when the other has been answered (recall: %s)',
  async (recall) => {
    const { server, api, at } = await stage({ session: { recall } })
    const late = server.hold('/api/late')
    const controller = new AbortController()
    const { signal } = controller
    const error = failureOf(api(at('/api/late'), { signal }))
    await late.untilArrived()
    expect((await api(at('/api/status/204'), { signal })).status).toBe(204)
    controller.abort(REASON)
    expect(await error).toBe(REASON)
    expect(await landed(server, '/api/late')).toMatchObject([{ aborted: true }])
    late.release()
  },
)

test('a signal still aborts the body when the garbage has been collected in between', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const { server, api, at } = await stage({ session: { recall: 'safe' } })
  const rest = server.hold('/api/stream')
  const controller = new AbortController()
  const answer = await api(at('/api/stream'), { signal: controller.signal })
  await rest.untilArrived()
  collect()
  const text = failureOf(answer.text())
  collect()
  controller.abort(REASON)
  expect(await text).toBe(REASON)
  rest.release()
})

test('a signal of null takes the signal of a Request away, as it does without us', async () => {
  for (const recall of ['none', 'safe'] as const) {
    const { api, at } = await stage({ session: { recall } })
    const controller = new AbortController()
    const request = new Request(at('/api/items'), { signal: controller.signal })
    const answer = api(request, { signal: null })
    controller.abort()
    expect((await answer).status).toBe(200)
  }
})

test('when a held request has been served, nothing of ours listens to its signal any more', async () => {
  const { server, api, at } = await stage({ expired: true })
  const { signal } = new AbortController()
  const refresh = server.hold('/token')
  const answers = Promise.all(times(5, () => api(at('/api/items'), { signal })))
  await refresh.untilArrived()
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  refresh.release()
  await answers
  // What is left is what fetch itself leaves there until its garbage is collected.
  const bare = new AbortController().signal
  await Promise.all(times(5, () => fetch(at('/public/echo'), { signal: bare })))
  expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(
    getEventListeners(bare, 'abort').length,
  )
})

/** What a signal keeps for those who wait with it: listeners, and signals that `AbortSignal.any` made of it. */
function waiting(signal: AbortSignal): number {
  const sets = Object.getOwnPropertySymbols(signal).map((name) => Reflect.get(signal, name)?.size ?? 0)
  return Math.max(...sets) + getEventListeners(signal, 'abort').length
}

test.each([
  ['is read', 'GET'],
  ['is left', 'GET'],
  ['is none', 'HEAD'],
  ['does not come', 'GET'],
])('recall leaves nothing behind on a signal that lives on, where the body %s', async (what, method) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const { server, api, at } = await stage({ session: { recall: 'safe' } })
  const { signal } = new AbortController()
  const call = () => api(at('/api/items'), { method, signal })
  if (what === 'does not come') {
    await call()
    await server.close()
  }
  const send = async () => {
    const answer = await call().catch(() => undefined)
    if (what === 'is read') await answer?.text()
  }
  for (let sent = 0; sent < 20; sent++) await send()
  // Connections keep the last answer that they had.
  if (what !== 'does not come') await api(at('/api/items'))
  // Finalizers run some time after the garbage has been collected.
  for (let turns = 0; turns < 50 && waiting(signal); turns++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(waiting(signal)).toBe(0)
})

describe('AbortSignal.timeout', () => {
  test('covers the hold: the request is never sent', async () => {
    const { server, api, at } = await stage({ expired: true })
    const refresh = server.hold('/token')
    const error = await failureOf(api(at('/api/items?id=mine'), { signal: AbortSignal.timeout(20) }))
    expect(error).toMatchObject({ name: 'TimeoutError' })
    refresh.release()
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(onWire(server, '/api/items', 'mine')).toEqual([])
  })

  test('covers the wait after a 401: the request is not replayed', async () => {
    const { server, api, at } = await stage()
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const waits = failureOf(api(at('/api/items?id=waits'), { signal: AbortSignal.timeout(50) }))
    expect(await waits).toMatchObject({ name: 'TimeoutError' })
    refresh.release()
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(onWire(server, '/api/items', 'waits').length).toBeLessThanOrEqual(1)
  })
})

describe("the caller's abort during a recall", () => {
  interface Recalled extends Stage {
    time: TurnedClock
    controller: AbortController
    /** What the caller of the stale request gets. */
    mine: Promise<Error>
    rejected: Promise<Response>
    /** Lets the refresh and the slow requests go on. */
    finish(): void
  }

  /** A stale request is on the wire, and a refresh, which is not answered, for another one. */
  async function stale(way: keyof typeof ways, options: Parameters<typeof stage>[0] = {}): Promise<Recalled> {
    const time = newClock()
    const given = await stage({ ...options, session: { recall: 'safe', clock: time.clock } })
    const { server, api, at } = given
    const slow = server.hold('/api/late')
    const refreshes = server.hold('/token')
    const controller = new AbortController()
    const { signal } = controller
    const mine = failureOf(api(...(ways[way]?.(at('/api/late'), { signal }) ?? [''])))
    await slow.untilArrived()
    server.expireAccessTokens()
    const rejected = api(at('/api/items'))
    await refreshes.untilArrived()
    const finish = (): void => {
      refreshes.release()
      slow.release()
    }
    return { ...given, time, controller, mine, rejected, finish }
  }

  describe.each(Object.keys(ways))('by a signal %s', (way) => {
    test('while the recalled request waits: it rejects, and is not replayed', async () => {
      const { server, session, time, controller, mine, rejected, finish } = await stale(way)
      const seen = watch(session)
      await time.advance(250)
      await seen.until('request-recalled')
      await landed(server, '/api/late')
      controller.abort(REASON)
      expect(await mine).toBe(REASON)
      finish()
      expect((await rejected).status).toBe(200)
      expect(onWire(server, '/api/late')).toHaveLength(1)
      expect(server.count.refreshes).toBe(1)
    })

    test('at the very moment of the recall: it rejects, and is not replayed', async () => {
      const { server, session, time, controller, mine, rejected, finish } = await stale(way)
      session.observe(({ type }) => type === 'request-recalled' && controller.abort(REASON))
      await time.advance(250)
      expect(await mine).toBe(REASON)
      finish()
      await rejected
      expect(onWire(server, '/api/late')).toHaveLength(1)
    })

    test('just before the recall: it is the caller’s', async () => {
      const { server, time, controller, mine, rejected, finish } = await stale(way)
      await time.advance(249)
      controller.abort(REASON)
      await time.advance(1)
      expect(await mine).toBe(REASON)
      finish()
      await rejected
      expect(onWire(server, '/api/late')).toHaveLength(1)
    })

    test('while fetch has not let go of it yet, and the refresh is done: it is not replayed', async () => {
      const recalled = deferred<void>()
      const letGo = deferred<void>()
      const own: typeof fetch = async (...all) => {
        try {
          return await fetch(...all)
        } catch (error) {
          recalled.resolve()
          await letGo.promise
          throw error
        }
      }
      const { server, session, at, time, controller, mine, rejected, finish } = await stale(way, {
        fetch: { fetch: own },
      })
      const seen = watch(session)
      await time.advance(250)
      await recalled.promise
      controller.abort(REASON)
      finish()
      await rejected
      letGo.resolve()
      await mine
      const replayed = seen.events.flatMap((event) =>
        event.type === 'request-replayed' ? event.request.url : [],
      )
      expect(replayed).toEqual([at('/api/items')])
      expect(onWire(server, '/api/late')).toHaveLength(1)
      expect(server.count.refreshes).toBe(1)
    })
  })
})
