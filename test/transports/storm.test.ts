import { describe, expect, test } from 'vitest'
import { expired, newClock, signIn, startServer, times, watch } from '../setup.ts'
import { ALL_CLIENTS, type Api } from './client.ts'

/** So many requests at once; how many were answered with their own item. */
async function storm(api: Api, count: number): Promise<{ served: number; failed: number }> {
  const outcomes = await Promise.all(times(count, (id) => api(`/api/items?id=${id}`)))
  const served = outcomes.filter(({ status, data }, id) => status === 200 && data.id === String(id)).length
  return { served, failed: count - served }
}

describe.each(ALL_CLIENTS)('$name', (client) => {
  describe('a storm of fifty requests', () => {
    test('on an expiry the client can see: one refresh, fifty requests, no failure', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server, { tokens: expired(server.mint()) }))
      server.expireAccessTokens()
      expect(await storm(api, 50)).toEqual({ served: 50, failed: 0 })
      expect(server.count).toMatchObject({
        refreshes: 1,
        refreshRequests: 1,
        api: 50,
        rejected: 0,
        reuses: 0,
      })
    })

    test('on a revocation the client cannot see: one refresh, at most a hundred requests, no failure', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      server.expireAccessTokens()
      expect(await storm(api, 50)).toEqual({ served: 50, failed: 0 })
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
      expect(server.count.api).toBeLessThanOrEqual(100)
    })

    test('on a revocation while the answers come one by one: one refresh, each request sent twice at most', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const gate = server.hold('/api/items')
      const answers = storm(api, 50)
      await gate.untilArrived(50)
      gate.release(1)
      await seen.until('refresh-succeeded')
      for (let late = 0; late < 49; late++) {
        gate.release(1)
        await seen.until('request-replayed', late + 1)
      }
      gate.release()
      expect(await answers).toEqual({ served: 50, failed: 0 })
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 100, rejected: 50 })
    })

    test('with valid tokens: no refresh, and exactly the requests that were made', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      expect(await storm(api, 50)).toEqual({ served: 50, failed: 0 })
      expect(server.count).toMatchObject({ refreshRequests: 0, api: 50, rejected: 0 })
    })
  })

  describe('a storm whose refresh goes wrong', () => {
    test('a refresh that is refused: all fifty settle with their own 401, and the session ends once', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.revokeFamily('alice')
      const gate = server.hold('/api/items')
      const errors = Promise.all(times(50, (id) => api(`/api/items?id=${id}`)))
      await gate.untilArrived(50)
      gate.release()
      for (const error of await errors) {
        expect(error).toMatchObject({ status: 401 })
        expect(error.code).toBe('session_expired')
      }
      expect(seen.of('signed-out')).toHaveLength(1)
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 50 })
    })

    test('a refresh that fails for now: all fifty settle with refresh_failed, and later ones are served', async () => {
      const time = newClock()
      const server = await startServer()
      const session = signIn(server, { clock: time.clock, tokens: expired(server.mint()), retries: 0 })
      const api = client.attach(server, session)
      server.fault('503')
      for (const error of await Promise.all(times(50, () => api('/api/items')))) {
        expect(error.code).toBe('refresh_failed')
      }
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
      await time.advance(1_000)
      expect(await storm(api, 50)).toEqual({ served: 50, failed: 0 })
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, api: 50 })
    })

    test('a refresh that hangs: all fifty settle at the deadline, and the refresh token is sent once', async () => {
      const time = newClock()
      const server = await startServer()
      const session = signIn(server, { clock: time.clock, tokens: expired(server.mint()), deadline: 5_000 })
      const seen = watch(session)
      const api = client.attach(server, session)
      server.fault('hang')
      const errors = Promise.all(times(50, () => api('/api/items')))
      await server.until('fault')
      await seen.until('request-held', 50)
      await time.advance(5_000)
      for (const error of await errors) expect(error.code).toBe('refresh_timeout')
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
      server.release()
      await seen.until('refresh-succeeded')
      expect(await storm(api, 50)).toEqual({ served: 50, failed: 0 })
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 50, reuses: 0 })
    })
  })

  describe('requests with effects', () => {
    for (const recall of ['safe', 'none'] as const) {
      test(`twenty executed POSTs in flight during a refresh: none is executed twice (recall: ${recall})`, async () => {
        const server = await startServer()
        const session = signIn(server, { recall, recallAfter: 0 })
        const api = client.attach(server, session)
        const ids = times(20, (id) => `order-${id}`)
        const gate = server.hold('/api/effects')
        const posts = Promise.all(ids.map((id) => api(`/api/effects?id=${id}`, { method: 'POST', body: id })))
        await gate.untilArrived(20)
        await server.until('effect', 20)
        server.expireAccessTokens()
        expect((await api('/api/items')).data.generation).toBe(2)
        gate.release()

        expect((await posts).map(({ data }) => data)).toEqual(
          ids.map((id) => ({ id, times: 1, user: 'alice' })),
        )
        expect(ids.map((id) => server.effects(id))).toEqual(times(20, () => 1))
        expect(server.requests.filter(({ path }) => path === '/api/effects')).toHaveLength(20)
        expect(server.count).toMatchObject({ refreshes: 1, effects: 20, api: 22 })
      })
    }

    test('twenty POSTs that are refused are each executed once', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      server.expireAccessTokens()
      const ids = times(20, (id) => `order-${id}`)
      await Promise.all(ids.map((id) => api(`/api/effects?id=${id}`, { method: 'POST', body: id })))
      expect(ids.map((id) => server.effects(id))).toEqual(times(20, () => 1))
      expect(server.count).toMatchObject({ refreshes: 1, effects: 20 })
    })
  })
})
