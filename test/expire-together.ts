import type { Clock, SessionStore } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createSessionPool } from 'refresh-once/pool'
import type { AuthServer } from 'refresh-once/testing'
import { expect } from 'vitest'
import { refreshAt, times } from './setup.ts'

interface Load {
  server: AuthServer
  clock?: Clock
  sessions: number
  max: number
  store: (id: string) => SessionStore
  /** All access tokens are over after it. */
  expire: () => unknown
}

/** How many work at the same time: each with a session, for two who need its token. */
const AT_A_TIME = 200

/** Signs everybody in, lets all tokens expire, and lets everybody ask at once; checks what it costs. */
export async function expireTogether({ server, clock, sessions, max, store, expire }: Load): Promise<void> {
  const users = times(sessions, (index) => `user-${index}`)
  const pool = createSessionPool({ store, max, clock, idle: 3_600_000, refresh: refreshAt(server) })
  let over = 0
  const look = (): void => {
    over = Math.max(over, pool.stats.sessions - max - pool.stats.inUse)
  }
  try {
    await forAll(users, (user) => pool.use(user, (session) => session.signIn(server.mint(user))))
    expect(pool.stats).toMatchObject({ sessions: max, inUse: 0 })
    await expire()
    let answered = 0
    const tokens = new Set<string>()
    await forAll(users, (user) =>
      pool.use(user, async (session) => {
        look()
        const api = withSession(session, { origins: [server.url] })
        const [{ status, body }, token] = await Promise.all([
          api(`${server.url}/api/items?id=${user}`),
          session.getAccessToken(),
        ])
        await body?.cancel()
        if (status === 200) answered++
        tokens.add(token)
        look()
      }),
    )
    expect(answered).toBe(sessions)
    expect(tokens.size).toBe(sessions)
    expect(server.count).toMatchObject({ refreshes: sessions, refreshRequests: sessions, reuses: 0 })
    expect(server.requests.filter(({ id, user }) => id !== user)).toEqual([])
    expect(server.requests).toHaveLength(sessions)
    expect(pool.stats).toMatchObject({ sessions: max, inUse: 0, refreshes: sessions })
    expect(over).toBe(0)
  } finally {
    await pool.close()
  }
}

async function forAll<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item)
  }
  await Promise.all(times(AT_A_TIME, worker))
}
