import { memoryStore, type Session, type SessionOptions } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { createSharedStore } from '../laws/shared-store.ts'
import { deferred, failureOf, newClock, open, type TurnedClock, times, watch } from '../setup.ts'

const OLD = { accessToken: 'old', refreshToken: 'r', expiresAt: 1 }
const outage = (): Response => new Response('<h1>Bad gateway</h1>', { status: 502 })

interface Given {
  time: TurnedClock
  session: Session
  readonly calls: number
  answer(with_: () => unknown): void
}

/** A session whose token has expired; `refresh` meets an outage until the test says otherwise. */
function given(options: Partial<SessionOptions> = {}): Given {
  const time = newClock()
  let calls = 0
  let next: () => unknown = outage
  const session = open({
    clock: time.clock,
    tokens: OLD,
    retries: 0,
    refresh: () => {
      calls++
      return next() as Response
    },
    ...options,
  })
  return {
    time,
    session,
    get calls() {
      return calls
    },
    answer(with_) {
      next = with_
    },
  }
}

describe('a refresh that somebody asks for', () => {
  test('goes through a cooldown of our own making at once', async () => {
    const g = given()
    for (let n = 0; n < 4; n++) {
      await failureOf(g.session.getAccessToken())
      await g.time.advance(30_000)
    }
    await failureOf(g.session.getAccessToken())
    const before = g.calls
    expect((await failureOf(g.session.getAccessToken())).message).toContain('502')
    expect(g.calls).toBe(before)
    g.answer(() => 'new')
    await g.session.refresh()
    expect([await g.session.getAccessToken(), g.calls]).toEqual(['new', before + 1])
  })

  test.each([0, 1])('waits for what the server has asked for, in whichever millisecond (%i)', async (ms) => {
    const g = given()
    await g.time.advance(ms)
    g.answer(() => new Response(null, { status: 503, headers: { 'retry-after': '20' } }))
    await failureOf(g.session.getAccessToken())
    const before = g.calls
    g.answer(() => 'new')
    expect(await failureOf(g.session.refresh())).toMatchObject({ code: 'refresh_failed' })
    expect(g.calls).toBe(before)
    await g.time.advance(20_000)
    await g.session.refresh()
    expect(g.calls).toBe(before + 1)
  })

  test('waits for what the server has asked for, though our own cooldown is longer by now', async () => {
    const g = given()
    g.answer(() => new Response(null, { status: 503, headers: { 'retry-after': '2' } }))
    for (let n = 0; n < 4; n++) {
      await failureOf(g.session.getAccessToken())
      await g.time.advance(30_000)
    }
    await failureOf(g.session.getAccessToken())
    const before = g.calls
    g.answer(() => 'new')
    await g.time.advance(1_000)
    await failureOf(g.session.refresh())
    expect(g.calls).toBe(before)
    await g.time.advance(1_000)
    await g.session.refresh()
    expect(g.calls).toBe(before + 1)
  })

  test('is one at a time: a hundred taps ask once', async () => {
    const g = given()
    await failureOf(g.session.getAccessToken())
    const before = g.calls
    const answer = deferred<string>()
    g.answer(() => answer.promise)
    const taps = Promise.all(times(100, () => g.session.refresh()))
    await g.time.advance(0)
    answer.resolve('new')
    await taps
    expect(g.calls).toBe(before + 1)
  })

  test('goes through a cooldown that another context has made, too', async () => {
    const time = newClock()
    const unheard = (): void => {}
    const place = createSharedStore({
      schedule: (_, run) => queueMicrotask(run),
      clock: time.clock,
      spy: { saving: unheard, told: unheard, watched: unheard, leased: unheard },
      lease: 60_000,
      steals: true,
    })
    const one = open({ clock: time.clock, store: place.open(1), tokens: OLD, retries: 0, refresh: outage })
    expect(await failureOf(one.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    const two = open({ clock: time.clock, store: place.open(2), retries: 0, refresh: () => 'new' })
    await two.refresh()
    expect(await two.getAccessToken()).toBe('new')
  })
})

test.each([{}, { 'retry-after': '1' }])(
  'a cooldown lasts no longer where the wall clock is set back meanwhile (%j)',
  async (headers) => {
    const g = given()
    g.answer(() => new Response(null, { status: 503, headers }))
    await failureOf(g.session.getAccessToken())
    g.answer(() => 'new')
    g.time.jump(-60_000)
    await g.time.advance(1_000)
    expect(await g.session.getAccessToken()).toBe('new')
  },
)

test('a refresh that only met a cooldown asked nobody, and makes it no longer', async () => {
  const time = newClock()
  const store = memoryStore({ clock: time.clock })
  const options = { clock: time.clock, retries: 0, deadline: 100 }
  const one = open({ ...options, store, tokens: OLD, refresh: outage })
  await failureOf(one.getAccessToken())
  const record = await store.load()
  let calls = 0
  const two = open({
    ...options,
    store,
    refresh: () => {
      calls++
      return 'new'
    },
  })
  for (let n = 0; n < 5; n++) {
    expect(await failureOf(two.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    await time.advance(150)
  }
  expect([calls, (await store.load())?.notBefore]).toEqual([0, record?.notBefore])
  await time.advance(300)
  expect([await two.getAccessToken(), calls]).toEqual(['new', 1])
})

describe('a refresh before the store has been read', () => {
  test('is made when it has been read', async () => {
    const read = deferred<void>()
    const kept = memoryStore()
    const g = given({
      tokens: { accessToken: 'good' },
      store: {
        ...kept,
        load: async () => {
          await read.promise
          return kept.load()
        },
      },
    })
    g.answer(() => 'new')
    const refreshed = g.session.refresh()
    read.resolve()
    await refreshed
    expect([await g.session.getAccessToken(), g.calls]).toEqual(['new', 1])
  })

  test('rejects when its caller leaves, and when the session is closed', async () => {
    const options = { store: { ...memoryStore(), load: () => new Promise<undefined>(() => {}) } }
    const g = given(options)
    await expect(g.session.refresh({ signal: AbortSignal.abort('gone') })).rejects.toBe('gone')
    const refreshed = failureOf(g.session.refresh())
    g.session.close()
    expect(await refreshed).toMatchObject({ code: 'session_closed' })
  })
})

describe('`unless`', () => {
  test('goes through a cooldown of our own making at once, too', async () => {
    const g = given()
    await failureOf(g.session.getAccessToken())
    const before = g.calls
    g.answer(() => 'new')
    await g.session.refresh({ unless: OLD.accessToken })
    expect([await g.session.getAccessToken(), g.calls]).toEqual(['new', before + 1])
  })

  test('ten sockets that are closed late cost one refresh', async () => {
    const g = given({ tokens: 'first' })
    let issued = 1
    g.answer(() => `token ${++issued}`.replace(' ', '-'))
    const refused = await g.session.getAccessToken()
    for (let n = 0; n < 10; n++) await g.session.refresh({ unless: refused })
    expect([await g.session.getAccessToken(), g.calls]).toEqual(['token-2', 1])
  })

  test('requests wait for it: the token was refused', async () => {
    const g = given({ tokens: 'first' })
    const answer = deferred<string>()
    g.answer(() => answer.promise)
    const seen = watch(g.session)
    const refreshed = g.session.refresh({ unless: 'first' })
    const token = g.session.getAccessToken()
    answer.resolve('second')
    expect([await token, await refreshed]).toEqual(['second', undefined])
    expect(seen.of('refresh-started')).toMatchObject([{ reason: 'rejected' }])
  })
})
