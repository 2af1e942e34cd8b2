import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/core/clock.ts'
import { compareVersions, newEpoch, storedOf } from '../../src/core/store.ts'
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
