import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type AuthServer, createAuthServer, type TokenResponse } from 'refresh-once/testing'
import { transformWithOxc } from 'vite'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createVisitors } from '../../examples/nextjs.ts'
import { installedNext } from '../../scripts/runtimes.mjs'
import { installPacked, type Packed } from './packed.ts'

/** A site that was built with Next.js, and serves. */
interface Site {
  url: string
  /** What it has said while it was built, and since. */
  told(): string
  stop(): Promise<void>
}

const SECRET = 'a secret that only this site knows'

async function startSite({ folder }: Packed, next: string, api: string): Promise<Site> {
  const program = join(next, 'node_modules/next/dist/bin/next')
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    NEXT_TELEMETRY_DISABLED: '1',
    API: api,
    SECRET,
  } as const
  const settings = { cwd: folder, env }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, 'build'], settings)
  let told = stdout + stderr
  const child = spawn(
    process.execPath,
    [program, 'start', '--port', '0', '--hostname', '127.0.0.1'],
    settings,
  )
  const ended = once(child, 'exit')
  const url = await new Promise<string>((resolve, reject) => {
    const listen = (text: string): void => {
      told += text
      const local = /Local: +(http:\S+)/.exec(told)?.[1]
      if (local && told.includes('Ready')) resolve(local)
    }
    child.stdout.setEncoding('utf8').on('data', listen)
    child.stderr.setEncoding('utf8').on('data', listen)
    void ended.then(() => reject(new Error(`Next.js has ended: ${told}`)))
  })
  return {
    url,
    told: () => told,
    async stop() {
      child.kill()
      await ended
    },
  }
}

/** The recipe for Next.js in a real site, and the package as it is packed. */
describe.each([installedNext()].filter((folder) => folder !== undefined))('Next.js', (next) => {
  let packed: Packed
  let server: AuthServer
  let site: Site

  beforeAll(async () => {
    packed = installPacked('./next', next)
    const recipe = readFileSync(new URL('../../examples/nextjs.ts', import.meta.url), 'utf8')
    const { code } = await transformWithOxc(recipe, 'nextjs.ts')
    writeFileSync(join(packed.folder, 'nextjs.js'), code)
    server = await createAuthServer()
    site = await startSite(packed, next, server.url)
  }, 240_000)

  afterAll(async () => {
    await site?.stop()
    await server?.close()
    packed?.remove()
  })

  /** The cookie of somebody who has just signed in. */
  async function cookieOf(user: string, change?: Partial<TokenResponse>): Promise<string> {
    const { signIn } = createVisitors({ api: server.url, secret: SECRET, refresh: () => undefined })
    return cookieIn(await signIn({ ...server.mint(user), ...change }, new Response()))
  }

  /** The cookie of somebody who has signed in some minutes ago, and whose token has not long to live. */
  async function agedCookieOf(user: string): Promise<string> {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 300_000 })
    try {
      return await cookieOf(user, { expires_in: 310 })
    } finally {
      vi.useRealTimers()
    }
  }

  function cookieIn(response: Response): string {
    return response.headers.get('set-cookie')?.split(';')[0] ?? ''
  }

  /** How often an item came over the wire for this user. */
  const sent = (id: string, user: string): number =>
    server.requests.filter((entry) => entry.id === id && entry.user === user).length

  const visit = (path: string, cookie: string): Promise<Response> =>
    fetch(site.url + path, { headers: { cookie } })

  test('three components that fetch the same: one request, with the visitor’s own token', async () => {
    const response = await visit('/', await cookieOf('alice'))
    const page = await response.text()
    expect(page).toContain('layout of alice, 1')
    expect(page).toContain('page of alice, 1')
    expect(response.headers.has('set-cookie')).toBe(false)
    expect(sent('shared', 'alice')).toBe(1)
  })

  test('with recall each request has a signal: then it is not deduplicated', async () => {
    const tokenOfAnn = `token=${server.mint('ann').access_token}`
    expect(await (await visit('/recalling', tokenOfAnn)).text()).toContain('page of ann')
    expect(sent('recalled', 'ann')).toBe(2)
  })

  test('the middleware renews once for ten requests at once, and the rendering has the new token', async () => {
    const before = server.count.refreshRequests
    const cookie = await agedCookieOf('bob')
    const responses = await Promise.all(Array.from({ length: 10 }, () => visit('/', cookie)))
    for (const response of responses) expect(await response.text()).toContain('page of bob, 2')
    const [next = '', ...others] = new Set(responses.map(cookieIn))
    expect(next).toMatch(/^__Host-visitor=./)
    expect(others).toEqual([])
    expect(await (await visit('/', next)).text()).toContain('page of bob, 2')
    expect(server.count.refreshRequests - before, server.explain()).toBe(1)
    expect(server.count.reuses, server.explain()).toBe(0)
  })

  test('a route handler meets a 401: it renews, and the browser gets the cookie', async () => {
    const before = server.count.refreshRequests
    const cookie = await cookieOf('carol')
    server.expireAccessTokens('carol')
    const response = await visit('/api/me', cookie)
    expect(await response.json()).toMatchObject({ user: 'carol', generation: 2 })
    expect(await (await visit('/', cookieIn(response))).text()).toContain('page of carol, 2')
    expect(server.count.refreshRequests - before, server.explain()).toBe(1)
  })

  test('route handlers and server actions at once that meet a 401 share the refresh, and each gets the cookie', async () => {
    const before = server.count.refreshRequests
    const cookie = await cookieOf('dora')
    const form = await (await visit('/adding', cookie)).text()
    const [, action = ''] = /name="(\$ACTION_ID_[^"]+)"/.exec(form) ?? []
    server.expireAccessTokens('dora')
    const act = (): Promise<Response> => {
      const body = new FormData()
      body.set(action, '')
      return fetch(`${site.url}/adding`, { method: 'POST', headers: { cookie, origin: site.url }, body })
    }
    const responses = await Promise.all([act(), visit('/api/me', cookie), act(), visit('/api/me', cookie)])
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    expect(new Set(responses.map(cookieIn)).size).toBe(1)
    expect(await (await visit('/', cookieIn(responses[0] ?? new Response()))).text()).toContain(
      'page of dora, 2',
    )
    // Each is refused once, and sent again.
    expect(sent('added', 'dora')).toBe(4)
    expect(server.count.refreshRequests - before, server.explain()).toBe(1)
  })

  test('in the Edge runtime a handler renews once for all that come at once, and sets the cookie', async () => {
    const before = server.count.refreshRequests
    const cookie = await cookieOf('eve')
    server.expireAccessTokens('eve')
    const responses = await Promise.all([visit('/api/edge', cookie), visit('/api/edge', cookie)])
    for (const response of responses)
      expect(await response.json()).toEqual({ user: 'eve', generation: 2, runtime: 'edge-runtime' })
    expect(new Set(responses.map(cookieIn)).size).toBe(1)
    expect(server.count.refreshRequests - before, server.explain()).toBe(1)
  })

  test.each(['', 'garbage', '%7B%7D', btoa('{"tokens":{"accessToken":"planted"}}')])(
    'the cookie "%s" is no cookie: the page is that of nobody, and the browser forgets it',
    async (value) => {
      const cookie = `__Host-visitor=${value}`
      const page = await visit('/', cookie)
      expect(page.status).toBe(200)
      expect(await page.text()).toContain('page of nobody')
      expect(page.headers.get('set-cookie')).toMatch(/^__Host-visitor=; .*Max-Age=0$/)
      for (const path of ['/api/me', '/api/edge']) expect((await visit(path, cookie)).status).toBe(401)
    },
  )

  test('nobody: the page is served', async () => {
    expect(await (await fetch(site.url)).text()).toContain('page of nobody')
  })

  test('a page with a session of the browser is rendered while it is built', async () => {
    expect(await (await fetch(`${site.url}/browser`)).text()).toContain('<b>one moment</b>')
  })

  test('Next.js has complained of nothing', () => {
    expect(site.told()).not.toMatch(/error|warn|⨯/i)
  })
})
