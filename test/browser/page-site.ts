import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { startChromium } from './launch.ts'

/** A site whose every page is one script, and a profile of a real Chromium that has never been there. */
interface Site {
  /** The origin. */
  home: string
  /** What its pages load from now on. */
  publish(script: string): void
  /** Opens a tab; all share one profile. */
  open(path?: string): Promise<Page>
}

/** Until the test is over. */
export async function openSite(): Promise<Site> {
  let content = ''
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<script>${content}</script>`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const browser = await startChromium()
  onTestFinished(() => browser.close())
  const context = await browser.newContext()
  const home = `http://localhost:${(server.address() as AddressInfo).port}`
  return {
    home,
    publish(script) {
      content = script
    },
    async open(path = '/') {
      const page = await context.newPage()
      await page.goto(home + path)
      return page
    },
  }
}

/** Calls what the script of a page has exported. */
export function call<Kit extends { [name in Name]: (...given: never[]) => unknown }, Name extends keyof Kit>(
  page: Page,
  name: Name,
  ...given: Parameters<Kit[Name]>
): Promise<Awaited<ReturnType<Kit[Name]>>> {
  const run = async ([name, given]: [string, unknown[]]) => Object(globalThis).page[name](...given)
  return page.evaluate(run, [String(name), given] as [string, unknown[]])
}
