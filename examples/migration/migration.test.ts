import type { AxiosInstance } from 'axios'
import { createAuthServer } from 'refresh-once/testing'
import { expect, onTestFinished, test } from 'vitest'
import { createApi as after } from './queue-after.ts'
import { createApi as before } from './queue-before.ts'

async function opened(createApi: typeof before) {
  const server = await createAuthServer()
  onTestFinished(() => server.close())
  const { access_token: access, refresh_token: refresh = '' } = server.mint('alice')
  return { server, api: createApi(server.url, { access, refresh }) }
}

const ten = (api: AxiosInstance) =>
  Promise.all(Array.from({ length: 10 }, () => api.get('/api/items').then(({ status }) => status, String)))

test.each([
  ['before', before],
  ['after', after],
])('%s: ten requests with an expired token, one refresh', async (_, createApi) => {
  const { server, api } = await opened(createApi)
  server.expireAccessTokens()
  const gate = server.hold('/token')
  const answers = ten(api)
  await gate.untilArrived()
  await server.until('rejected', 10)
  gate.release()
  expect(await answers).toEqual(Array.from({ length: 10 }, () => 200))
  expect(server.count.refreshRequests).toBe(1)
})

test.each([
  ['before: another refresh', before, 2],
  ['after: none', after, 1],
] as const)('a 401 that comes after the refresh; %s', async (_, createApi, refreshes) => {
  const { server, api } = await opened(createApi)
  server.expireAccessTokens()
  const gate = server.hold('/api/echo')
  const late = api.post('/api/echo')
  await gate.untilArrived()
  await api.get('/api/items')
  gate.release()
  expect((await late).status).toBe(200)
  expect(server.count.refreshRequests).toBe(refreshes)
})

test.each([
  ['before: whoever comes meanwhile is sent, and refused', before, 2],
  ['after: whoever comes meanwhile waits', after, 1],
] as const)('%s', async (_, createApi, sends) => {
  const { server, api } = await opened(createApi)
  server.expireAccessTokens()
  const gate = server.hold('/token')
  const first = api.get('/api/items')
  await gate.untilArrived()
  const second = api.get('/api/items?id=2')
  if (sends === 2) await server.until((log) => log.filter(({ kind }) => kind === 'rejected').length === 2)
  gate.release()
  await Promise.all([first, second])
  expect(server.requests.filter(({ id }) => id === '2')).toHaveLength(sends)
})

test.each([
  [
    'before: a 503 of the token endpoint fails everybody',
    before,
    'AxiosError: Request failed with status code 503',
  ],
  ['after: it is tried again', after, 200],
] as const)('%s', async (_, createApi, outcome) => {
  const { server, api } = await opened(createApi)
  server.expireAccessTokens()
  server.fault('503')
  expect(await ten(api)).toContain(outcome)
})
