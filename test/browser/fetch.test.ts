import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { startServer, times } from '../setup.ts'
import { seenOf, shareChromium } from './chromium.ts'

const browser = shareChromium()

function familiesAt(server: AuthServer): string[] {
  return server.requests.map(({ family }) => family)
}

describe('fetch in Chromium', { timeout: 30_000 }, () => {
  test('a storm of 20 calls with an expired token leads to one refresh, and to 20 answers', async () => {
    const { server, page } = await browser.visit()
    server.expireAccessTokens()
    const answers = await page.evaluate(() =>
      Promise.all(
        Array.from({ length: 20 }, (_, id) =>
          window.authFetch(`/api/items?id=${id}`).then((answer) => answer.json()),
        ),
      ),
    )
    expect(answers).toEqual(times(20, (id) => ({ id: `${id}`, user: 'alice', generation: 2 })))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('axios and fetch on one session share the refresh', async () => {
    const { server, page } = await browser.visit()
    server.expireAccessTokens()
    const statuses = await page.evaluate(() =>
      Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 ? window.authFetch('/api/items') : window.api.get('/api/items')).then(
            ({ status }) => status,
          ),
        ),
      ),
    )
    expect(statuses).toEqual(times(10, () => 200))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
  })

  test.each(['string', 'form', 'blob', 'buffer', 'view'] as const)(
    'a body of the kind %s, in init and in a Request: the replay equals the first send and the bare one, byte for byte',
    async (kind) => {
      const { server, page, received, tokens } = await browser.visit()
      const authorization = `Bearer ${tokens.access_token}`
      await page.evaluate(
        async ([kind, authorization]) => {
          const body = window.kit.bodies[kind]()
          await fetch('/api/echo', { method: 'POST', headers: { authorization }, body })
        },
        [kind, authorization] as const,
      )
      const [bare] = received.splice(0).map(seenOf)
      for (const inRequest of [false, true]) {
        server.expireAccessTokens()
        const status = await page.evaluate(
          async ([kind, inRequest]) => {
            const init = { method: 'POST', body: window.kit.bodies[kind]() }
            const call = inRequest
              ? window.authFetch(new Request('/api/echo', init))
              : window.authFetch('/api/echo', init)
            return (await call).status
          },
          [kind, inRequest] as const,
        )
        expect(status).toBe(200)
        expect(received.splice(0).map(seenOf)).toEqual([bare, bare])
      }
      expect(bare?.body).not.toBe('')
      expect(server.count.refreshes).toBe(2)
    },
  )

  test('FormData: each replay has the boundary that its header names, and the same parts', async () => {
    const { server, page, received } = await browser.visit()
    for (const inRequest of [false, true]) {
      server.expireAccessTokens()
      await page.evaluate(async (inRequest) => {
        const init = { method: 'POST', body: window.kit.bodies.multipart() }
        await (inRequest
          ? window.authFetch(new Request('/api/echo', init))
          : window.authFetch('/api/echo', init))
      }, inRequest)
      const parts = received.splice(0).map(({ headers, body }) => {
        const boundary =
          /^multipart\/form-data; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1] ?? ''
        const text = body.toString('latin1')
        expect(text.startsWith(`--${boundary}\r\n`)).toBe(true)
        expect(Number(headers['content-length'])).toBe(body.length)
        return text.replaceAll(boundary, 'BOUNDARY')
      })
      expect(parts).toHaveLength(2)
      expect(parts[1]).toBe(parts[0])
      expect(parts[0]).toContain('filename="file.bin"')
    }
  })

  test('a stream, which needs HTTP/2 here: the error is that of fetch itself, and nothing is sent twice', async () => {
    const { server, page } = await browser.visit()
    const errors = await page.evaluate(async () => {
      const attempt = (call: typeof fetch) => {
        const init = { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' }
        return call('/api/echo', init as RequestInit).then(
          ({ status }) => `${status}`,
          ({ name, message }) => `${name}: ${message}`,
        )
      }
      return [await attempt(fetch), await attempt(window.authFetch)]
    })
    expect(errors[1]).toBe(errors[0])
    expect(errors[0]).toMatch(/^TypeError/)
    expect(server.count.api).toBe(0)
  })

  test('mode, credentials, cache, integrity, keepalive, priority, referrer and its policy are the same on the wire at every send', async () => {
    const { server, page, received, tokens } = await browser.visit()
    await page.evaluate(() => {
      // biome-ignore lint/suspicious/noDocumentCookie: to see whether it is sent
      document.cookie = 'seen=yes'
    })
    const inits: Record<string, unknown>[] = [
      { cache: 'no-store' },
      { cache: 'reload' },
      { credentials: 'omit' },
      { credentials: 'include' },
      { mode: 'same-origin' },
      { keepalive: true, method: 'POST', body: 'x' },
      { priority: 'high' },
      { referrer: '/elsewhere?on=this' },
      { referrer: '' },
      { referrerPolicy: 'no-referrer' },
      { referrerPolicy: 'origin', referrer: '/elsewhere' },
    ]
    const authorization = `Bearer ${tokens.access_token}`
    for (const init of inits) {
      for (const inRequest of [false, true]) {
        const send = (call: 'fetch' | 'authFetch', headers: Record<string, string>) =>
          page.evaluate(
            async ([init, inRequest, call, headers]) => {
              const url = `/api/echo?${Math.random()}`
              const request = new Request(url, { ...init, headers })
              await (inRequest ? window[call](request) : window[call](url, { ...init, headers }))
            },
            [init, inRequest, call, headers] as const,
          )
        server.expireAccessTokens()
        await send('authFetch', {})
        const fresh = { authorization: received[1]?.headers.authorization ?? authorization }
        await send('fetch', fresh)
        const [first, replay, bare, ...more] = received
          .splice(0)
          .map((request) => ({ ...seenOf(request), url: '' }))
        expect(first, JSON.stringify(init)).toEqual(bare)
        expect(replay, JSON.stringify(init)).toEqual(bare)
        expect(more).toEqual([])
      }
    }
    expect(server.count.refreshes).toBe(2 * inits.length)
  })

  test('with a digest, a 401 is an error of fetch that nobody can look into: it is the caller’s', async () => {
    const { server, page } = await browser.visit()
    server.expireAccessTokens()
    const name = await page.evaluate(() =>
      window.authFetch('/api/items', { integrity: 'sha256-AAAA' }).then(
        () => 'answered',
        (error) => error.name,
      ),
    )
    expect(name).toBe('TypeError')
    expect(server.count).toMatchObject({ api: 1, refreshRequests: 0 })
  })

  test('keepalive: a request outlives its page', async () => {
    const { server, page } = await browser.visit()
    await page.evaluate(() => {
      addEventListener('pagehide', () => {
        void window.authFetch('/api/effects?id=left', { method: 'POST', keepalive: true, body: 'bye' })
      })
    })
    await page.goto('about:blank')
    await server.until('effect')
    expect(server.effects('left')).toBe(1)
  })

  test('the caller’s abort: while it is held, on the wire, and while the body is read', async () => {
    const { server, page } = await browser.visit()
    const items = server.hold('/api/items')
    const rest = server.hold('/api/stream')
    const abort = () =>
      page.evaluate(() => {
        const { controller, outcome } = window as unknown as {
          controller: AbortController
          outcome: Promise<string>
        }
        controller.abort()
        return outcome
      })
    const begin = (path: string) =>
      page.evaluate((path) => {
        const controller = new AbortController()
        const outcome = window
          .authFetch(path, { signal: controller.signal })
          .then((answer) => {
            Object.assign(window, { headers: true })
            return answer.text()
          })
          .catch((error) => `${error.name} ${error === controller.signal.reason}`)
        Object.assign(window, { controller, outcome, headers: false })
      }, path)

    await begin('/api/items?id=wire')
    await items.untilArrived()
    expect(await abort()).toMatch(/^AbortError/)

    await begin('/api/stream')
    await rest.untilArrived()
    await page.waitForFunction(() => (window as unknown as { headers: boolean }).headers)
    expect(await abort()).toMatch(/^AbortError/)
    rest.release()

    server.expireAccessTokens()
    const refreshes = server.hold('/token')
    items.release()
    await begin('/api/items?id=held')
    await refreshes.untilArrived()
    expect(await abort()).toBe('AbortError true')
    refreshes.release()
    const next = await page.evaluate(() => window.authFetch('/api/items').then((answer) => answer.json()))
    expect(next).toMatchObject({ generation: 2 })
    expect(server.requests.filter(({ id }) => id === 'held')).toHaveLength(1)
  })

  test('answers without a body, and opaque ones, are as they are without us', async () => {
    const elsewhere = await startServer()
    const { server, page, tokens, events } = await browser.visit({ fetch: { origins: [elsewhere.url] } })
    server.fault('redirect', { on: '/api/early', times: Number.POSITIVE_INFINITY, location: '/api/items' })
    const [bare, ours] = await page.evaluate(
      async ([elsewhere, authorization]) => {
        const calls: [string, RequestInit][] = [
          ['/api/items', { method: 'HEAD' }],
          ['/api/status/204', {}],
          [`${elsewhere}/api/items`, { mode: 'no-cors' }],
          ['/api/early', { redirect: 'manual' }],
        ]
        const answers = async (call: typeof fetch, headers: Record<string, string>) => {
          const all = []
          for (const [url, init] of calls) {
            const { status, type, ok, body } = await call(url, { ...init, headers })
            all.push({ status, type, ok, body: body !== null })
          }
          return all
        }
        return [await answers(fetch, { authorization }), await answers(window.authFetch, {})] as const
      },
      [elsewhere.url, `Bearer ${tokens.access_token}`] as const,
    )
    expect(ours).toEqual(bare)
    expect(ours.map(({ status, type }) => [status, type])).toEqual([
      [200, 'basic'],
      [204, 'basic'],
      [0, 'opaque'],
      [0, 'opaqueredirect'],
    ])
    expect(events.filter(({ type }) => type === 'refresh-started')).toEqual([])
  })
})

describe('six connections of HTTP/1.1 in Chromium (fetch)', { timeout: 30_000 }, () => {
  test('all busy with slow requests and a dozen more queued, one 401: the refresh is not stuck behind them', async () => {
    const { server, page, events } = await browser.visit()
    server.expireAccessTokens()
    const first = server.hold('/api/items')
    const slow = server.hold('/api/late')
    const answers = page.evaluate(() => {
      const rejected = window.authFetch('/api/items')
      const crowd = Array.from({ length: 17 }, (_, id) => window.authFetch(`/api/late?id=${id}`))
      return Promise.all([rejected, ...crowd].map((call) => call.then((answer) => answer.json()))).then(
        (all) => all.map(({ generation }) => generation),
      )
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
  })

  test('without the recall it would be stuck: that is what the recall is for', async () => {
    const { server, page, until } = await browser.visit({ session: { recall: 'none', deadline: 1_000 } })
    server.expireAccessTokens()
    const first = server.hold('/api/items')
    const slow = server.hold('/api/late')
    const outcome = page.evaluate(() => {
      const rejected = window.authFetch('/api/items')
      for (let id = 0; id < 17; id++) window.authFetch(`/api/late?id=${id}`).catch(() => {})
      return rejected.then((answer) => [answer.status, window.kit.findSessionError(answer)?.code])
    })
    await first.untilArrived()
    await slow.untilArrived(5)
    first.release()
    await until('refresh-started')
    expect(await outcome).toEqual([401, 'refresh_timeout'])
    expect(server.count.refreshRequests).toBe(0)
    slow.release()
    await server.until('refresh')
    expect(server.count.refreshes).toBe(1)
  })

  test('an answer whose headers have come is left alone, and read to its end', async () => {
    const { server, page, until } = await browser.visit()
    const rest = server.hold('/api/stream')
    const slow = server.hold('/api/late')
    const refreshes = server.hold('/token')
    await page.evaluate(async () => {
      const answer = await window.authFetch('/api/stream')
      Object.assign(window, { whole: answer.text() })
    })
    const stale = page.evaluate(() => window.authFetch('/api/late').then(({ status }) => status))
    await slow.untilArrived()
    server.expireAccessTokens()
    const rejected = page.evaluate(() => window.authFetch('/api/items').then(({ status }) => status))
    await refreshes.untilArrived()
    await until('request-recalled')
    await server.until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted === true))
    rest.release()
    expect(await page.evaluate(() => (window as unknown as { whole: Promise<string> }).whole)).toBe(
      'first\nrest\n',
    )
    refreshes.release()
    slow.release()
    expect(await Promise.all([stale, rejected])).toEqual([200, 200])
    expect(server.count.refreshes).toBe(1)
  })

  test('the caller aborts a recalled request: it is an AbortError, and not replayed', async () => {
    const { server, page, until } = await browser.visit()
    const slow = server.hold('/api/late')
    const refreshes = server.hold('/token')
    await page.evaluate(() => {
      const controller = new AbortController()
      const outcome = window.authFetch('/api/late', { signal: controller.signal }).then(
        () => 'answered',
        (error) => error.name,
      )
      Object.assign(window, { controller, outcome })
    })
    await slow.untilArrived()
    server.expireAccessTokens()
    const rejected = page.evaluate(() => window.authFetch('/api/items').then(({ status }) => status))
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
    expect(outcome).toBe('AbortError')
    refreshes.release()
    slow.release()
    expect(await rejected).toBe(200)
    expect(server.requests.filter(({ path }) => path === '/api/late')).toHaveLength(1)
  })
})

describe('where the token goes in Chromium (fetch)', { timeout: 30_000 }, () => {
  test("the page's own origin gets the token without any configuration, by relative and by absolute URLs, strings, URLs and Requests", async () => {
    const { server, page, events } = await browser.visit()
    await page.evaluate(async (origin) => {
      for (const url of [
        '/api/items',
        'api/items',
        './api/items',
        `${origin}/api/items`,
        `//${new URL(origin).host}/api/items`,
      ]) {
        await window.authFetch(url)
        await window.authFetch(new URL(url, location.href))
        await window.authFetch(new Request(url))
      }
    }, server.url)
    expect(server.requests.map(({ generation }) => generation)).toEqual(times(15, () => 1))
    expect(events.filter(({ type }) => type === 'request-ignored')).toEqual([])
  })

  test('a relative URL follows the <base> of the page', async () => {
    const elsewhere = await startServer()
    const { server, page } = await browser.visit()
    await page.evaluate(async (origin) => {
      const base = document.head.appendChild(document.createElement('base'))
      base.href = '/api/'
      await window.authFetch('items')
      base.href = `${origin}/api/`
      await window.authFetch('items')
    }, elsewhere.url)
    expect(familiesAt(server)).toEqual(['f1'])
    expect(familiesAt(elsewhere)).toEqual(['none'])
  })

  test('blob: and data: URLs are fetched as without us, and tell nobody a token', async () => {
    const { page, events } = await browser.visit()
    const texts = await page.evaluate(async () => {
      const blob = URL.createObjectURL(new Blob(['from a blob']))
      const texts = [await (await window.authFetch(blob)).text()]
      texts.push(await (await window.authFetch('data:text/plain,from%20data')).text())
      return texts
    })
    expect(texts).toEqual(['from a blob', 'from data'])
    expect(events.map(({ type }) => type)).toEqual(times(2, () => 'request-ignored'))
  })

  test('another origin gets no token, and its 401 starts no refresh', async () => {
    const elsewhere = await startServer()
    const { server, page } = await browser.visit()
    const status = await page.evaluate(
      (origin) => window.authFetch(`${origin}/api/items`).then(({ status }) => status),
      elsewhere.url,
    )
    expect(status).toBe(401)
    expect(familiesAt(elsewhere)).toEqual(['none'])
    expect(server.count.refreshRequests).toBe(0)
  })

  test('an API of another origin that hides its challenge from the page: one refresh, and all are served', async () => {
    const api = await startServer({ exposeChallenge: false })
    const { page } = await browser.visit({ api, fetch: { origins: [api.url] } })
    api.expireAccessTokens()
    const answers = await page.evaluate(
      (origin) =>
        Promise.all(
          Array.from({ length: 5 }, () =>
            window.authFetch(`${origin}/api/items`).then(async (answer) => (await answer.json()).generation),
          ),
        ),
      api.url,
    )
    expect(answers).toEqual(times(5, () => 2))
    const never = await page.evaluate(
      (origin) =>
        window
          .authFetch(`${origin}/api/never`)
          .then(({ status, headers }) => [status, headers.get('www-authenticate') ?? 'hidden']),
      api.url,
    )
    expect(never).toEqual([401, 'hidden'])
    expect(api.count).toMatchObject({ refreshes: 2, refreshRequests: 2 })
  })

  test.each([
    ['Authorization', undefined, true],
    ['a header of its own', 'header', false],
  ] as const)(
    'a redirect to another origin, with the token in %s: it does not go along',
    async (_, credentials, follows) => {
      const elsewhere = await startServer()
      const { server, page } = await browser.visit({ credentials })
      const ever = Number.POSITIVE_INFINITY
      server.fault('redirect', { on: '/api/early', times: ever, location: `${elsewhere.url}/api/items` })
      server.fault('redirect', { on: '/api/late', times: ever, location: '/api/items' })
      const outcome = (path: string, init: RequestInit = {}) =>
        page.evaluate(
          ([path, init]) =>
            window.authFetch(path, init).then(
              ({ status, type }) => `${status} ${type}`,
              ({ name }) => name,
            ),
          [path, init] as const,
        )
      // Elsewhere nobody knows the token, and nobody gets it either.
      expect(await outcome('/api/early')).toBe(follows ? '401 cors' : 'TypeError')
      expect(familiesAt(elsewhere)).toEqual(follows ? ['none'] : [])
      // Within the origin it may, where it is Authorization.
      expect(await outcome('/api/late')).toBe(follows ? '200 basic' : 'TypeError')
      expect(await outcome('/api/late', { redirect: 'follow' })).toBe('200 basic')
      expect(await outcome('/api/late', { redirect: 'manual' })).toBe('0 opaqueredirect')
      expect(server.count.refreshRequests).toBe(0)
    },
  )

  test('the token in the query: a Request is sent and replayed whole', async () => {
    const { server, page, received } = await browser.visit({ credentials: 'query' })
    server.expireAccessTokens()
    const status = await page.evaluate(async () => {
      const request = new Request('/api/echo?a=1', { method: 'PUT', headers: { 'x-a': '1' }, body: 'some' })
      return (await window.authFetch(request)).status
    })
    expect(status).toBe(200)
    expect(received.map(({ method, headers, body }) => [method, headers['x-a'], `${body}`])).toEqual(
      times(2, () => ['PUT', '1', 'some']),
    )
    expect(received.every(({ url }) => url.startsWith('/api/echo?a=1&access_token='))).toBe(true)
    expect(server.count.refreshes).toBe(1)
  })

  test('HttpOnly cookies: one refresh renews them for all, and no Authorization is sent', async () => {
    const api = await startServer()
    const { page } = await browser.visit({ api, session: { mode: 'cookie' }, fetch: { origins: [api.url] } })
    const answers = await page.evaluate(async (url) => {
      const body = new URLSearchParams({ user: 'alice', password: 'secret' })
      await fetch(`${url}/login?cookie`, { method: 'POST', credentials: 'include', body })
      await window.session.signIn()
      const ask = () =>
        window.authFetch(`${url}/api/echo`, { credentials: 'include' }).then((answer) => answer.json())
      return [await ask()]
    }, api.url)
    api.expireAccessTokens()
    const more = await page.evaluate(
      (url) =>
        Promise.all(
          Array.from({ length: 6 }, () =>
            window.authFetch(`${url}/api/echo`, { credentials: 'include' }).then((answer) => answer.json()),
          ),
        ),
      api.url,
    )
    for (const { headers, user } of [...answers, ...more]) {
      expect(user).toBe('alice')
      expect(headers.authorization).toBeUndefined()
    }
    expect(api.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })
})
