import { afterAll, expect, test } from 'vitest'
import { openPage } from './page.ts'

const page = await openPage()
const { server, cookies } = page
const { items } = await import('./fetch.ts')
const { session } = await import('./axios.ts')

afterAll(async () => {
  session.close()
  await page.close()
})

const { signal } = new AbortController()

test('after a reload the refresh cookie signs the user in: one refresh for all requests', async () => {
  cookies.set('refresh_token', server.mint('alice').refresh_token)
  const answers = await Promise.all(Array.from({ length: 10 }, () => items(signal)))
  expect(answers).toEqual(Array(10).fill({ id: null, user: 'alice', generation: 2 }))
  expect(server.count).toMatchObject({ refreshes: 1, api: 10 })
})

test('an abort is an abort', async () => {
  await expect(items(AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
})
