import { memoryStore, type SessionOptions } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { failureOf, newClock, open, type TurnedClock, type Watch, watch } from '../setup.ts'

const MINUTE = 60_000

/** A server whose refresh tokens live for so many minutes: from each answer, or from the sign-in. */
function server(time: TurnedClock, minutes: number, { slides = true, name = 'refresh_expires_in' } = {}) {
  let issued = 0
  const end = time.clock.now() + minutes * MINUTE
  return {
    get issued() {
      return issued
    },
    issue: () => ({
      access_token: `token-${++issued}`,
      refresh_token: `refresh-${issued}`,
      [name]: Math.round(slides ? minutes * 60 : (end - time.clock.now()) / 1000),
    }),
  }
}

interface Scene {
  time: TurnedClock
  session: ReturnType<typeof open>
  seen: Watch
  issuer: ReturnType<typeof server>
  /** The minutes after which the end was told. */
  told(): number[]
}

async function scene(
  minutes: number,
  { slides, name, ...options }: Partial<SessionOptions> & { slides?: boolean; name?: string } = {},
): Promise<Scene> {
  const time = newClock()
  const start = time.clock.now()
  const issuer = server(time, minutes, { ...(slides !== undefined && { slides }), ...(name && { name }) })
  const session = open({ clock: time.clock, tokens: null, refresh: issuer.issue, ...options })
  const seen = watch(session)
  await session.signIn(issuer.issue())
  const told = () => seen.of('session-ending').map(({ at }) => (at - start) / MINUTE)
  return { time, session, seen, issuer, told }
}

test.each(['refresh_expires_in', 'refresh_token_expires_in', 'x_refresh_token_expires_in'])(
  'the state tells when the session itself ends, and an event comes five minutes before: %s',
  async (name) => {
    const { time, session, seen, told } = await scene(30, { name })
    const end = time.clock.now() + 30 * MINUTE
    expect(session.state.sessionEndsAt).toBe(end)
    await time.advance(60 * MINUTE)
    expect(told()).toEqual([25])
    expect(seen.of('session-ending')).toMatchObject([{ endsAt: end, state: { status: 'signed-in' } }])
  },
)

describe('the notice', () => {
  test('comes as early as it is asked for', async () => {
    const { time, told } = await scene(30, { endingNotice: 2 * MINUTE })
    await time.advance(60 * MINUTE)
    expect(told()).toEqual([28])
  })

  test('does not come where a refresh has brought more time, and comes for the new end', async () => {
    const { time, session, told } = await scene(30)
    await time.advance(24 * MINUTE)
    await session.refresh()
    await time.advance(60 * MINUTE)
    expect(told()).toEqual([49])
  })

  test('comes once, whatever refreshes come that bring no more time', async () => {
    const { time, session, told } = await scene(30, { slides: false })
    for (let n = 0; n < 29; n++) {
      await time.advance(MINUTE)
      await session.refresh()
    }
    expect(told()).toEqual([25])
  })

  test('comes at half of the time that a short session has', async () => {
    const { time, told } = await scene(4)
    await time.advance(10 * MINUTE)
    expect(told()).toEqual([2])
  })

  test('comes anew for the next sign-in, and not after a sign-out', async () => {
    const { time, session, issuer, told } = await scene(30)
    await time.advance(26 * MINUTE)
    await session.signIn(issuer.issue())
    await time.advance(10 * MINUTE)
    await session.signOut()
    await time.advance(60 * MINUTE)
    expect(told()).toEqual([25])
    await session.signIn(issuer.issue())
    await time.advance(60 * MINUTE)
    expect(told()).toEqual([25, 121])
  })

  test('comes in another context of the same store, and after a reload', async () => {
    const { time, session, issuer } = await scene(30, { store: undefined })
    await session.signOut()
    const store = memoryStore({ clock: time.clock })
    const first = open({ clock: time.clock, store, refresh: issuer.issue, tokens: issuer.issue() })
    await first.getAccessToken()
    await first.refresh()
    const second = open({ clock: time.clock, store: { ...store, close() {} }, refresh: issuer.issue })
    const seen = watch(second)
    await time.advance(24 * MINUTE)
    expect(seen.of('session-ending')).toEqual([])
    await time.advance(MINUTE)
    expect(seen.of('session-ending')).toHaveLength(1)
  })

  test('is not told to those who were not there, does not keep a timer for nobody, and does not come after the end', async () => {
    const time = newClock()
    const session = open({ clock: time.clock, tokens: null, refresh: () => 'unused' })
    await session.signIn(server(time, 30).issue())
    expect(time.pending).toBe(0)
    await time.advance(31 * MINUTE)
    const seen = watch(session)
    expect(time.pending).toBe(0)
    await time.advance(31 * MINUTE)
    expect(seen.of('session-ending')).toEqual([])
  })

  test.each([false, true])(
    'comes to whoever begins to observe later, too (keepFresh: %s)',
    async (keepFresh) => {
      const time = newClock()
      const tokens = {
        access_token: 'mine',
        refresh_token: 'r',
        refresh_expires_at: (time.clock.now() + 30 * MINUTE) / 1000,
      }
      const session = open({
        clock: time.clock,
        tokens,
        keepFresh,
        refresh: () => new Response(null, { status: 503 }),
      })
      await time.advance(20 * MINUTE)
      const seen = watch(session)
      await time.advance(6 * MINUTE)
      expect(seen.of('session-ending')).toHaveLength(1)
    },
  )

  test('does not come of a session that is closed, also to whoever observes it then', async () => {
    const { time, session, issuer } = await scene(30)
    session.close()
    const seen = watch(session)
    expect(time.pending).toBe(0)
    await time.advance(31 * MINUTE)
    expect(seen.of('session-ending')).toEqual([])
    expect(issuer.issued).toBe(1)
  })

  test('an endingNotice that is no time is a TypeError', () => {
    expect(() => open({ refresh: () => 'unused', endingNotice: -1 })).toThrow('endingNotice')
  })
})

describe('`keepFresh` renews before the refresh token dies', () => {
  test.each([2, 4, 30, 600])(
    'one that lives for %i minutes: the session goes on, and nobody is told that it ends',
    async (minutes) => {
      const { time, session, issuer, told } = await scene(minutes, { keepFresh: true })
      await time.advance(20 * minutes * MINUTE)
      expect(session.state.status).toBe('signed-in')
      expect(session.state.sessionEndsAt).toBeGreaterThan(time.clock.now())
      expect(told()).toEqual([])
      expect(issuer.issued).toBeGreaterThan(20)
      expect(issuer.issued).toBeLessThan(90)
    },
  )

  test('once, where that brings no more time', async () => {
    const { time, issuer, told } = await scene(60, { keepFresh: true, slides: false })
    await time.advance(53 * MINUTE)
    // Not long before it has to be.
    expect(issuer.issued).toBe(1)
    await time.advance(6 * MINUTE)
    expect([issuer.issued, told()]).toEqual([2, [55]])
  })

  test('again and again, with pauses, where it fails', async () => {
    let up = false
    const time = newClock()
    const issuer = server(time, 30)
    const session = open({
      clock: time.clock,
      keepFresh: true,
      retries: 0,
      tokens: null,
      refresh: () => (up ? issuer.issue() : new Response(null, { status: 503 })),
    })
    await session.signIn(issuer.issue())
    await time.advance(26 * MINUTE)
    expect(issuer.issued).toBe(1)
    up = true
    await time.advance(MINUTE)
    expect(issuer.issued).toBe(2)
    session.close()
    await failureOf(session.getAccessToken())
  })
})
