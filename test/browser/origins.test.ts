import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { startServer, times } from '../setup.ts'
import { shareChromium } from './chromium.ts'

const browser = shareChromium()

function tokensSeen(server: AuthServer): string[] {
  return server.requests.map(({ family }) => family)
}

describe.each(['xhr', 'fetch'] as const)(
  'origins in Chromium (%s adapter)',
  { timeout: 30_000 },
  (adapter) => {
    test("the page's own origin gets the token without any configuration, by relative and by absolute URLs", async () => {
      const { server, page, events } = await browser.visit({ client: { adapter } })
      await page.evaluate(async (origin) => {
        await window.api.get('/api/items?id=relative')
        await window.api.get('api/items?id=without-slash')
        await window.api.get(`${origin}/api/items?id=absolute`)
        await window.api.get('/items?id=base', { baseURL: '/api' })
      }, server.url)
      expect(server.requests.map(({ id, generation }) => ({ id, generation }))).toEqual(
        ['relative', 'without-slash', 'absolute', 'base'].map((id) => ({ id, generation: 1 })),
      )
      expect(events.filter(({ type }) => type === 'request-ignored')).toEqual([])
      server.expireAccessTokens()
      const data = await page.evaluate(() => window.api.get('/api/items').then(({ data }) => data))
      expect(data).toMatchObject({ generation: 2 })
      expect(server.count.refreshes).toBe(1)
    })

    test('another origin gets no token, and its 401 starts no refresh', async () => {
      const elsewhere = await startServer()
      const { server, page, events } = await browser.visit({ client: { adapter } })
      const statuses = await page.evaluate(
        (origin) =>
          Promise.all(
            [`${origin}/api/items`, `//${new URL(origin).host}/api/items`].map((url) =>
              window.api.get(url).then(
                ({ status }) => status,
                (error) => error.response?.status,
              ),
            ),
          ),
        elsewhere.url,
      )
      expect(statuses).toEqual([401, 401])
      expect(tokensSeen(elsewhere)).toEqual(['none', 'none'])
      expect(events.filter(({ type }) => type === 'request-ignored')).toMatchObject(
        times(2, () => ({ reason: 'foreign-origin' })),
      )
      expect(server.count.refreshRequests).toBe(0)
    })

    test('an API of another origin that hides its challenge from the page: one refresh, and all are served', async () => {
      const api = await startServer({ exposeChallenge: false })
      const { server, page } = await browser.visit({ api, client: { adapter, baseURL: api.url } })
      api.expireAccessTokens()
      const answers = await page.evaluate(() =>
        Promise.all(
          Array.from({ length: 5 }, (_, id) =>
            window.api.get('/api/items', { params: { id } }).then(({ data }) => data.generation),
          ),
        ),
      )
      expect(answers).toEqual(times(5, () => 2))
      expect(api.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })

      const never = await page.evaluate(() =>
        window.api
          .get('/api/never')
          .catch((error) => [error.response.status, error.response.headers['www-authenticate'] ?? 'hidden']),
      )
      expect(never).toEqual([401, 'hidden'])
      expect(api.count.refreshes).toBe(2)
      expect(api.requests.filter(({ path }) => path === '/api/never')).toHaveLength(2)
      expect(server.count.api).toBe(0)
    })

    test('with a written base URL the token goes there, and to the origins that are named', async () => {
      const api = await startServer()
      const named = await startServer()
      const { page } = await browser.visit({
        api,
        client: { adapter, baseURL: api.url },
        attach: { origins: [named.url] },
      })
      await page.evaluate(async (url) => {
        await window.api.get('/api/items')
        await window.api.get(`${url}/api/items`).catch(() => {})
      }, named.url)
      expect(tokensSeen(api)).toEqual(['f1'])
      // It has not issued the token, and refuses the next one, too.
      expect(tokensSeen(named)).toEqual(['foreign', 'foreign'])
      expect(api.count.refreshes).toBe(1)
    })
  },
)

describe.each(['xhr', 'fetch'] as const)(
  'HttpOnly cookies in Chromium (%s adapter)',
  { timeout: 30_000 },
  (adapter) => {
    test('an expired access cookie: one refresh renews it for all, and no script sees a token', async () => {
      const { server, page, received } = await browser.visit({
        client: { adapter },
        session: { mode: 'cookie' },
      })
      await page.evaluate(() =>
        fetch('/login?cookie', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ user: 'alice', password: 'secret' }),
        }).then(() => window.session.signIn()),
      )
      const before = await page.evaluate(() => window.api.get('/api/items').then(({ data }) => data))
      expect(before).toMatchObject({ user: 'alice', generation: 1 })
      server.expireAccessTokens()
      const answers = await page.evaluate(() =>
        Promise.all(Array.from({ length: 6 }, () => window.api.post('/api/echo', { some: 'thing' }))).then(
          (all) => all.map(({ status }) => status),
        ),
      )
      expect(answers).toEqual(times(6, () => 200))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
      expect(received.map(({ headers }) => headers.authorization)).toEqual(received.map(() => undefined))
      expect(await page.evaluate(() => document.cookie)).toBe('')
    })

    test('a reload with the cookies signed in: all are served', async () => {
      const { server, page } = await browser.visit({ client: { adapter }, session: { mode: 'cookie' } })
      await page.evaluate(() =>
        fetch('/login?cookie', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ user: 'alice', password: 'secret' }),
        }).then(() => {}),
      )
      server.expireAccessTokens()
      await page.reload()
      await page.evaluate(
        ([refreshAt, adapter]) =>
          window.kit.begin({ refreshAt, session: { mode: 'cookie' }, client: { adapter } }),
        [`${server.url}/refresh?cookie`, adapter] as const,
      )
      const answers = await page.evaluate(() =>
        Promise.all(Array.from({ length: 6 }, () => window.api.get('/api/items'))).then((all) =>
          all.map(({ data }) => data.generation),
        ),
      )
      expect(answers).toEqual(times(6, () => 2))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
    })

    test('an API of another origin with credentials: the replay carries the renewed cookie', async () => {
      const api = await startServer()
      const { page } = await browser.visit({
        api,
        client: { adapter, baseURL: api.url, withCredentials: true },
        session: { mode: 'cookie' },
      })
      await page.evaluate(
        (url) =>
          fetch(`${url}/login?cookie`, {
            method: 'POST',
            credentials: 'include',
            body: new URLSearchParams({ user: 'alice', password: 'secret' }),
          }).then(() => window.session.signIn()),
        api.url,
      )
      api.expireAccessTokens()
      const data = await page.evaluate(() => window.api.get('/api/items').then(({ data }) => data))
      expect(data).toMatchObject({ user: 'alice', generation: 2 })
      expect(api.requests.map(({ generation }) => generation)).toEqual([1, 2])
      expect(api.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
    })

    test('the refresh cookie is refused: the caller gets its own 401 with session_expired, and the next goes out as it is', async () => {
      const { server, page } = await browser.visit({ client: { adapter }, session: { mode: 'cookie' } })
      await page.evaluate(() =>
        fetch('/login?cookie', {
          method: 'POST',
          body: new URLSearchParams({ user: 'bob', password: 'secret' }),
        }).then(() => window.session.signIn()),
      )
      server.revokeFamily('bob')
      const attempt = () =>
        page.evaluate(() =>
          window.api.get('/api/items').then(
            () => undefined,
            (error) => [error.response?.status, window.kit.findSessionError(error)?.code ?? 'none'],
          ),
        )
      expect(await attempt()).toEqual([401, 'session_expired'])
      expect(await attempt()).toEqual([401, 'none'])
      expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1, api: 2 })
      expect(await page.evaluate(() => window.session.state.status)).toBe('signed-out')
    })
  },
)
