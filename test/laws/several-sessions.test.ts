import fc from 'fast-check'
import { expect, test } from 'vitest'
import { live, liveWell } from './life.ts'
import { commands, faultless, intruder, plans } from './plan.ts'
import { hold, timeout } from './runs.ts'

const several = { store: fc.constant('shared'), contexts: fc.constantFrom(2, 3), together: fc.boolean() }

test('sessions that share a store keep the laws, whatever happens in whatever order', {
  timeout,
}, async () => {
  const lawful = hold('several, anything', 0.2, plans(several), commands, live)
  await expect(lawful).resolves.toBeUndefined()
})

test('sessions that share a store keep the laws when one is acted on from inside an event', {
  timeout,
}, async () => {
  const lawful = hold('several, from inside an event', 0.05, plans({ ...several, intruder }), commands, live)
  await expect(lawful).resolves.toBeUndefined()
})

test('sessions that share a store spend no refresh token twice where no answer is lost', {
  timeout,
}, async () => {
  const patient = {
    pace: fc.constant(Number.POSITIVE_INFINITY),
    start: fc.constantFrom('signed-in', 'restored'),
  }
  const lawful = hold('several, no faults', 0.05, plans({ ...several, ...patient }), faultless, liveWell)
  await expect(lawful).resolves.toBeUndefined()
})
