import { memoryStore, type Session } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import {
  expired,
  newClock,
  open,
  refreshAt,
  signIn,
  startServer,
  times,
  watch,
  withoutJitter,
} from '../setup.ts'
import { type Api, type Call, CLIENTS, type Outcome } from './client.ts'

function byId(one: { id?: string | undefined }, other: { id?: string | undefined }): number {
  return Number(one.id) - Number(other.id)
}

describe.each(CLIENTS)('$name', (client) => {
  describe('a storm of 401s', () => {
    test('a hundred simultaneous 401s lead to one refresh, a hundred replays and a hundred answers', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const gate = server.hold('/api/items')
      const answers = Promise.all(times(100, (id) => api(`/api/items?id=${id}`)))
      await gate.untilArrived(100)
      gate.release()

      expect((await answers).map(({ data }) => data)).toEqual(
        times(100, (id) => ({ id: String(id), user: 'alice', generation: 2 })),
      )
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 200, rejected: 100 })
      expect(seen.of('request-replayed')).toHaveLength(100)
    })
  })

  describe('requests during a refresh', () => {
    test('requests that arrive while a refresh runs are held, and sent once with the new token, in order of arrival', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const refresh = server.hold('/token')
      const first = api('/api/items?id=first')
      await refresh.untilArrived()
      const ids = times(20, String)
      const held = ids.map((id) => api(`/api/items?id=${id}`))
      await seen.until('request-held', 20)
      expect(server.count.api).toBe(1)
      refresh.release()

      await Promise.all([first, ...held])
      const sent = server.requests.filter(({ id }) => id !== 'first')
      expect(sent.map(({ id, generation }) => ({ id, generation })).sort(byId)).toEqual(
        ids.map((id) => ({ id, generation: 2 })),
      )
      const order = seen.events.flatMap((event) => (event.type === 'request-sent' ? [event.request.id] : []))
      expect(order).toEqual([...order].sort((a, b) => a - b))
      expect(order).toHaveLength(21)
      expect(server.count).toMatchObject({ refreshes: 1, api: 22, rejected: 1 })
    })

    test('requests that follow an expiry the client can see are not sent before the refresh', async () => {
      const server = await startServer()
      const session = signIn(server, { tokens: expired(server.mint()) })
      const api = client.attach(server, session)
      server.expireAccessTokens()
      await Promise.all(times(20, (id) => api(`/api/items?id=${id}`)))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 20, rejected: 0 })
    })
  })

  describe('a late 401', () => {
    test('a late 401 of an older generation is replayed without another refresh', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server, { recall: 'none' }))
      server.expireAccessTokens()
      const gate = server.hold('/api/items?id=late')
      const late = api('/api/items?id=late')
      await gate.untilArrived()
      await api('/api/items?id=early')
      expect(server.count.refreshes).toBe(1)
      gate.release()
      expect((await late).data).toMatchObject({ id: 'late', generation: 2 })
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 4, rejected: 2 })
    })

    test('a late 401 from two generations ago is replayed with the newest token', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server, { recall: 'none' }))
      server.expireAccessTokens()
      const gate = server.hold('/api/items?id=late')
      const late = api('/api/items?id=late')
      await gate.untilArrived()
      await api('/api/items')
      server.expireAccessTokens()
      await api('/api/items')
      gate.release()
      expect((await late).data.generation).toBe(3)
      expect(server.count).toMatchObject({ refreshes: 2, api: 6, rejected: 3 })
    })
  })

  describe('a generation whose refresh failed', () => {
    test('a late 401 of a generation whose refresh failed gets the same error and no further refresh', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server, { retries: 0 }))
      server.expireAccessTokens()
      server.fault('503', { times: Number.POSITIVE_INFINITY })
      const gate = server.hold('/api/items?id=late')
      const late = api('/api/items?id=late')
      await gate.untilArrived()
      const early = await api('/api/items?id=early')
      expect(server.count.refreshRequests).toBe(1)
      gate.release()

      const errors = [early, await late]
      for (const error of errors) expect(error).toMatchObject({ status: 401 })
      expect(errors[0]?.code).toBe('refresh_failed')
      expect(errors[1]?.why).toBe(errors[0]?.why)
      expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1, api: 2 })
    })

    test('once the cooldown is over, the next 401 asks again', async () => {
      const time = newClock()
      const server = await startServer()
      const api = client.attach(server, signIn(server, { retries: 0, clock: time.clock }))
      server.expireAccessTokens()
      server.fault('503')
      await api('/api/items')
      await api('/api/items')
      expect(server.count.refreshRequests).toBe(1)
      await time.advance(1_000)
      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2 })
    })
  })

  describe('several clients', () => {
    test('three of a kind and getAccessToken share one refresh', async () => {
      const server = await startServer()
      const session = signIn(server)
      const clients = times(3, () => client.attach(server, session))
      server.expireAccessTokens()
      const gate = server.hold('/api/items')
      const answers = Promise.all(
        clients.flatMap((api, n) => times(5, (id) => api(`/api/items?id=${n}-${id}`))),
      )
      await gate.untilArrived(15)
      const refresh = server.hold('/token')
      gate.release()
      await refresh.untilArrived()
      const token = session.getAccessToken()
      refresh.release()

      expect((await answers).map(({ data }) => data.generation)).toEqual(times(15, () => 2))
      expect(server.requests.at(-1)?.generation).toBe(2)
      await expect(fetchItems(server, await token)).resolves.toBe(200)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, rejected: 15 })
    })

    test('two sessions never meet', async () => {
      const server = await startServer()
      const alice = client.attach(server, signIn(server))
      const bob = client.attach(server, signIn(server, { tokens: server.mint('bob') }))
      server.expireAccessTokens()
      const [a, b] = await Promise.all([alice('/api/items'), bob('/api/items')])
      expect([a.data.user, b.data.user]).toEqual(['alice', 'bob'])
      expect(server.count).toMatchObject({ refreshes: 2, api: 4 })
    })
  })

  async function fetchItems(server: AuthServer, token: string): Promise<number> {
    const response = await fetch(`${server.url}/api/items`, { headers: { authorization: `Bearer ${token}` } })
    return response.status
  }

  describe('a refresh that uses the guarded client itself', () => {
    interface Guarded {
      api: Api
      server: AuthServer
      session: Session
    }

    /** `refresh` posts the refresh token through the very client that is attached. */
    async function guarded(
      post: (api: Api, call: Call, signal: AbortSignal) => Promise<Outcome>,
      options = {},
      token = 'refreshToken',
    ): Promise<Guarded> {
      const server = await startServer()
      const session = signIn(server, {
        refresh: async ({ tokens, signal }) => {
          const body = JSON.stringify({ refresh_token: tokens?.[token] })
          const headers = { 'content-type': 'application/json' }
          const { status, data, settled } = await post(api, { method: 'POST', headers, body }, signal)
          if (status !== 200) throw settled
          return data
        },
        ...options,
      })
      const api = client.attach(server, session)
      server.expireAccessTokens()
      return { api, server, session }
    }

    test('a refresh that calls it directly is recognised', async () => {
      const { api, server, session } = await guarded((api, call) => api('/refresh', call))
      const seen = watch(session)
      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 2 })
      expect(seen.of('request-ignored')).toMatchObject([
        { reason: 'refresh', request: { method: 'POST', url: `${server.url}/refresh` } },
      ])
    })

    test('a refresh that calls it after an await is recognised by the signal of the refresh', async () => {
      const { api, server, session } = await guarded(async (api, call, signal) => {
        await Promise.resolve()
        return api('/refresh', { ...call, signal })
      })
      const seen = watch(session)
      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 2 })
      expect(seen.of('request-ignored')).toMatchObject([{ reason: 'refresh' }])
    })

    test('a refresh that calls it after an await is let through with `session: false`', async () => {
      const { api, server, session } = await guarded(async (api, call) => {
        await Promise.resolve()
        return api('/refresh', { ...call, session: false })
      })
      const seen = watch(session)
      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 2 })
      expect(seen.of('request-ignored')).toMatchObject([{ reason: 'opted-out' }])
    })

    test('a refresh that gives no sign after an await ends at once with an error that names its request', async () => {
      let inner: Promise<Outcome> | undefined
      const { api, server, session } = await guarded(async (api, call) => {
        await Promise.resolve()
        inner = api('/refresh', call)
        return inner
      })
      const outcome = await api('/api/items')
      expect(outcome).toMatchObject({ status: 401, code: 'refresh_failed' })
      expect(outcome.why?.message).toContain(`POST ${server.url}/refresh`)
      expect((await inner)?.status).toBe(0)
      expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
    })

    test('a refresh whose own request is answered 401 ends the session instead of going round', async () => {
      const { api, server, session } = await guarded((api, call) => api('/refresh', call), {}, 'wrong')
      expect(await api('/api/items')).toMatchObject({ status: 401, code: 'session_expired' })
      expect(session.state.status).toBe('signed-out')
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 1 })
    })
  })

  describe('a waiter that leaves', () => {
    test('the refresh goes on when the first waiter aborts', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const refresh = server.hold('/token')
      const controller = new AbortController()
      const first = api('/api/items?id=first', { signal: controller.signal })
      await refresh.untilArrived()
      const others = times(5, (id) => api(`/api/items?id=${id}`))
      await seen.until('request-held', 5)
      controller.abort()
      expect((await first).aborted).toBe(true)
      refresh.release()

      expect((await Promise.all(others)).map(({ data }) => data.generation)).toEqual(times(5, () => 2))
      expect(server.requests.filter(({ id }) => id === 'first')).toHaveLength(1)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0, api: 6 })
    })

    test('the result of a refresh is saved when all waiters have left', async () => {
      const server = await startServer()
      const session = signIn(server, { tokens: expired(server.mint()) })
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const refresh = server.hold('/token')
      const controller = new AbortController()
      const { signal } = controller
      const waiters = times(3, () => api('/api/items', { signal }))
      await refresh.untilArrived()
      controller.abort()
      for (const error of await Promise.all(waiters)) expect(error.aborted).toBe(true)
      refresh.release()
      await seen.until('refresh-succeeded')

      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0, api: 1 })
    })
  })

  describe('a permanent 401', () => {
    test('an endpoint that refuses every token costs one refresh and one replay, then its 401 is the caller’s', async () => {
      const server = await startServer()
      const session = signIn(server)
      const api = client.attach(server, session)
      expect(await api('/api/never?id=1')).toMatchObject({ status: 401, code: undefined })
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 2, rejected: 2 })
      expect(session.state.status).toBe('signed-in')
    })
  })

  describe('successive expiries', () => {
    test('eight expiries in a row are each cured by one refresh, and nothing is left of the one before', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      for (let cycle = 1; cycle <= 8; cycle++) {
        server.expireAccessTokens()
        const gate = server.hold('/api/items')
        const answers = Promise.all(times(5, (id) => api(`/api/items?id=${id}`)))
        await gate.untilArrived(5)
        gate.release()
        expect((await answers).map(({ data }) => data.generation)).toEqual(times(5, () => cycle + 1))
        expect(server.count).toMatchObject({ refreshes: cycle, api: cycle * 10, reuses: 0 })
        expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
      }
      expect(seen.of('refresh-succeeded')).toHaveLength(8)
      expect(seen.of('refresh-failed')).toHaveLength(0)
    })

    test('a failed refresh leaves nothing behind for the next expiry', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server, { clock: withoutJitter() }))
      for (const fault of ['503', '500', 'destroy-before', 'html-403'] as const) {
        server.expireAccessTokens()
        server.fault(fault)
        const answers = await Promise.all(times(5, (id) => api(`/api/items?id=${id}`)))
        expect(answers.map(({ status }) => status)).toEqual(times(5, () => 200))
      }
      expect(server.count).toMatchObject({ refreshes: 4, refreshRequests: 8, reuses: 0 })
    })
  })

  describe('clocks', () => {
    for (const [name, offset] of [
      ['an hour ahead', 3_600_000],
      ['an hour behind', -3_600_000],
    ] as const) {
      test(`a server whose clock is ${name} is served without a loop`, async () => {
        const time = newClock()
        const now = () => time.clock.now() + offset
        const server = await startServer({ now, accessTokenLifetime: 300_000 })
        const api = client.attach(server, signIn(server, { clock: time.clock, refreshAhead: 0 }))
        for (let n = 1; n <= 3; n++) {
          await api('/api/items')
          await time.advance(200_000)
          await api('/api/items')
          await time.advance(100_000)
          await api('/api/items')
          expect(server.count).toMatchObject({ refreshes: n, rejected: 0 })
        }
      })
    }

    test('after a sleep the token is renewed before the first request goes out', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now })
      const api = client.attach(server, signIn(server, { clock: time.clock }))
      await api('/api/items')
      time.sleep(8 * 3_600_000)
      await Promise.all(times(10, (id) => api(`/api/items?id=${id}`)))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 11, rejected: 0 })
    })
  })

  describe('no `expires_in`', () => {
    test('a token without a known end is used until a 401 says otherwise', async () => {
      const time = newClock()
      const server = await startServer({ expiresIn: false })
      const session = signIn(server, { clock: time.clock })
      const api = client.attach(server, session)
      await time.advance(30 * 86_400_000)
      await api('/api/items')
      expect(session.state.expiresAt).toBeUndefined()
      expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
      server.expireAccessTokens()
      await api('/api/items')
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 3 })
    })
  })

  describe('two windows', () => {
    test('in the soft window no request waits while one refresh runs in the background', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 300_000 })
      const session = signIn(server, { clock: time.clock })
      const seen = watch(session)
      const api = client.attach(server, session)
      await time.advance(230_000)
      await api('/api/items')
      expect(server.count.refreshRequests).toBe(0)
      await time.advance(25_000)
      const refresh = server.hold('/token')
      const answers = await Promise.all(times(20, (id) => api(`/api/items?id=${id}`)))
      expect(answers.map(({ data }) => data.generation)).toEqual(times(20, () => 1))
      await refresh.untilArrived()
      expect(seen.of('request-held')).toHaveLength(0)
      expect(seen.of('refresh-started')).toMatchObject([{ reason: 'ahead' }])
      refresh.release()
      await seen.until('refresh-succeeded')
      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 22, rejected: 0 })
    })

    test('a refresh that fails in the soft window is an event and nothing else', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 300_000 })
      const session = signIn(server, { clock: time.clock, retries: 0 })
      const seen = watch(session)
      const api = client.attach(server, session)
      await time.advance(255_000)
      server.fault('503')
      const answers = await Promise.all(times(10, (id) => api(`/api/items?id=${id}`)))
      expect(answers.map(({ status }) => status)).toEqual(times(10, () => 200))
      await seen.until('refresh-failed')
      // Inside the cooldown nobody asks again, and nobody waits.
      expect((await api('/api/items')).data.generation).toBe(1)
      expect(seen.of('request-held')).toHaveLength(0)
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
      expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1, api: 11, rejected: 0 })
    })

    test('in the hard window requests wait for the refresh', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 300_000 })
      const session = signIn(server, { clock: time.clock })
      const seen = watch(session)
      const api = client.attach(server, session)
      await time.advance(296_000)
      const refresh = server.hold('/token')
      const answers = Promise.all(times(10, (id) => api(`/api/items?id=${id}`)))
      await refresh.untilArrived()
      await seen.until('request-held', 10)
      expect(server.count.api).toBe(0)
      refresh.release()
      expect((await answers).map(({ data }) => data.generation)).toEqual(times(10, () => 2))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 10, rejected: 0 })
    })

    test('requests that come after the end of the token wait for a refresh that began in the soft window', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 300_000 })
      const session = signIn(server, { clock: time.clock, deadline: 60_000 })
      const seen = watch(session)
      const api = client.attach(server, session)
      await time.advance(255_000)
      const refresh = server.hold('/token')
      await api('/api/items')
      await refresh.untilArrived()
      await time.advance(45_000)
      const held = api('/api/items')
      await seen.until('request-held')
      refresh.release()
      expect((await held).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 2, rejected: 0 })
    })
  })

  describe('two waves', () => {
    test('replays that meet a second expiry the client can see are all answered after a second refresh', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 300_000 })
      const api = client.attach(server, signIn(server, { clock: time.clock }))
      const gate = server.hold('/api/late')
      const answers = Promise.all(times(10, (id) => api(`/api/late?id=${id}`)))
      await gate.untilArrived(10)
      server.expireAccessTokens()
      gate.release(10)
      await gate.untilArrived(20)
      expect(server.count.refreshes).toBe(1)
      await time.advance(300_000)
      gate.release()
      expect((await answers).map(({ data }) => data.generation)).toEqual(times(10, () => 3))
      expect(server.count).toMatchObject({ refreshes: 2, refreshRequests: 2, api: 30, rejected: 20 })
    })

    test('a replay for an expiry that the client could see does not use up the one for a 401', async () => {
      const time = newClock()
      const server = await startServer({ now: time.clock.now, accessTokenLifetime: 300_000 })
      const api = client.attach(server, signIn(server, { clock: time.clock }))
      const gate = server.hold('/api/late')
      const answer = api('/api/late')
      await gate.untilArrived(1)
      await time.advance(300_000)
      gate.release(1)
      await gate.untilArrived(2)
      server.expireAccessTokens()
      gate.release()
      expect((await answer).data.generation).toBe(3)
      expect(server.count).toMatchObject({ refreshes: 2, api: 3, rejected: 2 })
    })

    test('a replay with a token that somebody else had fetched does not use it up either', async () => {
      const server = await startServer()
      const content = new Map<string, string>()
      const storage = {
        getItem: (key: string) => content.get(key),
        setItem: (key: string, value: string) => void content.set(key, value),
        removeItem: (key: string) => void content.delete(key),
      }
      const other = signIn(server, { store: memoryStore({ storage }) })
      await other.getAccessToken()
      const session = open({ refresh: refreshAt(server), store: memoryStore({ storage }) })
      await session.getAccessToken()
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      await other.refresh()
      const gate = server.hold('/api/late')
      const answer = api('/api/late')
      await gate.untilArrived(1)
      gate.release(1)
      await gate.untilArrived(2)
      expect(seen.of('refresh-adopted')).toHaveLength(1)
      server.expireAccessTokens()
      gate.release()
      expect((await answer).data.generation).toBe(3)
      expect(server.count).toMatchObject({ refreshes: 2, refreshRequests: 2, reuses: 0, api: 3 })
    })

    test('replays that meet a second revocation are all answered once somebody else has refreshed', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      const gate = server.hold('/api/late')
      const answers = Promise.all(times(10, (id) => api(`/api/late?id=${id}`)))
      await gate.untilArrived(10)
      server.expireAccessTokens()
      gate.release(10)
      await gate.untilArrived(20)
      server.expireAccessTokens()
      await api('/api/items')
      expect(server.count.refreshes).toBe(2)
      gate.release()
      expect((await answers).map(({ data }) => data.generation)).toEqual(times(10, () => 3))
      expect(server.count).toMatchObject({ refreshes: 2, refreshRequests: 2, api: 32 })
    })

    test('new requests during the replay of the first wave cause the second refresh, and both waves are answered', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      const gate = server.hold('/api/late')
      const first = Promise.all(times(5, (id) => api(`/api/late?id=first-${id}`)))
      await gate.untilArrived(5)
      server.expireAccessTokens()
      gate.release(5)
      await gate.untilArrived(10)
      server.expireAccessTokens()
      const second = Promise.all(times(5, (id) => api(`/api/items?id=second-${id}`)))
      await second
      gate.release()
      const generations = [...(await first), ...(await second)].map(({ data }) => data.generation)
      expect(generations).toEqual(times(10, () => 3))
      expect(server.count.refreshes).toBe(2)
    })
  })

  describe('a refresh function of one line', () => {
    test('a session that is given no token asks for the first one, once', async () => {
      const server = await startServer()
      const { refresh_token } = server.mint()
      const session = open({
        refresh: ({ tokens = { accessToken: '-', refreshToken: refresh_token }, ...context }) =>
          refreshAt(server)({ tokens, ...context }),
      })
      const api = client.attach(server, session)
      await Promise.all(times(10, (id) => api(`/api/items?id=${id}`)))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 10, rejected: 0 })
    })
  })
})

test('several axios instances, several fetches and getAccessToken share one refresh', async () => {
  const server = await startServer()
  const session = signIn(server)
  const apis = [...CLIENTS, ...CLIENTS].map((client) => client.attach(server, session))
  server.expireAccessTokens()
  const gate = server.hold('/api/items')
  const answers = Promise.all(apis.flatMap((api, n) => times(5, (id) => api(`/api/items?id=${n}-${id}`))))
  await gate.untilArrived(20)
  const refresh = server.hold('/token')
  gate.release()
  await refresh.untilArrived()
  const token = session.getAccessToken()
  // What comes now is held, whichever client it comes by.
  const held = apis.map((api) => api('/api/echo'))
  refresh.release()

  expect((await answers).map(({ data }) => data.generation)).toEqual(times(20, () => 2))
  for (const { data } of await Promise.all(held))
    expect(data.headers.authorization).toBe(`Bearer ${await token}`)
  expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, rejected: 20, api: 44 })
})
