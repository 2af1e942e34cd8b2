import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { serving } from '../oauth/server.ts'
import { times } from '../setup.ts'
import { bundle } from './bundle.ts'
import { call as callOf, openSite } from './page-site.ts'

type Kit = typeof import('./grant-page.ts')

const TABS = 8
const REQUESTS = 20
/** Milliseconds for which oidc-provider takes a nonce, at least. */
const NONCE_LIVES = 240_000
/** `npm run soak -- oauth` asks for more. */
const cycles = Number(process.env.SOAK_EXPIRIES ?? 6)
const start = serving()

const call = <Name extends keyof Kit>(page: Page, name: Name, ...given: Parameters<Kit[Name]>) =>
  callOf<Kit, Name>(page, name, ...given)

test.each([
  ['with bearer tokens', false],
  ['with proofs of possession by one stored key, and nonces at both endpoints', true],
])('8 tabs share a grant without grace, %s: one refresh at each expiry, all is answered', async (_, dpop) => {
  const began = performance.now()
  const server = await start({ dpop })
  const site = await openSite()
  site.publish(await bundle(fileURLToPath(new URL('./grant-page.ts', import.meta.url))))
  const open = () => site.open(`/?issuer=${server.issuer}&${dpop ? 'dpop' : ''}`)
  const first = await open()
  const tabs = [first, ...(await Promise.all(times(TABS - 1, open)))]
  const jkt = await call(first, 'thumbprint')
  expect(new Set(await Promise.all(tabs.map((tab) => call(tab, 'thumbprint'))))).toEqual(new Set([jkt]))
  await call(first, 'signIn', await server.mint(jkt ? { jkt } : {}))
  await Promise.all(tabs.map((tab) => call(tab, 'accessToken')))
  expect(server.count.token).toBe(0)
  for (let cycle = 1; cycle <= cycles; cycle++) {
    // By turns its time is over, and it is revoked, which nobody has been told.
    if (cycle % 2) await Promise.all(tabs.map((tab) => call(tab, 'pass', 3_600_000)))
    else await server.refuse(await call(first, 'accessToken'))
    const answers = await Promise.all(tabs.map((tab) => call(tab, 'request', REQUESTS)))
    expect(answers.flat()).toEqual(times(TABS * REQUESTS, () => 200))
    expect(server.count).toMatchObject({ granted: cycle, reuses: 0, most: 1 })
  }
  // Besides, who has no nonce that is good is told one and asks again: each tab once, and once more when the provider
  // takes the former no longer, which is after four minutes at the earliest.
  const nonces = 1 + Math.floor((performance.now() - began) / NONCE_LIVES)
  expect(server.count.token - server.count.granted).toBeLessThanOrEqual(dpop ? TABS * nonces : 0)
  // And the grant is alive: it renews once more.
  await call(first, 'refresh')
  expect(server.count).toMatchObject({ granted: cycles + 1, reuses: 0 })
})
