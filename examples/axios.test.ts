import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server, cookies } = page
const { api, session } = await import('./axios.ts')

afterAll(async () => {
  session.close()
  await page.close()
})

test('after a reload the refresh cookie signs the user in: one refresh for all requests', async () => {
  cookies.set('refresh_token', server.mint('alice').refresh_token)
  const answers = await Promise.all(Array.from({ length: 10 }, (_, id) => api.get(`/api/items?id=${id}`)))
  expect(answers.map(({ data }) => data.user)).toEqual(Array(10).fill('alice'))
  expect(server.count).toMatchObject({ refreshes: 1, api: 10 })
})

test('twenty requests with a token that the server refuses: one refresh, all answered', async () => {
  server.expireAccessTokens()
  const gate = server.hold('/api/items')
  const answers = Promise.all(
    Array.from({ length: 20 }, (_, id) => api.get('/api/items', { params: { id } })),
  )
  await gate.untilArrived(20)
  gate.release()
  expect((await answers).map(({ status }) => status)).toEqual(Array(20).fill(200))
  expect(server.count).toMatchObject({ refreshes: 2, reuses: 0, api: 50 })
})

test('somebody signs in', async () => {
  const { data } = await api.post('/login', { user: 'bob', password: 'secret' }, { session: false })
  await session.signIn(data)
  expect((await api.get('/api/items')).data.user).toBe('bob')
})
