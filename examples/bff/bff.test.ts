import { type IncomingMessage, type RequestListener, request as sendRequest } from 'node:http'
import { text } from 'node:stream/consumers'
import { getRequestListener } from '@hono/node-server'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startChromium } from '../../test/browser/launch.ts'
import { times } from '../../test/setup.ts'
import type { Bff } from './bff.ts'
import { expressApp } from './express.ts'
import { honoApp } from './hono.ts'
import { type Instance, LIFETIME, type Stage, setStage } from './stage.ts'

const servers: { name: string; app: (bff: Bff) => RequestListener }[] = [
  { name: 'Hono', app: (bff) => getRequestListener(honoApp(bff).fetch) },
  { name: 'Express', app: expressApp },
]

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

interface Call {
  method?: string
  headers?: Record<string, string>
  body?: string
}

/** What one server or another believes of a proxy in front, or takes for an order. */
const BELIEVED = [
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-user', 'x_forwarded_for'],
  ...['forwarded', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'cf-connecting-ip'],
  ...['fastly-client-ip', 'x-original-forwarded-for', 'x-original-url', 'x-rewrite-url', 'x-original-host'],
  ...['x-http-method-override', 'x-http-method', 'x-method-override', 'x-remote-user', 'remote-user'],
  ...['x-ssl-client-verify', 'x-amzn-oidc-data', 'x-envoy-internal', 'via', 'x-nobody-has-heard-of'],
]

/** What leads upwards at Tomcat, Jetty, Spring, IIS, or whoever decodes once more. */
const CLIMBING = [
  '/api/../secret',
  '/api/..;/secret',
  '/api/.;/..;/secret',
  '/api/..;a=b/secret',
  '/api/;/secret',
  '/api/a;b=c/secret',
  '/api/..%3b/secret',
  '/api/..%3B/secret',
  '/api/..%253b/secret',
  '/api/%2e%2e/secret',
  '/api/%2E./secret',
  '/api/.%2e;/secret',
  '/api/a%2eb',
  '/api/..%2fsecret',
  '/api/..%2Fsecret',
  '/api/%252e%252e%252fsecret',
  '/api/%25252e%25252e/secret',
  '/api/%252E%252E/secret',
  '/api/%%32%65%%32%65/secret',
  '/api/a/..%5c..%5csecret',
  '/api/..\\secret',
  '/api/a/..%5C..%5Csecret',
  '/api/..%255csecret',
  '/api//secret',
  '/api/..;/secret%00',
  '/api/items%00.json',
  '/api/items%0d%0aX:%20y',
  '/api/%c0%ae%c0%ae/secret',
  '/api/..%c0%afsecret',
  '/api/%C0%AE%C0%AE%C0%AFsecret',
  '/api/%e0%80%ae%e0%80%ae/secret',
  '/api/%f0%80%80%ae/secret',
  '/api/..%c1%9csecret',
  '/api/%u002e%u002e/secret',
  '/api/%uff0e%uff0e/secret',
  '/api/%EF%BC%8E%EF%BC%8E/secret',
  '/api/..%EF%BC%8Fsecret',
  '/api/..%EF%BC%BCsecret',
  '/api/%E2%80%A5/secret',
  '/api/.%E2%80%8B./secret',
  '/api/..%20/secret',
  '/api/..%09/secret',
  '/api/.../secret',
  '/api/%ff/secret',
  '/api/%/secret',
  '/API/../secret',
]

let browser: Browser

beforeAll(async () => {
  browser = await startChromium()
})
afterAll(() => browser?.close())

describe.each(servers)('a backend-for-frontend with $name', ({ app }) => {
  const closers: (() => Promise<unknown>)[] = []
  const contexts: BrowserContext[] = []
  let stage: Stage
  let one: Instance
  let two: Instance

  beforeAll(async () => {
    // The provider warns that it is not set up for production.
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    stage = await setStage(app, closers)
    ;[one, two] = stage.instances
  })
  afterEach(async () => {
    vi.useRealTimers()
    stage.oidc.busyFor = undefined
    await Promise.all(contexts.splice(0).map((context) => context.close()))
  })
  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close()
    vi.restoreAllMocks()
  })

  async function newContext(): Promise<BrowserContext> {
    const context = await browser.newContext()
    context.setDefaultTimeout(20_000)
    contexts.push(context)
    return context
  }

  /** A page of the first process, signed in by the redirects of a real sign-in. */
  async function signedIn(): Promise<{ context: BrowserContext; page: Page }> {
    const context = await newContext()
    const page = await context.newPage()
    await page.goto(`${one.origin}/bff/sign-in`)
    expect(page.url()).toBe(`${one.origin}/`)
    return { context, page }
  }

  /** Calls the page's own origin, as an app does. */
  const call = (page: Page, path: string, init: Call = {}): Promise<Answer> =>
    page.evaluate(
      async ({ path, init }) => {
        const response = await fetch(path, { ...init, headers: { 'x-csrf': '1', ...init.headers } })
        return {
          status: response.status,
          headers: Object.fromEntries(response.headers),
          body: await response.text(),
        }
      },
      { path, init },
    )

  async function sessionId(context: BrowserContext): Promise<string> {
    const cookies = await context.cookies(one.origin)
    return cookies.find(({ name }) => name === '__Host-session')?.value ?? ''
  }

  /** A request that no browser has made: by a session's id, with a path as it is written. */
  function raw(
    { origin }: Instance,
    path: string,
    { id = '', ...init }: { id?: string; method?: string; headers?: Record<string, string> } = {},
  ): { request: ReturnType<typeof sendRequest>; response: Promise<IncomingMessage> } {
    const request = sendRequest({
      host: '127.0.0.1',
      port: new URL(origin).port,
      path,
      method: init.method ?? 'GET',
      headers: { 'x-csrf': '1', cookie: `__Host-session=${id}`, ...init.headers },
    })
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', reject)
    })
    return { request, response }
  }

  async function ask(...args: Parameters<typeof raw>): Promise<{ status: number; body: string }> {
    const { request, response } = raw(...args)
    request.end()
    const answer = await response
    return { status: answer.statusCode ?? 0, body: await text(answer) }
  }

  /** The access token that the API was given last. */
  const lastToken = (): string => [...stage.api.tokens].at(-1) ?? ''
  const pass = (seconds: number): void =>
    void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1_000 })

  describe('the browser', () => {
    test('signs in by redirects, and has a cookie that scripts cannot read', async () => {
      const { context, page } = await signedIn()
      expect(await context.cookies(one.origin)).toEqual([
        {
          name: '__Host-session',
          value: expect.stringMatching(/^[\w-]{43}$/),
          domain: 'localhost',
          path: '/',
          expires: -1,
          httpOnly: true,
          secure: true,
          sameSite: 'Strict',
        },
      ])
      expect(await page.evaluate(() => document.cookie)).toBe('')
      expect(JSON.parse((await call(page, '/bff/session')).body)).toEqual({ signedIn: true })
      const answer = await call(page, '/api/items?page=2')
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body)).toMatchObject({ account: 'alice', url: '/v1/items?page=2' })
    })

    test('never gets a token: not in a body, a header, a URL, a cookie or a storage', async () => {
      const context = await newContext()
      const page = await context.newPage()
      const seen: Promise<string>[] = []
      page.on('response', (response) => {
        const all = Promise.all([response.headersArray(), response.text().catch(() => 'no body')])
        seen.push(all.then((told) => JSON.stringify([response.url(), ...told])))
      })
      await page.goto(`${one.origin}/bff/sign-in`)
      const before = await stage.stored()
      await call(page, '/bff/session')
      await call(page, '/api/items')
      pass(LIFETIME)
      await call(page, '/api/items', { method: 'POST', body: 'text' })
      const after = await stage.stored()
      await call(page, '/api/missing', { headers: { 'x-csrf': '2' } })
      const storages = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]))
      const cookies = JSON.stringify(await context.cookies(one.origin))
      await call(page, '/bff/sign-out', { method: 'POST' })
      // Whatever is long and random in Redis, and is not the name of a version, is a token here.
      const tokens = [...stage.api.tokens]
      for (const [, token = ''] of `${before}${after}`.matchAll(/(?:access|refresh)Token[^\w]+([\w-]{20,})/g))
        tokens.push(token)
      expect(new Set(tokens).size).toBeGreaterThanOrEqual(4)
      const told = [...(await Promise.all(seen)), storages, cookies].join('\n')
      expect(told).toContain('/bff/callback')
      for (const token of tokens) expect(told).not.toContain(token)
    })

    test('has another id after each sign-in, and the former ones are worth nothing', async () => {
      const context = await newContext()
      const planted = 'x'.repeat(43)
      const page = await context.newPage()
      // Cookies do not tell ports apart: a neighbour on this machine can plant one.
      await page.goto(`${stage.stranger}/?plant=${planted}`)
      expect(await sessionId(context)).toBe(planted)
      await page.goto(`${one.origin}/bff/sign-in`)
      const first = await sessionId(context)
      expect(first).not.toBe(planted)
      expect((await ask(one, '/api/items', { id: planted })).status).toBe(401)
      expect((await ask(one, '/api/items', { id: first })).status).toBe(200)
      expect(await stage.stored()).toContain(lastToken())
      const former = lastToken()
      await page.goto(`${one.origin}/bff/sign-in`)
      const second = await sessionId(context)
      expect(second).not.toBe(first)
      expect((await ask(one, '/api/items', { id: first })).status).toBe(401)
      expect((await ask(one, '/api/items', { id: second })).status).toBe(200)
      expect(await stage.stored()).not.toContain(former)
    })

    test('is not signed in by an answer that it has not asked for', async () => {
      const context = await newContext()
      const page = await context.newPage()
      await page.goto(`${one.origin}/bff/callback?code=foreign&state=foreign`)
      expect(page.url()).toBe(`${one.origin}/?sign-in=failed`)
      // It has begun one, and another's answer comes.
      const begun = (await context.request.get(`${one.origin}/bff/sign-in`, { maxRedirects: 0 })).status()
      expect(begun).toBe(303)
      expect(await context.cookies(one.origin)).toMatchObject([
        { name: '__Host-sign-in', httpOnly: true, secure: true, sameSite: 'Lax' },
      ])
      await page.goto(`${one.origin}/bff/callback?code=foreign&state=foreign`)
      expect(page.url()).toBe(`${one.origin}/?sign-in=failed`)
      expect(await context.cookies(one.origin)).toEqual([])
    })
  })

  describe('pages of other origins', () => {
    test('are refused without the header, before anything happens', async () => {
      const { context } = await signedIn()
      const id = await sessionId(context)
      const requests = stage.api.requests.length
      const without = { id, headers: { 'x-csrf': '' } }
      expect((await ask(one, '/api/items', without)).status).toBe(403)
      expect((await ask(one, '/api/items', { ...without, method: 'POST' })).status).toBe(403)
      expect((await ask(one, '/bff/session', without)).status).toBe(403)
      expect((await ask(one, '/bff/sign-out', { ...without, method: 'POST' })).status).toBe(403)
      expect(stage.api.requests).toHaveLength(requests)
      expect((await ask(one, '/bff/session', { id })).status).toBe(200)
    })

    test('cannot call, though the cookie comes along', async () => {
      const { context } = await signedIn()
      const id = await sessionId(context)
      const requests = stage.api.requests.length
      const page = await context.newPage()
      const before = one.received.length
      // Another port is another origin, and the same site: SameSite does not help.
      await page.goto(stage.stranger)
      const outcomes = await page.evaluate(async (origin) => {
        const attempt = (path: string, init: RequestInit): Promise<string> =>
          fetch(origin + path, { credentials: 'include', ...init }).then(
            (response) => response.type,
            (error: Error) => error.name,
          )
        const headers = { 'x-csrf': '1' }
        return [
          await attempt('/api/items', { headers }),
          await attempt('/bff/sign-out', { method: 'POST', headers }),
          await attempt('/api/items', { method: 'POST', mode: 'no-cors', body: 'forged' }),
          await attempt('/bff/sign-out', { method: 'POST', mode: 'no-cors' }),
        ]
      }, one.origin)
      expect(outcomes).toEqual(['TypeError', 'TypeError', 'opaque', 'opaque'])
      const arrived = one.received.slice(before)
      expect(arrived.map(({ method }) => method)).toEqual(['OPTIONS', 'OPTIONS', 'POST', 'POST'])
      for (const { method, cookie } of arrived) expect(cookie.includes(id)).toBe(method === 'POST')
      expect(stage.api.requests).toHaveLength(requests)
      expect((await ask(one, '/bff/session', { id })).status).toBe(200)
    })
  })

  describe('the API', () => {
    test('gets what is on the list, and neither the cookie nor what servers believe of a proxy', async () => {
      const { context } = await signedIn()
      const id = await sessionId(context)
      const passes = {
        accept: 'text/plain',
        'accept-language': 'de',
        'content-type': 'text/plain',
        'if-none-match': '"1"',
        range: 'bytes=0-9',
        'idempotency-key': '7',
        'x-kept': 'kept',
      }
      const stays = {
        authorization: 'Bearer forged',
        'x-hop': '1',
        origin: stage.stranger,
        ...Object.fromEntries(BELIEVED.map((name) => [name, '10.0.0.1'])),
      }
      const headers = { ...passes, ...stays, connection: 'keep-alive, x-hop, if-match', 'if-match': '"2"' }
      const { request, response } = raw(one, '/api/items', { id, headers })
      request.end()
      const answer = await response
      expect(answer.statusCode).toBe(200)
      answer.resume()
      const got = stage.api.requests.at(-1)?.headers ?? {}
      expect(got.authorization).toMatch(/^Bearer (?!forged)/)
      expect(got).toMatchObject(passes)
      const own = ['authorization', 'accept-encoding', 'connection', 'host', 'sec-fetch-mode', 'user-agent']
      // A conditional request asks no cache.
      own.push('pragma', 'cache-control')
      expect(Object.keys(got).filter((name) => !(name in passes || own.includes(name)))).toEqual([])
      expect(answer.headers).toMatchObject({ 'x-api': 'yes', etag: '"1"', 'cache-control': 'no-store' })
      const ours = [
        'cache-control',
        'x-content-type-options',
        'connection',
        'keep-alive',
        'date',
        'transfer-encoding',
      ]
      expect(
        Object.keys(answer.headers)
          .filter((name) => !ours.includes(name))
          .sort(),
      ).toEqual(['content-type', 'etag', 'x-api'])
    })

    test('is not reached by a path that climbs out of its prefix, at whatever server is behind it', async () => {
      const { context } = await signedIn()
      const id = await sessionId(context)
      const requests = stage.api.requests.length
      // 400: what runs the server does not call it a URL.
      for (const path of [...CLIMBING, '/apisecret', '/api'])
        expect((await ask(one, path, { id })).status, path).toBeOneOf([404, 400])
      expect(stage.api.requests).toHaveLength(requests)
    })

    test.each([
      ['/api/', '/v1/'],
      ['/api/items/', '/v1/items/'],
      ['/api/items/a.b', '/v1/items/a.b'],
      ['/api/items/.well-known', '/v1/items/.well-known'],
      ['/api/items/..a', '/v1/items/..a'],
      ['/api/items/50%25%20off?a=..;/b&c=%2e%2e%2f', '/v1/items/50%25%20off?a=..;/b&c=%2e%2e%2f'],
      [
        '/api/items/%C3%A4%E2%82%AC%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB',
        '/v1/items/%C3%A4%E2%82%AC%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB',
      ],
      ["/api/items/a-b_c~d!$&'()*+,=:@", "/v1/items/a-b_c~d!$&'()*+,=:@"],
    ])('is reached by %s', async (path, url) => {
      const { context } = await signedIn()
      const answer = await ask(one, path, { id: await sessionId(context) })
      expect(answer.status).toBe(200)
      expect(JSON.parse(answer.body)).toMatchObject({ url })
    })

    test('is not reached by a method that carries nothing, nor where it leads elsewhere', async () => {
      const { context } = await signedIn()
      const id = await sessionId(context)
      const requests = stage.api.requests.length
      expect((await ask(one, '/api/items', { id, method: 'TRACE' })).status).toBe(405)
      expect((await ask(one, '/api/items', { id, method: 'OPTIONS' })).status).toBe(405)
      expect(stage.api.requests).toHaveLength(requests)
      const taken = stage.api.next()
      const redirected = ask(one, '/api/moved', { id })
      ;(await taken).response.writeHead(307, { location: stage.stranger }).end()
      expect(await redirected).toEqual({ status: 502, body: '{"error":"api_redirects"}' })
    })

    test('gets an upload while it is being sent', async () => {
      const { context } = await signedIn()
      const taken = stage.api.next()
      const { request, response } = raw(one, '/api/upload', {
        id: await sessionId(context),
        method: 'PUT',
        headers: { 'transfer-encoding': 'chunked' },
      })
      request.write('first')
      const { request: upload, response: reply } = await taken
      const chunks = upload[Symbol.asyncIterator]()
      // It is here, and the last one is not even sent.
      expect(String((await chunks.next()).value)).toBe('first')
      request.end('last')
      expect(String((await chunks.next()).value)).toBe('last')
      expect((await chunks.next()).done).toBe(true)
      reply.writeHead(201).end('whole')
      const answer = await response
      expect(answer.statusCode).toBe(201)
      expect(await text(answer)).toBe('whole')
    })

    test('is heard by the page while it is answering', async () => {
      const { page } = await signedIn()
      let first: (chunk: string) => void = () => {}
      const heard = new Promise<string>((resolve) => {
        first = resolve
      })
      await page.exposeFunction('tell', (chunk: string) => first(chunk))
      const taken = stage.api.next()
      const all = page.evaluate(async () => {
        const { body } = await fetch('/api/stream', { headers: { 'x-csrf': '1' } })
        const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
        let received = ''
        for (let told = false; reader; told = true) {
          const { done, value } = await reader.read()
          if (done) return received
          received += value
          if (!told) await (window as unknown as { tell(chunk: string): Promise<void> }).tell(received)
        }
      })
      const { response } = await taken
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('first,')
      // The page has it, and the last one is not even sent.
      expect(await heard).toBe('first,')
      response.end('last')
      expect(await all).toBe('first,last')
    })

    test('hears when the browser has gone', async () => {
      const { context } = await signedIn()
      const taken = stage.api.next()
      const { request, response } = raw(one, '/api/slow', { id: await sessionId(context) })
      request.end()
      const { response: reply } = await taken
      const gone = new Promise<void>((resolve) => reply.once('close', resolve))
      request.destroy()
      await expect(response).rejects.toThrow()
      await gone
      expect(reply.writableFinished).toBe(false)
    })
  })

  describe('a token that ends', () => {
    test('is refreshed once for twenty requests at two processes', async () => {
      const { context, page } = await signedIn()
      const other = await context.newPage()
      await other.goto(two.origin)
      for (const each of [page, other]) expect((await call(each, '/api/items')).status).toBe(200)
      const { refreshes, reuses } = stage.oidc
      const requests = stage.api.requests.length
      pass(LIFETIME)
      const many = (each: Page): Promise<number[]> =>
        each.evaluate(() =>
          Promise.all(
            Array.from({ length: 10 }, async (_, n) => {
              return (await fetch(`/api/items?n=${n}`, { headers: { 'x-csrf': '1' } })).status
            }),
          ),
        )
      expect((await Promise.all([many(page), many(other)])).flat()).toEqual(times(20, () => 200))
      expect(stage.oidc.refreshes - refreshes).toBe(1)
      expect(stage.oidc.reuses - reuses).toBe(0)
      expect(stage.api.requests.slice(requests).map(({ status }) => status)).toEqual(times(20, () => 200))
    })

    test('before its time: a small body is sent again, one that streamed gets the 401 that it has met', async () => {
      const { context, page } = await signedIn()
      expect((await call(page, '/api/items')).status).toBe(200)
      await stage.oidc.refuse(lastToken())
      const small = await call(page, '/api/items', { method: 'POST', body: 'small' })
      expect(small.status).toBe(200)
      expect(JSON.parse(small.body)).toMatchObject({ account: 'alice', sent: 'small' })

      await stage.oidc.refuse(lastToken())
      const requests = stage.api.requests.length
      const { request, response } = raw(one, '/api/upload', {
        id: await sessionId(context),
        method: 'PUT',
        headers: { 'transfer-encoding': 'chunked' },
      })
      request.end('streamed')
      const answer = await response
      expect(answer.statusCode).toBe(401)
      expect(JSON.parse(await text(answer))).toMatchObject({ sent: 'streamed' })
      expect(stage.api.requests).toHaveLength(requests + 1)
      expect((await call(page, '/api/items')).status).toBe(200)
      expect(stage.api.requests).toHaveLength(requests + 2)
    })

    test('and a session that the server has ended: 401, in words that the page understands', async () => {
      const { page } = await signedIn()
      expect((await call(page, '/api/items')).status).toBe(200)
      await stage.oidc.revoke('alice')
      for (const path of ['/api/items', '/api/items', '/bff/session']) {
        expect(await call(page, path)).toMatchObject({ status: 401, body: '{"error":"signed_out"}' })
      }
    })

    test('and a server that is busy: 503 and when to try again, and nobody is signed out', async () => {
      const { context, page } = await signedIn()
      const id = await sessionId(context)
      stage.oidc.busyFor = 30
      pass(LIFETIME)
      const busy = await call(page, '/api/items')
      expect(busy).toMatchObject({ status: 503, body: '{"error":"try_again"}' })
      const seconds = Number(busy.headers['retry-after'])
      expect(seconds).toBeGreaterThan(1)
      expect(seconds).toBeLessThanOrEqual(30)
      stage.oidc.busyFor = undefined
      pass(seconds)
      // The one that was told to wait does so by a clock that nobody sets.
      expect((await ask(two, '/api/items', { id })).status).toBe(200)
      await expect.poll(async () => (await call(page, '/api/items')).status).toBe(200)
    })
  })

  describe('a sign-out', () => {
    test('in one process is seen by the other, and by the authorization server', async () => {
      const { context, page } = await signedIn()
      const id = await sessionId(context)
      expect((await ask(two, '/api/items', { id })).status).toBe(200)
      const token = lastToken()
      expect(await stage.oidc.accountOf(token)).toBe('alice')
      const answer = await call(page, '/bff/sign-out', { method: 'POST' })
      expect(JSON.parse(answer.body)).toEqual({ signedIn: false, revoked: true })
      expect(await context.cookies(one.origin)).toEqual([])
      expect(await stage.oidc.accountOf(token)).toBeUndefined()
      const requests = stage.api.requests.length
      await expect.poll(async () => (await ask(two, '/bff/session', { id })).status).toBe(401)
      expect((await ask(two, '/api/items', { id })).status).toBe(401)
      expect((await ask(one, '/api/items', { id })).status).toBe(401)
      expect(stage.api.requests).toHaveLength(requests)
      expect(await stage.stored()).not.toContain(token)
    })
  })

  describe('a sign-in that fails half-way', () => {
    test('because Redis is away: what was granted is taken back, and the browser has nothing', async () => {
      const context = await newContext()
      const page = await context.newPage()
      const before = stage.oidc.granted.length
      await stage.redis.kill()
      try {
        expect((await page.goto(`${one.origin}/bff/sign-in`))?.status()).toBe(503)
      } finally {
        await stage.redis.start()
      }
      const granted = stage.oidc.granted.slice(before)
      expect(granted).toHaveLength(1)
      for (const token of granted) expect(await stage.oidc.accountOf(token)).toBeUndefined()
      expect(await sessionId(context)).toBe('')
      // What was sent to Redis and is executed late keeps no token.
      await expect.poll(async () => (await page.goto(`${one.origin}/bff/sign-in`))?.status()).toBe(200)
      await expect.poll(async () => (await stage.stored()).includes(granted[0] ?? '?')).toBe(false)
    })

    test('because the former session cannot be ended: nor is there a new one that nobody has', async () => {
      const { context, page } = await signedIn()
      const before = stage.oidc.granted.length
      const id = await sessionId(context)
      // Its key holds something else: whoever reads it is refused.
      await stage.spoil(id)
      expect((await page.goto(`${one.origin}/bff/sign-in`))?.status()).toBeGreaterThanOrEqual(500)
      const [token = ''] = stage.oidc.granted.slice(before)
      expect(token).not.toBe('')
      expect(await stage.oidc.accountOf(token)).toBeUndefined()
      expect(await stage.stored()).not.toContain(token)
      expect(await sessionId(context)).toBe(id)
    })
  })

  describe('without Redis', () => {
    test('requests with a usable token go on, all else is 503, and it mends by itself', async () => {
      const { context, page } = await signedIn()
      const id = await sessionId(context)
      expect((await call(page, '/api/items')).status).toBe(200)
      const { refreshes } = stage.oidc
      await stage.redis.kill()
      try {
        expect((await call(page, '/api/items')).status).toBe(200)
        // The other process has never heard of it.
        expect(await ask(two, '/api/items', { id })).toEqual({ status: 503, body: '{"error":"try_again"}' })
        expect((await call(page, '/bff/sign-out', { method: 'POST' })).status).toBe(503)
        const newcomer = await (await newContext()).newPage()
        expect((await newcomer.goto(`${one.origin}/bff/sign-in`))?.status()).toBe(503)
        expect((await call(page, '/api/items')).status).toBe(200)
        pass(LIFETIME)
        const away = await call(page, '/api/items')
        expect(away).toMatchObject({
          status: 503,
          headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
        })
        expect(stage.oidc.refreshes).toBe(refreshes)
      } finally {
        await stage.redis.start()
      }
      for (const instance of [one, two]) {
        const status = async (): Promise<number> => (await ask(instance, '/api/items', { id })).status
        await expect.poll(status, { timeout: 60_000, interval: 200 }).toBe(200)
      }
      expect(stage.oidc.refreshes).toBe(refreshes + 1)
    })
  })
})
