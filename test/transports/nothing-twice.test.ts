import type { ServerResponse } from 'node:http'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { received, times, watch } from '../setup.ts'
import { ALL_CLIENTS } from './client.ts'
import { stage } from './stage.ts'
import { landed, onWire } from './wire.ts'

/** The next refresh is not answered until the test does it. */
function unansweredRefresh(server: AuthServer): Promise<ServerResponse> {
  return new Promise((resolve) => {
    server.fault('custom', { respond: (_, response) => resolve(response) })
  })
}

describe.each(ALL_CLIENTS)('$name: nothing is executed twice', (client) => {
  describe('requests that are not safe', () => {
    test.each(['POST', 'PUT', 'PATCH', 'DELETE'])(
      'an executed %s is never aborted while a 401 elsewhere starts a refresh, and is executed once',
      async (method) => {
        const { server, session, api, time } = await stage(client, { recall: 'safe' })
        const seen = watch(session)
        const answers = server.hold('/api/effects')
        const slow = server.hold('/api/late')
        const refreshes = server.hold('/token')
        const payment = api('/api/effects?id=pay', { method })
        await answers.untilArrived()
        const stale = api('/api/late')
        await slow.untilArrived()
        server.expireAccessTokens()
        const rejected = api('/api/items')
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

    test('a POST whose own token is refused late is replayed after its own 401, and is executed once', async () => {
      const { server, api, time } = await stage(client, { recall: 'safe' })
      const late = server.hold('/api/effects-late')
      const refreshes = server.hold('/token')
      const payment = api('/api/effects-late?id=pay', { method: 'POST' })
      await late.untilArrived()
      server.expireAccessTokens()
      const rejected = api('/api/items')
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

    test('a POST that got no answer is not sent again by anybody', async () => {
      const { server, api, time } = await stage(client, { recall: 'safe' })
      server.fault('destroy-after', { on: '/api/effects' })
      const refreshes = server.hold('/token')
      server.expireAccessTokens()
      const rejected = api('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      refreshes.release()
      await rejected
      const error = await api('/api/effects?id=pay', { method: 'POST' })

      expect(error).toMatchObject({ status: 0, code: undefined, refused: false })
      expect(server.effects('pay')).toBe(1)
      expect(onWire(server, '/api/effects')).toHaveLength(1)
    })
  })

  describe('recall', () => {
    test.each(['GET', 'HEAD', 'OPTIONS'])(
      'a stale %s without an answer is recalled when the refresh has been unanswered for recallAfter, and replayed',
      async (method) => {
        const { server, session, api, time } = await stage(client, { recall: 'safe' })
        const seen = watch(session)
        const slow = server.hold('/api/late')
        const refreshes = server.hold('/token')
        const stale = api('/api/late?id=slow', { method })
        await slow.untilArrived()
        server.expireAccessTokens()
        const rejected = api('/api/items')
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

    test('twenty stale requests are recalled and replayed, each once', async () => {
      const { server, api, time } = await stage(client, { recall: 'safe' })
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = times(20, (id) => api(`/api/late?id=${id}`))
      await slow.untilArrived(20)
      server.expireAccessTokens()
      const rejected = api('/api/items')
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

    test('recalled for nothing: when the refresh fails for now, the request is sent again as it was', async () => {
      const { server, session, api, received, time } = await stage(client, { recall: 'safe', retries: 0 })
      const seen = watch(session)
      const slow = server.hold('/api/echo')
      const refresh = unansweredRefresh(server)
      const request = api('/api/echo?id=slow', { headers: { 'x-mine': 'kept' } })
      await slow.untilArrived()
      const never = api('/api/never')
      const response = await refresh
      await time.advance(250)
      await server.until(() => onWire(server, '/api/echo')[0]?.aborted === true)
      response.writeHead(503).end()
      const error = await never
      expect(error).toMatchObject({ status: 401, code: 'refresh_failed' })
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

    test('recalled for nothing, and its token has expired meanwhile: it is sent again as it was, all the same', async () => {
      const { server, session, api, time } = await stage(client, {
        recall: 'safe',
        refreshAhead: 0,
        leeway: 0,
      })
      await session.signIn({ ...server.mint('alice'), expires_in: 300 })
      await time.advance(295_000)
      const slow = server.hold('/api/late')
      const refresh = unansweredRefresh(server)
      const request = api('/api/late')
      await slow.untilArrived()
      const never = api('/api/never')
      const response = await refresh
      await time.advance(250)
      await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
      await time.advance(10_000)
      expect(await never).toMatchObject({ status: 401, code: 'refresh_timeout' })
      slow.release()
      expect((await request).status).toBe(200)
      expect(onWire(server, '/api/late')).toHaveLength(2)
      response.writeHead(503).end()
    })

    test('recalled, and the refresh is refused for good: the request rejects with session_expired and is not sent again', async () => {
      const { server, api, time } = await stage(client, { recall: 'safe' })
      const slow = server.hold('/api/late')
      const refresh = unansweredRefresh(server)
      const stale = api('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api('/api/items')
      const response = await refresh
      await time.advance(250)
      await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}')
      expect(await stale).toMatchObject({ refused: true, aborted: false, code: 'session_expired' })
      expect((await rejected).status).toBe(401)
      expect(onWire(server, '/api/late')).toHaveLength(1)
      expect(server.count.api).toBe(2)
    })

    test('a replay that is recalled is no further replay', async () => {
      const { server, session, api, time } = await stage(client, { recall: 'safe', replays: 2 })
      const seen = watch(session)
      const first = server.hold('/token')
      server.expireAccessTokens()
      const twice = api('/api/late')
      await first.untilArrived()
      const replay = server.hold('/api/late')
      first.release()
      await replay.untilArrived()
      // While it is on its way, another one needs a refresh, and what that brings is refused as well.
      const second = server.hold('/token')
      server.expireAccessTokens()
      const rejected = api('/api/items')
      await second.untilArrived()
      await time.advance(250)
      expect(seen.of('request-recalled')).toHaveLength(1)
      server.expireAccessTokens()
      replay.release()
      second.release()
      expect(await Promise.all([rejected, twice])).toMatchObject([{ status: 200 }, { status: 200 }])
      expect(server.count, server.explain()).toMatchObject({ refreshes: 3, reuses: 0 })
    })

    test('a refresh that is answered before recallAfter recalls nothing, then or later', async () => {
      const { server, session, api, time } = await stage(client, { recall: 'safe' })
      const seen = watch(session)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = api('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api('/api/items')
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

    test('a forced refresh recalls nothing: no token was refused', async () => {
      const { server, session, api, time } = await stage(client, { recall: 'safe' })
      const seen = watch(session)
      const slow = server.hold('/api/items')
      const refreshes = server.hold('/token')
      const request = api('/api/items')
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

    test('outside of browsers nothing is recalled unless one asks for it', async () => {
      const { server, session, api, time } = await stage(client)
      const seen = watch(session)
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = api('/api/late')
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = api('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      refreshes.release()
      await rejected
      slow.release()
      await stale

      expect(seen.of('request-recalled')).toEqual([])
      expect((await landed(server, '/api/late')).map(({ status }) => status)).toEqual([401, 200])
    })

    test('a request of a former sign-in is left on the wire: it could not be sent again', async () => {
      const { server, session, api, time } = await stage(client, { recall: 'safe' })
      const slow = server.hold('/api/late')
      const former = api('/api/late')
      await slow.untilArrived()
      await session.signIn(received(server.mint('alice'), time.clock))
      const seen = watch(session)
      const refreshes = server.hold('/token')
      server.expireAccessTokens()
      const rejected = api('/api/items')
      await refreshes.untilArrived()
      await time.advance(5_000)
      expect(seen.of('request-recalled')).toEqual([])
      refreshes.release()
      expect((await rejected).status).toBe(200)
      slow.release()
      expect((await former).status).toBe(401)
      expect(await landed(server, '/api/late')).toMatchObject([{ status: 401 }])
    })

    test('a single request may opt out of the recall', async () => {
      const { server, session, api, time } = await stage(client, { recall: 'safe' })
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const kept = api('/api/late?id=kept', { session: { recall: false } })
      const stale = api('/api/late?id=recalled')
      await slow.untilArrived(2)
      server.expireAccessTokens()
      const seen = watch(session)
      const rejected = api('/api/items')
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
})
