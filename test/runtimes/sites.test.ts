/** Sites of frameworks that render on a server, built and served, with the package as it is packed. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type AuthServer, createAuthServer } from 'refresh-once/testing'
import { transformWithOxc } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createVisitors } from '../../examples/nextjs.ts'
import { installedSites } from '../../scripts/runtimes.mjs'
import { freePort, times } from '../setup.ts'
import { installPacked, type Packed } from './packed.ts'

const SECRET = 'a secret that only this site knows'

/** What is run to build and to serve, in its packages. */
const COMMANDS: Record<string, { build: string[]; serve: string[] }> = {
  'svelte-kit': { build: ['vite/bin/vite.js', 'build'], serve: ['./build/index.js'] },
  'react-router': {
    build: ['@react-router/dev/bin.js', 'build'],
    serve: ['@react-router/serve/bin.js', './build/server/index.js'],
  },
  nuxt: { build: ['nuxt/bin/nuxt.mjs', 'build'], serve: ['./.output/server/index.mjs'] },
}

interface Site {
  url: string
  stop(): Promise<void>
}

async function startSite(name: string, home: string, { folder }: Packed, api: string): Promise<Site> {
  const { build, serve } = COMMANDS[name] ?? { build: [], serve: [] }
  const command = ([program = '', ...rest]: string[]): string[] => [
    program.startsWith('.') ? program : join(home, 'node_modules', program),
    ...rest,
  ]
  const { port } = new URL(await freePort())
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...process.env,
    NODE_ENV: 'production',
    API: api,
    SECRET,
    HOST: '127.0.0.1',
    PORT: port,
    ORIGIN: url,
    NUXT_TELEMETRY_DISABLED: '1',
  }
  const settings = { cwd: folder, env } as const
  await promisify(execFile)(process.execPath, command(build), { ...settings, maxBuffer: 2 ** 26 })
  const child = spawn(process.execPath, command(serve), settings)
  const ended = once(child, 'exit')
  await new Promise<void>((resolve, reject) => {
    let told = ''
    const listen = (text: string): void => {
      told += text
      if (told.includes(`:${port}`)) resolve()
    }
    child.stdout.setEncoding('utf8').on('data', listen)
    child.stderr.setEncoding('utf8').on('data', listen)
    void ended.then(() => reject(new Error(`the site has ended: ${told}`)))
  })
  return {
    url,
    async stop() {
      child.kill()
      await ended
    },
  }
}

const cookieIn = (response: Response): string => response.headers.get('set-cookie')?.split(';')[0] ?? ''

describe.each(installedSites())('$name', ({ name, folder: home }) => {
  let packed: Packed
  let server: AuthServer
  let site: Site
  let ids = 0

  beforeAll(async () => {
    packed = installPacked(`./${name}`, home)
    const recipe = readFileSync(new URL('../../examples/nextjs.ts', import.meta.url), 'utf8')
    const { code } = await transformWithOxc(recipe, 'recipe.ts')
    writeFileSync(join(packed.folder, 'recipe.js'), code)
    // React Router looks there for what it is to use.
    const needs = ['@react-router/node', '@react-router/serve', 'isbot', 'react', 'react-dom', 'react-router']
    const dependencies = Object.fromEntries(needs.map((needed) => [needed, '*']))
    const description = { name: 'site', private: true, type: 'module', dependencies }
    writeFileSync(join(packed.folder, 'package.json'), JSON.stringify(description))
    const shared = join(packed.folder, name === 'svelte-kit' ? 'src' : '.', 'in-the-page.js')
    copyFileSync(new URL('in-the-page.js', import.meta.url), shared)
    server = await createAuthServer()
    site = await startSite(name, home, packed, server.url)
  }, 300_000)

  afterAll(async () => {
    await site?.stop()
    await server?.close()
    packed?.remove()
  })

  /** The cookie of somebody who has just signed in. */
  async function cookieOf(user: string): Promise<string> {
    const { signIn } = createVisitors({ api: server.url, secret: SECRET, refresh: () => undefined })
    return cookieIn(await signIn(server.mint(user), new Response()))
  }

  async function visit(cookie: string): Promise<{ text: string; response: Response }> {
    const response = await fetch(`${site.url}/?id=${ids++}`, { headers: { cookie } })
    return { text: /page of [^<]*/.exec(await response.text())?.[0] ?? '', response }
  }

  const pageOf = (user: string): string => `page of ${user}, ${user}, ${user}; in the page: unknown`

  test('a page is rendered with the tokens of its visitor, and sets no cookie', async () => {
    const { text, response } = await visit(await cookieOf('alice'))
    expect(text).toBe(pageOf('alice'))
    expect(response.headers.has('set-cookie')).toBe(false)
  })

  test('a token that nobody knows to have ended: one refresh for the page, and a new cookie', async () => {
    const cookie = await cookieOf('alice')
    server.expireAccessTokens()
    const before = server.count.refreshes
    const { text, response } = await visit(cookie)
    expect(text).toBe(pageOf('alice'))
    expect(server.count.refreshes - before).toBe(1)
    const next = cookieIn(response)
    expect(next).toMatch(/^__Host-visitor=./)
    expect(response.headers.get('set-cookie')).toMatch(/HttpOnly; Secure/)
    expect((await visit(next)).response.headers.has('set-cookie')).toBe(false)
  })

  test('ten pages at once, with one cookie whose token has ended: one refresh, and each sets the new cookie', async () => {
    const cookie = await cookieOf('alice')
    server.expireAccessTokens()
    const before = server.count.refreshes
    const pages = await Promise.all(times(10, () => visit(cookie)))
    expect(pages.map(({ text }) => text)).toEqual(times(10, () => pageOf('alice')))
    expect(server.count.refreshes - before).toBe(1)
    expect(server.count.reuses, server.explain()).toBe(0)
    const cookies = new Set(pages.map(({ response }) => cookieIn(response)))
    expect([...cookies]).toEqual([expect.stringMatching(/^__Host-visitor=./)])
  })

  test('twenty visitors at once: each sees what is theirs', async () => {
    const users = times(20, (index) => `user${index}`)
    const cookies = await Promise.all(users.map(cookieOf))
    server.expireAccessTokens()
    const pages = await Promise.all(cookies.map(visit))
    expect(pages.map(({ text }) => text)).toEqual(users.map(pageOf))
  })

  test('no cookie, and one that is none of ours: the page of nobody', async () => {
    expect((await visit('')).text).toBe(pageOf('nobody'))
    const { text, response } = await visit('__Host-visitor=garbage')
    expect(text).toBe(pageOf('nobody'))
    expect(response.headers.get('set-cookie')).toMatch(/^__Host-visitor=;.*Max-Age=0/)
  })

  test('a sign-out takes the cookie, and what still has it gets nothing more', async () => {
    const cookie = await cookieOf('alice')
    expect((await visit(cookie)).text).toBe(pageOf('alice'))
    const response = await fetch(`${site.url}/logout`, {
      method: 'POST',
      headers: { cookie, origin: site.url },
    })
    expect([response.status, cookieIn(response)]).toEqual([200, '__Host-visitor='])
    expect((await visit(cookie)).text).toBe(pageOf('nobody'))
  })
})
