import axios from 'axios'
import { isSessionError } from 'refresh-once'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server } = page
const { api, fetchData, storage } = await import('./axios-refresh-me.ts')

beforeEach(login)
afterAll(() => page.close())

async function login(): Promise<void> {
  const credentials = { user: 'alice', password: 'secret' }
  storage.accessToken = (await axios.post('https://app.example.com/login', credentials)).data.access_token
}

const answer = (id: number, generation: number): object => ({ id: String(id), user: 'alice', generation })

test('data is fetched; the token becomes invalid; what is fetched meanwhile waits: one refresh', async () => {
  expect(await fetchData(1)).toEqual(answer(1, 1))
  expect(server.count.refreshRequests).toBe(0)

  storage.accessToken = 'invalid'
  server.fault('hang')
  const first = fetchData(2)
  await server.until('fault')
  const meanwhile = [3, 4, 5].map(fetchData)
  server.release()

  expect(await first).toEqual(answer(2, 2))
  expect(await Promise.all(meanwhile)).toEqual([answer(3, 2), answer(4, 2), answer(5, 2)])
  expect(server.count).toMatchObject({ refreshRequests: 1, refreshes: 1, api: 6, reuses: 0 })
})

test('a refusal is told to everybody, and the next login works', async () => {
  const before = server.count.refreshRequests
  server.revokeFamily('alice')
  const outcomes = await Promise.allSettled([api.get('/api/items'), fetchData(6), fetchData(7)])
  const reasons = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : undefined))
  expect(reasons.map((reason) => isSessionError(reason))).toEqual([true, true, true])
  expect(reasons.map((reason) => reason.response?.status)).toContain(401)
  expect(server.count.refreshRequests).toBe(before + 1)

  await login()
  expect(await fetchData(8)).toEqual(answer(8, 1))
})

test('a refresh that fails for now is tried again', async () => {
  storage.accessToken = 'invalid'
  server.fault('503')
  expect(await fetchData(9)).toEqual(answer(9, 2))
})
