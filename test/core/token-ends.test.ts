import type { SessionOptions, TokenInput } from 'refresh-once'
import { createTestClock } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { beginOf, type ReadingAids, readTokens, type TokenSet } from '../../src/core/tokens.ts'
import { validityOf } from '../../src/core/validity.ts'
import { newClock, open } from '../setup.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const { clock } = createTestClock()
const NOW = clock.now()

function jwt(claims: unknown): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part(claims)}.c2lnbmF0dXJl`
}

const received = (input: unknown, aids?: ReadingAids): TokenSet => readTokens(input, clock, false, true, aids)
const stored = (input: unknown, aids?: ReadingAids): TokenSet => readTokens(input, clock, false, false, aids)

/** The same time, in each way in which it is written. */
function writings(at: number): [string, unknown][] {
  return [
    ['seconds', at / SECOND],
    ['seconds as text', String(at / SECOND)],
    ['milliseconds', at],
    ['milliseconds as text', String(at)],
    ['ISO text', new Date(at).toISOString()],
    ['an HTTP date', new Date(at).toUTCString()],
    ['ISO text with an offset', new Date(at).toISOString().replace('Z', '+00:00')],
    ['a Date', new Date(at)],
  ]
}

const NAMES = [
  'expires_at',
  'expiresAt',
  'expires_on',
  'expiresOn',
  'expiry',
  'expiry_date',
  'expiration',
  'expirationTime',
  'accessTokenExpirationDate',
  'tokenExpiresAt',
  'exp',
  'accessTokenExpiresAt',
  'access_token_expires_at',
]
const NO_TIMES: [string, unknown][] = [
  ['text that is no date', 'soon'],
  ['text that an engine makes a date of', 'in 3600 seconds'],
  ['empty text', ''],
  ['blank text', ' '],
  ['a negative number', -1],
  ['negative text', '-1'],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a number beyond every date', 1e300],
  ['a boolean', true],
  ['an object', { seconds: 3600 }],
  ['an array', [3600]],
  ['an object that cannot be converted', { valueOf: 1, toString: 1 }],
  ['an object without a prototype', Object.create(null)],
  ['a symbol', Symbol('time')],
  ['a Date that is none', new Date('soon')],
]

describe('a token set from the options or a storage', () => {
  for (const name of NAMES) {
    for (const [way, value] of writings(NOW - 4 * HOUR)) {
      test(`is believed when its \`${name}\`, as ${way}, says that it has expired, whatever \`expires_in\` says`, () => {
        const tokens = stored({ access_token: 'old', expires_in: 3600, [name]: value })
        expect(tokens.expiresAt).toBe(NOW - 4 * HOUR)
        expect(validityOf(tokens, {}, clock).left()).toBeLessThan(0)
      })
    }
  }

  test('is not believed when it says how long it lasts, since nobody knows since when', () => {
    for (const lifetime of [{ expires_in: 3600 }, { expires_in: '3600' }, { expiresIn: 3600 }])
      expect(stored({ accessToken: 'old', ...lifetime }).expiresAt).toBeUndefined()
  })

  test('is believed when its JWT says that it has expired, whatever `expires_in` says', () => {
    const times = { iat: NOW / SECOND - 18_000, exp: NOW / SECOND - 14_400 }
    expect(stored({ access_token: jwt(times), expires_in: 3600 }).expiresAt).toBe(NOW - 4 * HOUR)
  })

  test('is refreshed before its first use where it has expired', async () => {
    const time = newClock()
    const old = { refresh_token: 'r', expires_in: 3600 }
    const past = time.clock.now() - 4 * HOUR
    const sets: TokenInput[] = [
      { ...old, access_token: 'old', expires_at: past / SECOND },
      { ...old, access_token: 'old', expires_at: new Date(past).toISOString() },
      { ...old, access_token: 'old', expiry_date: past },
      { ...old, access_token: jwt({ exp: past / SECOND }) },
    ]
    const refresh: SessionOptions['refresh'] = () => 'new'
    for (const tokens of sets)
      expect(await open({ refresh, tokens, clock: time.clock }).getAccessToken()).toBe('new')
  })

  test('is believed when it says that it ended at the beginning of time, whatever its JWT says', () => {
    const access_token = jwt({ exp: (NOW + HOUR) / SECOND })
    expect(stored({ access_token, expires_at: 0 }).expiresAt).toBe(0)
  })

  test('a number below 1e11 is a time in seconds, and any other in milliseconds', () => {
    expect(stored({ accessToken: 'a', expiresAt: 1e11 - 1 }).expiresAt).toBe((1e11 - 1) * SECOND)
    expect(stored({ accessToken: 'a', expiresAt: 1e11 }).expiresAt).toBe(1e11)
  })

  test('of several times the earliest counts', () => {
    const [soon, later] = [NOW + MINUTE, NOW + HOUR]
    expect(stored({ accessToken: 'a', expiresAt: later, expires_at: soon }).expiresAt).toBe(soon)
    expect(stored({ accessToken: 'a', expiresAt: soon, expires_at: later }).expiresAt).toBe(soon)
  })
})

describe('a token set that has just been received', () => {
  test('lasts for its lifetime from now on, whatever time it names', () => {
    const past = { expires_at: (NOW - HOUR) / SECOND, expiry_date: NOW + DAY }
    for (const lifetime of [{ expires_in: 300 }, { expires_in: '300' }, { expiresIn: 300 }])
      expect(received({ access_token: jwt({ exp: 1 }), ...past, ...lifetime }).expiresAt).toBe(
        NOW + 5 * MINUTE,
      )
  })

  for (const name of NAMES) {
    for (const [way, value] of writings(NOW + HOUR)) {
      test(`ends when its \`${name}\`, as ${way}, says so`, () => {
        expect(received({ access_token: 'new', [name]: value }).expiresAt).toBe(NOW + HOUR)
        expect(received({ access_token: 'new', expires_in: null, [name]: value }).expiresAt).toBe(NOW + HOUR)
      })
    }
  }

  test('has never expired already', () => {
    for (const past of [0, 1, (NOW - HOUR) / SECOND, NOW - 1, NOW])
      expect(received({ access_token: 'new', expires_at: past }).expiresAt).toBeUndefined()
    for (const aids of [{}, { serverNow: NOW }, { serverNow: NOW + DAY }])
      expect(received(jwt({ exp: NOW / SECOND - 60 }), aids).expiresAt).toBeUndefined()
  })

  test('ends as its JWT tells although the server’s clock is not ours, also where `expires_at` repeats it', () => {
    for (const skew of [-HOUR, -10 * MINUTE, 0, 10 * MINUTE, HOUR]) {
      const iat = (NOW + skew) / SECOND
      const access_token = jwt({ iat, exp: iat + 3600 })
      for (const more of [{}, { expires_at: iat + 3600 }, { expires_at: iat + 3601 }]) {
        const { expiresAt = 0 } = received({ access_token, ...more })
        expect(Math.abs(expiresAt - NOW - HOUR)).toBeLessThanOrEqual(SECOND)
      }
    }
  })

  test('ends as its JWT tells, also where that has its times in milliseconds, by a clock that is not ours', () => {
    const iat = NOW + DAY
    expect(received(jwt({ iat, exp: iat + HOUR })).expiresAt).toBe(NOW + HOUR)
    for (const claims of [{ iat }, { iat: iat / SECOND }, { iat: 1, nbf: iat }])
      expect(beginOf(jwt(claims))).toBe(iat)
  })

  test.each([
    ['less than a minute', MINUTE - 1, NOW + HOUR + MINUTE - 1],
    ['a minute', MINUTE, NOW + DAY + HOUR + MINUTE],
  ])('is told by one clock where `expires_at` is %s after the end of the JWT', (_, apart, end) => {
    const [iat, exp] = [NOW + DAY, NOW + DAY + HOUR].map((time) => time / SECOND)
    expect(
      received({ access_token: jwt({ iat, exp }), expires_at: NOW + DAY + HOUR + apart }).expiresAt,
    ).toBe(end)
  })

  test('that names another time than its JWT ends at that time', () => {
    const access_token = jwt({ iat: NOW / SECOND, exp: NOW / SECOND + 3600 })
    expect(received({ access_token, expiresAt: NOW + 5 * MINUTE }).expiresAt).toBe(NOW + 5 * MINUTE)
  })
})

describe('what the server’s clock said when it answered', () => {
  for (const skew of [-HOUR, 0, HOUR]) {
    const serverNow = NOW + skew

    test(`a JWT from a cache, with a minute left, has a minute left (${skew} ms apart)`, () => {
      const exp = (serverNow + MINUTE) / SECOND
      const access_token = jwt({ iat: exp - 3600, exp })
      expect(received({ access_token }, { serverNow }).expiresAt).toBe(NOW + MINUTE)
      expect(received({ access_token, expires_at: exp }, { serverNow }).expiresAt).toBe(NOW + MINUTE)
      expect(received({ access_token: jwt({ exp }) }, { serverNow }).expiresAt).toBe(NOW + MINUTE)
      // The whole answer may come from there.
      const whole = { access_token, expires_in: 3600 }
      expect(received(whole, { serverNow }).expiresAt).toBe(NOW + MINUTE)
      const opaque = { access_token: 'opaque', expires_in: '3600', expires_at: exp }
      expect(received(opaque, { serverNow }).expiresAt).toBe(NOW + MINUTE)
    })

    test(`\`expires_at\` is a time of that clock (${skew} ms apart)`, () => {
      const expires_at = new Date(serverNow + MINUTE).toISOString()
      expect(received({ access_token: 'opaque', expires_at }, { serverNow }).expiresAt).toBe(NOW + MINUTE)
      const refresh_token_expires_at = expires_at
      expect(
        received({ access_token: 'opaque', refresh_token_expires_at }, { serverNow }).refreshExpiresAt,
      ).toBe(NOW + MINUTE)
    })
  }

  test.each([
    [50 * SECOND, NOW + 5 * MINUTE],
    [MINUTE, NOW + 5 * MINUTE],
    // Then the set has been in a cache.
    [MINUTE + 1, NOW + 4 * MINUTE - 1],
  ])('a lifetime counts from now on where clocks differ by no more than a minute: %d ms', (apart, end) => {
    const iat = (NOW - apart) / SECOND
    const tokens = { access_token: jwt({ iat, exp: iat + 300 }), expires_in: 300 }
    expect(received(tokens, { serverNow: NOW }).expiresAt).toBe(end)
  })

  test('a lifetime needs no clock, and an unknown one is none', () => {
    expect(received({ access_token: 'a', expires_in: 60 }, { serverNow: NOW + DAY }).expiresAt).toBe(
      NOW + MINUTE,
    )
    const access_token = jwt({ iat: 1_000, exp: 1_060 })
    for (const serverNow of [undefined, Number.NaN])
      expect(received({ access_token }, { serverNow }).expiresAt).toBe(NOW + MINUTE)
  })
})

describe('what is no time', () => {
  const exp = (NOW + MINUTE) / SECOND

  for (const [what, value] of NO_TIMES) {
    for (const name of [...NAMES, 'expires_in', 'expiresIn']) {
      test(`\`${name}\`: ${what} is passed over and told, and the JWT counts`, () => {
        for (const read of [received, stored]) {
          const reasons: string[] = []
          const tokens = read(
            { access_token: jwt({ exp }), [name]: value },
            { told: (reason) => reasons.push(reason) },
          )
          expect(tokens.expiresAt).toBe(NOW + MINUTE)
          expect(reasons).toEqual([`${name} is no time`])
        }
      })
    }
  }

  test('null and undefined are absent, and nothing is told', () => {
    for (const absent of [null, undefined]) {
      const reasons: string[] = []
      const told = (reason: string): void => void reasons.push(reason)
      const names = [...NAMES, 'expires_in', 'refresh_expires_in', 'token_type']
      const nothing = Object.fromEntries(names.map((name) => [name, absent]))
      expect(received({ access_token: 'a', ...nothing }, { told }).expiresAt).toBeUndefined()
      expect(received({ access_token: jwt({ exp }), ...nothing }, { told }).expiresAt).toBe(NOW + MINUTE)
      expect(reasons).toEqual([])
    }
  })

  test('a lifetime of zero is none, and the JWT counts', () => {
    expect(received({ access_token: jwt({ exp }), expires_in: 0 }).expiresAt).toBe(NOW + MINUTE)
  })
})

describe('the JWT hint', () => {
  test('reads numbers, fractions and text', () => {
    for (const exp of [NOW / SECOND + 60, String(NOW / SECOND + 60), NOW / SECOND + 60.5]) {
      expect(stored(jwt({ exp })).expiresAt).toBe(Math.floor(Number(exp) * SECOND))
    }
    const iat = String(NOW / SECOND - HOUR)
    expect(received(jwt({ iat, exp: Number(iat) + 60 })).expiresAt).toBe(NOW + MINUTE)
  })

  test('reads base64url, with and without padding', () => {
    for (const sub of ['', 'a', 'ab', 'ÿ?>ÿ?>ÿÿÿ']) {
      const payload = Buffer.from(JSON.stringify({ sub, exp: NOW / SECOND + 60 }))
      const padding = '='.repeat((3 - (payload.length % 3)) % 3)
      for (const token of [payload.toString('base64url'), payload.toString('base64url') + padding])
        expect(stored(`e30.${token}.c2ln`).expiresAt).toBe(NOW + MINUTE)
    }
  })

  test('never throws, and what it cannot read is unknown', () => {
    const odd: unknown[] = [null, true, 'text', -1, 1e300, -1e300, {}, [], { valueOf: 1, toString: 1 }]
    const payloads = [null, 1, 'text', [], true, ...odd.map((exp) => ({ exp, iat: exp }))]
    const texts = [
      '',
      '.',
      '..',
      'a.b.c',
      'a.====.c',
      'a.%%%.c',
      `a.${Buffer.from('{"exp":').toString('base64')}`,
    ]
    for (const token of [...texts.filter(Boolean), ...payloads.map(jwt)])
      for (const read of [received, stored])
        expect([token, read(token).expiresAt]).toEqual([token, undefined])
    for (const iat of odd.slice(0, 4))
      expect(received(jwt({ iat, exp: NOW / SECOND + 60 })).expiresAt).toBe(NOW + MINUTE)
  })
})

test.each(['expires_in', 'expireIn', 'token_expires_in', 'accessTokenExpiresIn', 'expires_in_sec'])(
  '`%s` is a lifetime',
  (name) => {
    expect(received({ access_token: 'a', [name]: 1800 }).expiresAt).toBe(NOW + 30 * MINUTE)
    expect(stored({ access_token: 'a', [name]: 1800 }).expiresAt).toBeUndefined()
  },
)

test('where one name is in seconds and the other is not, the earlier end counts (Zoho)', () => {
  const answer = { access_token: 'a', expires_in_sec: 3600, expires_in: 3_600_000 }
  expect(received(answer).expiresAt).toBe(NOW + HOUR)
})

test.each(['expiration', 'expiry', 'exp', 'expiresAt'])(
  'how long it lasts, under `%s`, does not hide the JWT of a set that has just come',
  (name) => {
    const access_token = jwt({ iat: NOW / SECOND, exp: (NOW + HOUR) / SECOND })
    for (const value of [3600, '3600', 1])
      expect(received({ access_token, [name]: value }).expiresAt).toBe(NOW + HOUR)
  },
)

test.each(['expires_in', 'accessTokenExpiresIn'])(
  'a JWT that lives shorter than its `%s` counts: that may be in milliseconds',
  (name) => {
    for (const issued of [NOW - DAY, NOW, NOW + DAY]) {
      const times = { iat: issued / SECOND, exp: (issued + HOUR) / SECOND }
      expect(received({ access_token: jwt(times), [name]: 3_600_000 }).expiresAt).toBe(NOW + HOUR)
      expect(received({ access_token: jwt(times), [name]: 60 }).expiresAt).toBe(NOW + MINUTE)
    }
  },
)

describe('the end of the refresh token', () => {
  const NAMED = [
    'refresh_expires_in',
    'refresh_token_expires_in',
    'x_refresh_token_expires_in',
    'refresh_token_timeout',
    'authorization_expires_in',
    'refreshExpiresIn',
    'refreshTokenExpiresIn',
  ]

  test.each(NAMED)('`%s` counts from the receipt, and of no other set', (name) => {
    for (const seconds of [1800, '1800']) {
      const answer = { access_token: 'a', refresh_token: 'r', [name]: seconds }
      expect(received(answer)).toMatchObject({ refreshExpiresAt: NOW + 30 * MINUTE, expiresAt: undefined })
      expect(stored(answer).refreshExpiresAt).toBeUndefined()
      expect(name in received(answer)).toBe(false)
    }
  })

  test.each([
    ...['refresh_expires_at', 'refresh_token_expires_at', 'refreshTokenExpiresAt', 'refreshExpiresAt'],
    ...['refreshTokenExpirationDate', 'refreshTokenExpiryTime', 'refresh_token_expiry'],
  ])('`%s` is a time', (name) => {
    for (const [, value] of writings(NOW + DAY))
      for (const read of [received, stored])
        expect(read({ access_token: 'a', [name]: value }).refreshExpiresAt).toBe(NOW + DAY)
  })

  test('of the refresh token and of the authorization the earlier end counts', () => {
    const answer = { access_token: 'a', refresh_token_timeout: 604_800, authorization_expires_in: 259_200 }
    expect(received(answer).refreshExpiresAt).toBe(NOW + 3 * DAY)
  })

  test('zero says that there is no end (offline tokens of Keycloak), and nothing is told', () => {
    const reasons: string[] = []
    const told = (reason: string): void => void reasons.push(reason)
    expect(received({ access_token: 'a', refresh_expires_in: 0 }, { told }).refreshExpiresAt).toBeUndefined()
    expect(reasons).toEqual([])
    received({ access_token: 'a', refresh_expires_in: 'never' }, { told })
    expect(reasons).toEqual(['refresh_expires_in is no time'])
  })

  test('stays known while the refresh token stays, and is another’s with another', () => {
    const previous = received({ access_token: 'a', refresh_token: 'r', refresh_expires_in: 1800 })
    const next = (more: object): TokenSet => ({ ...previous, ...received({ access_token: 'b', ...more }) })
    expect(next({})).toMatchObject({ refreshToken: 'r', refreshExpiresAt: NOW + 30 * MINUTE })
    expect(next({ refresh_expires_in: 60 }).refreshExpiresAt).toBe(NOW + MINUTE)
    expect(next({ refresh_token: 's', refresh_expires_in: 60 }).refreshExpiresAt).toBe(NOW + MINUTE)
    // Where it has one, the server says so with the token.
    expect(next({ refresh_token: 's' }).refreshExpiresAt).toBeUndefined()
  })

  test('`refresh_in`, when a client should refresh, is none', () => {
    expect(received({ access_token: 'a', refresh_in: 60 })).toMatchObject({ refresh_in: 60 })
    expect(received({ access_token: 'a', refresh_in: 60 }).refreshExpiresAt).toBeUndefined()
  })
})

describe('`minValidity` beyond what a token can last', () => {
  test.each([HOUR, Number.POSITIVE_INFINITY])(
    '%d ms: half of the lifetime is asked for',
    async (minValidity) => {
      const time = newClock()
      let calls = 0
      const refresh: SessionOptions['refresh'] = () => ({ access_token: `token-${++calls}`, expires_in: 300 })
      const session = open({ refresh, tokens: null, clock: time.clock })
      await session.signIn({ access_token: 'token-0', expires_in: 300 })
      const seen: string[] = []
      for (let minute = 0; minute < 5; minute++) {
        seen.push(
          await session.getAccessToken({ minValidity }),
          await session.getAccessToken({ minValidity }),
        )
        await time.advance(MINUTE)
      }
      expect(seen).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1].map((n) => `token-${n}`))
    },
  )

  test('a token that is good for exactly as long is taken, and one without an end for any time', async () => {
    const time = newClock()
    let calls = 0
    const refresh: SessionOptions['refresh'] = () => ({ access_token: `token-${++calls}`, expires_in: 300 })
    const session = open({ refresh, tokens: 'endless', clock: time.clock })
    expect(await session.getAccessToken({ minValidity: DAY })).toBe('endless')
    await session.signIn({ access_token: 'token-0', expires_in: 300 })
    await time.advance(3 * MINUTE)
    expect(await session.getAccessToken({ minValidity: 2 * MINUTE })).toBe('token-0')
    await time.advance(1)
    expect(await session.getAccessToken({ minValidity: 2 * MINUTE })).toBe('token-1')
  })

  test('what is no number asks for nothing', async () => {
    let calls = 0
    const session = open({
      refresh: () => ({ access_token: `token-${++calls}`, expires_in: 300 }),
      tokens: { accessToken: 'token-0', expiresAt: Date.now() + HOUR },
    })
    for (const minValidity of [Number.NaN, 'soon' as never])
      expect(await session.getAccessToken({ minValidity })).toBe('token-0')
  })

  test('a set that came without the time of its receipt is renewed once', async () => {
    const time = newClock()
    let calls = 0
    const refresh: SessionOptions['refresh'] = () => ({ access_token: `token-${++calls}`, expires_in: 300 })
    const tokens = { accessToken: 'token-0', expiresAt: time.clock.now() + 10 * SECOND }
    const session = open({ refresh, tokens, clock: time.clock })
    for (let n = 0; n < 3; n++)
      expect(await session.getAccessToken({ minValidity: 30 * SECOND })).toBe('token-1')
  })
})
