import { setImmediate as macrotask } from 'node:timers/promises'
import fc from 'fast-check'
import { memoryStore, type SessionStore } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createSessionPool, type SessionPool, type SessionPoolOptions } from 'refresh-once/pool'
import type { AuthServer } from 'refresh-once/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, refreshAt, startServer, type TurnedClock, times } from './setup.ts'

const pools: SessionPool[] = []

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()))
})

/** Stores that outlive the sessions of a pool, as Redis does. */
function keptStores(time: TurnedClock): { store: (id: string) => SessionStore; open: Set<string> } {
  const kept = new Map<string, SessionStore>()
  const open = new Set<string>()
  return {
    open,
    store(id) {
      const memory = kept.get(id) ?? memoryStore({ clock: time.clock })
      kept.set(id, memory)
      open.add(id)
      return { ...memory, close: () => void open.delete(id) }
    },
  }
}

function given(options: Partial<SessionPoolOptions> = {}): {
  pool: SessionPool
  time: TurnedClock
  /** The sessions whose stores are open. */
  open: Set<string>
  refreshed: string[]
} {
  const time = newClock()
  const { store, open } = keptStores(time)
  const refreshed: string[] = []
  const pool = createSessionPool({
    store,
    clock: time.clock,
    refresh: ({ id, tokens }) => {
      refreshed.push(`${id} with ${tokens?.refreshToken}`)
      return { accessToken: `${id}-${refreshed.length}`, refreshToken: `r${refreshed.length}` }
    },
    ...options,
  })
  pools.push(pool)
  return { pool, time, open, refreshed }
}

const signIn = (pool: SessionPool, id: string) =>
  pool.use(id, (session) => session.signIn({ accessToken: `${id}-0`, refreshToken: 'r0' }))

describe('a pool', () => {
  test('gives everybody who names an id the same session', async () => {
    const { pool } = given()
    const [first, second] = await Promise.all([
      pool.use('a', (session) => session),
      pool.use('a', (session) => session),
    ])
    expect(first).toBe(second)
    expect(await pool.use('b', (session) => session)).not.toBe(first)
    expect(pool.stats).toEqual({ sessions: 2, inUse: 0, opened: 2, letGo: 0, refreshes: 0 })
  })

  test('asks nobody for tokens of an id that nobody has signed in', async () => {
    const { pool, refreshed } = given()
    const refused = pool.use('unheard-of', (session) => session.getAccessToken())
    expect(await failureOf(refused)).toMatchObject({ code: 'session_expired' })
    expect(refreshed).toEqual([])
  })

  test('takes a store that cannot be read for no sign-out: a transient error, until it can', async () => {
    const time = newClock()
    const { store } = keptStores(time)
    let away = false
    const whole = (id: string): SessionStore => {
      const kept = store(id)
      const orAway = async <T>(work: () => Promise<T>): Promise<T> => {
        if (away) throw new Error('the store is away')
        return work()
      }
      return {
        ...kept,
        load: () => orAway(kept.load),
        save: (next) => orAway(() => kept.save(next)),
        exclusive: (work, signal) => orAway(() => kept.exclusive(work, signal)),
      }
    }
    const { pool, refreshed } = given({ clock: time.clock, idle: 1_000, store: whole, retries: 0 })
    await signIn(pool, 'a')
    await time.advance(2_000)
    expect(pool.stats.sessions).toBe(0)
    away = true
    const asked = ['a', 'unheard-of'].map((id) =>
      failureOf(pool.use(id, (session) => session.getAccessToken())),
    )
    await time.advance(0)
    for (const error of await Promise.all(asked)) expect(error).toMatchObject({ code: 'refresh_failed' })
    away = false
    await time.advance(1_000)
    expect(await pool.use('a', (session) => session.getAccessToken())).toBe('a-0')
    const stranger = pool.use('unheard-of', (session) => session.getAccessToken())
    expect(await failureOf(stranger)).toMatchObject({ code: 'session_expired' })
    expect(refreshed).toEqual([])
    expect(pool.stats.refreshes).toBe(0)
  })

  test.each([
    ['half a surrogate pair', 'alice\ud83d', /^use: expected the id of a session, got one with half/],
    ['the other half', '\ude00', /got one with half/],
    ['nothing', '', /got an empty string/],
    ['a number', 7 as never, /got number/],
  ])('refuses an id that is %s, and opens nothing', async (_, id, message) => {
    const { pool } = given()
    await expect(pool.use(id, () => {})).rejects.toThrow(message)
    expect(pool.stats.opened).toBe(0)
    expect(await pool.use('alice\ud83d\ude00', () => 'whole')).toBe('whole')
  })

  test('tells refresh whose tokens are asked for', async () => {
    const { pool, refreshed } = given()
    await Promise.all(['a', 'b'].map((id) => signIn(pool, id)))
    await Promise.all(['a', 'b'].map((id) => pool.use(id, (session) => session.refresh())))
    expect(refreshed).toEqual(['a with r0', 'b with r0'])
    expect(pool.stats.refreshes).toBe(2)
  })

  test('lets go of the least recently used when there are too many, and finds their tokens again', async () => {
    const { pool, open, refreshed } = given({ max: 2 })
    for (const id of ['a', 'b', 'c']) await signIn(pool, id)
    expect([...open]).toEqual(['b', 'c'])
    expect(pool.stats).toMatchObject({ sessions: 2, letGo: 1 })
    expect(await pool.use('a', (session) => session.getAccessToken())).toBe('a-0')
    expect([...open]).toEqual(['c', 'a'])
    expect(refreshed).toEqual([])
  })

  test('has those that were used last, in whatever order they are used', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...'abcdefg'), { maxLength: 30 }), async (used) => {
        const { pool, open } = given({ max: 4 })
        for (const id of used) await pool.use(id, () => {})
        const last = [...new Set(used.reverse())].slice(0, 4)
        expect([...open].sort()).toEqual(last.sort())
      }),
    )
  })

  test('lets go of those that have not been used for a while, with one timer for all', async () => {
    const { pool, time, open } = given({ idle: 60_000 })
    for (const id of times(50, String)) await signIn(pool, id)
    await time.advance(30_000)
    expect(time.pending).toBe(1)
    await signIn(pool, '7')
    await time.advance(30_000)
    expect([...open]).toEqual(['7'])
    await time.advance(60_000)
    expect(pool.stats).toMatchObject({ sessions: 0, opened: 50, letGo: 50 })
    expect(time.pending).toBe(0)
  })

  test('never lets go of a session that somebody works with', async () => {
    const { pool, time, open } = given({ max: 1, idle: 1_000 })
    await signIn(pool, 'a')
    const work = deferred<void>()
    const running = pool.use('a', async (session) => {
      await work.promise
      return session.getAccessToken()
    })
    for (const id of times(10, String)) await signIn(pool, id)
    await time.advance(10_000)
    expect([...open]).toEqual(['a'])
    work.resolve()
    expect(await running).toBe('a-0')
  })

  test('never lets go of a session whose refresh is running, though nobody waits for it', async () => {
    const answer = deferred<string>()
    const { pool, time, open } = given({ max: 1, idle: 1_000, refresh: () => answer.promise })
    await signIn(pool, 'a')
    const left = new AbortController()
    const waited = pool.use('a', (session) => session.refresh({ signal: left.signal }))
    left.abort()
    await failureOf(waited)
    await signIn(pool, 'b')
    await time.advance(10_000)
    expect(open.has('a')).toBe(true)
    answer.resolve('fresh')
    await time.advance(10_000)
    expect(open.has('a')).toBe(false)
    expect(await pool.use('a', (session) => session.getAccessToken())).toBe('fresh')
  })

  test('never lets go of new tokens that its store has not taken', async () => {
    const time = newClock()
    const { store, open } = keptStores(time)
    let full = false
    const { pool } = given({
      clock: time.clock,
      idle: 1_000,
      store: (id) => {
        const whole = store(id)
        return {
          ...whole,
          async save(next) {
            if (full) throw new Error('no space left')
            return whole.save(next)
          },
        }
      },
    })
    await signIn(pool, 'a')
    full = true
    const refreshed = pool.use('a', (session) => session.refresh())
    await time.advance(1_000)
    await refreshed
    await time.advance(10_000)
    expect(open.has('a')).toBe(true)
    full = false
    await time.advance(60_000)
    expect(open.has('a')).toBe(false)
    expect(await pool.use('a', (session) => session.getAccessToken())).toBe('a-1')
  })

  test('stays small while all its sessions are in use, and when they leave', async () => {
    const { pool } = given({ max: 10 })
    const work = deferred<void>()
    const running = times(1_000, (index) => pool.use(String(index), () => work.promise))
    expect(pool.stats).toMatchObject({ sessions: 1_000, inUse: 1_000 })
    work.resolve()
    await Promise.all(running)
    expect(pool.stats).toMatchObject({ sessions: 10, inUse: 0, letGo: 990 })
  })

  test('says at once what is wrong with an option or an id', async () => {
    expect(() => given({ max: 0 })).toThrow(/max.*0/)
    expect(() => given({ idle: -1 })).toThrow(/idle.*-1/)
    const broken: object[] = [{ store: undefined }, { refresh: undefined }]
    for (const options of broken) expect(() => given(options)).toThrow(TypeError)
    expect(await failureOf(given().pool.use('', () => 1))).toBeInstanceOf(TypeError)
  })
})

describe('closing a pool', () => {
  test('waits for the work that runs and for the refreshes, and keeps what they bring', async () => {
    const answer = deferred<string>()
    const time = newClock()
    const { store, open } = keptStores(time)
    const { pool } = given({ store, clock: time.clock, refresh: () => answer.promise })
    await signIn(pool, 'a')
    const left = new AbortController()
    const waited = pool.use('a', (session) => session.refresh({ signal: left.signal }))
    left.abort()
    await failureOf(waited)
    const closed = pool.close()
    expect(await failureOf(pool.use('a', (session) => session))).toMatchObject({ code: 'session_closed' })
    await macrotask()
    expect(open.has('a')).toBe(true)
    answer.resolve('fresh')
    await closed
    expect(open.size).toBe(0)
    expect((await store('a').load())?.tokens?.accessToken).toBe('fresh')
  })
})

describe('a pool at a real server', () => {
  async function population(server: AuthServer, count: number, max: number) {
    const time = newClock()
    const { store } = keptStores(time)
    const { pool } = given({
      store,
      max,
      clock: time.clock,
      refresh: refreshAt(server),
    })
    const users = times(count, (index) => `user-${index}`)
    await Promise.all(users.map((user) => pool.use(user, (session) => session.signIn(server.mint(user)))))
    return { pool, users }
  }

  test('hundreds of sessions that all expire are refreshed once each, and every answer is its own user’s', async () => {
    const server = await startServer()
    const { pool, users } = await population(server, 300, 50)
    server.expireAccessTokens()
    const ask = (user: string) =>
      pool.use(user, async (session) => {
        const api = withSession(session, { origins: [server.url] })
        const answers = await Promise.all(times(2, () => api(`${server.url}/api/items?id=${user}`)))
        return answers.map(({ status }) => status)
      })
    for (const statuses of await Promise.all(users.map(ask))) expect(statuses).toEqual([200, 200])
    expect(server.count).toMatchObject({ refreshes: 300, refreshRequests: 300, reuses: 0 })
    const strangers = server.requests.filter(({ id, user, status }) => status === 200 && id !== user)
    expect(strangers).toEqual([])
    expect(pool.stats).toMatchObject({ sessions: 50, refreshes: 300 })
  })
})
