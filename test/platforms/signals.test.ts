import OldAbortController from 'abort-controller'
import axios from 'axios'
// @ts-expect-error It has no types of its own.
import { JSDOM } from 'jsdom'
import { memoryStore } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import * as undici from 'undici'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { deferred, expired, failureOf, open, refreshAt, signIn, startServer } from '../setup.ts'

const { window } = new JSDOM('', { url: 'http://localhost' })

/** Those that stand in the place of the platform's own; React Native ships the second. */
const CONTROLLERS = {
  'of jsdom': { AbortController: window.AbortController, AbortSignal: window.AbortSignal },
  'of the package abort-controller': {
    AbortController: OldAbortController,
    // No `any`, `timeout` or `abort`, and its signals have no reason.
    AbortSignal: class AbortSignal {},
  },
}

/** Node 20 takes any signal; undici 7 is what Node 24 has, and takes its own. */
const PLATFORMS = {
  'Node 20': { fetch: globalThis.fetch, Request: globalThis.Request },
  'Node 24': { fetch: undici.fetch, Request: undici.Request },
}

const CASES = Object.entries(CONTROLLERS).flatMap(([kind, controllers]) =>
  Object.entries(PLATFORMS).map(([platform, fetches]) => ({ kind, platform, ...controllers, ...fetches })),
)

describe.each(CASES)('an AbortController $kind, the fetch of $platform', ({ platform, ...globals }) => {
  beforeEach(() => {
    for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  })

  afterEach(() => {
    vi.unstubAllGlobals()
  })

  test('a request that may be recalled is sent, and refreshed by a fetch with the signal of the refresh', async () => {
    const server = await startServer()
    const session = signIn(server, { recall: 'safe', tokens: expired(server.mint('alice')) })
    const authFetch = withSession(session, { origins: [server.url] })
    expect((await authFetch(`${server.url}/api/items`)).status).toBe(200)
    server.expireAccessTokens()
    expect((await authFetch(`${server.url}/api/items`)).status).toBe(200)
    expect(server.count).toMatchObject({ refreshes: 2 })
  })

  test('a store that waits for its turn takes our signals', async () => {
    const server = await startServer()
    const session = signIn(server, { store: memoryStore(), tokens: expired(server.mint('alice')) })
    expect(await session.getAccessToken()).toMatch(/^at_/)
    await session.signOut({
      server: ({ signal }) => fetch(`${server.url}/logout`, { method: 'POST', signal }),
    })
    expect(server.log.some(({ kind }) => kind === 'logout')).toBe(true)
  })

  test('a request is recalled, and sent again with the new token', async () => {
    const server = await startServer()
    const session = signIn(server, { recall: 'safe', recallAfter: 0 })
    const authFetch = withSession(session, { origins: [server.url] })
    // There is nothing: but who is not signed in is not told so.
    const slow = server.hold('/api/slow')
    const first = authFetch(`${server.url}/api/slow`)
    await slow.untilArrived()
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const second = authFetch(`${server.url}/api/items`)
    await refresh.untilArrived()
    refresh.release()
    await slow.untilArrived(2)
    slow.release()
    expect([(await first).status, (await second).status]).toEqual([404, 200])
    expect(server.count).toMatchObject({ refreshes: 1 })
  })

  test('a request that is held is left by its caller, with fetch and with axios', async () => {
    const server = await startServer()
    const answer = deferred<string>()
    const session = open({ refresh: () => answer.promise, tokens: { accessToken: 'old', expiresAt: 1 } })
    const api = axios.create({ baseURL: server.url, proxy: false })
    attachSession(api, session)
    const authFetch = withSession(session, { origins: [server.url] })
    const controller = new AbortController()
    const { signal } = controller
    const left = [
      failureOf(authFetch(`${server.url}/api/items`, { signal })),
      failureOf(api.get('/api/items', { signal })),
      failureOf(session.getAccessToken({ signal })),
    ]
    const late = failureOf(api.get('/api/items', { timeout: 20 }))
    controller.abort()
    expect((await Promise.all(left)).map(({ name }) => name)).toEqual([
      'AbortError',
      'CanceledError',
      'AbortError',
    ])
    expect(await late).toMatchObject({ code: 'ECONNABORTED' })
    answer.resolve('new')
    expect(await session.getAccessToken()).toBe('new')
  })

  test('closing the session aborts the refresh', async () => {
    const server = await startServer()
    const held = server.hold('/token')
    const aborted = deferred<boolean>()
    const session = open({
      tokens: expired(server.mint('alice')),
      refresh: (context) => {
        const answer = refreshAt(server)(context) as Promise<Response>
        answer.catch(() => aborted.resolve(context.signal.aborted))
        return answer
      },
    })
    const token = failureOf(session.getAccessToken())
    await held.untilArrived()
    session.close()
    expect(await aborted.promise).toBe(true)
    expect(await token).toMatchObject({ code: 'session_closed' })
    held.release()
  })
})
