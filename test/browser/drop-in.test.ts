import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import type { AuthServer } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import { startServer } from '../setup.ts'
import { bundle } from './bundle.ts'
import { call as callOf, openSite } from './page-site.ts'

type Kit = typeof import('./drop-in-page.ts')

const call = <Name extends keyof Kit>(page: Page, name: Name, ...given: Parameters<Kit[Name]>) =>
  callOf<Kit, Name>(page, name, ...given)

async function opened(): Promise<{ server: AuthServer; page: Page }> {
  const server = await startServer()
  const site = await openSite()
  site.publish(await bundle(fileURLToPath(new URL('./drop-in-page.ts', import.meta.url))))
  const page = await site.open()
  const { access_token, refresh_token = '' } = server.mint('alice')
  await call(page, 'signIn', server.url, access_token, refresh_token)
  server.expireAccessTokens()
  return { server, page }
}

test('what a refresh puts into the body of the failed request is what XHR sends', {
  timeout: 60_000,
}, async () => {
  const { server, page } = await opened()
  expect(await call(page, 'post')).toBe('{"n":1,"again":true}')
  expect(server.count).toMatchObject({ refreshes: 1 })
})

test('slow requests that take all connections of the browser do not keep the refresh from being sent', {
  timeout: 60_000,
}, async () => {
  const { server, page } = await opened()
  server.hold('/api/slow')
  expect(await call(page, 'quick', 8)).toBe(200)
  expect(server.count).toMatchObject({ refreshes: 1 })
})
