import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChromium } from './launch.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const LANES = ['every-401', 'queue', 'refresh-once']

let playground: ChildProcess
let ended: Promise<number | null>
let browser: Browser
let page: Page
const requested: string[] = []
const pageErrors: Error[] = []

beforeAll(async () => {
  playground = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: root,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000,
  })
  ended = new Promise((resolve) => playground.on('close', resolve))
  const [url] = await Promise.all([urlOf(playground), launch()])
  page = await browser.newPage()
  page.on('request', (request) => requested.push(request.url()))
  page.on('pageerror', (error) => pageErrors.push(error))
  await page.goto(url)
  await idle()
}, 120_000)

afterAll(async () => {
  await browser?.close()
  playground?.kill()
  await ended
})

describe('the playground in a browser', { timeout: 30_000 }, () => {
  it('fetches data in all three lanes', async () => {
    await fetchWith('Fetch data')
    for (const lane of LANES) expect(await numbers(lane)).toMatchObject({ failed: 0, twice: 0 })
    expect(await page.getByRole('listitem').filter({ hasText: 'GET items' }).count()).toBe(3)
  })

  it('refresh-once answers everything with one refresh when the token was made invalid', async () => {
    await makeInvalid()
    await fetchWith('Fetch many')
    const once = await numbers('refresh-once')
    expect(once).toMatchObject({ refreshes: 1, failed: 0, twice: 0 })
    expect(once.wire).toBeLessThanOrEqual(30)
    expect(await status('refresh-once')).toBe('signed in')
    // The other lanes show what was counted, whatever that is.
    for (const lane of LANES) expect((await numbers(lane)).refreshes).toBeGreaterThanOrEqual(1)
  })

  it('refresh-once waits for a slow refresh', async () => {
    await signIn()
    await choose('Slow refresh')
    await makeInvalid()
    await fetchWith('Fetch many')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 1, failed: 0, twice: 0 })
  })

  it('refresh-once tries again when a refresh fails for a moment', async () => {
    await signIn()
    await choose('503, once')
    await makeInvalid()
    await fetchWith('Fetch many')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 2, failed: 0, twice: 0 })
    expect(await status('refresh-once')).toBe('signed in')
  })

  it('refresh-once keeps the session when refreshes fail, and recovers by itself', async () => {
    await signIn()
    await choose('503, always')
    await makeInvalid()
    await fetchWith('Fetch many')
    expect((await numbers('refresh-once')).failed).toBe(15)
    expect(await status('refresh-once')).toBe('signed in')
    await choose('works')
    // For a second after a failure nobody asks again.
    await expect
      .poll(
        async () => {
          await fetchWith('Fetch data')
          return (await numbers('refresh-once')).failed
        },
        { timeout: 20_000 },
      )
      .toBe(0)
  })

  it('refresh-once settles everything when the refresh is refused, and signs out', async () => {
    await signIn()
    await choose('invalid_grant')
    await makeInvalid()
    await fetchWith('Fetch many')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 1, wire: 15, failed: 15, twice: 0 })
    expect(await status('refresh-once')).toContain('signed out')
    await choose('works')
  })

  it('signs out and in again', async () => {
    await signIn()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('All three are signed out.').waitFor()
    await fetchWith('Fetch data')
    // Nobody is signed in: the 401 is the caller's, and nothing asks for a token.
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 0, wire: 1, failed: 1 })
    await signIn()
    await fetchWith('Fetch data')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 0, wire: 1, failed: 0 })
  })

  it('asks nobody but this machine, and throws nothing', () => {
    const hosts = new Set(requested.map((url) => new URL(url).hostname))
    hosts.delete('')
    expect([...hosts]).toEqual(['localhost'])
    expect(pageErrors).toEqual([])
  })

  it('fits a narrow screen', async () => {
    await page.setViewportSize({ width: 360, height: 700 })
    const [needed, there] = await page.evaluate(() => [
      document.documentElement.scrollWidth,
      document.documentElement.clientWidth,
    ])
    expect(needed).toBe(there)
  })

  it('ends cleanly with Ctrl+C', async () => {
    playground.kill('SIGINT')
    expect(await ended).toBe(0)
  })
})

async function launch(): Promise<void> {
  browser = await startChromium()
}

/** Where the page is, as soon as the terminal says so. */
function urlOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const [, url] = /^Open (http:\S+)$/m.exec(output) ?? []
      if (url) resolve(url)
    })
    child.on('close', (code) => reject(new Error(`the playground ended with ${code}:\n${output}`)))
  })
}

async function idle(): Promise<void> {
  await page.locator('#lanes[aria-busy="false"]').waitFor()
}

async function fetchWith(name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click()
  await idle()
}

async function makeInvalid(): Promise<void> {
  await page.getByRole('button', { name: 'Make the token invalid' }).click()
  await page.getByText('Nobody told the clients').waitFor()
}

async function choose(refresh: string): Promise<void> {
  await page.getByRole('radio', { name: refresh }).check()
  await page.getByText(new RegExp(`From now on .*${refresh}`)).waitFor()
}

/** Signs in those who are signed out. */
async function signIn(): Promise<void> {
  const button = page.getByRole('button', { name: 'Sign in' })
  if (await button.isEnabled()) await button.click()
  await page.locator('[data-do="sign-in"]:disabled').waitFor()
}

async function numbers(lane: string): Promise<Record<string, number>> {
  const values = await page
    .locator(`[data-lane="${lane}"] [data-number]`)
    .evaluateAll((all) =>
      all.map((one) => [one.getAttribute('data-number') ?? '', Number.parseInt(one.textContent ?? '', 10)]),
    )
  return Object.fromEntries(values)
}

async function status(lane: string): Promise<string> {
  return (await page.locator(`[data-lane="${lane}"] .status`).textContent()) ?? ''
}
