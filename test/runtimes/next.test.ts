import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type AuthServer, createAuthServer, type TokenResponse } from 'refresh-once/testing'
import { transformWithOxc } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createVisitors } from '../../examples/nextjs.ts'
import { installedNext } from '../../scripts/runtimes.mjs'
import { installPacked, type Packed } from './packed.ts'

/** A site that was built with Next.js, and serves. */
interface Site {
  url: string
  stop(): Promise<void>
}

async function startSite({ folder }: Packed, next: string, api: string): Promise<Site> {
  const program = join(next, 'node_modules/next/dist/bin/next')
  const settings = {
    cwd: folder,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', API: api },
  } as const
  await promisify(execFile)(process.execPath, [program, 'build'], settings)
  const child = spawn(
    process.execPath,
    [program, 'start', '--port', '0', '--hostname', '127.0.0.1'],
    settings,
  )
  const ended = once(child, 'exit')
  const url = await new Promise<string>((resolve, reject) => {
    let told = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text
      const local = /Local: +(http:\S+)/.exec(told)?.[1]
      if (local && told.includes('Ready')) resolve(local)
    })
    void ended.then(() => reject(new Error(`Next.js has ended: ${told}`)))
  })
  return {
    url,
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
    const { signIn } = createVisitors({ api: server.url, refresh: () => undefined })
    return cookieIn(await signIn({ ...server.mint(user), ...change }, new Response()))
  }

  /** The same cookie some minutes later, when its token has not long to live. */
  function aged(cookie: string): string {
    const [name, value = ''] = cookie.split('=')
    const record = JSON.parse(Buffer.from(value, 'base64url').toString())
    record.tokens.receivedAt -= 300_000
    return `${name}=${Buffer.from(JSON.stringify(record)).toString('base64url')}`
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
    expect(await (await visit('/recalling', await cookieOf('ann'))).text()).toContain('page of ann')
    expect(sent('recalled', 'ann')).toBe(2)
  })

  test('the middleware renews once for ten requests at once, and the rendering has the new token', async () => {
    const before = server.count.refreshRequests
    const cookie = aged(await cookieOf('bob', { expires_in: 10 }))
    const responses = await Promise.all(Array.from({ length: 10 }, () => visit('/', cookie)))
    for (const response of responses) expect(await response.text()).toContain('page of bob, 2')
    const [next = '', ...others] = new Set(responses.map(cookieIn))
    expect(next).toMatch(/^visitor=./)
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
})
