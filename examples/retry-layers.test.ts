import { isSessionError } from 'refresh-once'
import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server, cookies } = page
const { queries } = await import('./retry-layers.ts')
const { api, session } = await import('./axios.ts')

afterAll(async () => {
  queries.clear()
  session.close()
  await page.close()
})

test('axios-retry goes on retrying what it retries without us', async () => {
  cookies.set('refresh_token', server.mint('alice').refresh_token)
  server.fault('503', { on: '/api/items', times: 2 })
  expect((await api.get('/api/items')).status).toBe(200)
  expect(server.count).toMatchObject({ refreshes: 1, api: 3 })
})

test('a session error is one attempt of both', async () => {
  server.revokeFamily('alice')
  let calls = 0
  const queryFn = async () => {
    calls++
    return (await api.get('/api/items')).data
  }
  const error = await queries
    .fetchQuery({ queryKey: ['items'], queryFn, retryDelay: 0 })
    .catch((error) => error)
  expect(isSessionError(error, 'session_expired')).toBe(true)
  expect(calls).toBe(1)
  expect(server.count).toMatchObject({ refreshRequests: 2, api: 4 })
})
