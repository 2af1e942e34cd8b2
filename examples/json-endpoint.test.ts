import { withSession } from 'refresh-once/fetch'
import { createAuthServer } from 'refresh-once/testing'
import { expect, onTestFinished, test } from 'vitest'
import { logIn, logOut, openSession } from './json-endpoint.ts'

async function start() {
  const server = await createAuthServer()
  onTestFinished(() => server.close())
  const session = openSession(server.url)
  onTestFinished(() => session.close())
  const api = withSession(session, { origins: [server.url] })
  const get = async () => (await api(`${server.url}/api/items`)).status
  return { server, session, get }
}

test('a JSON endpoint: log in, one refresh for twenty requests at each expiry, log out', async () => {
  const { server, session, get } = await start()
  await logIn(session, server.url, { user: 'alice', password: 'secret' })
  for (let cycle = 1; cycle <= 3; cycle++) {
    server.expireAccessTokens()
    const answers = await Promise.all(Array.from({ length: 20 }, get))
    expect(new Set(answers)).toEqual(new Set([200]))
    expect(server.count).toMatchObject({ refreshes: cycle, refreshRequests: cycle, reuses: 0 })
  }
  await logOut(session, server.url)
  expect(server.log.filter(({ kind }) => kind === 'logout').length).toBe(1)
  expect(await get()).toBe(401)
  expect(session.state.status).toBe('signed-out')
})

test('a login that is refused signs nobody in', async () => {
  const { server, session } = await start()
  await expect(logIn(session, server.url, { user: 'alice', password: 'wrong' })).rejects.toThrow('401')
  expect(session.state.status).not.toBe('signed-in')
})
