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
  const info = vi.spyOn(console, 'info').mockImplementation(() => {})
  onTestFinished(() => info.mockRestore())

  const silence = narrate(session)
  server.expireAccessTokens()
  await api.get('/api/items')
  silence()
  await api.get('/api/items')

  const request = `#1 GET ${server.url}/api/items`
  const lines = info.mock.calls.map(([line]) => line.replace(/^refresh-once: /, ''))
  expect(lines).toEqual([
    `request-sent ${request}`,
    expect.stringMatching(`^request-rejected ${request}, 401`),
    'refresh-started, rejected',
    'refresh-succeeded, signed-in',
    `request-replayed ${request}`,
    `request-settled ${request}, 200`,
  ])
})
