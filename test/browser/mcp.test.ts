/** Tabs that are clients of one MCP server, and share its login. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startWorld } from '../mcp/world.ts'
import { bundle } from './bundle.ts'
import { startChromium } from './launch.ts'

let browser: Awaited<ReturnType<typeof startChromium>>
let script = ''
beforeAll(async () => {
  script = await bundle(fileURLToPath(new URL('mcp-entry.ts', import.meta.url)))
  browser = await startChromium()
}, 120_000)
afterAll(() => browser?.close(), 30_000)

/** So many tabs of one site. */
async function openTabs(many: number): Promise<Page[]> {
  const site = createServer(({ url }, response) => {
    response.setHeader('content-type', url === '/page.js' ? 'text/javascript' : 'text/html')
    response.end(url === '/page.js' ? script : '<!doctype html><script src="/page.js"></script>')
  })
  await once(site.listen(0, '127.0.0.1'), 'listening')
  const context = await browser.newContext()
  onTestFinished(async () => {
    await context.close()
    site.closeAllConnections()
    site.close()
  })
  return Promise.all(
    Array.from({ length: many }, async () => {
      const page = await context.newPage()
      await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`)
      return page
    }),
  )
}

for (const kit of ['sdk', 'client'] as const) {
  test(`@modelcontextprotocol/${kit} in three tabs of Chromium: one login, and one refresh at each expiry`, async () => {
    const world = await startWorld()
    onTestFinished(() => world.close())
    const tabs = await openTabs(3)
    const connect = (tab: Page) =>
      tab.evaluate(([kit, origin]) => window.mcp.connect(kit, origin), [kit, world.origin] as const)
    const [first, ...others] = tabs as [Page, ...Page[]]
    const back = await world.consent(new URL(String(await connect(first))))
    await first.evaluate((code) => window.mcp.finish(code), String(back.searchParams.get('code')))
    for (const tab of others) expect(await connect(tab)).toBeUndefined()
    for (let round = 0; round < 3; round++) {
      world.expire()
      const answered = await Promise.all(
        tabs.map((tab, index) => tab.evaluate((name) => window.mcp.call(5, name), `${round}-${index}`)),
      )
      expect(answered).toEqual([5, 5, 5])
    }
    expect(world.count).toMatchObject({ refreshes: 3, reuses: 0, exchanges: 1, registrations: 1, leaks: 0 })
    expect(world.added.size).toBe(45)
    expect([...world.added.values()].every((times) => times === 1)).toBe(true)
  })
}
