/** Who may refresh, when the one who could is not to be heard of. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lease, SessionStore } from 'refresh-once'
import { fileStore } from 'refresh-once/file'
import type { TestClock } from 'refresh-once/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { self } from '../../../src/stores/file/owner.ts'
import { createRegister } from '../../../src/stores/file/register.ts'
import { deferred, newClock } from '../../setup.ts'
import { newFolder } from './folder.ts'

const folder = newFolder()
const TTL = 5_000
const LEASE = 30_000
/** Long before it is over. */
const SOON = 500
let path: string
let names = 0
beforeEach(() => {
  path = join(folder, String(++names))
})

const record = (generation: number) => ({
  version: { epoch: `${'1'.padStart(15, '0')}0.5`, generation, nonce: 'a' },
  tokens: { accessToken: `at-${generation}`, refreshToken: `rt-${generation}` },
})

/** Leaves a turn in the folder, as its holder would. */
async function leaveTurn(turn: object, time: TestClock): Promise<void> {
  const register = createRegister(
    path,
    async (_, call) => call(),
    () => {},
  )
  await register.update(() => ({
    record: record(4),
    turn: { ...self(), id: 'somebody', generation: 5, until: time.clock.now() + TTL, ttl: TTL, ...turn },
  }))
}

/** The clock stands still while somebody is at work on files, however long that takes: then he has not set his timer. */
async function advance(time: TestClock, ms: number, isAtWork: () => boolean): Promise<void> {
  while (isAtWork()) await sleep(1)
  await time.advance(ms)
}

/** Milliseconds of the clock until somebody has had a turn, and the generation that was reserved in it. */
async function untilTurn(
  store: SessionStore,
  time: TestClock,
): Promise<{ waited: number; generation: number }> {
  const from = time.clock.monotonic()
  let generation = 0
  let waited: number | undefined
  const turn = store.exclusive(async (lease) => {
    waited = time.clock.monotonic() - from
    generation = await lease.begin()
  })
  while (waited === undefined) await advance(time, 50, () => waited === undefined && time.pending < 1)
  await turn
  store.close()
  return { waited, generation }
}

/** The number of a process that has come to its end. */
async function deadPid(): Promise<number> {
  const child = fork('-', [], { execArgv: ['-e', '0'], stdio: 'ignore' })
  await once(child, 'exit')
  return Number(child.pid)
}

describe('the turn of one who is not heard of', () => {
  const cases: [
    what: string,
    turn: (time: TestClock) => object | Promise<object>,
    least: number,
    most: number,
    reserved?: number,
  ][] = [
    ['has died passes on at once', async () => ({ pid: await deadPid() }), 0, SOON],
    [
      'has died, and whose number another process has now, passes on at once',
      () => ({ start: '1' }),
      0,
      SOON,
    ],
    ['lives passes on when he has been silent for as long as he said', () => ({}), TTL - 200, TTL + 500],
    [
      'is in another container passes on at the time that is written',
      () => ({ pid: 1, place: 'elsewhere' }),
      TTL - 200,
      TTL + 500,
    ],
    [
      'was there before the machine was started anew, a day ago, passes on at once',
      ({ clock }) => ({ place: 'an earlier boot', until: clock.now() - 86_400_000 }),
      0,
      SOON,
    ],
    [
      'is elsewhere, with a clock that is four hours ahead, passes on after he has been silent',
      ({ clock }) => ({ place: 'elsewhere', until: clock.now() + 4 * 3_600_000 }),
      TTL - 200,
      TTL + 500,
    ],
    [
      'is here, and has written a time four hours ahead, passes on after he has been silent',
      ({ clock }) => ({ until: clock.now() + 4 * 3_600_000 }),
      TTL - 200,
      TTL + 500,
    ],
    [
      'says that he is silent for years passes on after a lease of ours',
      () => ({ ttl: 1e15, until: 1e15 }),
      LEASE - 200,
      LEASE + 500,
    ],
    [
      'has reserved the last number of all is none',
      () => ({ generation: 999_999_999_999_999, place: 'elsewhere', ttl: 1e15, until: 1e15 }),
      0,
      SOON,
      5,
    ],
    [
      'waits for longer than we do is his for as long as he said',
      () => ({ ttl: 2 * TTL, until: 1e15 }),
      2 * TTL - 200,
      2 * TTL + 500,
    ],
  ]
  test.each(cases)('%s', async (_, turn, least, most, reserved = 6) => {
    const time = newClock()
    await leaveTurn(await turn(time), time)
    const store = fileStore({ path, lease: LEASE, ttl: TTL, clock: time.clock })
    const { waited, generation } = await untilTurn(store, time)
    expect(waited).toBeGreaterThanOrEqual(least)
    expect(waited).toBeLessThanOrEqual(most)
    // The one that was reserved before may still have been sent.
    expect(generation).toBe(reserved)
  })
})

test('a laptop that slept in the middle of a refresh: whoever refreshes goes on, and nobody begins anew', async () => {
  const time = newClock()
  const [holder, other] = [1, 2].map(() => fileStore({ path, ttl: TTL, clock: time.clock })) as [
    SessionStore,
    SessionStore,
  ]
  await holder.save(record(4))
  const [begun, answered] = [deferred<Lease>(), deferred<void>()]
  const refreshing = holder.exclusive(async (lease) => {
    const generation = await lease.begin()
    begun.resolve(lease)
    await answered.promise
    return holder.save(record(generation))
  })
  const lease = await begun.promise
  let asked = false
  const waiting = other.exclusive(async () => {
    asked = true
    return other.load()
  })
  // Those of the turn and of the lease; and the other one's, who waits.
  const isAtWork = () => !asked && time.pending < 3
  for (let step = 0; step < 4; step++) await advance(time, 100, isAtWork)
  time.sleep(3_600_000)
  for (let step = 0; step < 60; step++) await advance(time, 100, isAtWork)
  expect(asked).toBe(false)
  expect(lease.signal.aborted).toBe(false)
  answered.resolve()
  await refreshing
  const next = waiting.then(({ version, tokens } = record(0)) => ({ version, tokens }))
  while (!asked) await advance(time, 50, () => !asked && time.pending < 1)
  expect(await next).toEqual(record(5))
  holder.close()
  other.close()
})

describe('what one has left who died after the answer had come', () => {
  /** The file of somebody in his turn, finished but not linked; and one that he had only begun. */
  async function leave(time: TestClock, text: string): Promise<void> {
    await leaveTurn({ pid: await deadPid() }, time)
    writeFileSync(join(path, `.login-${Date.now()}-somebody-x`), text)
  }

  test('is adopted, where it was finished: nothing is sent again', async () => {
    const time = newClock()
    await leave(time, JSON.stringify({ 'refresh-once': 1, record: record(5) }))
    const store = fileStore({ path, ttl: TTL, clock: time.clock })
    const found = await store.exclusive(() => store.load())
    expect(found).toMatchObject(record(5))
    store.close()
    expect(await fileStore({ path }).load()).toMatchObject(record(5))
  })

  test.each([
    ['half of it', '{"refresh-once":1,"record":{"version":{"ep'],
    ['nothing', ''],
    ['an older one', JSON.stringify({ 'refresh-once': 1, record: record(3) })],
    ['no record', JSON.stringify({ 'refresh-once': 1 })],
  ])('changes nothing, where it is %s', async (_, text) => {
    const time = newClock()
    await leave(time, text)
    const store = fileStore({ path, ttl: TTL, clock: time.clock })
    const found = await store.exclusive(() => store.load())
    expect(found).toMatchObject(record(4))
    store.close()
  })
})
