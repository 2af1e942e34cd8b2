import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { times } from '../setup.ts'
import { bundle } from './bundle.ts'
import { startChromium } from './launch.ts'

/** The public part of the key, and whether its private part can be had. */
function look(page: Page): Promise<{ x: string | undefined; extractable: boolean }> {
  return page.evaluate(async () => {
    const { storedKey } = Object(globalThis).page as typeof import('../../src/oauth/stored-key.ts')
    const { publicKey, privateKey } = await storedKey()()
    const { x } = await crypto.subtle.exportKey('jwk', publicKey)
    return { x, extractable: privateKey.extractable }
  })
}

test('a stored key is the same in tabs that make it at once, and after a reload, and cannot be exported', async () => {
  const script = await bundle(fileURLToPath(new URL('../../src/oauth/stored-key.ts', import.meta.url)))
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<script>${script}</script>`)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const browser = await startChromium()
  onTestFinished(() => browser.close())
  const home = `http://localhost:${(server.address() as AddressInfo).port}/`
  for (const _ of times(10, () => 0)) {
    const context = await browser.newContext()
    const pages = await Promise.all(times(4, () => context.newPage()))
    await Promise.all(pages.map((page) => page.goto(home)))
    const keys = await Promise.all(pages.flatMap((page) => [look(page), look(page)]))
    await pages[0]?.reload()
    if (pages[0]) keys.push(await look(pages[0]))
    expect(new Set(keys.map(({ x }) => x)).size).toBe(1)
    expect(keys.some(({ extractable }) => extractable)).toBe(false)
    await context.close()
  }
})
