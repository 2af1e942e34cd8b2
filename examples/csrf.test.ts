import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Session } from 'refresh-once'
import { type SessionFetch, withSession } from 'refresh-once/fetch'
import { expect, onTestFinished, test, vi } from 'vitest'
import { logIn, openSession } from './csrf.ts'

interface Site {
  session: Session
  api: SessionFetch
  url: string
  /** What requests to `/items` have carried, and what the server counts. */
  sent: unknown[]
  count: { refreshes: number; reuses: number }
  /** Nobody tells the page. */
  expire(): void
}

/** A server with HttpOnly cookies that rotate, which wants the CSRF token of the newest; and a browser's cookies. */
async function start(): Promise<Site> {
  const sent: unknown[] = []
  const count = { refreshes: 0, reuses: 0 }
  const spent = new Set<string>()
  let now = { access: '', refresh: '', csrf: '' }
  const server = createServer((request, response) => {
    const cookies = new URLSearchParams(request.headers.cookie?.replaceAll('; ', '&'))
    const csrf = request.headers['x-csrf-token']
    const end = (status: number) => void response.writeHead(status).end()
    if (request.url === '/items') {
      sent.push(csrf)
      if (cookies.get('access') !== now.access) return end(401)
      return end(csrf === now.csrf ? 204 : 403)
    }
    if (request.url === '/refresh') {
      count.refreshes++
      const token = cookies.get('refresh') ?? ''
      if (!request.headers['x-app']) return end(403)
      if (spent.has(token)) count.reuses++
      if (token !== now.refresh) return end(401)
      spent.add(token)
    }
    now = { access: randomUUID(), refresh: randomUUID(), csrf: randomUUID() }
    response.setHeader('set-cookie', [
      `access=${now.access}; HttpOnly; SameSite=Strict; Path=/`,
      `refresh=${now.refresh}; HttpOnly; SameSite=Strict; Path=/refresh`,
    ])
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ csrf: now.csrf }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const jar = new Map<string, string>()
  const { fetch } = globalThis
  vi.stubGlobal('fetch', async (to: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    // The script sends none by itself: it cannot read them.
    const own = [...jar].filter(([name]) => name !== 'refresh' || to.endsWith('/refresh'))
    if (init.credentials === 'include') headers.set('cookie', own.map((pair) => pair.join('=')).join('; '))
    const response = await fetch(to, { ...init, headers })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(line) ?? []
      jar.set(name, value)
    }
    return response
  })
  const session = openSession(url)
  onTestFinished(() => {
    session.close()
    vi.unstubAllGlobals()
    server.closeAllConnections()
    server.close()
  })
  const api = withSession(session, { origins: [url] })
  const expire = () => {
    now.access = randomUUID()
  }
  return { session, api, url, sent, count, expire }
}

const post = async ({ api, url }: Site): Promise<number> =>
  (await api(`${url}/items`, { method: 'POST', credentials: 'include' })).status

test('each send carries the CSRF token of the last refresh, a replay that of its own', async () => {
  const site = await start()
  await logIn(site.session, site.url, 'user=alice')
  expect(await post(site)).toBe(204)
  site.expire()
  expect(await post(site)).toBe(204)
  const [first, second, third] = site.sent
  expect(second).toBe(first)
  expect(third).not.toBe(first)
  expect(site.count).toEqual({ refreshes: 1, reuses: 0 })
})

test('twenty requests at each expiry cost one refresh, and none of them is refused', async () => {
  const site = await start()
  await logIn(site.session, site.url, 'user=alice')
  for (let cycle = 1; cycle <= 3; cycle++) {
    site.expire()
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(site)))
    expect(new Set(answers)).toEqual(new Set([204]))
    expect(site.count).toEqual({ refreshes: cycle, reuses: 0 })
  }
})

test('what comes without the token changes nothing, though the cookie is there', async () => {
  const site = await start()
  await logIn(site.session, site.url, 'user=alice')
  const forged = await fetch(`${site.url}/items`, { method: 'POST', credentials: 'include' })
  expect(forged.status).toBe(403)
  const spending = await fetch(`${site.url}/refresh`, { method: 'POST', credentials: 'include' })
  expect(spending.status).toBe(403)
  expect(await post(site)).toBe(204)
})
