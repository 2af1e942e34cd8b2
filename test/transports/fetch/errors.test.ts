import { getEventListeners } from 'node:events'
import { findSessionError, SessionError } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test, vi } from 'vitest'
import { failureOf, NOBODY, newClock, open, signIn, startServer, times, watch } from '../../setup.ts'
import { bearer } from '../wire.ts'
import { stage } from './stage.ts'

describe('outcomes that are none of ours', () => {
  /** What a caller can see of an outcome. */
  async function outcomeOf(promise: Promise<Response>): Promise<unknown> {
    const [{ status: settled, ...outcome }] = await Promise.allSettled([promise])
    if ('reason' in outcome) {
      const { name, message, code, cause } = outcome.reason
      const kind = Object(outcome.reason).constructor
      return { settled, kind, name, message, code, cause: cause?.code ?? cause?.message }
    }
    const { status, statusText, ok, type, redirected, url, headers, body } = outcome.value
    const { date, ...others } = Object.fromEntries(headers)
    const empty = body === null
    return {
      status,
      statusText,
      ok,
      type,
      redirected,
      url,
      headers: others,
      empty,
      text: await outcome.value.text(),
    }
  }

  type Call = (server: AuthServer) => [input: RequestInfo | URL, init?: RequestInit]

  const cases: Record<string, Call> = {
    'a 200': ({ url }) => [`${url}/api/items?id=1`],
    'a 404': ({ url }) => [`${url}/nowhere`],
    'a 500': ({ url }) => [`${url}/api/status/500`, { method: 'POST', body: 'x' }],
    'a 403 that asks for another scope': ({ url }) => [`${url}/api/forbidden`],
    'a 204, which has no body': ({ url }) => [`${url}/api/status/204`],
    'a 304, which has no body': ({ url }) => [`${url}/api/status/304`],
    'an answer to HEAD': ({ url }) => [`${url}/api/items`, { method: 'HEAD' }],
    'a connection that breaks': ({ url }) => [`${url}/api/items?id=broken`],
    'a port on which nobody listens': () => [`${NOBODY}/api/items`],
    'a request that is aborted before': ({ url }) => [`${url}/api/items`, { signal: AbortSignal.abort() }],
    'one that times out before': ({ url }) => [
      `${url}/api/items`,
      { signal: AbortSignal.abort(new DOMException('late', 'TimeoutError')) },
    ],
    'a reason that is no error': ({ url }) => [`${url}/api/items`, { signal: AbortSignal.abort('because') }],
    'a digest that does not match': ({ url }) => [`${url}/api/items`, { integrity: 'sha256-AAAA' }],
    'a redirect that may not be': ({ url }) => [`${url}/api/items?id=redirect`, { redirect: 'error' }],
    'a redirect that is the caller’s': ({ url }) => [`${url}/api/items?id=redirect`, { redirect: 'manual' }],
    'a redirect': ({ url }) => [`${url}/api/items?id=redirect`],
  }

  for (const recall of ['none', 'safe'] as const) {
    test.each(Object.entries(cases))(
      `%s reaches the caller exactly as without us (recall: ${recall})`,
      async (_, call) => {
        const server = await startServer()
        const tokens = server.mint()
        const ever = Number.POSITIVE_INFINITY
        server.fault('destroy-before', { on: '/api/items?id=broken', times: ever })
        server.fault('redirect', { on: '/api/items?id=redirect', times: ever, location: '/api/items?id=2' })
        const api = withSession(signIn(server, { tokens, recall }), { origins: [server.url, NOBODY] })
        const [input, init] = call(server)
        const without = await outcomeOf(fetch(input, { ...init, headers: bearer(tokens) }))
        const sent = server.requests.length
        expect(await outcomeOf(api(...call(server)))).toEqual(without)
        expect(server.requests.length).toBe(2 * sent)
        expect(server.count).toMatchObject({ refreshRequests: 0, rejected: 0 })
      },
    )
  }
})

describe('what a session error looks like', () => {
  test('a request that was never sent rejects with the SessionError itself, and is never sent', async () => {
    const { server, api, at } = await stage({ expired: true, session: { retries: 0 } })
    server.fault('503')
    const errors = await Promise.all(times(5, () => failureOf(api(at('/api/items')))))
    for (const error of errors) {
      expect(error).toBeInstanceOf(SessionError)
      expect(error).toMatchObject({ code: 'refresh_failed', retryAt: expect.any(Number) })
    }
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
  })

  test('a request with a 401 of its own resolves with it: readable, and silent about the reason but to those who ask', async () => {
    const { server, api, at } = await stage()
    server.revokeFamily('alice')
    const answer = await api(at('/api/items'))
    expect(answer).toBeInstanceOf(Response)
    expect([answer.status, answer.ok, answer.bodyUsed]).toEqual([401, false, false])
    expect(answer.headers.get('www-authenticate')).toContain('invalid_token')
    expect(await answer.json()).toEqual({ error: 'invalid_token' })
    expect(findSessionError(answer)).toMatchObject({ code: 'session_expired' })
    expect(Object.keys(answer)).not.toContain('cause')
  })

  test('two sessions, one around the other, may each say why they could not cure one answer', async () => {
    const { server, api, at } = await stage({ session: { retries: 0 } })
    server.fault('503')
    const outer = open({
      tokens: 'outer',
      retries: 0,
      refresh: () => Response.json({ error: 'invalid_grant' }, { status: 400 }),
      applyToken: ({ accessToken }) => ({ headers: { 'x-outer': accessToken } }),
    })
    const both = withSession(outer, { origins: [server.url], fetch: api })
    const answer = await both(at('/api/never'))
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)).toMatchObject({ code: 'session_expired' })
    expect(await answer.json()).toEqual({ error: 'invalid_token' })
    expect(server.count).toMatchObject({ api: 1, refreshRequests: 1 })
  })

  test('a 401 that is the API’s own has no reason', async () => {
    const { api, at } = await stage()
    const answer = await api(at('/api/never'))
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)).toBeUndefined()
  })
})

describe('nothing is left behind', () => {
  type End = (given: Awaited<ReturnType<typeof stage>>) => unknown

  const ends: Record<string, End> = {
    'the refresh succeeds': () => {},
    'the refresh is refused': ({ server }) => server.revokeFamily('alice'),
    'the user signs out': ({ session }) => session.signOut(),
    'another user signs in': ({ session, server }) => session.signIn(server.mint('bob')),
    'the session is closed': ({ session }) => session.close(),
  }

  test.each(Object.entries(ends))('no timer and no listener is left when %s', async (_, end) => {
    const time = newClock()
    const given = await stage({ expired: true, session: { clock: time.clock, retries: 0, recall: 'safe' } })
    const { server, session, api, at } = given
    const seen = watch(session)
    const refresh = server.hold('/token')
    // One that fetch itself never gets to see, so that all its listeners are ours.
    const { signal } = new AbortController()
    const requests = Promise.allSettled([
      ...times(5, () => api(at('/api/items'), { signal })),
      ...times(5, () => api(new Request(at('/api/echo'), { method: 'PUT', body: 'x' }))),
    ])
    await refresh.untilArrived()
    await seen.until('request-held', 10)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    await end(given)
    refresh.release()
    const outcomes = await requests
    expect(outcomes).toHaveLength(10)
    const sent = outcomes.slice(0, 5).filter(({ status }) => status === 'fulfilled').length
    // What was sent has the listeners of fetch itself; see the tests of aborts.
    expect(getEventListeners(signal, 'abort').length).toBeLessThanOrEqual(sent)
    // That no timer is left is looked at after each test.
  })
})

describe('a header of 10 MB', () => {
  test.each([
    ['one long scheme', 'a'.repeat(10 * 2 ** 20)],
    ['a quote that never closes', `Bearer error="${'\\"'.repeat(5 * 2 ** 20)}`],
    ['a million challenges', 'Bearer a="b", '.repeat(750_000)],
  ])('%s: is one 401 like any other, seen and cured once', async (_, challenge) => {
    let calls = 0
    // No server sends it, and no client of Node receives it: it is put where the answer arrives.
    const own: typeof fetch = async () =>
      calls++
        ? new Response()
        : new Response(null, { status: 401, headers: { 'www-authenticate': challenge } })
    const { server, api, at } = await stage({ fetch: { fetch: own } })
    expect((await api(at('/x'))).status).toBe(200)
    expect(calls).toBe(2)
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })
})

describe('`shouldRefresh`', () => {
  test('sees a code inside a 200: one refresh, one replay, and the caller reads the whole body', async () => {
    const { server, api, at } = await stage({
      session: {
        shouldRefresh: async (response) =>
          ((await response.json()) as { code?: number })?.code === 40101 ? true : undefined,
      },
    })
    const long = 'x'.repeat(2 ** 20)
    server.fault('custom', { on: '/api/items', respond: { status: 200, body: { code: 40101 } } })
    server.api('/api/long', () => ({ body: { long } }))
    expect(await (await api(at('/api/items?id=1'))).json()).toMatchObject({ id: '1', generation: 2 })
    expect(await (await api(at('/api/long'))).json()).toEqual({ long })
    expect(server.count).toMatchObject({ refreshes: 1, api: 3 })
  })

  test('reads a body only where it asks for it, and twice if it likes', async () => {
    const bodies: (boolean | undefined)[] = []
    const own: typeof fetch = async (...all) => {
      const response = await fetch(...all)
      const { clone } = response
      response.clone = () => {
        bodies.push(response.bodyUsed)
        return clone.call(response)
      }
      return response
    }
    const { api, at } = await stage({
      fetch: { fetch: own },
      session: {
        shouldRefresh: async ({ url, json }) => {
          if (url?.endsWith('id=read')) expect(await json()).toEqual(await json())
          return undefined
        },
      },
    })
    await (await api(at('/api/items?id=unread'))).json()
    expect(bodies).toEqual([])
    expect(await (await api(at('/api/items?id=read'))).json()).toMatchObject({ id: 'read' })
    expect(bodies).toEqual([false, false])
  })

  test('is given the Response itself, too', async () => {
    const seen: unknown[] = []
    const { api, at } = await stage({
      session: {
        shouldRefresh(_, outcome) {
          seen.push(outcome)
          return undefined
        },
      },
    })
    const answer = await api(at('/api/items'))
    expect(seen).toEqual([answer])
    expect(seen[0]).toBe(answer)
  })

  // A login page behind a redirect: where one may look at it, as in Node, and where not, as in browsers.
  test.each([
    [307, 'that one may look at', (response: Response) => response],
    [
      302,
      'that nobody may look at',
      ({ status, headers }: Response) =>
        status === 307
          ? Object.defineProperties(Response.error(), { type: { value: 'opaqueredirect' } })
          : new Response(null, { status, headers }),
    ],
  ])('is asked about a redirect, as %i, %s, where the caller follows none', async (code, _, seenAs) => {
    const asked: number[] = []
    const { server, api, at } = await stage({
      fetch: { fetch: async (...all) => seenAs(await fetch(...all)) },
      session: {
        shouldRefresh({ status }) {
          asked.push(status)
          return status === code || undefined
        },
      },
    })
    server.fault('redirect', { on: '/api/items', location: '/login' })
    expect((await api(at('/api/items'), { redirect: 'manual' })).status).toBe(200)
    expect(asked).toEqual([code, 200])
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test('is not asked about what is no answer: that is the caller’s', async () => {
    const shouldRefresh = vi.fn(() => undefined)
    const none = Response.error()
    const { api, at } = await stage({ fetch: { fetch: async () => none }, session: { shouldRefresh } })
    expect(await api(at('/api/items'))).toBe(none)
    expect(shouldRefresh).not.toHaveBeenCalled()
  })

  test('`false` leaves a 401 to the caller, and a body that is no JSON is undefined', async () => {
    const seen: unknown[] = []
    const { server, api, at } = await stage({
      session: {
        shouldRefresh: async (response) => {
          seen.push(await response.json())
          return false
        },
      },
    })
    server.fault('custom', { on: '/api/items', respond: { status: 401, body: '<h1>no</h1>' } })
    const answer = await api(at('/api/items'))
    expect([answer.status, await answer.text()]).toEqual([401, '<h1>no</h1>'])
    expect(seen).toEqual([undefined])
    expect(server.count.refreshRequests).toBe(0)
  })
})
