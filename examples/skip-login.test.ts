import { isSessionError } from 'refresh-once'
import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server } = page
const { api, login, session } = await import('./skip-login.ts')

afterAll(async () => {
  session.close()
  await page.close()
})

test('a wrong password is answered 401, and that is the caller’s: nobody refreshes', async () => {
  const error = await login('alice', 'wrong').catch((error) => error)
  expect(error.response.status).toBe(401)
  expect(isSessionError(error)).toBe(false)
  expect(server.count.refreshRequests).toBe(0)
})

test('the right one signs in', async () => {
  await login('alice', 'secret')
  expect((await api.get('/api/items')).data.user).toBe('alice')
  expect(session.state.status).toBe('signed-in')
})

test('also while somebody else is signed in', async () => {
  await login('bob', 'secret')
  expect((await api.get('/api/items')).data.user).toBe('bob')
  expect(server.count.refreshRequests).toBe(0)
})
