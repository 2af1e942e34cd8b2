/** Timers do not pile up: whatever has happened, a session that is at rest has none, and with `keepFresh` one. */
import { getEventListeners } from 'node:events'
import { type Session, SessionError, type SessionOptions } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { idly, sleep, systemClock } from '../../src/core/clock.ts'
import { deferred, newClock, open, type TurnedClock, times, watch } from '../setup.ts'

const API = 'https://api.example.com'

type Answer = Awaited<ReturnType<SessionOptions['refresh']>>

interface Given {
  session: Session
  time: TurnedClock
  /** Those refreshes that were asked for, in their order, whether they have been answered or not. */
  asked: ReturnType<typeof deferred<Answer>>[]
  /** Lets the refresh that is running be answered, and all that comes of it happen. */
  answer(answer?: Answer): Promise<void>
}

async function given(options: Partial<SessionOptions>): Promise<Given> {
  const time = newClock()
  const asked: Given['asked'] = []
  const session = open({
    tokens: null,
    clock: time.clock,
    refresh() {
      const answer = deferred<Answer>()
      asked.push(answer)
      return answer.promise
    },
    ...options,
  })
  await session.signIn(lasting('first'))
  return {
    session,
    time,
    asked,
    async answer(answer = lasting('next')) {
      await time.advance(0)
      asked.at(-1)?.resolve(answer)
      await time.advance(0)
    },
  }
}

const lasting = (accessToken: string) => ({ accessToken, expiresIn: 300 })
const unavailable = (): Response => new Response(null, { status: 503 })
const refusal = (): Response => Response.json({ error: 'invalid_grant' }, { status: 400 })

/** However it ends. */
function quietly(work: Promise<unknown>): void {
  work.catch(() => {})
}

const scenarios: Record<string, (given: Given) => unknown> = {
  'a sign-in': () => {},
  'ten sign-ins': async ({ session }) => {
    for (let n = 0; n < 10; n++) await session.signIn(lasting(`user-${n}`))
  },
  'ten updates': async ({ session }) => {
    for (let n = 0; n < 10; n++) await session.update(lasting(`other-${n}`))
  },
  'ten refreshes': async ({ session, answer }) => {
    for (let n = 0; n < 10; n++) {
      quietly(session.refresh())
      await answer()
    }
  },
  'a hundred callers of one refresh': async ({ session, answer }) => {
    for (const work of times(100, () => session.refresh())) quietly(work)
    await answer()
  },
  'ten expiries': async ({ session, time, answer }) => {
    for (let n = 0; n < 10; n++) {
      await time.advance(300_000)
      quietly(session.getAccessToken())
      await answer()
    }
  },
  'a refresh that fails, and is tried again': async ({ session, time, answer }) => {
    quietly(session.refresh())
    await answer(unavailable())
    await time.advance(500)
    await answer()
  },
  'a refresh whose answer was lost, and is asked for again': async ({ session, time, asked, answer }) => {
    quietly(session.refresh())
    await time.advance(0)
    asked[0]?.reject(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
    await answer()
  },
  'refreshes that fail for good, and their cooldowns': async ({ session, time, answer }) => {
    for (let n = 0; n < 3; n++) {
      quietly(session.refresh())
      for (let tries = 0; tries < 3; tries++) {
        await answer(unavailable())
        await time.advance(2_000)
      }
    }
    await answer()
  },
  'a refresh that is refused': async ({ session, answer }) => {
    quietly(session.refresh())
    await answer(refusal())
  },
  'a refresh that says itself that the session is over': async ({ session, time, asked }) => {
    quietly(session.refresh())
    await time.advance(0)
    asked[0]?.reject(new SessionError('session_expired'))
    await time.advance(0)
  },
  'callers who have left, one after the other': async ({ session, time, answer }) => {
    const controllers = times(5, () => new AbortController())
    for (const { signal } of controllers) {
      quietly(session.refresh({ signal }))
      await time.advance(1_000)
    }
    for (const controller of controllers) controller.abort()
    await answer()
  },
  'callers who were gone when they came': async ({ session, answer }) => {
    for (let n = 0; n < 5; n++) quietly(session.refresh({ signal: AbortSignal.abort() }))
    await answer()
  },
  'callers whose deadlines have passed': async ({ session, time, answer }) => {
    for (let n = 0; n < 5; n++) {
      quietly(session.refresh())
      await time.advance(4_000)
    }
    await time.advance(10_000)
    await answer()
  },
  'a refresh that is answered after its lease, as its successor was': async ({
    session,
    time,
    asked,
    answer,
  }) => {
    quietly(session.refresh())
    await time.advance(60_000)
    await answer()
    asked[0]?.resolve(lasting('late'))
    await time.advance(0)
  },
  'a sign-in while a refresh runs': async ({ session, answer, time }) => {
    quietly(session.refresh())
    await time.advance(0)
    await session.signIn(lasting('second'))
    await answer()
  },
  'an update while a refresh runs': async ({ session, answer, time }) => {
    quietly(session.refresh())
    await time.advance(0)
    quietly(session.update(lasting('other')))
    await answer()
  },
  'a sign-out': ({ session }) => session.signOut(),
  'a sign-out while a refresh runs': async ({ session, answer, time }) => {
    quietly(session.refresh())
    await time.advance(0)
    await session.signOut()
    await answer()
  },
  'a sign-out between two tries of a refresh': async ({ session, answer, time }) => {
    quietly(session.refresh())
    await answer(unavailable())
    await session.signOut()
    await time.advance(0)
  },
  'a 401 that was cured before anything was recalled': async ({ session, answer }) => {
    let sent = 0
    const send = async () => new Response(null, { status: ++sent === 1 ? 401 : 200 })
    quietly(withSession(session, { origins: [API], fetch: send })(API))
    await answer()
    expect(sent).toBe(2)
  },
  'a 401 while a forced refresh runs': async ({ session, answer }) => {
    let sent = 0
    const send = async () => new Response(null, { status: ++sent === 1 ? 401 : 200 })
    quietly(session.refresh())
    quietly(withSession(session, { origins: [API], fetch: send })(API))
    await answer()
    expect(sent).toBe(2)
  },
  'a 401 whose refresh was slower than the recall': async ({ session, time, answer }) => {
    const send = async () => new Response(null, { status: 401 })
    quietly(withSession(session, { origins: [API], fetch: send })(API))
    await time.advance(5_000)
    await answer()
  },
  'a session that is closed': ({ session }) => session.close(),
  'a session that is closed while a refresh runs, whose answer is late': async ({
    session,
    time,
    answer,
  }) => {
    quietly(session.refresh())
    await time.advance(0)
    session.close()
    await answer()
  },
  'a session that is closed while a refresh runs, which is never answered': async ({ session, time }) => {
    quietly(session.refresh())
    await time.advance(0)
    session.close()
    await time.advance(0)
  },
  'a session that is closed between two tries of a refresh': async ({ session, time, answer }) => {
    quietly(session.refresh())
    await answer(unavailable())
    session.close()
    await time.advance(0)
  },
}

for (const keepFresh of [false, true]) {
  describe(keepFresh ? 'with `keepFresh`' : 'without `keepFresh`', () => {
    test.each(Object.entries(scenarios))('%s', async (name, play) => {
      const g = await given({ keepFresh })
      await play(g)
      await g.time.advance(0)
      const closed = name.includes('closed')
      const { status, refreshing } = g.session.state
      expect(g.time.pending).toBe(keepFresh && status === 'signed-in' && !closed ? 1 : 0)
      expect(refreshing).toBe(false)
    })
  })
}

test('a session that is closed renews nothing any more, whatever comes late', async () => {
  const g = await given({ keepFresh: true })
  const refreshed = g.session.refresh().catch(() => {})
  await g.time.advance(0)
  g.session.close()
  await refreshed
  await g.answer()
  await g.time.advance(3_600_000)
  expect(g.asked).toHaveLength(1)
  expect(g.time.pending).toBe(0)
})

test('`keepFresh` starts nothing while a refresh runs, however long that takes', async () => {
  const g = await given({ keepFresh: true })
  const seen = watch(g.session)
  await g.time.advance(300_000)
  expect(g.asked).toHaveLength(1)
  expect(seen.of('refresh-started')).toMatchObject([{ reason: 'ahead' }])
  expect(seen.of('refresh-joined')).toEqual([])
  await g.answer()
  expect(g.time.pending).toBe(1)
})

describe('a pause', () => {
  test('of no time, or less, takes none', async () => {
    const time = newClock()
    let over = 0
    for (const ms of [0, -5]) void sleep(time.clock, ms).then(() => over++)
    await time.advance(0)
    expect([over, time.clock.monotonic()]).toEqual([2, 0])
  })

  test('ends when its signal aborts, or has done so before, and leaves nothing behind', async () => {
    const time = newClock()
    const controller = new AbortController()
    const { signal } = controller
    const short = sleep(time.clock, 100, signal)
    await time.advance(100)
    await short
    expect(getEventListeners(signal, 'abort')).toEqual([])
    const long = sleep(time.clock, 100, signal)
    controller.abort()
    await long
    await sleep(time.clock, 100, signal)
    expect([time.pending, time.clock.monotonic(), getEventListeners(signal, 'abort').length]).toEqual([
      0, 100, 0,
    ])
  })

  test('that nobody needs keeps no process alive', () => {
    const timer = idly(systemClock, () => {}, 60_000) as NodeJS.Timeout
    expect(timer.hasRef()).toBe(false)
    systemClock.clearTimeout(timer)
  })
})
