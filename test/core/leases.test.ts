/** What a refresh may do while it has its turn, and what it must not once it has lost it. */
import {
  type Clock,
  isSessionError,
  memoryStore,
  type SessionOptions,
  type SessionStore,
  type Stored,
} from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { takeTurn } from '../../src/core/turns.ts'
import { deferred, failureOf, leasing, newClock, open, type TurnedClock } from '../setup.ts'
import { syncStorage } from './storage.ts'

const OLD = { accessToken: 'old', refreshToken: 'r1', expiresAt: 1 }

interface Robbable {
  store: SessionStore
  /** Somebody else takes the turn from whoever has it now. */
  rob(): void
}

/** A store whose turns can be taken away, as those of a Web Lock and of Redis can. */
function robbable(clock: Clock): Robbable {
  const memory = memoryStore({ clock })
  let robbed = new AbortController()
  return {
    rob: () => robbed.abort(),
    store: {
      ...memory,
      exclusive: (work, signal) =>
        memory.exclusive((lease) => {
          const turn = new AbortController()
          robbed = turn
          return work({
            ...lease,
            signal: AbortSignal.any([lease.signal, turn.signal]),
            remaining: () => (turn.signal.aborted ? 0 : lease.remaining()),
            async begin() {
              if (turn.signal.aborted) throw new Error('the lease was lost')
              return lease.begin()
            },
          })
        }, signal),
    },
  }
}

test('a turn that somebody else has taken is over: its holder is told, and reserves nothing any more', async () => {
  let record: Stored | undefined = { version: { epoch: 'e', generation: 1, nonce: 'n' } }
  const taken = new AbortController()
  const theirs = { generation: 3, until: 1 }
  let passed = 0
  const options = {
    clock: newClock().clock,
    lease: 60_000,
    update: async (change: (stored?: Stored) => Stored | undefined) => {
      record = change(record)
    },
  }
  const work: Parameters<typeof takeTurn>[1] = async (lease) => {
    expect([await lease.begin(), lease.remaining(), passed]).toEqual([2, 60_000, 0])
    taken.abort()
    expect([lease.signal.aborted, lease.remaining(), passed]).toEqual([true, 0, 1])
    expect(await failureOf(lease.begin())).toBeInstanceOf(Error)
    expect(record?.pending?.generation).toBe(2)
    // What the other one has reserved by then is not taken back with what was reserved here.
    record = { ...(record as Stored), pending: theirs }
    for (const generation of [2, 3]) await lease.clear(generation)
  }
  await takeTurn(options, work, () => passed++, taken.signal)
  expect(record?.pending).toEqual(theirs)
})

test('a refresh that comes home ends neither the signal that the store was given nor its own', async () => {
  const memory = memoryStore()
  const signals: (AbortSignal | undefined)[] = []
  const session = open({
    tokens: OLD,
    store: {
      ...memory,
      exclusive(work, signal) {
        signals.push(signal)
        return memory.exclusive(async (lease) => {
          const turn = new AbortController()
          // Its lease ends with the work.
          return work({ ...lease, signal: turn.signal }).finally(() => turn.abort())
        }, signal)
      },
    },
    refresh({ signal }) {
      signals.push(signal)
      return 'new'
    },
  })
  expect(await session.getAccessToken()).toBe('new')
  expect(signals.map((signal) => signal?.aborted)).toEqual([false, false])
})

interface Given extends Robbable {
  time: TurnedClock
  session: ReturnType<typeof open>
  /** Those of the refreshes that were sent. */
  signals: AbortSignal[]
}

/** A session that needs a refresh, which is answered when and how the test says. */
async function given(
  refresh: (n: number) => ReturnType<SessionOptions['refresh']>,
  around: (given: Robbable) => Partial<SessionStore> = () => ({}),
): Promise<Given> {
  const time = newClock()
  const robbing = robbable(time.clock)
  const signals: AbortSignal[] = []
  const session = open({
    tokens: OLD,
    clock: time.clock,
    retries: 0,
    store: { ...robbing.store, ...around(robbing) },
    refresh: ({ signal }) => refresh(signals.push(signal)),
  })
  await time.advance(0)
  return { ...robbing, time, session, signals }
}

describe('a turn that somebody else has taken', () => {
  test('ends the refresh: its signal aborts, nothing more is sent, and the tokens of the other are taken', async () => {
    const g = await given(() => new Promise(() => {}))
    const token = g.session.getAccessToken()
    await g.time.advance(0)
    const saved = deferred<void>()
    const { rob } = g
    const other = g.store.exclusive(async (lease) => {
      const generation = await lease.begin()
      await saved.promise
      const { version } = (await g.store.load()) as Stored
      await g.store.save({
        version: { ...version, generation, nonce: 'other' },
        tokens: { accessToken: 'theirs' },
      })
    })
    expect(g.signals.map(({ aborted }) => aborted)).toEqual([false])
    rob()
    await g.time.advance(0)
    expect(g.signals.map(({ aborted }) => aborted)).toEqual([true])
    saved.resolve()
    await other
    expect(await token).toBe('theirs')
    expect(g.signals).toHaveLength(1)
    expect(g.time.pending).toBe(0)
  })

  test('does not take back what comes late: it may be the only valid refresh token', async () => {
    const answer = deferred<string>()
    const g = await given((n) => (n === 1 ? answer.promise : new Response(null, { status: 503 })))
    const failed = failureOf(g.session.getAccessToken())
    await g.time.advance(0)
    g.rob()
    expect(isSessionError(await failed, 'refresh_failed')).toBe(true)
    answer.resolve('late')
    await g.time.advance(0)
    expect(await g.session.getAccessToken()).toBe('late')
    expect((await g.store.load())?.tokens?.accessToken).toBe('late')
  })

  test('nor does what comes late bring back a session whose next refresh was refused meanwhile', async () => {
    const answer = deferred<string>()
    const refused = () => Response.json({ error: 'invalid_grant' }, { status: 400 })
    const g = await given((n) => (n === 1 ? answer.promise : refused()))
    const failed = failureOf(g.session.getAccessToken())
    await g.time.advance(0)
    g.rob()
    expect(isSessionError(await failed, 'session_expired')).toBe(true)
    answer.resolve('late')
    await g.time.advance(0)
    expect([await g.store.load(), g.session.state.status]).toMatchObject([
      { ended: 'rejected' },
      'signed-out',
    ])
  })

  test('again and again costs two refreshes, and the failure says what became of them', async () => {
    const g = await given(() => new Promise(() => {}))
    const failed = failureOf(g.session.getAccessToken())
    for (let n = 0; n < 5; n++) {
      await g.time.advance(0)
      g.rob()
    }
    const error = await failed
    expect(isSessionError(error, 'refresh_failed')).toBe(true)
    expect(error.message).toContain('lease')
    expect(g.signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })

  /** What the store is asked for before a refresh is sent. */
  const steps: [name: string, around: (given: Robbable) => Partial<SessionStore>][] = [
    [
      'while the record is read',
      ({ store, rob }) => ({
        exclusive: (work, signal) =>
          store.exclusive((lease) => {
            rob()
            return work(lease)
          }, signal),
      }),
    ],
    [
      'while the generation is reserved',
      ({ store, rob }) => ({
        exclusive: leasing(store, (lease) => ({
          async begin() {
            const generation = await lease.begin()
            rob()
            return generation
          },
        })),
      }),
    ],
  ]
  test.each(steps)(
    '%s: nothing is sent, and no reservation is left that others wait for',
    async (_, around) => {
      const g = await given(() => 'new', around)
      expect(isSessionError(await failureOf(g.session.refresh()), 'refresh_failed')).toBe(true)
      expect(g.signals).toEqual([])
      const { pending } = (await g.store.load()) ?? {}
      expect(pending?.until ?? 0).toBeLessThanOrEqual(g.time.clock.now())
      expect(g.session.state).toMatchObject({ status: 'signed-in', refreshing: false, generation: 1 })
    },
  )
})

describe('a lease that has ended', () => {
  const MINUTE = 60_000
  const ends: [how: string, end: (time: TurnedClock) => unknown][] = [
    ['as time goes by', (time) => time.advance(1_000)],
    ['while the machine slept', (time) => time.sleep(1_000)],
    [
      'although the wall clock was set back',
      async (time) => {
        time.jump(-MINUTE)
        await time.advance(1_000)
      },
    ],
  ]
  const stores: [name: string, open: (clock: Clock) => SessionStore][] = [
    ['memoryStore', (clock) => memoryStore({ clock, lease: 1_000 })],
    ['memoryStore with a storage', (clock) => memoryStore({ clock, lease: 1_000, storage: syncStorage() })],
  ]
  for (const [name, openStore] of stores) {
    test.each(ends)(`reserves nothing: %s (${name})`, async (_, end) => {
      const time = newClock()
      const store = openStore(time.clock)
      await store.save({ version: { epoch: '1', generation: 1, nonce: 'a' }, tokens: OLD })
      const reserved = store.exclusive(async (lease) => {
        expect(lease.remaining()).toBe(1_000)
        await end(time)
        expect(lease.remaining()).toBeLessThanOrEqual(0)
        return lease.begin()
      })
      await expect(reserved).rejects.toThrow(/lease/)
      expect((await store.load())?.pending).toBeUndefined()
    })
  }

  test.each(ends)('while the store was slow sends no refresh token: %s', async (_, end) => {
    const time = newClock()
    const memory = memoryStore({ clock: time.clock, lease: 1_000 })
    let calls = 0
    let slow = false
    const session = open({
      tokens: OLD,
      clock: time.clock,
      retries: 0,
      lease: 1_000,
      store: {
        ...memory,
        async load() {
          if (slow) await end(time)
          return memory.load()
        },
      },
      refresh: () => `new-${++calls}`,
    })
    await time.advance(0)
    slow = true
    expect(isSessionError(await failureOf(session.refresh()), 'refresh_failed')).toBe(true)
    expect(calls).toBe(0)
    slow = false
    await time.advance(120_000)
    await session.refresh()
    expect(calls).toBe(1)
  })

  /** A session over a store whose turn has `spent` milliseconds of its lease gone once the generation is reserved. */
  async function slowToReserve(lease: number, spent: number) {
    const time = newClock()
    const memory = memoryStore({ clock: time.clock, lease })
    let calls = 0
    const session = open({
      tokens: OLD,
      clock: time.clock,
      retries: 0,
      lease,
      deadline: 90_000,
      refresh: () => `new-${++calls}`,
      store: {
        ...memory,
        exclusive: leasing(memory, (turn) => ({
          async begin() {
            const generation = await turn.begin()
            await time.advance(spent)
            return generation
          },
        })),
      },
    })
    await time.advance(0)
    return { session, memory, calls: () => calls }
  }

  const margins = [
    { lease: 60_000, margin: 1_000 },
    { lease: 5_000, margin: 500 },
  ]

  test.each(margins)(
    'nearly, when the generation has been reserved: nothing is sent, and nobody waits for the reservation ($lease ms)',
    async ({ lease, margin }) => {
      const { session, memory, calls } = await slowToReserve(lease, lease - margin + 1)
      expect(isSessionError(await failureOf(session.refresh()), 'refresh_failed')).toBe(true)
      expect(calls()).toBe(0)
      expect((await memory.load())?.pending).toMatchObject({ generation: 2, until: 0 })
    },
  )

  test.each(margins)(
    'a second, or a tenth of it, before its end is time enough ($lease ms)',
    async ({ lease, margin }) => {
      const { session, calls } = await slowToReserve(lease, lease - margin)
      await session.refresh()
      expect(calls()).toBe(1)
    },
  )
})
