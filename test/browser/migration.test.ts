import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startServer } from '../setup.ts'
import { bundle } from './bundle.ts'
import { call, openSite } from './page-site.ts'

type Kit = typeof import('./migration-page.ts')

/** Two tabs whose one token has expired, both refused, before the first refresh is answered. */
async function meetExpiry(which: 'before' | 'after') {
  const server = await startServer()
  const site = await openSite()
  site.publish(
    `localStorage.tokens ??= ${JSON.stringify(JSON.stringify(server.mint('alice')))};${await bundle(
      fileURLToPath(new URL('./migration-page.ts', import.meta.url)),
    )}`,
  )
  const tabs = await Promise.all([1, 2].map(() => site.open(`/?which=${which}&api=${server.url}`)))
  const both = () => Promise.allSettled(tabs.map((tab) => call<Kit, 'request'>(tab, 'request')))
  const served = { status: 'fulfilled', value: 200 }
  expect(await both()).toEqual([served, served])
  server.expireAccessTokens()
  const gate = server.hold('/token')
  const answers = both()
  await gate.untilArrived()
  await server.until('rejected', 2)
  gate.release()
  return { server, answers: await answers, served }
}

test('with a lock by hand two tabs refresh twice', { timeout: 60_000 }, async () => {
  const { server, answers, served } = await meetExpiry('before')
  expect(server.count.refreshRequests).toBe(2)
  // What the first has written to localStorage the second may not see yet: then it is signed out.
  expect(answers).toContainEqual(served)
})

test('with a store in its place they refresh once', { timeout: 60_000 }, async () => {
  const { server, answers, served } = await meetExpiry('after')
  expect(answers).toEqual([served, served])
  expect(server.count).toMatchObject({ refreshRequests: 1, reuses: 0 })
})
