import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedOldestReact } from '../../scripts/runtimes.mjs'
import { startChromium } from '../browser/launch.ts'
import { installPacked, type Packed } from './packed.ts'

const releases = [
  { release: /^19\./, within: undefined },
  ...[installedOldestReact()]
    .filter((within) => within !== undefined)
    .map((within) => ({ release: /^18\.0\.0/, within })),
]

let browser: Browser
beforeAll(async () => {
  browser = await startChromium()
})
afterAll(() => browser?.close())

/** The script of the page, in the build of React that tells of differences from what the server has sent. */
async function bundle(folder: string): Promise<string> {
  const bundler = await rolldown({
    input: join(folder, 'page.mjs'),
    platform: 'browser',
    transform: { define: { 'process.env.NODE_ENV': '"development"' } },
    logLevel: 'silent',
  })
  const { output } = await bundler.generate({ format: 'iife' })
  await bundler.close()
  return output[0].code
}

describe.each(process.env.CHROMIUM_PATH === '' ? [] : releases)(
  'useSession of the packed package in React $release',
  ({ release, within }) => {
    let packed: Packed
    let site: Server
    let html = ''
    let refreshes = 0

    beforeAll(async () => {
      packed = installPacked('./react', within)
      const program = join(packed.folder, 'server.mjs')
      html = (await promisify(execFile)(process.execPath, [program])).stdout
      const script = await bundle(packed.folder)
      site = createServer(({ url, method, headers }, response) => {
        if (url === '/page.js')
          return response.writeHead(200, { 'content-type': 'text/javascript' }).end(script)
        if (url === '/' && method === 'GET')
          return response
            .writeHead(200, { 'content-type': 'text/html' })
            .end(`<!doctype html><div id="root">${html}</div><script src="/page.js"></script>`)
        if (url !== '/refresh') return response.writeHead(404).end()
        refreshes += 1
        const known = headers.cookie?.includes('visitor=')
        return response
          .writeHead(known ? 200 : 401, { 'content-type': 'application/json' })
          .end(known ? '{ "access_token": "first", "expires_in": 600 }' : '{}')
      })
      await once(site.listen(0, '127.0.0.1'), 'listening')
    }, 240_000)
    afterAll(() => {
      site?.closeAllConnections()
      site?.close()
      packed?.remove()
    })

    test('the server renders it, and the browser takes it over, in strict mode, with one refresh', async () => {
      expect(html).toBe('<i>one moment</i>')
      const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
      const context = await browser.newContext()
      await context.addCookies([{ name: 'visitor', value: '1', url }])
      const page = await context.newPage()
      const complaints: string[] = []
      page.on('console', (message) => {
        if (/^(?:error|warning)$/.test(message.type())) complaints.push(message.text())
      })
      page.on('pageerror', ({ message }) => void complaints.push(message))
      await page.goto(url)
      await page.getByText('leave').click()
      await page.getByText('login').waitFor()
      expect(await page.evaluate('version')).toMatch(release)
      // Nobody has an icon for the browser.
      expect(complaints.filter((text) => !text.includes('404'))).toEqual([])
      expect(refreshes).toBe(1)
      await context.close()
    })

    test('who has no cookie sees the login', async () => {
      const page = await browser.newPage()
      await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
      await page.getByText('login').waitFor()
      await page.close()
    })
  },
)
