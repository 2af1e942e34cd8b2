import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startServer } from '../setup.ts'
import { bundle } from './bundle.ts'
import { call, openSite } from './page-site.ts'

type Kit = typeof import('./migration-page.ts')

test.each([
  ['before', 2],
  ['after', 1],
])(
  'two tabs with one expired token, %s a store has taken the place of a lock by hand: refreshes',
  {
    timeout: 60_000,
  },
  async (which, refreshes) => {
    const server = await startServer()
    const site = await openSite()
    site.publish(
      `localStorage.tokens ??= ${JSON.stringify(JSON.stringify(server.mint('alice')))};${await bundle(
        fileURLToPath(new URL('./migration-page.ts', import.meta.url)),
      )}`,
    )
    const tabs = [1, 2].map(() => site.open(`/?which=${which}&api=${server.url}`))
    const [one, other] = await Promise.all(tabs)
    const both = () =>
      Promise.all([one, other].map((tab) => (tab ? call<Kit, 'request'>(tab, 'request') : undefined)))
    expect(await both()).toEqual([200, 200])
    server.expireAccessTokens()
    // The first refresh is answered once both have been refused.
    const gate = server.hold('/token')
    const answers = both()
    await gate.untilArrived()
    await server.until('rejected', 2)
    gate.release()
    expect(await answers).toEqual([200, 200])
    expect(server.count).toMatchObject({ refreshRequests: refreshes, reuses: 0 })
  },
)
