import { type AuthServer, createAuthServer, type TokenResponse } from 'refresh-once/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createVisitors, type Visitors } from './nextjs.ts'

let server: AuthServer
let visitors: Visitors

beforeEach(async () => {
  server = await createAuthServer()
  visitors = createVisitors({
    api: server.url,
    secret: 'a secret that nobody else can know',
    refresh: ({ tokens, signal }) =>
      fetch(server.tokenEndpoint, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: tokens?.refreshToken ?? '',
        }),
        signal,
      }),
  })
})
afterEach(() => server.close())

/** What a browser has in its jar after this response. */
function cookieIn(response: Response): string | undefined {
  return /^__Host-visitor=([^;]*)/.exec(response.headers.get('set-cookie') ?? '')?.[1]
}

/** Signs a user in, and returns the cookie. */
async function signIn(user: string, change?: Partial<TokenResponse>): Promise<string> {
  const response = await visitors.signIn({ ...server.mint(user), ...change }, new Response())
  expect(response.headers.get('set-cookie')).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  return cookieIn(response) ?? ''
}

/** A cookie that was set some minutes ago, and whose token has not long to live. */
async function signInEarlier(user: string): Promise<string> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 300_000 })
  try {
    return await signIn(user, { expires_in: 310 })
  } finally {
    vi.useRealTimers()
  }
}

function requestWith(cookie: string): Request {
  const headers = { cookie: `a=1; __Host-visitor=${cookie}; b=2` }
  return new Request('https://site.example.com/', { headers })
}

/** `cookies()` of Next.js. */
function jarOf(cookie: string): {
  get(): { value: string }
  set(name: string, value: string): void
  value: string
} {
  const jar = {
    value: cookie,
    get: () => ({ value: jar.value }),
    set: (_name: string, value: string) => {
      jar.value = value
    },
  }
  return jar
}

/** The middleware, and then a Server Component that shows an item. */
async function render(cookie: string): Promise<{ user: string | undefined; next: string | undefined }> {
  let rendering: Headers | undefined
  const response = await visitors.middleware(requestWith(cookie), ({ request }) => {
    rendering = request.headers
    return new Response()
  })
  const seen = /^a=1; b=2(?:; __Host-visitor=([^;]*))?$/.exec(rendering?.get('cookie') ?? '')
  expect(seen).toBeTruthy()
  const api = await visitors.reader(jarOf(seen?.[1] ?? ''))
  const item = await api(`${server.url}/api/items?id=1`)
  const user = item.ok ? (await item.json()).user : undefined
  return { user, next: cookieIn(response) }
}

function whoAmI(cookie: string): Promise<Response> {
  return visitors.handle(requestWith(cookie), (api) => api(`${server.url}/api/items?id=1`))
}

test('a token that lasts: the middleware sets no cookie, and refreshes nothing', async () => {
  expect(await render(await signIn('alice'))).toEqual({ user: 'alice', next: undefined })
  expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
})

test('ten requests with one cookie whose token ends: one refresh, and the new cookie for each', async () => {
  const cookie = await signInEarlier('alice')
  const pages = await Promise.all(Array.from({ length: 10 }, () => render(cookie)))
  expect(pages.map(({ user }) => user)).toEqual(Array(10).fill('alice'))
  expect(new Set(pages.map(({ next }) => next)).size).toBe(1)
  // One that was sent with the former cookie, and comes late.
  expect(await render(cookie)).toEqual(pages[0])
  expect(await render(pages[0]?.next ?? '')).toEqual({ user: 'alice', next: undefined })
  expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
})

test('a route handler meets a 401: it refreshes, and sets the cookie', async () => {
  const cookie = await signIn('alice')
  server.expireAccessTokens()
  const response = await whoAmI(cookie)
  expect(await response.json()).toMatchObject({ user: 'alice', generation: 2 })
  const again = await whoAmI(cookieIn(response) ?? '')
  expect(again.headers.has('set-cookie')).toBe(false)
  expect(server.count, server.explain()).toMatchObject({ refreshes: 1, reuses: 0, api: 3 })
})

test('a Server Component meets a 401: that is the page’s, and the refresh token is not spent', async () => {
  const cookie = await signIn('alice')
  server.expireAccessTokens()
  const response = await (await visitors.reader(jarOf(cookie)))(`${server.url}/api/items?id=1`)
  expect(response.status).toBe(401)
  expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
})

test('a session that is over: the cookie goes', async () => {
  const cookie = await signIn('alice')
  server.expireAccessTokens()
  server.revokeFamily('alice')
  const response = await whoAmI(cookie)
  expect(response.status).toBe(401)
  expect(response.headers.get('set-cookie')).toMatch(/^__Host-visitor=; .*Max-Age=0$/)
})

test('nobody: nothing is refreshed, and no cookie is set', async () => {
  const request = new Request('https://site.example.com/')
  const page = await visitors.middleware(request, () => new Response())
  expect(page.headers.has('set-cookie')).toBe(false)
  expect((await visitors.handle(request, async () => new Response())).status).toBe(401)
  expect(server.count).toMatchObject({ refreshRequests: 0, api: 0 })
})

test('two visitors at once: each gets its own', async () => {
  const cookies = [await signInEarlier('alice'), await signInEarlier('bob')]
  const pages = await Promise.all([...cookies, ...cookies].map(render))
  expect(pages.map(({ user }) => user)).toEqual(['alice', 'bob', 'alice', 'bob'])
  expect(server.count, server.explain()).toMatchObject({ refreshes: 2, refreshRequests: 2, reuses: 0 })
})

test('server actions and route handlers at once that meet a 401 share the refresh, and all get the cookie', async () => {
  const cookie = await signIn('alice')
  server.expireAccessTokens()
  const jars = Array.from({ length: 5 }, () => jarOf(cookie))
  const acting = jars.map((jar) => visitors.act(jar, (api) => api(`${server.url}/api/items?id=1`)))
  const handling = Array.from({ length: 5 }, () => whoAmI(cookie))
  const answers = await Promise.all([...acting, ...handling])
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
  const handled = (await Promise.all(handling)).map(cookieIn)
  expect(new Set([...jars.map(({ value }) => value), ...handled]).size).toBe(1)
  expect(handled[0]).not.toBe(cookie)
  expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
})

test('a server action that ends by a redirect sets the cookie all the same', async () => {
  const cookie = await signIn('alice')
  server.expireAccessTokens()
  const jar = jarOf(cookie)
  const action = visitors.act(jar, async (api) => {
    await api(`${server.url}/api/items?id=1`)
    throw new Error('NEXT_REDIRECT')
  })
  await expect(action).rejects.toThrow('NEXT_REDIRECT')
  expect(await render(jar.value)).toEqual({ user: 'alice', next: undefined })
  expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

/** A record as the cookie has it, but in plain text: whoever could plant that would choose the tokens. */
const planted = (): string =>
  btoa(JSON.stringify({ version: { epoch: 'z', generation: 9, nonce: 'z' }, tokens: server.mint('mallory') }))

const strange: [string, () => string | Promise<string>][] = [
  ['empty', () => ''],
  ['no base64', () => '%%%'],
  ['base64 of nothing that we know', () => btoa('garbage')],
  ['planted', planted],
  ['cut off', async () => (await signIn('alice')).slice(0, -4)],
  ['one of another secret', otherSecret],
]

/** What another installation, or the former secret, has made. */
async function otherSecret(): Promise<string> {
  const others = createVisitors({ api: server.url, refresh: () => undefined, secret: 'x'.repeat(32) })
  return cookieIn(await others.signIn(server.mint('mallory'), new Response())) ?? ''
}

test.each(strange)('a cookie that is %s is no cookie, and goes', async (_, make) => {
  const cookie = await make()
  expect(await render(cookie)).toEqual({ user: undefined, next: '' })
  expect((await whoAmI(cookie)).status).toBe(401)
  const jar = jarOf(cookie)
  expect((await visitors.act(jar, (api) => api(`${server.url}/api/items?id=1`))).status).toBe(401)
  expect(server.count).toMatchObject({ refreshRequests: 0 })
})

test('a cookie that is none of ours hides no good one', async () => {
  const cookie = await signIn('alice')
  const headers = { cookie: `__Host-visitor=garbage; __Host-visitor=${cookie}` }
  const request = new Request('https://site.example.com/', { headers })
  const response = await visitors.handle(request, (api) => api(`${server.url}/api/items?id=1`))
  expect(await response.json()).toMatchObject({ user: 'alice' })
})

test('after a sign-out the cookie is worth nothing, also to requests that have it already', async () => {
  const cookie = await signIn('alice')
  const response = await visitors.signOut(requestWith(cookie), new Response())
  expect(response.headers.get('set-cookie')).toMatch(/^__Host-visitor=; .*Max-Age=0$/)
  expect((await whoAmI(cookie)).status).toBe(401)
})

test('a secret that is too short is refused', () => {
  expect(() => createVisitors({ api: server.url, refresh: () => undefined, secret: 'short' })).toThrow(
    'a secret of 32',
  )
})
