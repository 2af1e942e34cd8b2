import type { Session, SessionOptions } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { newClock, signIn, startServer, type TurnedClock, times } from '../setup.ts'
import { type Api, CLIENTS, type Client } from './client.ts'

interface Polling {
  server: AuthServer
  time: TurnedClock
  session: Session
  api: Api
  /** Asks an endpoint that refuses every token, and says why that ended. */
  poll(): Promise<{ status: unknown; code: string | undefined }>
}

async function polling(client: Client, options: Partial<SessionOptions> = {}): Promise<Polling> {
  const time = newClock()
  const server = await startServer({ now: time.clock.now })
  const session = signIn(server, { clock: time.clock, ...options })
  const api = client.attach(server, session)
  return {
    server,
    time,
    session,
    api,
    async poll() {
      const { status, code } = await api('/api/never')
      return { status, code }
    },
  }
}

const refused = { status: 401, code: undefined }
const looping = { status: 401, code: 'refresh_loop' }

describe.each(CLIENTS)('$name', (client) => {
  describe('refreshes that cure nothing', () => {
    test('the request whose 401 asks for the sixth in thirty seconds gets refresh_loop, with its response', async () => {
      const { server, poll } = await polling(client)
      expect(await Promise.all(times(1, poll))).toEqual([refused])
      for (let n = 2; n <= 5; n++) expect(await poll()).toEqual(refused)
      expect(server.count).toMatchObject({ refreshes: 5, api: 10 })
      for (let n = 0; n < 5; n++) expect(await poll()).toEqual(looping)
      expect(server.count).toMatchObject({ refreshes: 5, api: 15 })
    })

    test('requests elsewhere are served all the while', async () => {
      const { server, api, poll } = await polling(client)
      for (let n = 0; n < 20; n++) {
        await poll()
        expect((await api('/api/items')).status).toBe(200)
      }
      // Two were refused there that others were served with: it is left alone.
      expect(server.count).toMatchObject({ refreshes: 2, rejected: 22 })
    })

    test('an expiry that the client can see is refreshed all the same', async () => {
      const { server, api, time, poll } = await polling(client, { budget: { within: 3_600_000 } })
      for (let n = 0; n < 8; n++) await poll()
      expect(server.count.refreshes).toBe(5)
      for (let n = 1; n <= 6; n++) {
        await time.advance(300_000)
        expect((await api('/api/items')).status).toBe(200)
        expect(await poll()).toEqual(looping)
      }
      expect(server.count.refreshes).toBe(11)
    })

    test('a forced refresh is made all the same', async () => {
      const { server, session, poll } = await polling(client)
      for (let n = 0; n < 6; n++) await poll()
      await session.refresh()
      expect(server.count.refreshes).toBe(6)
    })

    test('one endpoint with a permanent 401, polled every second, does not poison the app', async () => {
      const { server, session, api, time, poll } = await polling(client)
      for (let second = 0; second < 120; second++) {
        await time.advance(1_000)
        expect((await poll()).status).toBe(401)
        await api('/api/items')
      }
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
      const items = server.requests.filter(({ path }) => path === '/api/items')
      expect(items.map(({ status }) => status)).toEqual(times(120, () => 200))
      expect(server.count.reuses).toBe(0)
      // Five in any thirty seconds.
      expect(server.count.refreshes).toBeLessThanOrEqual(25)
    })

    test('when the thirty seconds are over, a 401 is believed again', async () => {
      const { server, time, poll } = await polling(client)
      for (let n = 0; n < 6; n++) await poll()
      await time.advance(30_000)
      expect(await poll()).toEqual(refused)
      expect(server.count.refreshes).toBe(6)
    })

    test('a replay that is accepted gives the whole budget back', async () => {
      const { server, api, poll } = await polling(client)
      for (let round = 0; round < 3; round++) {
        for (let n = 0; n < 4; n++) expect(await poll()).toEqual(refused)
        server.expireAccessTokens()
        expect((await api('/api/items')).status).toBe(200)
      }
      expect(server.count.refreshes).toBe(15)
    })

    test('an ordinary request that is accepted does not, and shows that the endpoint is at fault', async () => {
      const { server, api, poll } = await polling(client)
      for (let n = 0; n < 5; n++) {
        await poll()
        await api('/api/items')
      }
      expect(await poll()).toEqual(refused)
      expect(server.count.refreshes).toBe(2)
    })

    test('several endpoints that refuse everything share one budget', async () => {
      const { server, poll } = await polling(client)
      const ends = await Promise.all(times(50, poll))
      expect(ends.every(({ status }) => status === 401)).toBe(true)
      await Promise.all(times(50, poll))
      expect(server.count.refreshes).toBeLessThanOrEqual(5)
    })

    test('how many and in which time is the user’s to say', async () => {
      const { server, time, poll } = await polling(client, { budget: { refreshes: 2, within: 1_000 } })
      expect([await poll(), await poll(), await poll()]).toEqual([refused, refused, looping])
      await time.advance(1_000)
      expect(await poll()).toEqual(refused)
      expect(server.count.refreshes).toBe(3)
    })
  })
})
