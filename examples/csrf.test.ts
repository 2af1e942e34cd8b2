import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { withSession } from 'refresh-once/fetch'
import { expect, onTestFinished, test } from 'vitest'
import { openSession } from './csrf.ts'

test('each send carries the CSRF token of the last refresh, a replay that of its own', async () => {
  let turn = 0
  const sent: unknown[] = []
  const server = createServer((request, response) => {
    if (request.url === '/refresh') {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ csrf: `turned-${++turn}` }))
      return
    }
    const csrf = request.headers['x-csrf-token']
    sent.push(csrf)
    response.writeHead(csrf === `turned-${turn}` ? 204 : 401).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const session = openSession(url)
  onTestFinished(() => {
    session.close()
    server.closeAllConnections()
    server.close()
  })
  const authFetch = withSession(session, { origins: [url] })
  const post = async (): Promise<number> => (await authFetch(`${url}/items`, { method: 'POST' })).status
  await session.refresh()
  expect(await post()).toBe(204)
  // Somebody else has refreshed: another device of the same cookies.
  turn++
  expect(await post()).toBe(204)
  expect(sent).toEqual(['turned-1', 'turned-1', 'turned-3'])
})
