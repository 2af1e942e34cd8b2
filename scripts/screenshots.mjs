/**
 * `npm run screenshots`: the pictures of the playground and of the timeline in docs/, from a run of it in Chromium: narrow
 * and wide, light and dark.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { ensureBuilt, ensureChromium, ensurePackages, root } from './setup.mjs'

const STEP = 'Side by side'
const WIDTHS = [1440, 390]
/** Of WebP: text stays sharp, and a picture has 30 to 90 kB. */
const QUALITY = 45

ensurePackages()
ensureBuilt()
const executablePath = await ensureChromium()
const playground = spawn(process.execPath, ['scripts/start.mjs'], {
  cwd: root,
  env: { ...process.env, PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const url = await urlOf(playground)
  for (const colorScheme of ['light', 'dark'])
    for (const width of WIDTHS) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
      await page.goto(url)
      await page.locator('#go:enabled').waitFor()
      await page.locator('#steps').getByRole('button', { name: STEP }).click()
      await page.locator('#go').click()
      await page.locator('#verdict:not(:empty)').waitFor()
      await page.locator('#go:enabled').waitFor()
      await keep(page, 'body > main > .stage', `tour-${width}-${colorScheme}`)
      await showTimeline(page)
      await keep(page, '#shown', `timeline-${width}-${colorScheme}`)
      await page.close()
    }
  await browser.close()
} finally {
  playground.kill()
}

/** The same run once more in a timeline with all that it has, one row chosen. */
async function showTimeline(page) {
  await page.evaluate(() => {
    const lane = document.querySelector('[data-lane="queue"] refresh-once-timeline')
    const shown = document.createElement('refresh-once-timeline')
    shown.id = 'shown'
    document.querySelector('main').replaceChildren(shown)
    shown.load(lane.exported().replaceAll('"source":"queue', '"source":"app'))
  })
  await page.locator('#shown').getByRole('listbox').focus()
  for (let row = 0; row < 6; row++) await page.keyboard.press('ArrowDown')
  await page.evaluate(() => new Promise(requestAnimationFrame))
}

/** As WebP, which Chromium makes, and playwright has no word for. */
async function keep(page, selector, name) {
  const { x, y, width, height } = await page.locator(selector).boundingBox()
  const session = await page.context().newCDPSession(page)
  const clip = { x: Math.max(0, x - 8), y: y - 8, width: width + 16, height: height + 16, scale: 1 }
  const options = { format: 'webp', quality: QUALITY, clip, captureBeyondViewport: true }
  const { data } = await session.send('Page.captureScreenshot', options)
  const bytes = Buffer.from(data, 'base64')
  writeFileSync(`${root}docs/${name}.webp`, bytes)
  console.log(`docs/${name}.webp: ${(bytes.length / 1000).toFixed(0)} kB`)
}

async function urlOf({ stdout }) {
  let output = ''
  for await (const chunk of stdout.setEncoding('utf8')) {
    output += chunk
    const [, url] = /^Open (\S+)$/m.exec(output) ?? []
    if (url) return url
  }
  throw new Error('the playground has ended')
}
