import { isSessionError, type Session, type SessionOptions } from 'refresh-once'
import { createSessionPool } from 'refresh-once/pool'
import type { AuthServer } from 'refresh-once/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { failureOf, open, refreshAt, startServer, times, watch } from '../../setup.ts'
import { type Client, kinds, storesOf } from './clients.ts'
import { countCommands } from './count-commands.ts'
import { type RedisServer, startRedis } from './redis-server.ts'
import { commandTo } from './stage.ts'

let redis: RedisServer
let clients: Client[] = []
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.close())
afterEach(async () => {
  await Promise.all(clients.map(({ close }) => close()))
  clients = []
})

for (const kind of kinds) {
  describe(kind.name, () => {
    /** One process's view of a session: a client of its own, and its commands are counted. */
    async function newContext(
      server: AuthServer,
      id: string,
      options: Partial<SessionOptions> = {},
    ): Promise<{ session: Session; commands: () => number; client: Client }> {
      const client = await kind.open(redis.url)
      clients.push(client)
      const counted = countCommands(client)
      const session = open({
        refresh: refreshAt(server),
        store: storesOf(counted)(id),
        tokens: null,
        ...options,
      })
      return { session, commands: counted.commands, client }
    }

    /** Several contexts that share Alice's session; nothing is left to read. */
    async function contexts(
      server: AuthServer,
      count: number,
      id: string,
    ): Promise<Awaited<ReturnType<typeof newContext>>[]> {
      const first = await newContext(server, id)
      await first.session.signIn(server.mint('alice'))
      const others = await Promise.all(times(count - 1, () => newContext(server, id)))
      await Promise.all(others.map(({ session }) => session.getAccessToken()))
      return [first, ...others]
    }

    test('one refresh for all contexts, and all get its token', async () => {
      const server = await startServer()
      const all = await contexts(server, 5, `one-${kind.name}`)
      await Promise.all(all.map(({ session }) => session.refresh()))
      const tokens = await Promise.all(all.map(({ session }) => session.getAccessToken()))
      expect(new Set(tokens).size).toBe(1)
      expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
      expect(all.map(({ session }) => session.state.generation)).toEqual(times(5, () => 2))
    })

    test('a usable token costs no command', async () => {
      const server = await startServer()
      const [one, two] = await contexts(server, 2, `none-${kind.name}`)
      const before = [one?.commands(), two?.commands()]
      for (let round = 0; round < 50; round++) {
        await one?.session.getAccessToken()
        await two?.session.getAccessToken()
      }
      expect([one?.commands(), two?.commands()]).toEqual(before)
    })

    test('a refresh costs four commands, and two for whoever waits for it', async () => {
      const server = await startServer()
      const all = await contexts(server, 4, `four-${kind.name}`)
      const [winner, ...waiters] = all
      if (!winner) throw new Error('there is no context')
      // The scripts are known to the server before it counts: one refresh has used them all, its release too.
      await winner.session.refresh()
      await expect.poll(() => commandTo(redis, 'HEXISTS', `refresh-once:four-${kind.name}`, 'o')).toBe(0)
      await Promise.all(
        waiters.map(({ session }) =>
          session.state.generation === 2 ? undefined : watch(session).until('refresh-adopted'),
        ),
      )
      const before = all.map(({ commands }) => commands())
      const answer = server.hold('/token')
      const winning = winner.session.refresh()
      await answer.untilArrived()
      const adopted = waiters.map(({ session }) => watch(session).until('refresh-adopted'))
      const waiting = waiters.map(({ session }) => session.refresh())
      const sent = (): number[] => all.map(({ commands }, index) => commands() - Number(before[index]))
      await expect.poll(sent).toEqual([2, 1, 1, 1])
      await Promise.all(waiters.map(({ client }) => client.answered()))
      answer.release()
      await Promise.all([winning, ...waiting, ...adopted])
      await Promise.all(all.map(({ client }) => client.answered()))
      expect(sent()).toEqual([4, 2, 2, 2])
      expect(server.count).toMatchObject({ refreshes: 2, reuses: 0 })
    })

    test('whoever does not wait hears of it with one command, and sends nothing with the former token', async () => {
      const server = await startServer()
      const [one, two] = await contexts(server, 2, `news-${kind.name}`)
      const before = Number(two?.commands())
      const heard = two && watch(two.session).until('refresh-adopted')
      await one?.session.refresh()
      await heard
      expect(await two?.session.getAccessToken()).toBe(await one?.session.getAccessToken())
      expect(Number(two?.commands()) - before).toBe(1)
      expect(server.count.refreshes).toBe(1)
    })

    test('a sign-out ends the session everywhere, and a refresh that is running with it', async () => {
      const server = await startServer()
      const [one, two] = await contexts(server, 2, `out-${kind.name}`)
      const answer = server.hold('/token')
      const refreshing = failureOf(two?.session.refresh() ?? Promise.resolve())
      await answer.untilArrived()
      const ended = two && watch(two.session).until('signed-out')
      await one?.session.signOut()
      await ended
      answer.release()
      expect(isSessionError(await refreshing, 'session_changed')).toBe(true)
      const third = await newContext(server, `out-${kind.name}`)
      expect(isSessionError(await failureOf(third.session.getAccessToken()), 'session_expired')).toBe(true)
      expect(two?.session.state.status).toBe('signed-out')
    })

    test('whoever lets go of a session and opens it in the same moment hears of its end', async () => {
      const server = await startServer()
      const moments: (() => Promise<void> | undefined)[] = [
        () => undefined,
        () => Promise.resolve(),
        () => new Promise((resolve) => setImmediate(resolve)),
        () => commandTo(redis, 'PING').then(() => {}),
      ]
      const client = await kind.open(redis.url)
      clients.push(client)
      const stores = storesOf(client)
      const opened = (id: string): Session =>
        open({ refresh: refreshAt(server), store: stores(id), tokens: null })
      for (let round = 0; round < 12; round++) {
        const id = `deaf-${round}-${kind.name}`
        const elsewhere = await newContext(server, id)
        await elsewhere.session.signIn(server.mint('alice'))
        let session = opened(id)
        await session.getAccessToken()
        // Back once, or back and gone and back.
        for (let times = 0; times <= round % 3; times++) {
          session.close()
          await moments[(round + times) % moments.length]?.()
          session = opened(id)
        }
        await session.getAccessToken()
        const ended = watch(session).until('signed-out')
        await elsewhere.session.signOut()
        await ended
        session.close()
        const listeners = async (): Promise<unknown> =>
          ((await commandTo(redis, 'PUBSUB', 'NUMSUB', `refresh-once:${id}`)) as unknown[])[1]
        // The one elsewhere.
        await expect.poll(listeners).toBe(1)
      }
    })

    test('the same at a pool, which does so when there are too many', async () => {
      const server = await startServer()
      const client = await kind.open(redis.url)
      clients.push(client)
      const refresh = () => 'not-needed'
      const pool = createSessionPool({ max: 1, store: storesOf(client), refresh })
      for (let round = 0; round < 10; round++) {
        const [alice, bob] = ['alice', 'bob'].map((name) => `pool-${name}-${round}-${kind.name}`)
        if (!alice || !bob) throw new Error('nobody is there')
        const elsewhere = await newContext(server, alice)
        await elsewhere.session.signIn(server.mint('alice'))
        await pool.use(alice, (session) => session.getAccessToken())
        // Bob comes in, Alice's session is let go, and she is back at once.
        await pool.use(bob, () =>
          pool.use(alice, async (session) => {
            await session.getAccessToken()
            const ended = watch(session).until('signed-out')
            await elsewhere.session.signOut()
            await ended
          }),
        )
      }
      await pool.close()
    })

    test("a refusal is everybody's: nobody else asks again", async () => {
      const server = await startServer()
      const [one, two] = await contexts(server, 2, `refused-${kind.name}`)
      server.revokeFamily('alice')
      const ended = two && watch(two.session).until('signed-out')
      await failureOf(one?.session.refresh() ?? Promise.resolve())
      await ended
      expect(
        isSessionError(
          await failureOf(two?.session.getAccessToken() ?? Promise.resolve()),
          'session_expired',
        ),
      ).toBe(true)
      expect(server.count.refreshRequests).toBe(1)
    })
  })
}
