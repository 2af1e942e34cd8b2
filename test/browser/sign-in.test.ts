import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { serving } from '../oauth/server.ts'
import { times } from '../setup.ts'
import { bundle } from './bundle.ts'
import { call, openSite } from './page-site.ts'

type Kit = typeof import('./sign-in-page.ts')

const start = serving()
const calling =
  (page: Page) =>
  <Name extends keyof Kit>(name: Name, ...given: Parameters<Kit[Name]>) =>
    call<Kit, Name>(page, name, ...given)
const PAGE = fileURLToPath(new URL('./sign-in-page.ts', import.meta.url))
const EXAMPLE = fileURLToPath(new URL('../../examples/sign-in.ts', import.meta.url))

test('all of a page’s own code for a sign-in, and what follows it, is at most 25 lines', () => {
  const lines = readFileSync(EXAMPLE, 'utf8').split('\n').filter(Boolean)
  expect(lines.length).toBeLessThanOrEqual(25)
})

test.each([
  ['that is right', 0],
  ['an hour ahead', 3_600_000],
  ['an hour behind', -3_600_000],
])(
  'the example signs in by redirects, refreshes once for all, and signs out with a revocation, by a clock %s',
  async (_, off) => {
    const site = await openSite()
    const server = await start({ redirectUris: [`${site.home}/back`] })
    // As it is published, but for where the server is.
    const here = (code: string, id: string) =>
      id === EXAMPLE ? code.replace('https://id.example.com', server.issuer) : undefined
    const plugin = { name: 'issuer', enforce: 'pre' as const, transform: here }
    site.publish(await bundle(PAGE, [plugin]))
    const page = await site.open()
    await page.context().addInitScript((off) => {
      const { now } = Date
      Date.now = () => now() + off
    }, off)
    await page.reload()
    const errors: Error[] = []
    page.on('pageerror', (error) => errors.push(error))
    const ask = calling(page)

    expect(await ask('status')).not.toBe('signed-in')
    const led = page.waitForURL(`${site.home}/back?*`)
    // The page goes away before it could answer.
    await ask('signIn').catch(() => {})
    await led
    await ask('back')
    expect([await ask('status'), page.url()]).toEqual(['signed-in', `${site.home}/`])
    expect(await ask('request', server.issuer, 1)).toEqual([200])

    await server.refuse(await ask('accessToken'))
    expect(await ask('request', server.issuer, 20)).toEqual(times(20, () => 200))
    // One for the code, one for all of them.
    expect(server.count).toMatchObject({ token: 2, granted: 2, reuses: 0 })

    const another = await site.open()
    await calling(another)('until', 'signed-in')
    const last = await ask('accessToken')
    await ask('signOut')
    await calling(another)('until', 'signed-out')
    expect([await ask('status'), server.count.revocations]).toEqual(['signed-out', 1])
    expect(await server.accepts(last)).toBe(false)
    expect(errors).toEqual([])
  },
)
