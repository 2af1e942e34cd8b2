/** The playground of the site: the same clients as everywhere, in simulated time. */
import { expect, test } from 'vitest'

interface Deed {
  at: number
  deed: string
}

interface Numbers {
  refreshes: number
  wire: number
  failed: number
  open: number
  signedIn: boolean
}

interface Outcome {
  way: { id: string }
  events: { source: string; event: { type: string } }[]
  log: { at: number; what: string }[]
}

interface World {
  simulate(deeds: Deed[], end: number): Promise<Outcome[]>
  countUntil(log: Outcome['log'], time: number): Numbers
}

// Plain JavaScript: it has no types of its own.
const { simulate, countUntil } = (await import(
  new URL('../site/simulation/world.mjs', import.meta.url).href
)) as World

async function numbersOf(deeds: Deed[], end: number): Promise<Record<string, Numbers>> {
  const outcomes = await simulate(deeds, end)
  return Object.fromEntries(outcomes.map(({ way, log }) => [way.id, countUntil(log, end)]))
}

test('fifteen requests with an expired token: one way has one refresh, and nothing is sent in vain', async () => {
  expect(await numbersOf([{ at: 11_000, deed: 'fifteen' }], 20_000)).toEqual({
    'every-401': { refreshes: 15, wire: 16, failed: 14, open: 0, signedIn: false },
    queue: { refreshes: 3, wire: 30, failed: 0, open: 0, signedIn: true },
    'refresh-once': { refreshes: 1, wire: 15, failed: 0, open: 0, signedIn: true },
  })
})

test('a 401 that comes late leads to a second refresh, but for who knows which token it is about', async () => {
  const deeds = [
    { at: 1_000, deed: 'late' },
    { at: 1_100, deed: 'refuse' },
    { at: 1_200, deed: 'one' },
  ]
  const { queue, 'refresh-once': ours } = await numbersOf(deeds, 9_000)
  expect([queue?.refreshes, ours?.refreshes]).toEqual([2, 1])
  expect(ours).toMatchObject({ failed: 0, open: 0 })
})

test('a refresh that hangs leaves nobody waiting for ever, where there is a deadline', async () => {
  const deeds = [
    { at: 1_000, deed: 'refuse' },
    { at: 1_000, deed: 'hang' },
    { at: 1_000, deed: 'fifteen' },
  ]
  const { queue, 'refresh-once': ours } = await numbersOf(deeds, 30_000)
  expect(queue?.open).toBe(15)
  expect(ours).toMatchObject({ open: 0, signedIn: true })
})

test('it is the same each time, and a later end only adds to it', async () => {
  const deeds = [
    { at: 500, deed: 'one' },
    { at: 10_500, deed: 'fail' },
    { at: 10_500, deed: 'fifteen' },
  ]
  const [first, again, further] = await Promise.all([
    simulate(deeds, 15_000),
    simulate(deeds, 15_000),
    simulate(deeds, 18_000),
  ])
  expect(again).toEqual(first)
  for (const [index, { events }] of first.entries())
    expect(further[index]?.events.slice(0, events.length)).toEqual(events)
})
