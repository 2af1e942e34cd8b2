import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import type { Browser, Page, Request } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startChromium } from './launch.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const LANES = ['every-401', 'queue', 'axios-refresh-me', 'refresh-once']

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
  page.setDefaultTimeout(30_000)
  await page.goto(url)
  await page.locator('#go:enabled').waitFor()
}, 120_000)

afterAll(async () => {
  await browser?.close()
  playground?.kill()
  await ended
})

describe('the tour', { timeout: 60_000 }, () => {
  it('says of a good token: one request, one answer', async () => {
    expect(await take('A request')).toBe('1 request, 0 refreshes.')
  })

  it('shows how an expired one is refreshed for', async () => {
    expect(await take('It expires')).toBe('2 sends, 1 refresh, and an answer.')
    const row = page.locator('[data-lane="refresh-once"]').getByRole('option', { name: 'GET /api/items' })
    await expect
      .poll(() => row.locator('s').evaluateAll((bars) => bars.map(({ className }) => className)))
      .toEqual(['sent', 'refused', 'held', 'replay'])
    await row.hover()
    await page.getByText(/held: refresh \d+ was running/).waitFor()
  })

  it('shows why each must not refresh for itself', async () => {
    expect(await take('Three at once')).toMatch(
      /^[23] refreshes, [12] of 3 lost, and the user is signed out\.$/,
    )
    expect(await status('every-401')).toBe('signed out: a refresh token came twice')
  })

  it('compares four ways on one axis, and one of them has one refresh and everything answered', async () => {
    const verdict = await take('Side by side')
    expect(verdict.split('\n')).toHaveLength(4)
    expect(verdict).toContain('refresh-once: 1 refresh, 0 of 15 lost.')
    for (const lane of LANES) {
      // What is drawn, what is counted beside it and what the verdict says is one.
      const { refreshes } = await numbers(lane)
      const drawn = page.locator(`[data-lane="${lane}"]`).getByRole('option', { name: /^refresh/ })
      await expect.poll(() => drawn.locator('.result').textContent()).toBe(String(refreshes))
      expect(await page.locator(`[data-lane="${lane}"]`).getByRole('option', { name: '/api/' }).count()).toBe(
        15,
      )
    }
  })

  it('shows a late 401', async () => {
    expect(await take('The late one')).toContain('refresh-once: 1 refresh, 0 of 3 lost.')
  })

  it('shows a refresh that fails for a moment', async () => {
    expect(await take('No answer')).toContain('refresh-once: 2 refreshes, 0 of 3 lost.')
  })

  it('ends with three tabs that refresh once', async () => {
    expect(await take('Then: tabs')).toBe('1 refresh for three tabs; 0 of 15 requests lost.')
    for (const name of ['tab 1', 'tab 2', 'tab 3'])
      expect(await page.getByRole('option', { name: `${name} GET` }).count()).toBe(5)
  })

  it('says what becomes of the step that is taken now, and nothing of the time before', async () => {
    await take('A request')
    const meanwhile = await page.evaluate(() => {
      document.querySelector<HTMLElement>('#go')?.click()
      return document.querySelector('#verdict')?.textContent
    })
    expect(meanwhile).toBe('')
    await page.locator('#verdict:not(:empty)').waitFor()
    expect(await page.locator('#verdict').textContent()).toBe('1 request, 0 refreshes.')
    await page.locator('#go:enabled').waitFor()
  })

  it.each(['light', 'dark'] as const)('axe-core finds nothing in it, in the %s', async (colorScheme) => {
    await page.emulateMedia({ colorScheme })
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate(async () =>
      (globalThis as unknown as { axe: { run(): Promise<{ violations: object[] }> } }).axe.run(),
    )
    expect(violations).toEqual([])
    await page.emulateMedia({ colorScheme: null })
  })

  it('compares on a narrow screen without scrolling past three of it', async () => {
    await page.setViewportSize({ width: 390, height: 844 })
    await page.getByRole('button', { name: 'Side by side' }).first().click()
    for (const title of [
      'Every 401 refreshes',
      'isRefreshing and a queue',
      'axios-refresh-me',
      'refresh-once',
    ]) {
      await page.locator('#pick').getByRole('button', { name: title, exact: true }).click()
      const lane = page.locator('.lane:visible')
      expect(await lane.getByRole('heading').allTextContents()).toEqual([title])
      const { bottom, wide } = await lane.evaluate((it) => ({
        bottom: it.getBoundingClientRect().bottom + scrollY,
        wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      }))
      expect(bottom).toBeLessThan(3 * 844)
      expect(wide).toBe(0)
    }
    // What the button has done is seen right below it, and which step it was in the row of steps.
    const [look, lanes, turn] = await Promise.all(
      ['#look', '#lanes', '.turn'].map(async (part) => (await page.locator(part).boundingBox())?.y),
    )
    expect([look, lanes, turn]).toEqual([look, lanes, turn].sort((a, b) => Number(a) - Number(b)))
    const step = await page.locator('[aria-current="step"]').boundingBox()
    expect(step?.x).toBeGreaterThanOrEqual(0)
    expect((step?.x ?? 0) + (step?.width ?? 0)).toBeLessThanOrEqual(390)
    await page.setViewportSize({ width: 1280, height: 720 })
  })
})

describe('the playground in a browser', { timeout: 60_000 }, () => {
  it('fetches data in all lanes', async () => {
    await signIn()
    await fetchWith('Fetch data')
    for (const lane of LANES) expect(await numbers(lane)).toMatchObject({ failed: 0, twice: 0 })
    await expect.poll(() => page.getByRole('option', { name: 'GET /api/items' }).count()).toBe(LANES.length)
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

  it('fetches while a refresh is running: those wait for it, and there is no second one', async () => {
    await signIn()
    await choose('Slow refresh')
    await page.getByRole('button', { name: 'Fetch while refreshing' }).click()
    await page.getByText('All settled.').waitFor()
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 1, failed: 0 })
    await choose('works')
  })

  it('executes a POST once, with a dead token and late checks and latency and a wrong clock', async () => {
    await signIn()
    await page.getByLabel('Clock wrong by an hour').check()
    await page.getByText('The clock of this page is an hour ahead.').waitFor()
    await page.getByLabel('API checks late').check()
    await page.getByLabel('Latency').fill('300')
    await makeInvalid()
    await fetchWith('POST with effects')
    const once = await numbers('refresh-once')
    expect(once).toMatchObject({ failed: 0, twice: 0 })
    // Both are waited for before the token is looked at.
    expect(once.took).toBeGreaterThan(900)
    await page.getByLabel('Clock wrong by an hour').uncheck()
    await page.getByLabel('API checks late').uncheck()
    await page.getByLabel('Latency').fill('0')
  })

  it('tells when the answer to a refresh is lost after the server has rotated', async () => {
    await signIn()
    await choose('Lost answer')
    await makeInvalid()
    await fetchWith('Fetch data')
    // The server has no grace: it takes the second use for theft, whoever sends it.
    expect(await numbers('refresh-once')).toMatchObject({ failed: 1, twice: 0 })
    await choose('works')
  })

  it('shows a refresh that hangs as one that runs, and goes on with the next sign-in', async () => {
    await signIn()
    await choose('Hanging refresh')
    await makeInvalid()
    await fetchWith('Fetch data')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 1, failed: 1 })
    await choose('works')
  })

  it('answers although six connections to each server are busy', async () => {
    await signIn()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('All of them are signed out.').waitFor()
    await page.locator('[data-do="sign-in"]:enabled').waitFor()
    await signIn()
    await page.getByRole('button', { name: 'Six busy connections' }).click()
    await fetchWith('Fetch data')
    expect(await numbers('refresh-once')).toMatchObject({ failed: 0 })
  })

  it('binds the tokens of refresh-once to a key of this browser, and lets go of it', async () => {
    const sent: { authorization: string; dpop: string; url: string }[] = []
    const note = async (request: Request): Promise<void> => {
      const { authorization = '', dpop = '' } = await request.allHeaders()
      if (authorization.startsWith('DPoP')) sent.push({ authorization, dpop, url: request.url() })
    }
    page.on('request', note)
    await page.getByLabel('Proofs of possession').check()
    await page.getByText('each send has a proof of its own').waitFor()
    // The API wants a nonce first: that is one more send, and no refresh.
    await fetchWith('Fetch data')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 0, wire: 2, failed: 0 })
    await makeInvalid()
    await fetchWith('Fetch many')
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 1, failed: 0, twice: 0 })
    expect(new Set(sent.map(({ dpop }) => dpop)).size).toBe(sent.length)

    // Whoever takes the token, or a proof as well, has nothing.
    const [{ authorization, dpop, url } = { authorization: '', dpop: '', url: '' }] = sent.slice(-1)
    for (const headers of [
      { authorization: authorization.replace('DPoP', 'Bearer') },
      { authorization },
      { authorization, dpop },
    ])
      expect((await fetch(url, { headers })).status).toBe(401)

    page.off('request', note)
    await page.getByLabel('Proofs of possession').uncheck()
    await page.getByText('good with whoever has them').waitFor()
    const bare = page.waitForRequest((request) => /^Bearer/.test(request.headers().authorization ?? ''))
    await Promise.all([bare, fetchWith('Fetch data')])
    expect(await numbers('refresh-once')).toMatchObject({ refreshes: 0, wire: 1, failed: 0 })
  })

  it('opens another tab, which has the sign-in of the others', async () => {
    const [tab] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: 'Open another tab' }).click(),
    ])
    await tab.getByRole('button', { name: 'Send five requests from here' }).click()
    await tab.getByText(/signed-in, token set \d/).waitFor()
    await tab.close()
  })

  it('signs out and in again', async () => {
    await signIn()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('All of them are signed out.').waitFor()
    await page.locator('[data-do="sign-in"]:enabled').waitFor()
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

/** Opens a step of the tour and takes it. Resolves with what it comes to. */
async function take(name: string): Promise<string> {
  await page.locator('#steps').getByRole('button', { name }).click()
  await page.locator('#go:enabled').click()
  await page.locator('#verdict:not(:empty)').waitFor()
  await page.locator('#go:enabled').waitFor()
  return (await page.locator('#verdict').textContent()) ?? ''
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
  // It is disabled while the sign-in is on its way, too.
  await expect.poll(() => status('refresh-once'), { timeout: 20_000 }).toBe('signed in')
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
