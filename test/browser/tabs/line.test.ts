import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Order } from './page/connection.ts'
import { openSite, type Site } from './site.ts'

async function openedSite(): Promise<Site> {
  const site = await openSite()
  onTestFinished(site.close)
  return site
}

/** A page's end of a line, in the test's own hands. */
async function connected(site: Site, page: string) {
  const line = new WebSocket(`ws://127.0.0.1:${site.port}/?id=tab`)
  const orders: Order[] = []
  line.on('message', (data) => orders.push(JSON.parse(String(data))))
  await once(line, 'open')
  const say = (message: object) => line.send(JSON.stringify(message))
  say({ hello: { page, restored: false } })
  return { line, orders, say }
}

test('what a page was told by a line that is cut comes again by its next line', async () => {
  const site = await openedSite()
  const tab = site.member('tab')
  const former = await connected(site, 'page')
  const lost = tab.call('state')
  await once(former.line, 'message')
  former.line.terminate()
  const next = await connected(site, 'page')
  await expect.poll(() => next.orders).toContainEqual({ call: 1, name: 'state', args: [] })
  next.say({ number: 1, call: 1, value: { status: 'signed-in' } })
  expect(await lost).toEqual({ status: 'signed-in' })
})

test('what a page was told that has gone is rejected once another has come in its place', async () => {
  const site = await openedSite()
  const tab = site.member('tab')
  const former = await connected(site, 'page')
  const lost = tab.call('state').catch(String)
  await once(former.line, 'message')
  former.line.terminate()
  await connected(site, 'another page')
  expect(await lost).toBe('Error: tab has ended')
})

test('what is said again by another line is heard once, and in order', async () => {
  const site = await openedSite()
  const tab = site.member('tab')
  const former = await connected(site, 'page')
  former.say({ number: 1, event: { type: 'restored' } })
  await tab.until('restored')
  const next = await connected(site, 'page')
  next.say({ number: 1, event: { type: 'restored' } })
  next.say({ number: 3, event: { type: 'signed-out' } })
  next.say({ number: 2, event: { type: 'signed-in' } })
  next.say({ number: 3, event: { type: 'signed-out' } })
  await tab.until('signed-out')
  expect(tab.events.map(({ type }) => type)).toEqual(['restored', 'signed-in', 'signed-out'])

  const another = await connected(site, 'another page')
  another.say({ number: 1, event: { type: 'degraded' } })
  await tab.until('degraded')
})
