/**
 * What the built site has to be, tried in Chromium: read without script, light, without a complaint of axe-core, and
 * without a link that leads nowhere. Returns what is wrong, a line each.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import { placeOf, SOURCES } from './contents.mjs'
import { REFERENCE } from './reference.mjs'
import { serveSite } from './serve.mjs'

/** Bytes over the wire, compressed, for all that a page fetches by itself. */
const HEAVIEST = 200_000
const PLAYGROUND = '/playground.html'

const PATHS = [
  ...SOURCES.map((source) => `/${placeOf(source).replace('.md', '.html')}`),
  ...REFERENCE.map(({ link }) => `${link}.html`),
]

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export async function checkSite(executablePath) {
  const site = await serveSite(0)
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  const wrong = []
  try {
    const seen = await withScript(browser, site.origin, wrong)
    await withoutScript(browser, site.origin, seen, wrong)
    await inTheDark(browser, site.origin, wrong)
    await usePlayground(browser, site.origin, wrong)
    await search(browser, site.origin, wrong)
    followLinks(seen, wrong)
    const weights = [...seen]
      .map(([path, { weight }]) => ({ path, weight }))
      .sort((a, b) => b.weight - a.weight)
    for (const { path, weight } of weights.slice(0, 5))
      console.log(`${path}: ${(weight / 1000).toFixed(0)} kB`)
    console.log(`${seen.size} pages`)
  } finally {
    await browser.close()
    await site.close()
  }
  return wrong
}

/** Each page as it is usually seen: its weight, its words, its links and anchors, and what axe-core says. */
async function withScript(browser, origin, wrong) {
  const seen = new Map()
  for (const path of PATHS) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    const page = await context.newPage()
    const sizes = []
    page.on('pageerror', (error) => wrong.push(`${path}: ${error.message}`))
    page.on('console', (message) => message.type() === 'error' && wrong.push(`${path}: ${message.text()}`))
    page.on('requestfinished', (request) => sizes.push(request.sizes()))
    await page.goto(origin + path, { waitUntil: 'networkidle' })
    const weight = (await Promise.all(sizes)).reduce(
      (sum, { responseBodySize, responseHeadersSize }) => sum + responseBodySize + responseHeadersSize,
      0,
    )
    if (weight > HEAVIEST && path !== PLAYGROUND) wrong.push(`${path}: ${weight} bytes`)
    await complain(page, path, wrong)
    const found = await page.evaluate(() => ({
      words: document.querySelector('main').innerText.split(/\s+/).length,
      links: [...document.querySelectorAll('main a[href], aside a[href], nav a[href]')].map(
        ({ href }) => href,
      ),
      anchors: [...document.querySelectorAll('[id]')].map(({ id }) => id),
    }))
    seen.set(path, { ...found, weight, origin })
    await context.close()
  }
  return seen
}

async function complain(page, path, wrong) {
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run())
  for (const { id, nodes } of violations)
    wrong.push(`${path}: ${id}, ${nodes.length} times, first in ${nodes[0].target.join(' ')}`)
}

/** All words are there without script, and so are the links to the other pages. */
async function withoutScript(browser, origin, seen, wrong) {
  const context = await browser.newContext({
    javaScriptEnabled: false,
    viewport: { width: 1280, height: 900 },
  })
  const page = await context.newPage()
  for (const [path, { words }] of seen) {
    await page.goto(origin + path)
    const there = (await page.locator('main').innerText()).split(/\s+/).length
    if (there < words * 0.98) wrong.push(`${path}: ${there} of ${words} words without script`)
    const links = await page.locator('aside.VPSidebar a').count()
    if (links < PATHS.length - 1) wrong.push(`${path}: ${links} links in the sidebar without script`)
  }
  await context.close()
}

async function inTheDark(browser, origin, wrong) {
  const context = await browser.newContext({ colorScheme: 'dark', viewport: { width: 390, height: 800 } })
  const page = await context.newPage()
  for (const path of [
    '/index.html',
    '/guide.html',
    '/comparison.html',
    PLAYGROUND,
    '/reference/refresh-once.html',
  ]) {
    await page.goto(origin + path, { waitUntil: 'networkidle' })
    await complain(page, `${path}, dark and narrow`, wrong)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (wide > 0) wrong.push(`${path}: ${wide} pixels wider than a phone`)
  }
  await context.close()
}

async function usePlayground(browser, origin, wrong) {
  const page = await browser.newPage({ reducedMotion: 'reduce' })
  await page.goto(origin + PLAYGROUND)
  const simulation = page.locator('refresh-once-simulation')
  await simulation.getByRole('button', { name: 'Start over' }).click()
  await simulation.getByText('0 refreshes · 0 sent · 0 lost · signed in').nth(2).waitFor()
  await simulation.getByRole('slider', { name: 'Time' }).fill('11000')
  await simulation.getByRole('button', { name: 'Send fifteen' }).click()
  const ours = simulation.locator('section', { hasText: 'refresh-once' }).last()
  await ours.getByText('1 refresh · 15 sent · 0 lost · signed in').waitFor()
  const rows = await ours.getByRole('option').count()
  if (rows !== 16) wrong.push(`${PLAYGROUND}: ${rows} rows`)
  await simulation.getByRole('slider', { name: 'Time' }).fill('10000')
  await simulation.getByText('0 refreshes · 0 sent · 0 lost · signed in').nth(2).waitFor()
  await page.close()
}

async function search(browser, origin, wrong) {
  const page = await browser.newPage()
  await page.goto(`${origin}/index.html`, { waitUntil: 'networkidle' })
  await page.locator('#local-search button').click()
  await page.locator('#localsearch-input').fill('cooldown')
  await page.locator('#localsearch-list a').first().waitFor()
  const href = await page.locator('#localsearch-list a').first().getAttribute('href')
  if (!/guide|api|recipes|reference/.test(href)) wrong.push(`search: cooldown leads to ${href}`)
  await page.close()
}

function followLinks(seen, wrong) {
  for (const [path, { links, origin }] of seen) {
    for (const link of links) {
      const { origin: to, pathname, hash } = new URL(link)
      if (to !== origin) continue
      const target = pathname === '/' ? '/index.html' : pathname
      const page = seen.get(target) ?? seen.get(`${target}.html`)
      const known = page || /\.(?:txt|md)$|^\/reference\/(?:README\.html|index\.html)?$/.test(target)
      if (!known) wrong.push(`${path}: ${link} leads nowhere`)
      else if (page && hash && !page.anchors.includes(decodeURIComponent(hash.slice(1))))
        wrong.push(`${path}: ${link} has no such heading`)
    }
  }
}
