import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { signIn, startServer } from '../test/setup.ts'
import { keep, sendKept } from './offline-queue.ts'

type Queue = Parameters<typeof keep>[0]

function newQueue(): Queue & { entries: { request: Request }[] } {
  const entries: { request: Request }[] = []
  return {
    entries,
    pushRequest: async (entry) => void entries.push(entry),
    shiftRequest: async () => entries.shift(),
    unshiftRequest: async (entry) => void entries.unshift(entry),
  }
}

const post = (url: string): Request =>
  new Request(`${url}/api/items`, {
    method: 'POST',
    body: '{}',
    headers: { 'content-type': 'application/json', authorization: 'Bearer of-yesterday' },
  })

test('what was kept with an old header is sent with the token of now, once each', async () => {
  const server = await startServer()
  const session = signIn(server)
  const authFetch = withSession(session, { origins: [server.url] })
  expect((await authFetch(post(server.url))).status).toBe(401)
  const queue = newQueue()
  await keep(queue, session, post(server.url))
  await keep(queue, session, post(server.url))
  server.expireAccessTokens()
  const before = server.count.api
  await sendKept(queue, session, authFetch)
  expect([queue.entries.length, server.count.refreshes]).toEqual([0, 1])
  // One of them was refused first, and executed after the refresh.
  expect(server.count.api - before).toBe(3)
})

test('nothing is lost where it fails, and nothing of one user is sent as another', async () => {
  const server = await startServer()
  const session = signIn(server)
  const queue = newQueue()
  await keep(queue, session, post(server.url))
  const offline = async (): Promise<never> => Promise.reject(new TypeError('fetch failed'))
  await expect(sendKept(queue, session, offline)).rejects.toThrow('fetch failed')
  expect(queue.entries).toHaveLength(1)

  await session.signOut()
  const authFetch = withSession(session, { origins: [server.url] })
  await expect(sendKept(queue, session, authFetch)).rejects.toMatchObject({ code: 'session_expired' })
  expect(queue.entries).toHaveLength(1)

  await session.signIn(server.mint('bob'))
  const before = server.count.api
  await sendKept(queue, session, authFetch)
  expect([queue.entries.length, server.count.api - before]).toEqual([0, 0])
})
