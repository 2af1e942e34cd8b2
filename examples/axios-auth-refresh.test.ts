import axios from 'axios'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server } = page
const { api, storage } = await import('./axios-auth-refresh.ts')

beforeEach(login)
afterAll(() => page.close())

async function login(): Promise<void> {
  const credentials = { user: 'alice', password: 'secret' }
  storage.accessToken = (await axios.post('https://app.example.com/login', credentials)).data.access_token
}

test('the token becomes invalid: one refresh for those that fail and those that come meanwhile', async () => {
  const before = server.count.refreshRequests
  storage.accessToken = 'invalid'
  server.fault('hang')
  const first = api.get('/api/items')
  await server.until('fault')
  const meanwhile = [1, 2, 3].map(() => api.get('/api/items'))
  server.release()
  const answers = await Promise.all([first, ...meanwhile])
  expect(answers.map(({ data }) => data.generation)).toEqual([2, 2, 2, 2])
  expect(server.count.refreshRequests).toBe(before + 1)
})

test('a refusal is what the caller gets, and the next login works', async () => {
  server.revokeFamily('alice')
  await expect(api.get('/api/items')).rejects.toMatchObject({
    config: { url: 'https://app.example.com/refresh' },
  })
  await login()
  expect((await api.get('/api/items')).status).toBe(200)
})
