import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { startServer, times } from '../../setup.ts'
import { bundle } from '../bundle.ts'
import { startChromium } from '../launch.ts'

const script = await bundle(fileURLToPath(new URL('./page/example.ts', import.meta.url)))

test('the recipe of the README: three tabs, one refresh cookie, and one refresh each time', async () => {
  const server = await startServer({
    fallback: ({ url }, response) => {
      response.writeHead(200, { 'content-type': url === '/page.js' ? 'text/javascript' : 'text/html' })
      response.end(
        url === '/page.js' ? script : '<!doctype html><title>app</title><script src="/page.js"></script>',
      )
    },
  })
  const browser = await startChromium()
  onTestFinished(() => browser.close())
  const context = await browser.newContext()
  // Where the app of the recipe has its refresh route.
  await context.route('**/auth/refresh', (route) => route.continue({ url: `${server.url}/refresh` }))
  await context.request.post(`${server.url}/login`, { data: { user: 'alice', password: 'secret' } })

  const open = async (): Promise<Page> => {
    const page = await context.newPage()
    await page.goto(server.url)
    return page
  }
  const token = (page: Page): Promise<string> => page.evaluate('session.getAccessToken()')
  const pages = [await open()]
  const first = await token(pages[0] as Page)
  pages.push(await open(), await open())
  expect(await Promise.all(pages.map(token))).toEqual(times(3, () => first))
  expect(server.count).toMatchObject({ refreshRequests: 1, reuses: 0 })
  await Promise.all(pages.map((page) => page.evaluate('session.refresh()')))
  const [second = '', ...others] = await Promise.all(pages.map(token))
  expect(second).not.toBe(first)
  expect(others).toEqual([second, second])
  expect(server.count).toMatchObject({ refreshRequests: 2, reuses: 0 })
})
