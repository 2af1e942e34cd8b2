import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server, cookies } = page
const { api, session } = await import('./cookie-mode.ts')

afterAll(async () => {
  session.close()
  await page.close()
})

test('a sign-in: no script sees a token', async () => {
  const { data } = await api.post('/login?cookie', { user: 'alice', password: 'secret' }, { session: false })
  await session.signIn()
  expect(data).not.toHaveProperty('access_token')
  expect([...cookies.keys()]).toEqual(['refresh_token', 'access_token'])
  expect((await api.get('/api/items')).data.user).toBe('alice')
  expect(session.state.status).toBe('signed-in')
})

test('ten requests with an expired cookie: one refresh, and the replays carry the new one', async () => {
  server.expireAccessTokens()
  const answers = await Promise.all(Array.from({ length: 10 }, () => api.get('/api/items')))
  expect(answers.map(({ data }) => data.generation)).toEqual(Array(10).fill(2))
  expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})
