/** What may become of a cell, and of those who share it. */
import { inspect } from 'node:util'
import type { Lease, SessionStore } from 'refresh-once'
import { type Cell, cellStore } from 'refresh-once/cell'
import { createSessionPool } from 'refresh-once/pool'
import { describe, expect, test } from 'vitest'
import {
  deferred,
  failureOf,
  newClock,
  open,
  refreshAt,
  startServer,
  times,
  watch,
  withoutJitter,
} from '../../setup.ts'
import { STRANGE } from '../../strange-records.ts'
import { hangTests, LEASE } from '../hanging.ts'
import { newCells } from './cells.ts'

const shared = newCells()
hangTests({
  name: 'cellStore',
  places: ['read', 'replace'],
  shared: true,
  open(letHang, place) {
    const cell = shared(place)
    const { read, replace } = letHang({ ...cell })
    return cellStore({ ...cell, read, replace }, { lease: LEASE, timeout: 200 })
  },
})

const pair = (store: () => SessionStore, server: Awaited<ReturnType<typeof startServer>>) =>
  times(2, () => open({ store: store(), refresh: refreshAt(server), tokens: null, clock: withoutJitter() }))

describe('an answer of `replace` that is lost', () => {
  test.each(times(8, (index) => index + 1))('its call %i: one refresh, and nothing is lost', async (lost) => {
    const server = await startServer({ grace: 0 })
    const cell = newCells()('alice')
    const before = cellStore(cell)
    const first = open({ store: before, refresh: refreshAt(server), tokens: null })
    await first.signIn(server.mint('alice'))
    let calls = 0
    const store = () =>
      cellStore({
        ...cell,
        async replace(...all) {
          const replaced = await cell.replace(...all)
          if (++calls === lost) throw new Error('the connection was closed')
          return replaced
        },
      })
    const sessions = pair(store, server)
    for (const _ of times(2, Boolean)) {
      server.expireAccessTokens()
      await Promise.all(sessions.map((session) => session.refresh().catch(() => session.refresh())))
    }
    expect(server.count.reuses, server.explain()).toBe(0)
    expect(await sessions[0]?.getAccessToken()).toBe(await sessions[1]?.getAccessToken())
  })
})

describe('what is in the cell is none of ours', () => {
  const record = (found: unknown): string => JSON.stringify({ 'refresh-once': 1, record: found })
  const found: Record<string, string> = {
    'no JSON': 'hello',
    'JSON of something else': '{"user":1}',
    'a list': '[]',
    null: 'null',
    'nothing but a space': ' ',
    'cut off': '{"refresh-once":1,"record":{"version"',
    ...Object.fromEntries(Object.entries(STRANGE).map(([name, strange]) => [name, record(strange)])),
  }
  test.each(Object.entries(found))('%s: told, and written over by who signs in', async (_, text) => {
    const cell = newCells()('alice')
    cell.write(text)
    const session = open({ store: cellStore(cell), refresh: () => 'never', tokens: null })
    const seen = watch(session)
    await session.getAccessToken().catch(() => {})
    expect(seen.of('degraded')).toHaveLength(1)
    await session.signIn('mine')
    expect(JSON.parse(String(cell.text())).record.tokens.accessToken).toBe('mine')
    await session.signOut()
    const other = open({ store: cellStore(cell), refresh: () => 'never', tokens: null })
    await other.getAccessToken().catch(() => {})
    expect(other.state.status).toBe('signed-out')
  })

  test.each<[string, object]>([
    ['for ever', { owner: 'x', id: 1, beat: 1, until: 1e300, ttl: 1e300 }],
    ['of texts', { owner: 'x', id: 'x', beat: 'x', until: 'x', ttl: 'x' }],
    ['without an end', { owner: 'x', id: 1, beat: 1, until: null, ttl: null }],
    ['from a clock ten years ahead', { owner: 'x', id: 1, beat: 1, until: Date.now() + 3e11, ttl: 5_000 }],
  ])('a turn %s keeps nobody waiting for longer than a minute of silence', async (_, turn) => {
    const time = newClock()
    const cell = newCells()('alice')
    const store = cellStore(cell, { clock: time.clock })
    await store.save({ version: { epoch: '000001700000000', generation: 1, nonce: 'n' } })
    cell.write(JSON.stringify({ ...JSON.parse(String(cell.text())), turn }))
    let taken = false
    const taking = store.exclusive(async () => {
      taken = true
    })
    for (let passed = 0; passed < 61_000 && !taken; passed += 100) {
      await time.advance(100)
      await new Promise((resolve) => setTimeout(resolve, 3))
    }
    expect(taken).toBe(true)
    await taking
    store.close()
    await time.advance(10_000)
  })
})

test('what a later version has written is not written over', async () => {
  const cell = newCells()('alice')
  const text = JSON.stringify({ 'refresh-once': 2, record: 'who knows' })
  cell.write(text)
  const store = cellStore(cell)
  expect((await failureOf(store.load())).message).toMatch(/a later version/)
  await failureOf(store.save({ version: { epoch: '000001700000000', generation: 1, nonce: 'n' } }))
  expect(cell.text()).toBe(text)
})

test('members that another version has added stay', async () => {
  const cell = newCells()('alice')
  const version = { epoch: '000001700000000', generation: 1, nonce: 'n' }
  cell.write(JSON.stringify({ 'refresh-once': 1, record: { version }, more: { deep: 1 } }))
  const store = cellStore(cell)
  await store.exclusive(async (lease) => {
    await store.save({ version: { ...version, generation: await lease.begin() } })
  })
  expect(JSON.parse(String(cell.text()))).toMatchObject({
    more: { deep: 1 },
    record: { version: { generation: 2 } },
  })
})

test('a cell that was emptied: who remembers goes on, and signs in anew', async () => {
  const cell = newCells()('alice')
  let refreshes = 0
  const session = open({ store: cellStore(cell), refresh: () => `new-${++refreshes}`, tokens: null })
  await session.signIn({ accessToken: 'old', refreshToken: 'r' })
  cell.write(undefined)
  expect(await session.getAccessToken()).toBe('old')
  await session.signIn('next')
  expect(JSON.parse(String(cell.text())).record.tokens.accessToken).toBe('next')
})

test('a holder that is silent loses its turn after its `ttl`, by nobody’s clock but the watcher’s own', async () => {
  const time = newClock()
  const ahead = { ...time.clock, now: () => time.clock.now() + 2 * 3_600_000 }
  const cell = newCells()('alice')
  const holder = cellStore(cell, { clock: time.clock })
  const watcher = cellStore(cell, { clock: ahead })
  const over = deferred<void>()
  const begun = deferred<void>()
  const holding = holder.exclusive(async () => {
    begun.resolve()
    await over.promise
  })
  await begun.promise
  let robbed = false
  const robbing = watcher.exclusive(async () => {
    robbed = true
  })
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 200) {
      await time.advance(200)
      await new Promise((resolve) => setTimeout(resolve, 4))
    }
  }
  // It lives, and says so: its time by the watcher's clock is long over.
  await pass(30_000)
  expect(robbed).toBe(false)
  over.resolve()
  await pass(1_000)
  expect(robbed).toBe(true)
  await Promise.all([holding, robbing])
  holder.close()
  watcher.close()
  await time.advance(10_000)
})

type Five = [Deferred, Deferred, Deferred, Deferred, Deferred]
type Deferred = ReturnType<typeof deferred<void>>

test('whoever waits no longer, and is still asking, takes no turn from the next one of the same store', async () => {
  const cell = newCells()('alice')
  const [asked, proceed, begun, over, looked] = times(5, () => deferred<void>()) as Five
  let asks = 0
  let left = Number.POSITIVE_INFINITY
  const counted = async <T>(answer: Promise<T>): Promise<T> => {
    await answer
    if (--left === 0) looked.resolve()
    return answer
  }
  const store = cellStore({
    read: () => counted(cell.read()),
    async replace(before, after, told) {
      if (after.includes('"turn"') && !asks++) {
        asked.resolve()
        await proceed.promise
      }
      return counted(cell.replace(before, after, told))
    },
  })
  await store.save({ version: { epoch: '000001700000000', generation: 1, nonce: 'n' } })
  const leaving = new AbortController()
  const leaves = failureOf(store.exclusive(async () => {}, leaving.signal))
  await asked.promise
  leaving.abort()
  await leaves
  const work = store.exclusive(async () => {
    begun.resolve()
    await over.promise
  })
  await begun.promise
  const { turn } = JSON.parse(String(cell.text()))
  // It finds the text replaced, looks what it has become, and does one thing more.
  left = 3
  proceed.resolve()
  await looked.promise
  expect(JSON.parse(String(cell.text()))).toMatchObject({ turn })
  over.resolve()
  await work
  store.close()
})

test('a turn that is long past is watched for half of its `ttl`: who lives says so in that time', async () => {
  const time = newClock()
  const cell = newCells()('alice')
  const store = cellStore(cell, { clock: time.clock })
  await store.save({ version: { epoch: '000001700000000', generation: 1, nonce: 'n' } })
  const turn = { owner: 'x', id: 1, beat: 1, until: time.clock.now() - 61_000, ttl: 5_000 }
  cell.write(JSON.stringify({ ...JSON.parse(String(cell.text())), turn }))
  const from = time.clock.monotonic()
  let taken = 0
  const taking = store.exclusive(async () => {
    taken = time.clock.monotonic() - from
  })
  while (!taken && time.clock.monotonic() - from < 5_000) {
    await time.advance(100)
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  expect(taken).toBeGreaterThanOrEqual(2_500)
  expect(taken).toBeLessThan(5_000)
  await taking
  store.close()
  await time.advance(10_000)
})

test('what an engine says is told without the command that it repeats', async () => {
  const cell: Cell = {
    ...newCells()('alice'),
    replace: async (before, after) => {
      throw new Error(`ERR no space, command was: ${JSON.stringify(['EVAL', before, after])}`)
    },
  }
  const store = cellStore(cell)
  const version = { epoch: '000001700000000', generation: 1, nonce: 'n' }
  const error = await failureOf(store.save({ version, tokens: { accessToken: 'secret-0123' } }))
  expect(inspect(error)).toMatch(/the cell is not available: ERR no space/)
  expect(inspect(error)).not.toMatch(/secret/)
})

test('one refresh replaces the text four times, and a request with a usable token does nothing', async () => {
  const server = await startServer()
  const cell = newCells()('alice')
  const calls: string[] = []
  const counted: Cell = {
    read: () => {
      calls.push('read')
      return cell.read()
    },
    replace: (...all) => {
      calls.push('replace')
      return cell.replace(...all)
    },
  }
  const session = open({ store: cellStore(counted), refresh: refreshAt(server), tokens: null })
  await session.signIn(server.mint('alice'))
  calls.length = 0
  await session.getAccessToken()
  expect(calls).toEqual([])
  await session.refresh()
  expect(calls).toEqual(['replace', 'replace', 'replace', 'replace'])
})

test('two pools over the same cells have one token set for each user, and no refresh token comes twice', async () => {
  const server = await startServer({ grace: 0 })
  const cells = newCells()
  const pools = times(2, () =>
    createSessionPool({ refresh: refreshAt(server), store: (id) => cellStore(cells(id)) }),
  )
  const users = ['alice', 'bob', 'carol']
  for (const user of users) await pools[0]?.use(user, (session) => session.signIn(server.mint(user)))
  await Promise.all(
    pools.flatMap((pool) => users.map((user) => pool.use(user, (session) => session.refresh()))),
  )
  const tokens = await Promise.all(
    pools.map((pool) =>
      Promise.all(users.map((user) => pool.use(user, (session) => session.getAccessToken()))),
    ),
  )
  expect(tokens[0]).toEqual(tokens[1])
  expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
  expect(new Set(tokens[0]).size).toBe(3)
  await Promise.all(pools.map((pool) => pool.close()))
})

test('a machine that slept in the middle of a refresh: the turn that nobody has taken goes on', async () => {
  const time = newClock()
  const store = cellStore(newCells()('alice'), { clock: time.clock, ttl: 5_000 })
  await store.save({ version: { epoch: '000001700000000', generation: 1, nonce: 'n' } })
  const [begun, answered] = [deferred<Lease>(), deferred<void>()]
  const refreshing = store.exclusive(async (lease) => {
    await lease.begin()
    begun.resolve(lease)
    await answered.promise
    return lease.remaining()
  })
  const lease = await begun.promise
  time.sleep(3_600_000)
  // Nothing is sent by the clock of before; but the answer that is on its way is waited for.
  expect(lease.remaining()).toBeLessThan(0)
  await time.advance(2_000)
  await expect.poll(() => lease.signal.aborted || time.pending).toBe(2)
  expect(lease.signal.aborted).toBe(false)
  answered.resolve()
  await refreshing
  await expect.poll(() => time.pending).toBe(0)
  store.close()
})

describe('mistakes', () => {
  const cell = newCells()('alice')
  test.each<[string, () => unknown]>([
    ['no cell', () => cellStore(undefined as never)],
    ['cell.read', () => cellStore({ replace: cell.replace } as never)],
    ['cell.replace', () => cellStore({ read: cell.read } as never)],
    ['cell.watch', () => cellStore({ ...cell, watch: true } as never)],
    ['lease', () => cellStore(cell, { lease: 0 })],
    ...['lease', 'ttl', 'timeout', 'poll'].map((name): [string, () => unknown] => [
      name,
      () => cellStore(cell, { [name]: '60000' }),
    ]),
    ['ttl', () => cellStore(cell, { ttl: 1_000 })],
    ['ttl', () => cellStore(cell, { ttl: Number.POSITIVE_INFINITY, lease: Number.POSITIVE_INFINITY })],
    ['timeout', () => cellStore(cell, { timeout: Number.NaN })],
    ['poll', () => cellStore(cell, { poll: 0 })],
  ])('%s is refused at once', (name, make) => {
    expect(make).toThrow(TypeError)
    expect(make).toThrow(name === 'no cell' ? /cell\.read/ : name)
  })

  const version = { epoch: '000001700000000', generation: 1, nonce: 'n' }
  test.each<[string, Partial<Cell>, RegExp]>([
    [
      'that parses what it reads',
      { read: async () => ({ record: 1 }) as never },
      /cell\.read: expected the text/,
    ],
    [
      'whose `replace` brings nothing',
      { replace: async () => undefined as never },
      /cell\.replace: expected/,
    ],
    [
      'whose `replace` never replaces',
      { replace: async () => false },
      /somebody was faster, and nothing has/,
    ],
    [
      'that throws at once',
      {
        read: () => {
          throw new Error('no connection')
        },
      },
      /no connection/,
    ],
  ])('a cell %s says so', async (_, wrong, message) => {
    const store = cellStore({ ...newCells()('alice'), ...wrong })
    expect((await failureOf(store.save({ version }))).message).toMatch(message)
  })
})
