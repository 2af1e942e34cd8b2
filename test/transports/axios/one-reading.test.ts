/** What was checked is what is sent. */
import { expect, test } from 'vitest'
import { failureOf } from '../../setup.ts'
import { stage } from './stage.ts'

test('a URL that versions of axios read differently takes no token along', async () => {
  const { session, api } = await stage()
  const ignored: unknown[] = []
  session.observe((event) => {
    if (event.type === 'request-ignored') ignored.push(event.reason)
  })
  const { port } = new URL(api.defaults.baseURL ?? '')
  const config = { baseURL: '', timeout: 500 }
  await failureOf(api.get(`http:/127.0.0.1:${port}/api/items`, config)).catch(() => {})
  expect(ignored).toEqual(['foreign-origin'])
})

test('a token in the query stands before the fragment, whatever that holds', async () => {
  const { api, received } = await stage({
    session: { applyToken: () => ({ query: { access_token: 'it' } }), replays: 0 },
  })
  await failureOf(api.get('/public/echo#/list?page=2')).catch(() => {})
  await failureOf(api.get('/api/items#/list?page=2')).catch(() => {})
  expect(received.map(({ url }) => url)).toContain('/api/items?access_token=it')
})
