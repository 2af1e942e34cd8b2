/** The timeline in a page that allows no inline scripts and styles. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { createTimeline } from 'refresh-once/devtools'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { TOKENS } from '../devtools/hostile.ts'
import { startServer } from '../setup.ts'
import { bundle } from './bundle.ts'
import type {} from './devtools-page.ts'
import { startChromium } from './launch.ts'

const PAGE = `<!doctype html><html lang="en"><title>An app</title><script src="/page.js"></script>
<body><main><h1>An app</h1></main></body></html>`

let browser: Browser
let site: Server
let origin: string

beforeAll(async () => {
  const script = await bundle(fileURLToPath(new URL('./devtools-page.ts', import.meta.url)))
  browser = await startChromium()
  site = createServer(({ url }, response) => {
    const isScript = url === '/page.js'
    response.writeHead(200, {
      'content-type': `text/${isScript ? 'javascript' : 'html'}; charset=utf-8`,
      'content-security-policy': "default-src 'none'; script-src 'self'; connect-src *; style-src 'self'",
    })
    response.end(isScript ? script : PAGE)
  })
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  origin = `http://localhost:${(site.address() as AddressInfo).port}`
}, 120_000)

afterAll(async () => {
  await browser?.close()
  site?.closeAllConnections()
  site?.close()
})

interface Visit {
  page: Page
  server: Awaited<ReturnType<typeof startServer>>
  rows: Locator
  refreshes: Locator
  detail: Locator
  errors: Error[]
}

async function visit({
  docked = false,
  context,
  name,
}: {
  docked?: boolean
  context?: BrowserContext
  name?: string
} = {}): Promise<Visit> {
  const server = await startServer()
  const own = context ?? (await browser.newContext())
  if (!context) onTestFinished(() => own.close())
  const page = await own.newPage()
  const errors: Error[] = []
  page.on('pageerror', (error) => errors.push(error))
  page.setDefaultTimeout(20_000)
  await page.goto(origin)
  const { tokenEndpoint } = server
  const tokens = { ...server.mint('alice') }
  await page.evaluate((beginning) => window.timeline.begin(beginning), {
    tokenEndpoint,
    tokens,
    docked,
    ...(name && { name }),
  })
  const options = page.getByRole('listbox').getByRole('option')
  return {
    page,
    server,
    rows: options.filter({ hasText: /GET/ }),
    refreshes: options.filter({ hasText: /^refresh/ }),
    detail: page.locator('refresh-once-timeline .detail'),
    errors,
  }
}

/** Sends a request that is refused, refreshed for and sent again. */
async function refresh({ page, server }: Visit): Promise<void> {
  server.expireAccessTokens()
  expect(await page.evaluate((url) => window.timeline.get(url), `${server.url}/api/items?secret=1`)).toBe(200)
}

async function axeFindings(page: Page): Promise<unknown[]> {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(async () =>
    (globalThis as unknown as { axe: { run(): Promise<{ violations: object[] }> } }).axe.run(),
  )
  return violations
}

test('a request, its refresh and the reasons are seen, on hover in words, and by a screen reader', async () => {
  const visited = await visit()
  const { rows, refreshes, detail } = visited
  await refresh(visited)
  await rows.first().waitFor()
  await expect.poll(() => rows.first().textContent()).toMatch(/^GET \/api\/items 200 · /)
  expect(
    await rows
      .first()
      .locator('s')
      .evaluateAll((bars) => bars.map(({ className }) => className)),
  ).toEqual(['sent', 'refused', 'held', 'replay'])
  expect(await refreshes.locator('s.refresh').count()).toBe(1)
  await rows.first().hover()
  await expect
    .poll(() => detail.textContent())
    .toMatch(/refused with 401.*held: refresh 1 was running.*sent again with token set 2/)
  await refreshes.locator('s').hover()
  await expect
    .poll(() => detail.textContent())
    .toMatch(/refresh 1 began: the API had refused the token.*1 request waited/)
  const label = await rows.first().getAttribute('aria-label')
  expect(label).toMatch(
    /^GET \/api\/items 200 · \d+ ms\. \+0 ms: sent with token set 1\. .*answered with 200$/,
  )
  expect(label).not.toContain('secret')
  expect(visited.errors).toEqual([])
})

test('it is used with the keyboard alone', async () => {
  const visited = await visit()
  const { page, detail } = visited
  await page.evaluate(() => window.timeline.storm(300))
  const list = page.getByRole('listbox')
  await list.focus()
  const active = (): Promise<string | null> =>
    list.evaluate((view) => {
      const id = view.getAttribute('aria-activedescendant') ?? ''
      return (view.getRootNode() as ShadowRoot).getElementById(id)?.getAttribute('aria-label') ?? null
    })
  for (const [key, label, words] of [
    ['Home', /^refreshes 3\. /, /./],
    ['ArrowLeft', /refresh 2 began/, /refresh 2/],
    ['ArrowDown', /^GET \/items\/1 /, /#1 GET.*sent with token set 1/],
    ['ArrowDown', /^GET \/items\/2 /, /#2 GET/],
    ['End', /^GET \/items\/300 /, /#300 GET.*sent again/],
    ['PageUp', /^GET \/items\/2\d\d /, /#2\d\d GET/],
  ] as const) {
    await list.press(key)
    await expect.poll(active).toMatch(label)
    await expect.poll(() => detail.textContent()).toMatch(words)
  }
  expect(visited.errors).toEqual([])
})

test.each(['light', 'dark'] as const)(
  'axe-core finds nothing in the %s one: empty, filled, docked and open',
  async (colorScheme) => {
    const visited = await visit()
    const { page } = visited
    await page.emulateMedia({ colorScheme })
    expect(await axeFindings(page)).toEqual([])
    await refresh(visited)
    await page.evaluate(() => window.timeline.storm(200))
    await page.getByRole('option').nth(5).waitFor()
    expect(await axeFindings(page)).toEqual([])
    const docked = await visit({ docked: true })
    await docked.page.emulateMedia({ colorScheme })
    await docked.page.getByRole('button', { name: /^refresh-once: 0 requests/ }).click()
    await docked.page.getByRole('listbox').waitFor()
    expect(await axeFindings(docked.page)).toEqual([])
    await docked.page.getByRole('listbox').press('Escape')
    await docked.page.getByRole('listbox').waitFor({ state: 'hidden' })
  },
)

test('of five thousand requests only those in sight are in the page, and each can be come to', async () => {
  const { page, rows } = await visit()
  await page.evaluate(() => window.timeline.storm(5_000))
  await page.getByText('5000 requests · 50 refreshes').waitFor()
  const list = page.getByRole('listbox')
  for (const part of [0, 0.25, 0.5, 1]) {
    const id = await list.evaluate(async (view, at) => {
      view.scrollTop = at * (view.scrollHeight - view.clientHeight)
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
      return Math.max(1, Math.ceil(view.scrollTop / 22) + 2)
    }, part)
    await expect.poll(() => rows.filter({ hasText: new RegExp(`/items/${id}(?!\\d)`) }).count()).toBe(1)
    expect(await rows.count()).toBeLessThan(40)
  }
  await list.press('Home')
  await list.press('End')
  await expect.poll(() => rows.filter({ hasText: '/items/5000' }).count()).toBe(1)
})

test.each(TOKENS)('the token %s is nowhere in the page, and not in what is exported', async (token) => {
  const { page } = await visit()
  await page.evaluate((it) => window.timeline.hostile(it), token)
  await page.getByRole('option').nth(1).waitFor()
  await page.getByRole('option').nth(1).hover()
  await page.getByText(/refused with 401/).waitFor()
  const all = await page.evaluate(() => window.timeline.everything() + window.timeline.element().exported())
  expect(all).not.toContain(token)
  expect(all).toContain('refused with 401')
})

test('what is exported is a file that another timeline shows, and no other file is', async () => {
  const visited = await visit()
  const { page } = visited
  await refresh(visited)
  await page.getByText('1 request · 1 refresh · 0 failed').waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export' }).click(),
  ])
  expect(download.suggestedFilename()).toBe('refresh-once-timeline.json')
  const path = await download.path()
  const other = await visit()
  const open = async (
    files: { name: string; mimeType: string; buffer: Buffer }[] | string,
  ): Promise<void> => {
    const [chooser] = await Promise.all([
      other.page.waitForEvent('filechooser'),
      other.page.getByRole('button', { name: 'Open a file' }).click(),
    ])
    await chooser.setFiles(files)
  }
  await open(path)
  await other.page.getByText('1 request · 1 refresh · 0 failed').waitFor()
  await other.rows.first().hover()
  await expect.poll(() => other.detail.textContent()).toMatch(/refused with 401.*held: refresh 1 was running/)
  await open([{ name: 'other.json', mimeType: 'application/json', buffer: Buffer.from('{"entries":[]}') }])
  await other.page.getByText(/This is no file of a refresh-once timeline/).waitFor()
  expect(await other.rows.count()).toBe(1)
  const text = readFileSync(path, 'utf8')
  for (const { source, event } of JSON.parse(text).entries) {
    const timeline = createTimeline()
    timeline.add(source, event)
    expect(timeline.strange).toBe(0)
  }
  await page.getByRole('button', { name: 'Clear' }).click()
  await page.getByText('0 requests').waitFor()
})

test('tabs of one origin show what the others do, each under its name', async () => {
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const one = await visit({ context, name: 'one' })
  const other = await visit({ context, name: 'other' })
  await refresh(one)
  await refresh(other)
  for (const { page, rows } of [one, other]) {
    // A tab that nobody sees draws nothing.
    await page.bringToFront()
    await expect.poll(() => rows.filter({ hasText: /^one GET/ }).count()).toBe(1)
    await expect.poll(() => rows.filter({ hasText: /^other GET/ }).count()).toBe(1)
  }
  // What is not of a session does no harm.
  await one.page.evaluate(() => {
    const channel = new BroadcastChannel('refresh-once timeline')
    for (const message of [null, 'x', { source: 1 }, { source: 'x', event: { type: 'request-sent' } }])
      channel.postMessage(message)
    channel.postMessage({ source: 'x', event: { type: 'degraded', at: 1, state: {}, reason: 'last' } })
  })
  await other.page.getByText('1 not understood').waitFor()
  expect([...one.errors, ...other.errors]).toEqual([])
})

test('several timelines share one axis', async () => {
  const { page, rows } = await visit()
  await page.evaluate(() => window.timeline.storm(3))
  await rows.nth(2).waitFor()
  const place = (): Promise<string> =>
    rows
      .nth(0)
      .locator('s')
      .first()
      .evaluate((bar) => bar.style.left)
  expect(await place()).toBe('0%')
  await page.evaluate(() => {
    const element = window.timeline.element()
    const { from } = element.span ?? { from: 0 }
    element.range = { from: from - 500, to: from + 500 }
  })
  await expect.poll(place).toBe('50%')
})
