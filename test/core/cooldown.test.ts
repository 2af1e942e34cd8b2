import fc from 'fast-check'
import { SessionError } from 'refresh-once'
import { createTestClock } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import { Cooldown } from '../../src/core/cooldown.ts'

const failing = fc.record({
  do: fc.constant('fail' as const),
  /** The user's `refresh` was called. */
  asked: fc.boolean(),
  lost: fc.boolean(),
  /** Milliseconds that a server has asked for; 0 where none has. */
  after: fc.constantFrom(0, 0, 500, 7_000, 90_000),
})
const passing = fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 40_000 }) })
const others = fc.record({ do: fc.constantFrom<'lift' | 'end'>('lift', 'end') })

test('a failure that was never sent changes no cooldown, and makes none that follows longer', async () => {
  let paused = 0
  const property = fc.asyncProperty(
    fc.array(fc.oneof(failing, passing, others), { maxLength: 30 }),
    async (steps) => {
      const time = createTestClock()
      const [all, sent] = [new Cooldown(time.clock), new Cooldown(time.clock)]
      for (const step of steps) {
        if (step.do === 'pass') await time.advance(step.ms)
        else if (step.do !== 'fail') for (const each of [all, sent]) each[step.do]()
        else {
          const { asked, lost, after } = step
          for (const each of asked ? [all, sent] : [all]) {
            const retryAt = after ? time.clock.now() + after : each.next
            each.begin(new SessionError('refresh_failed', '', { retryAt }), asked, lost)
          }
        }
        expect(all.next).toBe(sent.next)
        if (!sent.error) continue
        paused++
        expect(all.left()).toBe(sent.left())
        expect(all.error?.retryAt).toBe(sent.error.retryAt)
      }
    },
  )
  await fc.assert(property, { numRuns: 300, seed: 20_261_123 })
  expect(paused).toBeGreaterThan(300)
})
