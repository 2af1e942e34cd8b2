import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAuthServer } from 'refresh-once/testing'
import { expect, inject, onTestFinished, test } from 'vitest'
import { startChromium } from '../launch.ts'
import { openSite } from './site.ts'

const PAGES = ['popup', 'options'] as const

/** An extension on the disk, whose contexts connect to `host`. */
function writeExtension(host: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'extension-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const write = (file: string, content: string): void => writeFileSync(join(folder, file), content)
  for (const id of ['worker', ...PAGES])
    write(`${id}.js`, `globalThis.here = ${JSON.stringify({ id, host })};\n${inject('tabsScript')}`)
  for (const id of PAGES)
    write(`${id}.html`, `<!doctype html><title>${id}</title><script src="${id}.js"></script>`)
  const manifest = {
    manifest_version: 3,
    name: 'refresh-once',
    version: '1',
    background: { service_worker: 'worker.js' },
    host_permissions: ['http://127.0.0.1/*'],
  }
  write('manifest.json', JSON.stringify(manifest))
  return folder
}

test('pages of an extension and its service worker share one session (Chromium)', async () => {
  const site = await openSite()
  onTestFinished(site.close)
  const server = await createAuthServer()
  onTestFinished(server.close)
  const folder = writeExtension(`127.0.0.1:${site.port}`)
  const browser = await startChromium({
    args: [`--load-extension=${folder}`],
    without: ['--disable-extensions'],
  })
  onTestFinished(() => browser.close())

  const worker = site.member('worker')
  await worker.untilConnected()
  const devtools = await browser.newBrowserCDPSession()
  const { targetInfos } = await devtools.send('Target.getTargets')
  const origin = targetInfos
    .map(({ url }) => /^chrome-extension:\/\/[a-z]+(?=\/worker\.js$)/.exec(url)?.[0])
    .find(Boolean)
  await worker.call('start', { server: server.url })
  await worker.call('signIn', server.mint('alice'))

  const pages = PAGES.map((id) => site.member(id))
  for (const page of pages) {
    await devtools.send('Target.createTarget', { url: `${origin}/${page.id}.html` })
    await page.call('start', { server: server.url })
    expect(await page.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 1 }])
  }
  expect(server.count.refreshRequests).toBe(0)

  server.expireAccessTokens()
  const answers = await Promise.all([worker, ...pages].map((member) => member.call('request', 5)))
  expect(answers.flat()).toEqual(Array(15).fill({ status: 200, user: 'alice', generation: 2 }))
  expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
})
