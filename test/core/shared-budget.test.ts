import { findSessionError, type Session, type SessionOptions, type SessionStore } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { createSharedStore } from '../laws/shared-store.ts'
import { newClock, open, type TurnedClock, times, watch } from '../setup.ts'

const API = 'https://api.example.com'

interface World {
  time: TurnedClock
  /** A session at the shared store. `deaf`: it hears of others in its own turns only. */
  session(options?: Partial<SessionOptions> & { deaf?: boolean }): Promise<Session>
  /** From now on the API accepts the next token only. */
  revoke(): void
  /** Asks the API by way of a session. `never`: an endpoint that accepts no token. */
  ask(
    session: Session,
    path?: string,
    body?: ReadableStream,
  ): Promise<{ status: number; code?: string | undefined }>
  readonly refreshes: number
}

/** An API, an authorization server and a store, on one clock. */
function world(): World {
  const time = newClock()
  const unheard = (): void => {}
  const place = createSharedStore({
    schedule: (_, run) => queueMicrotask(run),
    clock: time.clock,
    spy: { saving: unheard, told: unheard, watched: unheard, leased: unheard },
    lease: 60_000,
    steals: true,
  })
  let contexts = 0
  let issued = 1
  let accepted = 1
  const wire = (async (input, init) => {
    const { pathname } = new URL(String(input))
    const token = new Headers(init?.headers).get('authorization')
    return new Response(null, { status: pathname !== '/never' && token === `Bearer ${accepted}` ? 200 : 401 })
  }) as typeof fetch
  return {
    time,
    async session({ deaf = false, ...options } = {}) {
      const store: SessionStore = { ...place.open(++contexts), ...(deaf && { watch: () => () => {} }) }
      const session = open({
        clock: time.clock,
        store,
        tokens: '1',
        refresh: () => {
          accepted = ++issued
          return String(accepted)
        },
        ...options,
      })
      await session.getAccessToken()
      return session
    },
    revoke: () => void accepted++,
    async ask(session, path = '/items', body) {
      const init = body && { method: 'POST', body, duplex: 'half' }
      const response = await withSession(session, { origins: [API], fetch: wire })(
        `${API}${path}`,
        init as RequestInit,
      )
      return { status: response.status, code: findSessionError(response)?.code }
    },
    get refreshes() {
      return issued - 1
    },
  }
}

const served = { status: 200, code: undefined }
const refused = { status: 401, code: undefined }
const looping = { status: 401, code: 'refresh_loop' }

describe('refreshes that cure nothing', () => {
  test('are five in any thirty seconds, not six', async () => {
    const { session, ask, time } = world()
    const one = await session()
    const at = async (ms: number) => {
      await time.advance(ms - time.clock.monotonic())
      return ask(one, '/never')
    }
    for (const ms of [0, 29_000, 29_000, 29_000, 29_000, 30_100]) expect(await at(ms)).toEqual(refused)
    expect(await at(30_100)).toEqual(looping)
    expect(await at(58_999)).toEqual(looping)
    expect(await at(59_000)).toEqual(refused)
  })

  test('are those that a 401 has asked for: whoever wants one himself may have it as often', async () => {
    const { session, ask } = world()
    const one = await session()
    expect(await ask(one, '/never')).toEqual(refused)
    for (let round = 0; round < 6; round++) await one.refresh()
    expect(await ask(one, '/never')).toEqual(refused)
  })

  test.each(['refused', 'outrun by a sign-in'])(
    'have brought something: what is %s does not count',
    async (how) => {
      const { session, ask } = world()
      const isRefused = how === 'refused'
      const tokens = { accessToken: 'next', refreshToken: 'r' }
      let round = 0
      const one: Session = await session({
        tokens,
        refresh: () => {
          if (round === 6) return 'new'
          if (isRefused) return Response.json({ error: 'invalid_grant' }, { status: 400 })
          void one.signIn(tokens)
          return new Promise(() => {})
        },
      })
      for (; round < 6; round++) {
        const code = isRefused ? 'session_expired' : 'session_changed'
        expect(await ask(one, '/never')).toEqual({ status: 401, code })
        if (isRefused) await one.signIn(tokens)
      }
      expect(await ask(one, '/never')).toEqual(refused)
    },
  )

  test('may be none: then a 401 asks for nothing', async () => {
    const { session, ask } = world()
    const one = await session({ budget: { refreshes: 0 } })
    expect(await ask(one, '/never')).toEqual(looping)
  })
})

describe.each([
  { how: 'by news', deaf: false },
  { how: 'in its own turn', deaf: true },
])('whoever hears $how what others have refreshed', ({ deaf }) => {
  test('is not taken for a loop: its replays were accepted', async () => {
    const { session, ask, revoke } = world()
    const one = await session()
    const two = await session({ deaf })
    for (let round = 0; round < 12; round++) {
      revoke()
      const [first, second] = await Promise.all([ask(one), ask(two)])
      expect([round, first, second]).toEqual([round, served, served])
    }
  })

  test('counts none of it while nothing of its own is in question', async () => {
    const { session, ask, revoke } = world()
    const one = await session()
    const two = await session({ deaf })
    for (let round = 0; round < 8; round++) {
      await one.refresh()
      if (deaf) await two.refresh()
    }
    revoke()
    expect(await ask(two)).toEqual(served)
  })

  test('is stopped where nothing is accepted, although it has fetched nothing itself', async () => {
    const { session, ask } = world()
    const one = await session()
    const two = await session({ deaf })
    const ends = []
    for (let round = 0; round < 12; round++) {
      await one.refresh()
      ends.push(await ask(two, '/never'))
    }
    expect(ends.slice(0, 2)).toEqual([refused, refused])
    expect(ends.at(-1)).toEqual(looping)
  })
})

test('an ordinary request shows that the tokens are good where nothing could be sent again', async () => {
  const { session, ask, revoke } = world()
  const one = await session()
  const stream = (): ReadableStream => new Blob(['x']).stream()
  for (let round = 0; round < 8; round++) {
    revoke()
    expect(await ask(one, '/items', stream())).toEqual({ status: 401, code: 'not_replayable' })
    // The refresh goes on; the next one finds its tokens, and is accepted.
    expect(await ask(one)).toEqual(served)
  }
})

test('tokens that somebody else has fetched are no replay of ours that failed, however they were heard of', async () => {
  const { session, ask, revoke } = world()
  const one = await session()
  const two = await session()
  // Two has fetched the newest tokens itself, once.
  revoke()
  expect(await ask(two)).toEqual(served)
  const seen = watch(two)
  revoke()
  // While two waits for its turn, it hears of tokens of one's; when it comes with them, they are revoked again.
  const stop = two.observe(({ type }) => {
    if (type === 'refresh-adopted') revoke()
  })
  const [, answer] = await Promise.all([one.refresh(), ask(two)])
  stop()
  expect(seen.of('refresh-adopted').length).toBeGreaterThan(0)
  expect(answer).toEqual(served)
})

test('a signature that fails in a later round settles its request', async () => {
  const { session, ask, revoke } = world()
  let signatures = 0
  const one = await session({
    applyToken: async ({ accessToken }) => {
      if (++signatures > 1) throw new Error('no key')
      return { headers: { authorization: `Bearer ${accessToken}` } }
    },
  })
  const seen = watch(one)
  revoke()
  await expect(ask(one)).rejects.toThrow('no key')
  expect(seen.of('request-settled')).toMatchObject([{ ok: false, status: 0 }])
  expect(times(2, (n) => seen.of('request-rejected')[n]?.status)).toEqual([401, undefined])
})

test('a replay that is accepted restores the budget where `shouldRefresh` has looked at it, too', async () => {
  const { session, ask, revoke } = world()
  const one = await session({ shouldRefresh: () => undefined })
  for (let round = 0; round < 8; round++) {
    revoke()
    expect(await ask(one)).toEqual(served)
  }
})

test('a request that is refused with one token after another is sent six times, and then is a loop', async () => {
  const time = newClock()
  const session = open({ clock: time.clock, tokens: 'token-0', refresh: () => `token-${sends}` })
  let sends = 0
  const wire = async (): Promise<Response> => {
    // Whatever it was sent with, there is a newer one when the answer comes.
    sends++
    await session.refresh()
    return new Response(null, { status: sends < 20 ? 401 : 200 })
  }
  const response = await withSession(session, { origins: [API], fetch: wire })(`${API}/items`)
  expect({ status: response.status, code: findSessionError(response)?.code }).toEqual(looping)
  expect(sends).toBe(6)
})
