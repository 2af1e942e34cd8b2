import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server, cookies } = page
cookies.set('refresh_token', server.mint('alice').refresh_token)
const { orders, uploads, detach } = await import('./several-instances.ts')
const { session } = await import('./axios.ts')

afterAll(async () => {
  session.close()
  await page.close()
})

test('two instances share one refresh', async () => {
  const answers = await Promise.all([orders, uploads, orders, uploads].map((api) => api.get('/items')))
  expect(answers.map(({ data }) => data.generation)).toEqual([2, 2, 2, 2])
  expect(server.count).toMatchObject({ refreshes: 1, api: 4 })
})

test('a detached instance sends what it would send without the session', async () => {
  detach()
  const { status } = await uploads.get('/items', { validateStatus: () => true })
  expect(status).toBe(401)
  expect((await orders.get('/items')).status).toBe(200)
  expect(server.count.refreshes).toBe(1)
})
