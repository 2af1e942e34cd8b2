import type { ServerResponse } from 'node:http'
import type { Session, SessionOptions } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { deferred, newClock, open, startServer, times, watch } from '../setup.ts'
import { type Api, CLIENTS, type Client } from './client.ts'
import { onWire } from './wire.ts'

interface Page {
  server: AuthServer
  session: Session
  api: Api
}

/** An app whose tokens are HttpOnly cookies, with the cookie jar that a browser would have. */
async function page(client: Client, options: Partial<SessionOptions> = {}): Promise<Page> {
  const server = await startServer()
  const jar = new Map<string, string>()
  const cookie = (): string => [...jar].map((pair) => pair.join('=')).join('; ')
  const keep = (headers: Headers): void => {
    for (const line of headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const [name = '', value = ''] = pair.split('=')
      if (line.includes('Max-Age=0')) jar.delete(name)
      else jar.set(name, value)
    }
  }
  const login = await fetch(`${server.url}/login?cookie`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'alice', password: 'secret' }),
  })
  keep(login.headers)
  const session = open({
    mode: 'cookie',
    async refresh({ signal }) {
      const headers = { cookie: cookie() }
      const response = await fetch(`${server.url}/refresh?cookie`, { method: 'POST', headers, signal })
      keep(response.headers)
      return response
    },
    ...options,
  })
  const api = client.attach(server, session, cookie)
  return { server, session, api }
}

describe.each(CLIENTS)('$name', (client) => {
  describe('an access token in an HttpOnly cookie', () => {
    test('twenty 401s lead to one refresh, and each replay carries the new cookie', async () => {
      const { server, api } = await page(client)
      server.expireAccessTokens()
      const gate = server.hold('/api/items')
      const answers = Promise.all(times(20, (id) => api(`/api/items?id=${id}`)))
      await gate.untilArrived(20)
      gate.release()
      expect((await answers).map(({ data }) => data.generation)).toEqual(times(20, () => 2))
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 40, reuses: 0 })
    })

    test('no request waits before the first 401, and none carries an Authorization header', async () => {
      const { server, api } = await page(client)
      const { data } = await api('/api/echo')
      expect(data.headers).not.toHaveProperty('authorization')
      expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
    })

    test('a refresh that returns nothing has succeeded', async () => {
      const { session, api } = await page(client)
      let calls = 0
      const quiet = open({
        mode: 'cookie',
        refresh() {
          calls++
          return undefined
        },
      })
      await quiet.refresh()
      expect(calls).toBe(1)
      expect(quiet.state).toMatchObject({ status: 'signed-in', refreshing: false })
      expect(session.state.refreshing).toBe(false)
      expect((await api('/api/items')).status).toBe(200)
    })

    test('a refresh that is refused ends the session with the 401 of each request', async () => {
      const { server, session, api } = await page(client)
      server.revokeFamily('alice')
      expect(await api('/api/items')).toMatchObject({ status: 401, code: 'session_expired' })
      expect(session.state.status).toBe('signed-out')
      expect(server.count).toMatchObject({ refreshRequests: 1, api: 1 })
    })

    test.each([0, 1])(
      'a refusal is heard as a sign-out by whoever was let in before: after %i answers',
      async (answers) => {
        const { server, session, api } = await page(client)
        const seen = watch(session)
        for (let n = 0; n < answers; n++) expect((await api('/api/items')).status).toBe(200)
        server.revokeFamily('alice')
        expect(await api('/api/items')).toMatchObject({ status: 401 })
        expect(session.state.status).toBe('signed-out')
        expect(seen.of('signed-out').map(({ reason }) => reason)).toEqual(answers ? ['rejected'] : [])
      },
    )

    test('two waves of expiry lead to two refreshes', async () => {
      const { server, api } = await page(client)
      for (const generation of [2, 3]) {
        server.expireAccessTokens()
        const answers = await Promise.all(times(10, () => api('/api/items')))
        expect(answers.map(({ data }) => data.generation)).toEqual(times(10, () => generation))
      }
      expect(server.count).toMatchObject({ refreshes: 2, refreshRequests: 2, reuses: 0 })
    })

    test('a request that went out while nobody was signed in keeps its 401, whoever signs in meanwhile', async () => {
      const { server, session, api } = await page(client, { tokens: null })
      server.expireAccessTokens()
      const gate = server.hold('/api/items')
      const answer = api('/api/items')
      await gate.untilArrived()
      await session.signIn()
      gate.release()
      expect(await answer).toMatchObject({ status: 401, code: undefined })
      expect(server.count).toMatchObject({ refreshRequests: 0, api: 1 })
    })

    test('a request that was recalled before anything is known of the session is sent again when the refresh fails', async () => {
      const time = newClock()
      const { server, session, api } = await page(client, { recall: 'safe', retries: 0, clock: time.clock })
      expect(session.state.status).toBe('unknown')
      const slow = server.hold('/api/late')
      const refresh = deferred<ServerResponse>()
      server.fault('custom', { on: '/refresh', respond: (_, response) => refresh.resolve(response) })
      const stale = api('/api/late')
      await slow.untilArrived()
      const refused = api('/api/never')
      const unanswered = await refresh.promise
      await time.advance(250)
      await server.until(() => onWire(server, '/api/late')[0]?.aborted === true)
      unanswered.writeHead(503).end()
      slow.release()
      expect(await refused).toMatchObject({ status: 401, code: 'refresh_failed' })
      expect((await stale).status).toBe(200)
      expect(onWire(server, '/api/late')).toHaveLength(2)
    })
  })
})
