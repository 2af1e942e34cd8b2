import fc from 'fast-check'
import { expect, test } from 'vitest'
import { live, liveUneventfully, liveWell } from './life.ts'
import { commands, faultless, intruder, plans, uneventful } from './plan.ts'
import { hold, timeout } from './runs.ts'

const patient = { pace: fc.constant(Number.POSITIVE_INFINITY) }
const signedIn = fc.constantFrom('signed-in', 'restored', 'unknown')

test('a session keeps the laws, whatever happens in whatever order', { timeout }, async () => {
  const lawful = hold('anything', 0.2, plans({}), commands, live)
  await expect(lawful).resolves.toBeUndefined()
})

test('a session keeps the laws when somebody signs in or out, refreshes or sends from inside an event', {
  timeout,
}, async () => {
  const lawful = hold('from inside an event', 0.15, plans({ intruder }), commands, live)
  await expect(lawful).resolves.toBeUndefined()
})

test('a session keeps the laws over an asynchronous storage', { timeout }, async () => {
  const lawful = hold('storage', 0.1, plans({ store: fc.constant('storage') }), commands, live)
  await expect(lawful).resolves.toBeUndefined()
})

test('a session keeps the laws over a store whose every operation takes its time', { timeout }, async () => {
  const lawful = hold('slow store', 0.15, plans({ store: fc.constant('shared') }), commands, live)
  await expect(lawful).resolves.toBeUndefined()
})

test('every request that can be replayed is served where refreshes succeed', { timeout }, async () => {
  const store = fc.constantFrom('default', 'storage', 'shared')
  const lawful = hold('no faults', 0.05, plans({ ...patient, store, start: signedIn }), faultless, liveWell)
  await expect(lawful).resolves.toBeUndefined()
})

test('without a 401 and without an expiry the wire is that of the bare client', { timeout }, async () => {
  const start = fc.constant('signed-in')
  // A signature that takes its time is the only thing that may delay a request.
  const signsSlowly = fc.constant(false)
  const plan = plans({ ...patient, start, signsSlowly, aged: fc.boolean() })
  const lawful = hold('L7', 0.05, plan, uneventful, liveUneventfully)
  await expect(lawful).resolves.toBeUndefined()
})
