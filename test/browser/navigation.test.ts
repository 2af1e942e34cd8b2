/** A real page that leaves for its login, and comes back from it, while the refresh token is an HttpOnly cookie. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { bundle } from './bundle.ts'
import { startChromium } from './launch.ts'
import { call } from './page-site.ts'

type Kit = typeof import('./navigation-page.ts')

const SCRIPT = await bundle(fileURLToPath(new URL('./navigation-page.ts', import.meta.url)))

async function openApp() {
  let logouts = 0
  const server = createServer((request, response) => {
    const { url = '', headers } = request
    if (url === '/refresh')
      return void (/rt=good/.test(headers.cookie ?? '')
        ? response.setHeader('content-type', 'application/json').end('{"access_token":"a","expires_in":3600}')
        : response.writeHead(401).end())
    if (url === '/logout') {
      logouts++
      // The page would be gone by then.
      setTimeout(() => response.writeHead(204, { 'set-cookie': 'rt=; Path=/; Max-Age=0' }).end(), 200)
      return
    }
    // The login is the server's: it sets the cookie, and leads back.
    if (url.startsWith('/login?')) {
      const [back, search] = url.slice('/login?'.length).split('&')
      return void response
        .writeHead(302, { 'set-cookie': 'rt=good; Path=/; HttpOnly', location: `${back}?${search}` })
        .end()
    }
    response.setHeader('content-type', 'text/html').end(`<script>${SCRIPT}</script>`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const browser = await startChromium()
  onTestFinished(() => browser.close())
  const page = await (await browser.newContext()).newPage()
  const home = `http://localhost:${(server.address() as AddressInfo).port}`
  return {
    page,
    home,
    logouts: () => logouts,
    ask: () => call<Kit, 'ask'>(page, 'ask'),
    cookies: async () => (await page.context().cookies()).map(({ name }) => name),
  }
}

for (const search of ['', 'store'])
  for (const how of ['leaveAfterwards', 'leaveWhenHeard'] as const)
    test(`signs in by a redirect, out by ${how}, and in again (${search || 'without a store'})`, async () => {
      const { page, home, logouts, ask, cookies } = await openApp()
      await page.goto(`${home}/?${search}`)
      expect(await ask()).toBe('session_expired')
      // At first nobody has to say anything. After a sign-out the page says that this is another login.
      for (const [round, back] of [
        [1, '/'],
        [2, '/back'],
      ] as const) {
        await page.goto(`${home}/login?${back}&${search}`)
        expect([new URL(page.url()).pathname, await ask()]).toEqual([back, 'signed in'])
        const left = page.waitForURL('**/login-page**')
        // The page goes away before it could answer.
        await call<Kit, typeof how>(page, how).catch(() => {})
        await left
        expect([logouts(), await cookies()]).toEqual([round, []])
        await page.goto(`${home}/?${search}`)
        expect(await ask()).toBe('session_expired')
      }
    })
