import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server, cookies } = page
const { api, session } = await import('./business-codes.ts')

afterAll(async () => {
  session.close()
  await page.close()
})

/** An API that never says 401: what an expired token gets is a 200 with a code in its body. */
server.api('/api/orders', ({ generation }) => ({
  body: generation < 3 ? { code: 40101, message: 'token expired' } : { code: 0, orders: [1, 2, 3] },
}))

test('a code in the body leads to one refresh and a replay', async () => {
  cookies.set('refresh_token', server.mint('alice').refresh_token)
  const { data } = await api.get('/api/orders')
  expect(data).toEqual({ code: 0, orders: [1, 2, 3] })
  // The first refresh brought the first access token, the second one cured the code.
  expect(server.count).toMatchObject({ refreshes: 2, api: 2, rejected: 0 })
})

test('so does a 401, by the default rule', async () => {
  server.expireAccessTokens()
  expect((await api.get('/api/items')).data.generation).toBe(4)
  expect(server.count.refreshes).toBe(3)
})

test('any other answer is the caller’s', async () => {
  const { status } = await api.get('/api/forbidden', { validateStatus: () => true })
  expect(status).toBe(403)
  expect(server.count.refreshes).toBe(3)
})
