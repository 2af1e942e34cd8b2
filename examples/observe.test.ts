import axios from 'axios'
import { attachSession } from 'refresh-once/axios'
import { expect, onTestFinished, test, vi } from 'vitest'
import { signIn, startServer } from '../test/setup.ts'
import { narrate } from './observe.ts'

test('the console tells of each request, and of the refresh between its two sends', async () => {
  const server = await startServer()
  const session = signIn(server)
  const api = axios.create({ baseURL: server.url })
  attachSession(api, session)
  const debug = vi.spyOn(console, 'debug').mockImplementation(() => {})
  onTestFinished(() => debug.mockRestore())

  const silence = narrate(session)
  server.expireAccessTokens()
  await api.get('/api/items')
  silence()
  await api.get('/api/items')

  const request = `GET ${server.url}/api/items`
  expect(debug.mock.calls).toEqual([
    ['request-sent', request, ''],
    ['request-rejected', request, ''],
    ['refresh-started', '', 'rejected'],
    ['refresh-succeeded', '', ''],
    ['request-replayed', request, ''],
    ['request-settled', request, ''],
  ])
})
