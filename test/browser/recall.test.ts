import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { deferred, times } from '../setup.ts'
import { shareChromium } from './chromium.ts'

const browser = shareChromium()

describe.each(['xhr', 'fetch'] as const)(
  'six connections of HTTP/1.1 in Chromium (%s adapter)',
  { timeout: 30_000 },
  (adapter) => {
    test('all busy with slow requests and a dozen more queued, one 401: the refresh is not stuck behind them', async () => {
      const { server, page, events } = await browser.visit({ client: { adapter } })
      server.expireAccessTokens()
      const first = server.hold('/api/items')
      const slow = server.hold('/api/late')
      const answers = page.evaluate(() => {
        const rejected = window.api.get('/api/items')
        const crowd = Array.from({ length: 17 }, (_, id) => window.api.get('/api/late', { params: { id } }))
        return Promise.all([rejected, ...crowd]).then((all) => all.map(({ data }) => data.generation))
      })
      await first.untilArrived()
      await slow.untilArrived(5)
      first.release()
      // The connection that the 401 has freed serves one of the dozen; nobody lets the slow ones go.
      await slow.untilArrived(6)
      await server.until('refresh')
      await server.until((log) =>
        log.some((entry) => entry.kind === 'api' && entry.path === '/api/items' && entry.status === 200),
      )
      slow.release()
      expect(await answers).toEqual(times(18, () => 2))

      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
      expect(events.filter(({ type }) => type === 'request-recalled')).toHaveLength(17)
      const renewed = server.requests.filter(
        ({ path, generation }) => path === '/api/late' && generation === 2,
      )
      expect(renewed.map(({ id }) => Number(id)).sort((a, b) => a - b)).toEqual(times(17, (id) => id))
    })

    test('without the recall it would be stuck: that is what the recall is for', async () => {
      const { server, page, until } = await browser.visit({
        client: { adapter },
        session: { recall: 'none', deadline: 1_000 },
      })
      server.expireAccessTokens()
      const first = server.hold('/api/items')
      const slow = server.hold('/api/late')
      const outcome = page.evaluate(() => {
        const rejected = window.api.get('/api/items').then(
          () => 'answered',
          (error) => window.kit.findSessionError(error)?.code,
        )
        for (let id = 0; id < 17; id++) window.api.get('/api/late', { params: { id } }).catch(() => {})
        return rejected
      })
      await first.untilArrived()
      await slow.untilArrived(5)
      first.release()
      await until('refresh-started')
      expect(await outcome).toBe('refresh_timeout')
      expect(server.count.refreshRequests).toBe(0)
      slow.release()
      await server.until('refresh')
      expect(server.count.refreshes).toBe(1)
    })

    test('a POST that holds one of the six is never recalled, and is executed once', async () => {
      const { server, page, events } = await browser.visit({ client: { adapter } })
      const executed = server.hold('/api/effects')
      await page.evaluate(() => {
        const payment = window.api.post('/api/effects?id=pay').then(({ data }) => data.times)
        Object.assign(window, { payment })
      })
      await executed.untilArrived()
      server.expireAccessTokens()
      const first = server.hold('/api/items')
      const slow = server.hold('/api/late')
      const answers = page.evaluate(() => {
        const rejected = window.api.get('/api/items')
        const crowd = Array.from({ length: 16 }, (_, id) => window.api.get('/api/late', { params: { id } }))
        return Promise.all([rejected, ...crowd]).then((all) => all.map(({ data }) => data.generation))
      })
      await first.untilArrived()
      await slow.untilArrived(4)
      first.release()
      await slow.untilArrived(5)
      await server.until('refresh')
      slow.release()
      expect(await answers).toEqual(times(17, () => 2))
      executed.release()
      const payment = await page.evaluate(() => (window as unknown as { payment: Promise<number> }).payment)
      expect(payment).toBe(1)

      expect(server.effects('pay')).toBe(1)
      const posts = server.requests.filter(({ path }) => path === '/api/effects')
      expect(posts).toHaveLength(1)
      expect(posts[0]?.aborted).toBeUndefined()
      const recalled = events.flatMap((event) =>
        event.type === 'request-recalled' ? [event.request.method] : [],
      )
      expect(recalled).toEqual(times(16, () => 'GET'))
      expect(server.count.refreshes).toBe(1)
    })

    test('a request whose response has begun is left alone', async () => {
      const { server, page, until } = await browser.visit({ client: { adapter } })
      const rest = deferred<void>()
      server.api('/api/begun', () => ({
        headers: { 'content-type': 'text/plain', 'x-content-type-options': 'nosniff' },
        body: (async function* () {
          yield 'x'.repeat(2 ** 14)
          await rest.promise
          yield 'the rest'
        })(),
      }))
      await page.evaluate(
        () =>
          new Promise<void>((begun) => {
            const whole = window.api.get('/api/begun', { onDownloadProgress: () => begun() })
            Object.assign(window, { whole: whole.then(({ data }) => data.length) })
          }),
      )
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      const stale = page.evaluate(() => window.api.get('/api/late').then(({ data }) => data.generation))
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = page.evaluate(() => window.api.get('/api/items').then(({ data }) => data.generation))
      await refreshes.untilArrived()
      await until('request-recalled')
      await server.until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted === true))
      rest.resolve()
      const whole = await page.evaluate(() => (window as unknown as { whole: Promise<number> }).whole)
      expect(whole).toBe(2 ** 14 + 'the rest'.length)
      refreshes.release()
      slow.release()
      expect(await Promise.all([stale, rejected])).toEqual([2, 2])

      expect(server.requests.filter(({ path }) => path === '/api/begun')).toMatchObject([{ status: 200 }])
      expect(server.count.refreshes).toBe(1)
    })

    test('recalled for nothing: when the refresh fails for now, the request is sent again as it was', async () => {
      const { server, page, received, until } = await browser.visit({
        client: { adapter },
        session: { retries: 0 },
      })
      const slow = server.hold('/api/echo')
      const refresh = new Promise<ServerResponse>((resolve) => {
        server.fault('custom', { respond: (_, response) => resolve(response) })
      })
      const request = page.evaluate(() =>
        window.api.get('/api/echo', { headers: { 'x-mine': 'kept' } }).then(({ status }) => status),
      )
      await slow.untilArrived()
      const never = page.evaluate(() =>
        window.api.get('/api/never').then(
          () => undefined,
          (error) => [error.response.status, window.kit.findSessionError(error)?.code],
        ),
      )
      const response = await refresh
      await until('request-recalled')
      response.writeHead(503).end()
      expect(await never).toEqual([401, 'refresh_failed'])
      slow.release()
      expect(await request).toBe(200)

      const [first, again, ...more] = received.filter(({ url }) => url === '/api/echo')
      expect(again).toMatchObject({ headers: first?.headers, body: first?.body })
      expect(again?.headers).toMatchObject({ 'x-mine': 'kept', authorization: first?.headers.authorization })
      expect(more).toEqual([])
      expect(server.count).toMatchObject({ refreshes: 0, refreshRequests: 1 })
    })

    test('the caller aborts a recalled request: it is cancelled, and not replayed', async () => {
      const { server, page, until } = await browser.visit({ client: { adapter } })
      const slow = server.hold('/api/late')
      const refreshes = server.hold('/token')
      await page.evaluate(() => {
        const controller = new AbortController()
        const outcome = window.api.get('/api/late', { signal: controller.signal }).then(
          () => 'answered',
          (error) => error.code,
        )
        Object.assign(window, { controller, outcome })
      })
      await slow.untilArrived()
      server.expireAccessTokens()
      const rejected = page.evaluate(() => window.api.get('/api/items').then(({ data }) => data.generation))
      await refreshes.untilArrived()
      await until('request-recalled')
      const outcome = await page.evaluate(() => {
        const { controller, outcome } = window as unknown as {
          controller: AbortController
          outcome: Promise<string>
        }
        controller.abort()
        return outcome
      })
      expect(outcome).toBe('ERR_CANCELED')
      refreshes.release()
      slow.release()
      expect(await rejected).toBe(2)
      expect(server.requests.filter(({ path }) => path === '/api/late')).toHaveLength(1)
      expect(server.count.refreshes).toBe(1)
    })

    test('with the recall on, answers without a body are as they are without us', async () => {
      const { server, page, tokens } = await browser.visit({ client: { adapter } })
      const [bare, ours] = await page.evaluate(async (authorization) => {
        const requests = [
          { method: 'HEAD', url: '/api/items' },
          { method: 'GET', url: '/api/status/204' },
          { method: 'OPTIONS', url: '/api/status/204' },
        ]
        const answers = async (client: 'bare' | 'api', headers: Record<string, string>) => {
          const all = []
          for (const request of requests) {
            const { status, data } = await window[client].request({ ...request, headers })
            all.push({ status, data })
          }
          return all
        }
        return [await answers('bare', { authorization }), await answers('api', {})] as const
      }, `Bearer ${tokens.access_token}`)
      expect(ours).toEqual(bare)
      expect(ours.map(({ status }) => status)).toEqual([200, 204, 204])
      expect(server.count.api).toBe(6)
    })
  },
)
