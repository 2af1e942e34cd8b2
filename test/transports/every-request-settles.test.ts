import { getEventListeners } from 'node:events'
import type { Session } from 'refresh-once'
import type { AuthServer, FaultKind } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import {
  expired,
  NOBODY,
  newClock,
  open,
  refreshAt,
  signIn,
  startServer,
  times,
  watch,
  withoutJitter,
} from '../setup.ts'
import { type Api, type Call, CLIENTS } from './client.ts'

describe.each(CLIENTS)('$name', (client) => {
  /** Requests that arrived at guarded routes without any token. */
  function bare(server: AuthServer): number {
    return server.requests.filter(({ family }) => family === 'none').length
  }

  describe('invalid_grant', () => {
    test('with twenty waiting, all settle at once: those that have a 401 with it, the others with session_expired', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.revokeFamily('alice')
      const refresh = server.hold('/token')
      const gate = server.hold('/api/items')
      const sent = times(10, (id) => api(`/api/items?id=${id}`))
      await gate.untilArrived(10)
      gate.release()
      await refresh.untilArrived()
      const held = times(10, () => api('/api/echo'))
      await seen.until('request-held', 10)
      await server.until('rejected', 10)
      refresh.release()

      for (const error of await Promise.all(sent)) {
        expect(error).toMatchObject({ status: 401, code: 'session_expired', refused: false })
      }
      for (const error of await Promise.all(held)) {
        expect(error).toMatchObject({ status: 0, code: 'session_expired', refused: true })
      }
      expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
      expect(session.state).toMatchObject({ status: 'signed-out', refreshing: false })
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 10, rejected: 10 })
    })

    test('the next request goes out bare, its 401 is passed through, and nobody refreshes', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      server.revokeFamily('alice')
      await api('/api/items')
      const error = await api('/api/items')
      expect(error).toMatchObject({ status: 401 })
      expect(error.code).toBeUndefined()
      expect(bare(server)).toBe(1)
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
    })
  })

  describe('a reload with an HttpOnly refresh cookie', () => {
    function restoring(server: AuthServer, cookie: string | undefined): Session {
      return open({
        // Browsers do this by themselves with `credentials: 'include'`.
        refresh: ({ signal }) =>
          fetch(`${server.url}/refresh`, { method: 'POST', signal, headers: cookie ? { cookie } : {} }),
      })
    }

    test('the first requests wait for one refresh, and all are served', async () => {
      const server = await startServer()
      const session = restoring(server, `refresh_token=${server.mint('alice').refresh_token}`)
      const api = client.attach(server, session)
      expect(session.state.status).toBe('unknown')
      const answers = await Promise.all(times(10, (id) => api(`/api/items?id=${id}`)))
      expect(answers.map(({ data }) => data.user)).toEqual(times(10, () => 'alice'))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 10, rejected: 0 })
      expect(session.state.status).toBe('signed-in')
    })

    test('an anonymous visitor costs one refused refresh, is quietly signed out, and the requests go out bare', async () => {
      const server = await startServer()
      const session = restoring(server, undefined)
      const api = client.attach(server, session)
      const answers = await Promise.all(times(5, () => api('/public/echo')))
      for (const { data } of answers) expect(data.headers).not.toHaveProperty('authorization')
      expect(session.state).toMatchObject({ status: 'signed-out', refreshing: false })

      const error = await api('/api/items')
      expect(error).toMatchObject({ status: 401 })
      expect(error.code).toBeUndefined()
      expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1, api: 1 })
    })
  })

  describe('a login through the same instance', () => {
    const login = (password: string): Call => ({
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'alice', password }),
    })

    test('the 401 of a wrong password is the caller’s when nobody is signed in', async () => {
      const server = await startServer()
      const session = signIn(server, { tokens: null })
      const api = client.attach(server, session)
      const error = await api('/login', login('wrong'))
      expect(error).toMatchObject({ status: 401, data: { error: 'invalid_credentials' } })
      expect(error.code).toBeUndefined()
      expect(server.count.refreshRequests).toBe(0)

      const { data } = await api('/login', login('secret'))
      await session.signIn(data)
      expect((await api('/api/items')).data.user).toBe('alice')
    })

    test('with `skip` the 401 of a wrong password is the caller’s while somebody is signed in', async () => {
      const server = await startServer()
      const skip = (url: string, method: string) => method === 'POST' && url.endsWith('/login')
      const session = signIn(server, { skip })
      const seen = watch(session)
      const api = client.attach(server, session)
      const error = await api('/login', login('wrong'))
      expect(error).toMatchObject({ status: 401 })
      expect(error.code).toBeUndefined()
      expect(server.log.filter(({ kind }) => kind === 'login')).toHaveLength(2)
      expect(server.count.refreshRequests).toBe(0)
      expect(seen.of('request-ignored')).toMatchObject([{ reason: 'skipped' }])
      expect(session.state.status).toBe('signed-in')
    })

    test('with `skip` a login does not wait for a refresh that runs', async () => {
      const server = await startServer()
      const session = signIn(server, {
        tokens: expired(server.mint()),
        skip: (url) => url.endsWith('/login'),
      })
      const api = client.attach(server, session)
      const refresh = server.hold('/token')
      const held = api('/api/items')
      await refresh.untilArrived()
      expect((await api('/login', login('secret'))).status).toBe(200)
      refresh.release()
      expect((await held).status).toBe(200)
    })
  })

  describe('pages that are no answer of the authorization server', () => {
    for (const [name, fault] of [
      ['a 403 page of a firewall', 'html-403'],
      ['a 400 page of a bad deploy', 'html-400'],
      ['a 200 page of a captive portal', 'html-200'],
    ] as const) {
      // A 200 came whole: if it has spent the refresh token, sending that at once would be a reuse.
      if (fault !== 'html-200')
        test(`${name} does not end the session, and the next try serves everybody`, async () => {
          const server = await startServer()
          const session = signIn(server, { clock: withoutJitter() })
          const seen = watch(session)
          const api = client.attach(server, session)
          server.expireAccessTokens()
          server.fault(fault)
          const answers = await Promise.all(times(10, (id) => api(`/api/items?id=${id}`)))
          expect(answers.map(({ status }) => status)).toEqual(times(10, () => 200))
          expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
          expect(seen.of('signed-out')).toHaveLength(0)
        })

      test(`${name} that stays fails the refresh for now and keeps the session`, async () => {
        const time = newClock()
        const server = await startServer()
        const session = signIn(server, { clock: time.clock, retries: 0 })
        const api = client.attach(server, session)
        server.expireAccessTokens()
        const withdraw = server.fault(fault, { times: Number.POSITIVE_INFINITY })
        const error = await api('/api/items')
        expect(error).toMatchObject({ status: 401 })
        expect(error.code).toBe('refresh_failed')
        expect(session.state.status).toBe('signed-in')
        withdraw()
        await time.advance(1_000)
        expect((await api('/api/items')).status).toBe(200)
        expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
      })
    }
  })

  describe('a refresh that fails for now', () => {
    const faults: FaultKind[] = ['500', '503', 'destroy-before', 'json-truncated']

    for (const fault of faults) {
      if (fault !== 'json-truncated')
        test(`${fault}, once: the refresh is tried again and all requests are served`, async () => {
          const server = await startServer()
          const session = signIn(server, { clock: withoutJitter() })
          const seen = watch(session)
          const api = client.attach(server, session)
          server.expireAccessTokens()
          server.fault(fault)
          const answers = await Promise.all(times(20, (id) => api(`/api/items?id=${id}`)))
          expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200))
          expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0, api: 40 })
          expect(seen.of('refresh-failed')).toHaveLength(0)
        })

      test(`${fault}, for good: all get refresh_failed, the tokens are kept, and a later request recovers`, async () => {
        const time = newClock()
        const server = await startServer()
        const session = signIn(server, { clock: time.clock, retries: 0 })
        const seen = watch(session)
        const api = client.attach(server, session)
        server.expireAccessTokens()
        const withdraw = server.fault(fault, { times: Number.POSITIVE_INFINITY })
        const gate = server.hold('/api/items')
        const errors = Promise.all(times(20, (id) => api(`/api/items?id=${id}`)))
        await gate.untilArrived(20)
        gate.release()
        for (const error of await errors) {
          expect(error).toMatchObject({ status: 401 })
          expect(error.code).toBe('refresh_failed')
        }
        expect(seen.of('refresh-failed')).toHaveLength(1)
        expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
        withdraw()
        await time.advance(1_000)
        expect((await api('/api/items')).data.generation).toBe(2)
        expect(server.count).toMatchObject({ refreshes: 1, reuses: 0, api: 22 })
      })
    }

    test('requests that wait without a 401 of their own reject with refresh_failed and are never sent', async () => {
      const server = await startServer()
      const session = signIn(server, { retries: 0, tokens: expired(server.mint()) })
      const api = client.attach(server, session)
      server.fault('503')
      for (const error of await Promise.all(times(10, () => api('/api/items')))) {
        expect(error).toMatchObject({ status: 0, refused: true })
        expect(error.why).toMatchObject({ code: 'refresh_failed', retryAt: expect.any(Number) })
      }
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
    })

    test('an authorization server that cannot be reached is asked again, and the token is spent once', async () => {
      const server = await startServer()
      let asked = 0
      const session = signIn(server, {
        clock: withoutJitter(),
        refresh: (context) =>
          asked++ === 0
            ? fetch(NOBODY, { method: 'POST', signal: context.signal })
            : refreshAt(server)(context),
      })
      const api = client.attach(server, session)
      server.expireAccessTokens()
      expect((await api('/api/items')).status).toBe(200)
      expect(asked).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    })

    test('an answer that was lost is asked for again within the grace of the server', async () => {
      const server = await startServer({ grace: 10_000 })
      const api = client.attach(server, signIn(server))
      server.expireAccessTokens()
      server.fault('destroy-after')
      expect((await api('/api/items')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
    })

    test('without a grace, a lost answer ends the session, and the server’s log says why', async () => {
      const server = await startServer()
      const session = signIn(server)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      server.fault('destroy-after')
      const error = await api('/api/items')
      expect(error.code).toBe('session_expired')
      expect(session.state.status).toBe('signed-out')
      expect(server.log.filter(({ kind }) => kind === 'reuse')).toMatchObject([{ cause: 'lost-answer' }])
    })

    test('invalid_client is a mistake in the configuration: the session is kept', async () => {
      const server = await startServer()
      const session = signIn(server)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      server.fault('invalid-client')
      const error = await api('/api/items')
      expect(error.code).toBe('refresh_failed')
      expect(session.state.status).toBe('signed-in')
      expect(server.count.refreshRequests).toBe(1)
    })
  })

  describe('a 429', () => {
    test('Retry-After holds the refresh back, and then all are served', async () => {
      const time = newClock()
      const server = await startServer()
      const session = signIn(server, { clock: time.clock, deadline: 60_000 })
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      let refused = 0
      server.fault('custom', {
        respond: (_, response) => {
          refused++
          response.writeHead(429, { 'retry-after': '7' }).end()
        },
      })
      const answer = api('/api/items')
      await seen.until('refresh-started')
      await time.untilTimer(7_000)
      await time.advance(6_999)
      expect(refused).toBe(1)
      expect(server.count.refreshRequests).toBe(1)
      await time.advance(1)
      expect((await answer).status).toBe(200)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
    })

    test('a Retry-After beyond the deadline fails at once, and is honoured by later requests', async () => {
      const time = newClock()
      const server = await startServer()
      const api = client.attach(server, signIn(server, { clock: time.clock }))
      server.expireAccessTokens()
      server.fault('429', { retryAfter: '120' })
      const error = await api('/api/items')
      expect(error.why).toMatchObject({
        code: 'refresh_failed',
        retryAt: time.clock.now() + 120_000,
      })
      await time.advance(119_999)
      await api('/api/items')
      expect(server.count.refreshRequests).toBe(1)
      await time.advance(1)
      expect((await api('/api/items')).status).toBe(200)
      expect(server.count.refreshRequests).toBe(2)
    })
  })

  describe('a refresh that hangs', () => {
    test('waiters reject at the deadline, newcomers at their own, and the late answer is still committed', async () => {
      const time = newClock()
      const server = await startServer()
      const session = signIn(server, { clock: time.clock })
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      server.fault('slow')
      const first = api('/api/items?id=first')
      await server.until('refresh')
      const held = api('/api/items?id=held')
      await seen.until('request-held')
      await time.advance(9_999)
      const newcomer = api('/api/items?id=newcomer')
      await seen.until('request-held', 2)
      await time.advance(1)
      expect(await first).toMatchObject({ status: 401 })
      expect((await first).code).toBe('refresh_timeout')
      expect((await held).code).toBe('refresh_timeout')
      expect(session.state.refreshing).toBe(true)

      await time.advance(9_999)
      expect((await newcomer).code).toBe('refresh_timeout')
      expect(server.count.refreshRequests).toBe(1)
      server.release()
      await seen.until('refresh-succeeded')
      expect((await api('/api/items?id=later')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0, api: 2 })
    })
  })

  describe('a request that waits', () => {
    async function waiting(): Promise<{
      server: AuthServer
      api: Api
      others: () => Promise<number[]>
    }> {
      const server = await startServer()
      const session = signIn(server, { tokens: expired(server.mint()) })
      const seen = watch(session)
      const api = client.attach(server, session)
      const refresh = server.hold('/token')
      const rest = Promise.all(times(5, (id) => api(`/api/items?id=${id}`)))
      await refresh.untilArrived()
      await seen.until('request-held', 5)
      return {
        server,
        api,
        others: async () => {
          refresh.release()
          return (await rest).map(({ status }) => status)
        },
      }
    }

    test('rejects at once when its signal aborts, is never sent, and harms no other', async () => {
      const { server, api, others } = await waiting()
      const controller = new AbortController()
      const { signal } = controller
      const error = api('/api/effects?id=mine', { signal })
      controller.abort()
      expect((await error).aborted).toBe(true)
      expect(getEventListeners(signal, 'abort')).toHaveLength(0)
      expect(await others()).toEqual(times(5, () => 200))
      expect(server.effects('mine')).toBe(0)
      expect(server.count).toMatchObject({ refreshes: 1, api: 5 })
    })

    test('rejects at once when its signal was aborted before', async () => {
      const { server, api, others } = await waiting()
      const error = await api('/api/effects?id=mine', { signal: AbortSignal.abort() })
      expect(error.aborted).toBe(true)
      expect(await others()).toEqual(times(5, () => 200))
      expect(server.count).toMatchObject({ refreshes: 1, api: 5 })
    })

    test('one that is aborted between its 401 and the replay is not replayed', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server))
      server.expireAccessTokens()
      const refresh = server.hold('/token')
      const controller = new AbortController()
      const error = api('/api/items', { signal: controller.signal })
      await refresh.untilArrived()
      controller.abort()
      expect((await error).aborted).toBe(true)
      refresh.release()
      expect((await api('/api/echo')).status).toBe(200)
      expect(server.requests.filter(({ path }) => path === '/api/items')).toHaveLength(1)
    })
  })

  describe('sign-out while requests wait', () => {
    test('they reject, the result of the refresh is discarded, and nobody is resurrected', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const refresh = server.hold('/token')
      const rejected = api('/api/items?id=sent')
      await refresh.untilArrived()
      const held = times(5, () => api('/api/effects?id=held'))
      await seen.until('request-held', 5)
      await session.signOut()

      expect(await rejected).toMatchObject({ status: 401 })
      expect((await rejected).code).toBe('session_changed')
      for (const error of await Promise.all(held)) expect(error.code).toBe('session_changed')
      refresh.release()
      await server.until((log) =>
        log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'),
      )

      const error = await api('/api/items?id=after')
      expect(error).toMatchObject({ status: 401 })
      expect(session.state).toMatchObject({ status: 'signed-out', refreshing: false })
      expect(seen.of('refresh-succeeded')).toHaveLength(0)
      expect(seen.of('signed-out')).toHaveLength(1)
      expect(server.effects('held')).toBe(0)
      expect(bare(server)).toBe(1)
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
    })
  })

  describe('sign-in as another user', () => {
    test('requests of the former user that wait are never sent with the token of the new one', async () => {
      const server = await startServer()
      const session = signIn(server, { tokens: expired(server.mint('alice')) })
      const seen = watch(session)
      const api = client.attach(server, session)
      const refresh = server.hold('/token')
      const held = times(5, () => api('/api/effects?id=alice', { method: 'POST' }))
      await refresh.untilArrived()
      await seen.until('request-held', 5)
      await session.signIn(server.mint('bob'))
      const bobs = await api('/api/effects?id=bob', { method: 'POST' })
      for (const error of await Promise.all(held)) expect(error.code).toBe('session_changed')
      refresh.release()
      await server.until((log) =>
        log.some((entry) => entry.kind === 'refresh' && entry.answer === 'delivered'),
      )

      expect(bobs.data.user).toBe('bob')
      expect((await api('/api/items')).data.user).toBe('bob')
      expect([server.effects('alice'), server.effects('bob')]).toEqual([0, 1])
      expect(server.requests.map(({ user }) => user)).toEqual(['bob', 'bob'])
    })

    test('requests of the former user whose 401 waits for the refresh are not replayed as the new one', async () => {
      const server = await startServer()
      const session = signIn(server)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const refresh = server.hold('/token')
      const error = api('/api/effects?id=alice', { method: 'POST' })
      await refresh.untilArrived()
      await session.signIn(server.mint('bob'))
      expect(await error).toMatchObject({ status: 401 })
      expect((await error).code).toBe('session_changed')
      refresh.release()
      expect((await api('/api/items')).data.user).toBe('bob')
      expect(server.effects('alice')).toBe(0)
    })

    test('a late 401 of the former user is his own, and neither replayed nor a reason to refresh', async () => {
      const server = await startServer()
      const session = signIn(server)
      const seen = watch(session)
      const api = client.attach(server, session)
      server.expireAccessTokens()
      const gate = server.hold('/api/effects')
      const error = api('/api/effects?id=alice', { method: 'POST' })
      await gate.untilArrived()
      await session.signIn(server.mint('bob'))
      gate.release()
      expect(await error).toMatchObject({ status: 401 })
      expect((await error).code).toBe('session_changed')
      expect(server.effects('alice')).toBe(0)
      expect(seen.of('refresh-started')).toHaveLength(0)
      expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
    })

    test('an answer that the former user’s request gets after the change is delivered', async () => {
      const server = await startServer()
      const session = signIn(server)
      const api = client.attach(server, session)
      const gate = server.hold('/api/items')
      const answer = api('/api/items')
      await gate.untilArrived()
      await session.signIn(server.mint('bob'))
      gate.release()
      expect((await answer).data.user).toBe('alice')
    })
  })

  describe('the original 401', () => {
    test('of a failed refresh is the caller’s own, whole, and says why', async () => {
      const server = await startServer()
      const api = client.attach(server, signIn(server, { retries: 0 }))
      server.expireAccessTokens()
      server.fault('503')
      const error = await api('/api/echo?q=x', { method: 'POST', headers: { 'x-mine': 'yes' }, body: 'a' })
      expect(error).toMatchObject({ status: 401, data: { error: 'invalid_token' } })
      expect(error.header('www-authenticate')).toContain('invalid_token')
      expect(error.why).toMatchObject({
        code: 'refresh_failed',
        cause: { message: expect.stringContaining('503') },
      })
    })
  })
})
