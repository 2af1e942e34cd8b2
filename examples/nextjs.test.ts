import { type AuthServer, createAuthServer, type TokenResponse } from 'refresh-once/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createVisitors, type Visitors } from './nextjs.ts'

let server: AuthServer
let visitors: Visitors

beforeEach(async () => {
  server = await createAuthServer()
  visitors = createVisitors({
    api: server.url,
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
  return /^visitor=([^;]*)/.exec(response.headers.get('set-cookie') ?? '')?.[1]
}

/** Signs a user in, and returns the cookie. */
async function signIn(user: string, change?: Partial<TokenResponse>): Promise<string> {
  const response = await visitors.signIn({ ...server.mint(user), ...change }, new Response())
  expect(response.headers.get('set-cookie')).toMatch(/; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  return cookieIn(response) ?? ''
}

/** The same cookie some minutes later, when its token has not long to live. */
function aged(cookie: string): string {
  const record = JSON.parse(Buffer.from(cookie, 'base64url').toString())
  record.tokens.receivedAt -= 300_000
  return Buffer.from(JSON.stringify(record)).toString('base64url')
}

function requestWith(cookie: string): Request {
  return new Request('https://site.example.com/', { headers: { cookie: `a=1; visitor=${cookie}; b=2` } })
}

/** The middleware, and then a Server Component that shows an item. */
async function render(cookie: string): Promise<{ user: string; next: string | undefined }> {
  let rendering: Headers | undefined
  const response = await visitors.middleware(requestWith(cookie), ({ request }) => {
    rendering = request.headers
    return new Response()
  })
  const seen = /^a=1; visitor=([^;]*); b=2$/.exec(rendering?.get('cookie') ?? '')?.[1] ?? ''
  const item = await visitors.reader(seen)(`${server.url}/api/items?id=1`)
  return { user: (await item.json()).user, next: cookieIn(response) }
}

function whoAmI(cookie: string): Promise<Response> {
  return visitors.handle(requestWith(cookie), (api) => api(`${server.url}/api/items?id=1`))
}

test('a token that lasts: the middleware sets no cookie, and refreshes nothing', async () => {
  expect(await render(await signIn('alice'))).toEqual({ user: 'alice', next: undefined })
  expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
})

test('ten requests with one cookie whose token ends: one refresh, and the new cookie for each', async () => {
  const cookie = aged(await signIn('alice', { expires_in: 10 }))
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
  const response = await visitors.reader(cookie)(`${server.url}/api/items?id=1`)
  expect(response.status).toBe(401)
  expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
})

test('a session that is over: the cookie goes', async () => {
  const cookie = await signIn('alice')
  server.expireAccessTokens()
  server.revokeFamily('alice')
  const response = await whoAmI(cookie)
  expect(response.status).toBe(401)
  expect(response.headers.get('set-cookie')).toMatch(/^visitor=; .*Max-Age=0$/)
})

test('nobody: nothing is refreshed, and no cookie is set', async () => {
  const request = new Request('https://site.example.com/')
  const page = await visitors.middleware(request, () => new Response())
  expect(page.headers.has('set-cookie')).toBe(false)
  expect((await visitors.handle(request, async () => new Response())).status).toBe(401)
  expect(server.count).toMatchObject({ refreshRequests: 0, api: 0 })
})

test('two visitors at once: each gets its own', async () => {
  const cookies = (await Promise.all(['alice', 'bob'].map((user) => signIn(user, { expires_in: 10 })))).map(
    aged,
  )
  const pages = await Promise.all([...cookies, ...cookies].map(render))
  expect(pages.map(({ user }) => user)).toEqual(['alice', 'bob', 'alice', 'bob'])
  expect(server.count, server.explain()).toMatchObject({ refreshes: 2, refreshRequests: 2, reuses: 0 })
})
