import { setImmediate as macrotask } from 'node:timers/promises'
import { memoryStore, type Session, type SessionOptions, type TokenInput } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, type TurnedClock, times, watch } from '../setup.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

interface Given {
  session: Session
  time: TurnedClock
  /** How many refreshes there were so far. */
  readonly calls: number
}

/** A session that has just signed in; each refresh makes the next token: `token-1`, `token-2` and so on. */
async function given(
  tokens: (n: number, time: TurnedClock) => TokenInput,
  options: Partial<SessionOptions> = {},
): Promise<Given> {
  const time = newClock()
  let calls = 0
  const session = open({ refresh: () => tokens(++calls, time), tokens: null, clock: time.clock, ...options })
  await session.signIn(tokens(0, time))
  return {
    session,
    time,
    get calls() {
      return calls
    },
  }
}

const lasting =
  (seconds: number) =>
  (n: number): TokenInput => ({ accessToken: `token-${n}`, expiresIn: seconds })

/** A token as Keycloak and Auth0 make them; nobody verifies it here. */
function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.c2lnbmF0dXJl`
}

describe('two windows', () => {
  test('a token of five minutes is renewed in the background in its last minute, and waited for in its last five seconds', async () => {
    const renewed = deferred<TokenInput>()
    const g = await given((n) => (n === 0 ? lasting(300)(0) : 'never'))
    const session = open({
      refresh: () => renewed.promise as Promise<string>,
      tokens: null,
      clock: g.time.clock,
    })
    await session.signIn(lasting(300)(0))
    const seen = watch(session)
    await g.time.advance(4 * MINUTE - 1)
    expect(await session.getAccessToken()).toBe('token-0')
    expect(session.state.refreshing).toBe(false)

    await g.time.advance(30 * SECOND)
    expect(await session.getAccessToken()).toBe('token-0')
    expect(seen.of('refresh-started')).toMatchObject([{ reason: 'ahead' }])

    await g.time.advance(25 * SECOND)
    expect(await session.getAccessToken()).toBe('token-0')
    await g.time.advance(1)
    const waiting = session.getAccessToken()
    await g.time.advance(0)
    renewed.resolve('token-1')
    expect(await waiting).toBe('token-1')
    expect(seen.of('refresh-started')).toHaveLength(1)
  })

  test('the windows of a short token are parts of its lifetime', async () => {
    // 2 s: soft window at most 400 ms, hard window 100 ms.
    const g = await given(lasting(2))
    const seen = watch(g.session)
    await g.time.advance(1_600 - 1)
    expect(await g.session.getAccessToken()).toBe('token-0')
    expect(g.calls).toBe(0)
    await g.time.advance(301)
    expect(await g.session.getAccessToken()).toBe('token-1')
    expect(seen.of('refresh-started')).toMatchObject([{ reason: 'expired' }])
  })

  test.each([
    ['a short token, in its last twentieth', 2, {}, 1_900],
    ['a long one, in its last five seconds', 300, {}, 295_000],
    ['a wish, to the millisecond', 300, { leeway: 20_000 }, 280_000],
    ['a wish, in the second half at the earliest', 300, { leeway: HOUR }, 150_000],
    ['no wish, and no window', 300, { leeway: 0 }, 300_000],
  ])('%s, waits for a refresh, and not before', async (_, seconds, options, from) => {
    const g = await given(lasting(seconds), { refreshAhead: 0, ...options })
    await g.time.advance(from - 1)
    expect(await g.session.getAccessToken()).toBe('token-0')
    expect(g.calls).toBe(0)
    await g.time.advance(1)
    expect(await g.session.getAccessToken()).toBe('token-1')
  })

  test('the soft window is jittered, so that tabs do not all begin at once', async () => {
    const time = newClock()
    const begins = await Promise.all(
      times(20, async () => {
        let at = 0
        const session = open({
          refresh: () => {
            at ||= time.clock.monotonic()
            return lasting(300)(1)
          },
          tokens: null,
          keepFresh: true,
          clock: time.clock,
        })
        await session.signIn(lasting(300)(0))
        return () => at
      }),
    )
    await time.advance(295 * SECOND)
    const moments = begins.map((at) => at())
    for (const at of moments) {
      expect(at).toBeGreaterThanOrEqual(240 * SECOND)
      expect(at).toBeLessThanOrEqual(252 * SECOND)
    }
    expect(new Set(moments.map((at) => Math.round(at / 100))).size).toBeGreaterThan(10)
  })

  test('`refreshAhead` and `leeway` say otherwise, but never make a new token look old', async () => {
    const g = await given(lasting(300), { refreshAhead: 0, leeway: 0 })
    await g.time.advance(5 * MINUTE - 1)
    expect(await g.session.getAccessToken()).toBe('token-0')
    expect(g.calls).toBe(0)

    const wide = await given(lasting(300), { refreshAhead: HOUR, leeway: HOUR })
    expect(await wide.session.getAccessToken()).toBe('token-0')
    await wide.time.advance(2 * MINUTE)
    expect(await wide.session.getAccessToken()).toBe('token-0')
    expect(wide.calls).toBe(0)
  })

  test.each([
    ['a minute of a long one', 600, {}, 0, 60_000],
    ['a fifth of a short one', 100, {}, 0, 20_000],
    ['a wish, to the millisecond', 600, { refreshAhead: 90_000 }, 0, 90_000],
    ['a wish, in the second half at the earliest', 300, { refreshAhead: 250_000 }, 0, 150_000],
    ['and up to a fifth less, as chance has it', 600, {}, 1, 48_001],
  ])(
    'a token is renewed in the background before its end: %s',
    async (_, seconds, options, chance, ahead) => {
      const time = newClock()
      let calls = 0
      const session = open({
        // As near to it as names of sign-ins allow.
        clock: { ...time.clock, random: () => Math.abs(chance - 1e-9) },
        tokens: null,
        refresh: () => lasting(seconds)(++calls),
        ...options,
      })
      await session.signIn(lasting(seconds)(0))
      await time.advance(seconds * SECOND - ahead - 1)
      for (const expected of [0, 0, 1]) {
        expect(await session.getAccessToken()).toBe('token-0')
        await time.advance(1)
        expect(calls).toBe(expected)
      }
    },
  )

  test('a failure in the soft window is an event; the token serves until its hard window', async () => {
    let broken = true
    const g = await given(lasting(300))
    const session = open({
      refresh: () => (broken ? new Response(null, { status: 503 }) : 'token-1'),
      tokens: null,
      retries: 0,
      clock: g.time.clock,
    })
    await session.signIn(lasting(300)(0))
    const seen = watch(session)
    await g.time.advance(255 * SECOND)
    expect(await session.getAccessToken()).toBe('token-0')
    await g.time.advance(0)
    expect(seen.of('refresh-failed')).toMatchObject([{ code: 'refresh_failed' }])
    expect(await session.getAccessToken()).toBe('token-0')
    broken = false
    await g.time.advance(40 * SECOND)
    expect(await session.getAccessToken()).toBe('token-1')
  })

  test('`minValidity` asks for a token that is good for longer', async () => {
    const g = await given(lasting(300))
    expect(await g.session.getAccessToken({ minValidity: 2 * MINUTE })).toBe('token-0')
    await g.time.advance(3 * MINUTE + 1)
    expect(await g.session.getAccessToken({ minValidity: 2 * MINUTE })).toBe('token-1')
    expect(g.calls).toBe(1)
  })
})

describe('successive expiries', () => {
  test('fifty expiries are fifty refreshes, and nothing is left between them', async () => {
    const g = await given(lasting(300))
    for (let n = 1; n <= 50; n++) {
      await g.time.advance(5 * MINUTE)
      expect(await Promise.all(times(3, () => g.session.getAccessToken()))).toEqual(
        times(3, () => `token-${n}`),
      )
      expect(g.session.state).toMatchObject({ status: 'signed-in', refreshing: false, generation: n + 1 })
      expect(g.time.pending).toBe(0)
    }
    expect(g.calls).toBe(50)
  })
})

describe('token sets that have no future', () => {
  const sets: [name: string, set: (n: number, time: TurnedClock) => TokenInput][] = [
    [
      '`expiresAt` in the past',
      (n, time) => ({ accessToken: `token-${n}`, expiresAt: time.clock.now() - HOUR }),
    ],
    ['`expires_in` 0', (n) => ({ access_token: `token-${n}`, expires_in: 0 })],
    ['`expires_in` "0"', (n) => ({ access_token: `token-${n}`, expires_in: '0' })],
    ['`expires_in` −1', (n) => ({ access_token: `token-${n}`, expires_in: -1 })],
    ['`expires_in` NaN', (n) => ({ access_token: `token-${n}`, expires_in: Number.NaN })],
    ['`expires_in` 1e400', (n) => ({ access_token: `token-${n}`, expires_in: '1e400' })],
    ['a JWT that has expired', (n, time) => jwt({ n, exp: time.clock.now() / 1000 - 60 })],
  ]
  for (const [name, set] of sets) {
    test(`a set that arrives with ${name} is used, and leads to no loop`, async () => {
      const g = await given(set)
      for (let n = 0; n < 5; n++) expect(await g.session.getAccessToken()).toBeTypeOf('string')
      expect(g.calls).toBe(0)
      await g.session.refresh()
      for (let n = 0; n < 5; n++) {
        await g.time.advance(MINUTE)
        await g.session.getAccessToken()
      }
      expect(g.calls).toBe(1)
    })

    test(`a set that arrives with ${name} does not keep \`keepFresh\` busy`, async () => {
      const g = await given(set, { keepFresh: true })
      await g.time.advance(HOUR)
      expect(g.calls).toBe(0)
    })
  }

  test('tokens in the options are believed when they say that they have expired', async () => {
    const time = newClock()
    let calls = 0
    const session = open({
      refresh: () => lasting(300)(++calls),
      tokens: { accessToken: 'old', expiresAt: time.clock.now() - 1 },
      clock: time.clock,
    })
    expect(await session.getAccessToken()).toBe('token-1')
    expect(calls).toBe(1)
  })

  test('a lifetime counts from its arrival: as a number, as a string, and as a JWT of a server whose clock is wrong', async () => {
    const sets: ((n: number, time: TurnedClock) => TokenInput)[] = [
      (n) => ({ access_token: `token-${n}`, expires_in: 300 }),
      (n) => ({ access_token: `token-${n}`, expires_in: '300' }),
      (n) => ({ accessToken: `token-${n}`, expiresIn: 300 }),
      ...[HOUR, 0, -HOUR].map((skew) => (n: number, time: TurnedClock) => {
        const iat = (time.clock.now() + skew) / 1000
        return jwt({ n, iat, exp: iat + 300 })
      }),
    ]
    for (const set of sets) {
      const g = await given(set)
      expect(g.session.state.expiresAt).toBe(g.time.clock.now() + 5 * MINUTE)
      await g.time.advance(3 * MINUTE)
      await g.session.getAccessToken()
      expect(g.calls).toBe(0)
      await g.time.advance(2 * MINUTE)
      await g.session.getAccessToken()
      expect(g.calls).toBe(1)
    }
  })
})

describe('the claims of a token', () => {
  test.each(['???>>>~~~', 'ÿÿÿ', 'a', 'ab', 'abc', '👩‍👩‍👧'])(
    'are read in the alphabet of URLs, of any length (with %s)',
    async (name) => {
      const g = await given((_, time) => {
        const iat = time.clock.now() / 1000
        return jwt({ name, iat, exp: iat + 300 })
      })
      expect(g.session.state.expiresAt).toBe(g.time.clock.now() + 5 * MINUTE)
    },
  )
})

describe('clocks that are not to be trusted', () => {
  for (const [name, jump] of [
    ['an hour forward', HOUR],
    ['an hour back', -HOUR],
  ] as const) {
    test(`a wall clock that is set ${name} leads to at most one refresh, and tokens go on being renewed`, async () => {
      const g = await given(lasting(300))
      await g.time.advance(MINUTE)
      g.time.jump(jump)
      for (let n = 0; n < 5; n++) await g.session.getAccessToken()
      expect(g.calls).toBeLessThanOrEqual(1)
      const before = g.calls
      // The lifetime is over by the monotonic clock, whatever the wall clock says.
      await g.time.advance(5 * MINUTE)
      for (let n = 0; n < 5; n++) await g.session.getAccessToken()
      expect(g.calls).toBe(before + 1)
      g.time.jump(-jump)
      for (let n = 0; n < 5; n++) await g.session.getAccessToken()
      expect(g.calls).toBeLessThanOrEqual(before + 2)
    })
  }

  test.each([
    ['was set back before it was restored', (now: number) => now + HOUR, 0, 300 * SECOND],
    [
      'is set back after it was restored near its end',
      (now: number) => now - 200 * SECOND,
      -HOUR,
      100 * SECOND,
    ],
  ])('a token is used no longer than it lasts where the clock %s', async (_, received, jump, left) => {
    const time = newClock()
    const store = memoryStore({ clock: time.clock })
    const receivedAt = received(time.clock.now())
    await store.save({
      version: { epoch: '0000000000000010.5', generation: 1, nonce: 'n' },
      tokens: { accessToken: 'stored', receivedAt, expiresAt: receivedAt + 300 * SECOND },
    })
    let calls = 0
    const session = open({
      clock: time.clock,
      store,
      refreshAhead: 0,
      leeway: 0,
      refresh: () => `token-${++calls}`,
    })
    expect(await session.getAccessToken()).toBe('stored')
    time.jump(jump)
    await time.advance(left - 1)
    expect(await session.getAccessToken()).toBe('stored')
    await time.advance(1)
    expect(await session.getAccessToken()).toBe('token-1')
  })

  test('a laptop that slept for eight hours renews its token before it is used', async () => {
    const g = await given(lasting(300))
    g.time.sleep(8 * HOUR)
    expect(await Promise.all(times(10, () => g.session.getAccessToken()))).toEqual(times(10, () => 'token-1'))
    expect(g.calls).toBe(1)
  })

  test('with `keepFresh` a laptop that wakes renews its token with the timer that was set before, and once', async () => {
    const g = await given(lasting(300), { keepFresh: true })
    g.time.sleep(8 * HOUR)
    await g.time.advance(4 * MINUTE + 12 * SECOND)
    expect(g.calls).toBe(1)
  })

  test('a cooldown ends on time although the wall clock was set back', async () => {
    let broken = true
    const time = newClock()
    const session = open({
      refresh: () => (broken ? new Response(null, { status: 503 }) : 'token-1'),
      tokens: { accessToken: 'old', expiresAt: 1 },
      retries: 0,
      clock: time.clock,
    })
    await failureOf(session.getAccessToken())
    broken = false
    time.jump(-HOUR)
    await time.advance(1_000)
    expect(await session.getAccessToken()).toBe('token-1')
  })
})

describe('long lifetimes', () => {
  for (const days of [25, 30, 90]) {
    test(`with \`keepFresh\`, a token of ${days} days is renewed once, at its end, and not at once`, async () => {
      const g = await given(lasting((days * DAY) / SECOND), { keepFresh: true })
      await g.time.advance(days * DAY - 2 * MINUTE)
      expect(g.calls).toBe(0)
      await g.time.advance(2 * MINUTE)
      expect(g.calls).toBe(1)
      expect(await g.session.getAccessToken()).toBe('token-1')
    })
  }

  test('no timer of the runtime overflows', async () => {
    const warnings: string[] = []
    const note = (warning: Error): void => void warnings.push(warning.name)
    process.on('warning', note)
    let calls = 0
    const session = open({ refresh: () => lasting(90 * 86_400)(++calls), tokens: null, keepFresh: true })
    await session.signIn(lasting(90 * 86_400)(0))
    expect(await session.getAccessToken()).toBe('token-0')
    // Node tells of an overflow on the next tick (and runs such a timer after one millisecond).
    await macrotask()
    process.off('warning', note)
    expect(warnings).toEqual([])
    expect(calls).toBe(0)
  })
})

describe('no known end', () => {
  test('a token without `expires_in` is used until somebody says otherwise', async () => {
    const g = await given((n) => `token-${n}`, { keepFresh: true })
    await g.time.advance(365 * DAY)
    expect(await g.session.getAccessToken()).toBe('token-0')
    expect(g.session.state.expiresAt).toBeUndefined()
    expect(g.calls).toBe(0)
    expect(g.time.pending).toBe(0)
  })
})

describe('`keepFresh`', () => {
  test('an idle session sets no timer', async () => {
    const g = await given(lasting(300))
    await g.session.getAccessToken()
    expect(g.time.pending).toBe(0)
    await g.time.advance(HOUR)
    expect(g.calls).toBe(0)
  })

  test('renews the token over and over without any request, and stops at sign-out', async () => {
    const g = await given(lasting(300), { keepFresh: true })
    await g.time.advance(HOUR)
    // Each lasts between 240 and 252 seconds.
    expect(g.calls).toBeGreaterThanOrEqual(14)
    expect(g.calls).toBeLessThanOrEqual(15)
    await g.session.signOut()
    const { calls } = g
    await g.time.advance(HOUR)
    expect(g.calls).toBe(calls)
    expect(g.time.pending).toBe(0)
  })

  test('renews the token before requests would have to wait, also where `refreshAhead` is less', async () => {
    const g = await given(lasting(300), { keepFresh: true, refreshAhead: 0, leeway: 20 * SECOND })
    await g.time.advance(280 * SECOND - 1)
    expect(g.calls).toBe(0)
    await g.time.advance(1)
    expect(g.calls).toBe(1)
  })

  test('goes on after failures, with the cooldown between them', async () => {
    const time = newClock()
    const calls: number[] = []
    const session = open({
      refresh: () => {
        calls.push(time.clock.monotonic())
        return calls.length <= 3 ? new Response(null, { status: 503 }) : lasting(300)(1)
      },
      tokens: null,
      keepFresh: true,
      retries: 0,
      clock: time.clock,
    })
    await session.signIn(lasting(300)(0))
    await time.advance(5 * MINUTE)
    expect(calls).toHaveLength(4)
    const gaps = calls.slice(1).map((at, n) => Math.round(at - (calls[n] ?? 0)))
    expect(gaps).toEqual([1_000, 2_000, 4_000])
    expect(await session.getAccessToken()).toBe('token-1')
  })

  test('an idle session keeps no process alive', async () => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const session = open({ refresh: () => 'second', tokens: null, keepFresh: true })
    await session.signIn(lasting(300)(0))
    expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toHaveLength(before)
  })
})
