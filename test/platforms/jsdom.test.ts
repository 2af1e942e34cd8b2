// @vitest-environment jsdom
/** The environment in which apps are tested: the page's signals are jsdom's there, and fetch is Node's. */
import axios from 'axios'
import { createSession, type Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { type AuthServer, createAuthServer } from 'refresh-once/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { failureOf, refreshAt } from '../setup.ts'

let server: AuthServer
let session: Session
beforeEach(async () => {
  server = await createAuthServer()
  session = createSession({ refresh: refreshAt(server), tokens: server.mint('alice') })
})
afterEach(async () => {
  session.close()
  await server.close()
})

test('is the page of jsdom', () => {
  expect([typeof document, navigator.userAgent.includes('jsdom')]).toEqual(['object', true])
})

test.each(['a usable token', 'an expired one'])(
  'a guarded fetch is answered as the bare one: %s',
  async (token) => {
    const api = withSession(session, { origins: [server.url] })
    if (token !== 'a usable token') server.expireAccessTokens()
    const { signal } = new AbortController()
    expect((await api(`${server.url}/api/items`)).status).toBe(200)
    // A signal of another realm than that of `fetch`: what bare fetch refuses there, the guarded one may.
    const bare = await fetch(server.url, { signal }).then(
      () => 'taken',
      () => 'refused',
    )
    const guarded = await api(`${server.url}/api/items`, { signal }).then(
      ({ status }) => (status === 200 ? 'taken' : status),
      () => 'refused',
    )
    expect([bare, guarded]).toContain('taken')
    if (bare === 'taken') expect(guarded).toBe('taken')
  },
)

test.each(['http', 'fetch', 'xhr'])(
  'axios with its %s adapter, whose requests may be recalled',
  async (adapter) => {
    const api = axios.create({ baseURL: server.url, adapter })
    attachSession(api, session)
    server.expireAccessTokens()
    const { signal } = new AbortController()
    expect((await api.get('/api/items', { signal })).status).toBe(200)
    expect(session.state.generation).toBe(2)
  },
)

test('an abort with a signal of the page ends a guarded request', async () => {
  const api = withSession(session, { origins: [server.url] })
  const controller = new AbortController()
  controller.abort()
  expect(await failureOf(api(`${server.url}/api/items`, { signal: controller.signal }))).toBeInstanceOf(Error)
})
