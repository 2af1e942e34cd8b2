import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import {
  compareVersions,
  hasSameAccess,
  isNews,
  join,
  newEpoch,
  type Stored,
  storedOf,
} from '../../src/core/store.ts'
import { ODD, STRANGE, withOdd } from '../strange-records.ts'

const at = (now: number): Clock => ({ ...systemClock, now: () => now })
const named = (epoch: string): unknown => ({ version: { epoch, generation: 1, nonce: 'n' } })

/** A time of fifteen digits, those at the ends included. */
const time = fc.oneof(
  fc.integer({ min: 0, max: 999_999_999_999_998 }),
  fc.integer({ min: 999_999_999_999_900, max: 999_999_999_999_998 }),
  fc.integer({ min: 0, max: 99 }),
)

describe('what is found where a record should be', () => {
  test.each(Object.entries(STRANGE))('is none with %s', (_, found) => {
    expect(storedOf(found)).toBeUndefined()
  })

  test.each([undefined, null, 0, 7, '', 'x', true, [], {}, { version: null }, { version: 'x' }, () => {}])(
    'is none: %j',
    (found) => {
      expect(storedOf(found)).toBeUndefined()
    },
  )

  test.each(Object.entries(ODD))('is one without %s', (_, odd) => {
    const { version, tokens } = withOdd({})
    expect(storedOf(withOdd(odd))).toEqual({ version, tokens })
  })

  test('is kept whole where it is ours, and the object that was given is left as it is', () => {
    const whole = withOdd({
      notBefore: 1_900_000_000_000.5,
      pending: { generation: 2, until: 0 },
      passed: 'of a later version of ours',
    })
    expect(storedOf(Object.freeze(whole))).toEqual(whole)
    const { version } = whole
    for (const ended of ['signed-out', 'rejected'] as const)
      expect(storedOf({ version, ended })).toEqual({ version, ended })
    expect(storedOf({ version, tokens: { accessToken: '' } })).toEqual({
      version,
      tokens: { accessToken: '' },
    })
  })
})

test('a token set may leave its times open, and has no others', () => {
  const version = { epoch: '0000000000000010.5', generation: 1, nonce: 'n' }
  const read = (times: object) => storedOf({ version, tokens: { accessToken: 'a', ...times } })
  expect(read({ expiresAt: null, receivedAt: null })).toBeDefined()
  for (const odd of ['soon', Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(read({ expiresAt: odd })).toBeUndefined()
    expect(read({ receivedAt: odd })).toBeUndefined()
  }
})

describe('two records of a session', () => {
  const few = (...values: number[]) => fc.constantFrom(...values)
  const version = fc.record({
    epoch: fc.constantFrom('0000000000000010.5', '0000000000000020.5'),
    generation: few(1, 2),
    nonce: fc.constantFrom('a', 'b'),
  })
  const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined })
  /** What is saved under one version is one token set, or its end. */
  const record: fc.Arbitrary<Stored> = fc
    .record({
      version,
      ended: maybe(fc.constantFrom('signed-out' as const, 'rejected' as const)),
      notBefore: maybe(few(10, 20)),
      pending: maybe(fc.record({ generation: few(3, 4), until: few(5, 6) })),
    })
    .map((drawn) => ({
      ...drawn,
      tokens: drawn.ended ? undefined : { accessToken: JSON.stringify(drawn.version) },
    }))
  /** Where there is none, no cooldown is one that is over. */
  const plain = (stored: Stored) => ({ ...stored, notBefore: stored.notBefore ?? 0, pending: stored.pending })

  test('amount to the same whichever comes first, and however often', () => {
    fc.assert(
      fc.property(record, record, record, (a, b, c) => {
        expect(plain(join(a, b))).toEqual(plain(join(b, a)))
        expect(plain(join(join(a, b), c))).toEqual(plain(join(a, join(b, c))))
        expect(plain(join(join(a, b), b))).toEqual(plain(join(a, b)))
      }),
      { numRuns: 2000 },
    )
  })

  const at = (generation: number, nonce = 'a'): Stored['version'] => ({
    epoch: '0000000000000010.5',
    generation,
    nonce,
  })
  const tokens = { accessToken: 'a' }

  test('amount to the newer one, with no cooldown of the older, and with the reservation that is still ahead', () => {
    const old = { version: at(1), tokens, notBefore: 99, pending: { generation: 2, until: 9 } }
    expect(join(old, { version: at(2), tokens })).toMatchObject({
      version: at(2),
      notBefore: undefined,
      pending: undefined,
    })
    const ahead = { ...old, pending: { generation: 3, until: 9 } }
    expect(join(ahead, { version: at(2), tokens })).toMatchObject({ version: at(2), pending: ahead.pending })
    const later = { ...old, pending: { generation: 2, until: 10 } }
    expect(join(old, later).pending).toEqual(later.pending)
    expect(join({ ...old, notBefore: 20 }, old).notBefore).toBe(99)
    expect(join({ version: at(1, 'b'), tokens }, { version: at(1), tokens }).version.nonce).toBe('b')
  })

  test('of one version amount to its end, and to the refusal of two ends', () => {
    for (const ended of ['signed-out', 'rejected'] as const)
      expect(join({ version: at(1), tokens }, { version: at(1), ended }).ended).toBe(ended)
    expect(join({ version: at(1), ended: 'signed-out' }, { version: at(1), ended: 'rejected' }).ended).toBe(
      'rejected',
    )
  })

  test('are news to each other where one is newer, or has ended', () => {
    const known: Stored = { version: at(2), tokens }
    expect(isNews(known, undefined)).toBe(true)
    expect(isNews({ version: at(3), tokens }, known)).toBe(true)
    expect(isNews({ version: at(2), ended: 'rejected' }, known)).toBe(true)
    expect(isNews({ version: at(2), tokens }, known)).toBe(false)
    expect(isNews({ version: at(1), ended: 'rejected' }, known)).toBe(false)
  })

  test('have one access token where it was received at one time, in one sign-in', () => {
    const stored = (given: object): Stored => ({
      version: at(1),
      tokens: { accessToken: 'a', receivedAt: 7, ...given },
    })
    const other: Stored = { ...stored({ refreshToken: 'other' }), version: at(2) }
    expect(hasSameAccess(stored({}), other)).toBe(true)
    expect(hasSameAccess(stored({ accessToken: 'b' }), other)).toBe(false)
    expect(hasSameAccess(stored({ receivedAt: 8 }), other)).toBe(false)
    expect(hasSameAccess({ ...stored({}), version: { ...at(1), epoch: '0000000000000020.5' } }, other)).toBe(
      false,
    )
    expect(hasSameAccess(stored({}), undefined)).toBe(false)
    // Nobody knows what is in a cookie; and where there are no tokens yet, none is the same.
    const cookie = stored({ accessToken: '' })
    expect(hasSameAccess(cookie, { ...cookie, version: at(2) })).toBe(false)
    // With a refresh token alone there is none yet, which stays so whatever becomes of that.
    const alone: Stored = { version: at(1), tokens: { accessToken: '', refreshToken: 'r', expiresAt: 0 } }
    expect(hasSameAccess(alone, { ...alone, version: at(2) })).toBe(true)
    expect(hasSameAccess({ version: at(1) }, { version: at(2) })).toBe(false)
  })
})

describe('the name of a new sign-in', () => {
  test('follows every record that is taken for one, whatever the clock says, and is taken for one', () => {
    fc.assert(
      fc.property(time, time, fc.double({ min: 0, max: 1, noNaN: true }), (seen, now, draw) => {
        const clock = { ...at(now), random: () => draw }
        const before = newEpoch(at(seen))
        const after = newEpoch(clock, before)
        const version = { epoch: before, generation: 999_999_999_999_999, nonce: '' }
        expect(storedOf(named(before))).toBeDefined()
        expect(storedOf(named(after))).toBeDefined()
        expect(compareVersions({ epoch: after, generation: 0, nonce: '' }, version)).toBeGreaterThan(0)
      }),
      { numRuns: 1000 },
    )
  })

  test('at the widest time goes on, sign-in after sign-in', () => {
    let seen = `${'9'.repeat(14)}80.5`
    for (let round = 0; round < 20; round++) {
      const next = newEpoch(systemClock, seen)
      expect(next > seen).toBe(true)
      expect(storedOf(named(next))).toBeDefined()
      seen = next
    }
  })

  test('is greater than what another store lets through', () => {
    for (const seen of ['v2:2026-11-29', '9'.repeat(20), '\uffff', 'x'])
      expect(newEpoch(systemClock, seen) > seen).toBe(true)
  })
})
