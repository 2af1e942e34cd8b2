/**
 * Somebody else's code that never comes to an end, once or for ever: stores, storages, and the functions of an app. It
 * ends by lease or deadline, is told, and the session goes on.
 */
import { getEventListeners } from 'node:events'
import axios from 'axios'
import { type Lease, memoryStore, type Session, type SessionOptions, type SessionStore } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { createSessionPool } from 'refresh-once/pool'
import { describe, expect, test } from 'vitest'
import { failureOf, leasing, newClock, open, type TurnedClock, watch } from '../setup.ts'

const never = (): Promise<never> => new Promise(() => {})

/** What a session waits for at a store. */
const PROMISES = ['load', 'save', 'exclusive', 'begin', 'clear', 'release'] as const

/** Lets a promise of a store hang while `hangs` says so. */
function hanging(
  store: SessionStore,
  promise: (typeof PROMISES)[number],
  hangs: () => boolean,
): SessionStore {
  const or = <T>(call: () => Promise<T>): Promise<T> => (hangs() ? never() : call())
  switch (promise) {
    case 'load':
      return { ...store, load: () => or(() => store.load()) }
    case 'save':
      return { ...store, save: (next) => or(() => store.save(next)) }
    case 'exclusive':
      return { ...store, exclusive: (work, signal) => or(() => store.exclusive(work, signal)) }
    case 'release':
      return {
        ...store,
        exclusive: async (work, signal) => {
          const done = await store.exclusive(work, signal)
          return or(async () => done)
        },
      }
    default:
      return {
        ...store,
        exclusive: leasing(store, (lease: Lease) => ({
          [promise]: (generation: number) => or<unknown>(() => lease[promise](generation)),
        })),
      }
  }
}

interface Given {
  time: TurnedClock
  session: Session
  told(): string[]
  /** From now on, so many calls hang. */
  hang(calls: number): void
}

async function given(
  promise: (typeof PROMISES)[number],
  options: Partial<SessionOptions> = {},
): Promise<Given> {
  const time = newClock()
  let left = 0
  const store = hanging(memoryStore({ clock: time.clock, lease: 1000 }), promise, () => left-- > 0)
  let refreshes = 0
  const session = open({
    clock: time.clock,
    lease: 1000,
    deadline: 700,
    tokens: { accessToken: 'old', refreshToken: 'r' },
    store,
    refresh: () => ({ accessToken: `new-${++refreshes}`, refreshToken: 'r' }),
    ...options,
  })
  const seen = watch(session)
  await session.getAccessToken()
  return {
    time,
    session,
    told: () => seen.of('degraded').map(({ reason }) => reason),
    hang(calls) {
      left = calls
    },
  }
}

/** Whether it settles while so much time passes. */
async function settles(time: TurnedClock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const done = (): void => {
    settled = true
  }
  promise.then(done, done)
  for (let passed = 0; passed < ms && !settled; passed += 100) await time.advance(100)
  return settled
}

describe.each(PROMISES)('`%s` of a store', (promise) => {
  test('hangs once: whoever waits is let go, and the next refresh comes home', async () => {
    const { time, session, hang, told } = await given(promise)
    hang(1)
    // A reservation is only cleared where something has failed.
    if (promise === 'clear') return
    expect(await settles(time, 800, session.refresh())).toBe(true)
    // A turn is waited for longer than a lease: somebody else may have it.
    await time.advance(promise === 'exclusive' ? 3_000 : 1_000)
    expect(await settles(time, 800, session.refresh())).toBe(true)
    expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
    expect(await session.getAccessToken()).toMatch(/^new-/)
    expect(told().join()).toContain('has not come to an end')
  })

  test('hangs for ever: everybody is told, and everything settles', async () => {
    const { time, session, hang, told } = await given(promise)
    hang(Number.POSITIVE_INFINITY)
    for (let calls = 0; calls < 4; calls++) expect(await settles(time, 3_000, session.refresh())).toBe(true)
    expect(await settles(time, 5_000, session.update('mine'))).toBe(true)
    expect(await settles(time, 5_000, session.signIn('next'))).toBe(true)
    expect(await session.getAccessToken()).toBe('next')
    expect(await settles(time, 10_000, session.signOut({ server: () => {} }))).toBe(true)
    expect(session.state.status).toBe('signed-out')
    if (promise !== 'clear') expect(told().join()).toContain('has not come to an end')
    // What is still on its way comes to an end as well.
    await time.advance(60_000)
    session.close()
    // Tokens that were not saved are tried a last time.
    await time.advance(1_000)
  })
})

test('a store that fails after a refresh has failed is not waited for a second time', async () => {
  const time = newClock()
  const memory = memoryStore({ clock: time.clock })
  let down = false
  const session = open({
    clock: time.clock,
    retries: 1,
    tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
    store: {
      ...hanging(memory, 'save', () => down),
      load: () => (down ? Promise.reject(new Error('gone')) : memory.load()),
    },
    refresh: () => {
      down = true
      return new Response(null, { status: 503 })
    },
  })
  const failed = failureOf(session.getAccessToken())
  await time.advance(10_000)
  expect(await failed).toMatchObject({ code: 'refresh_failed' })
})

test('a store that hangs when a session begins: it begins without what is stored, and says so', async () => {
  const time = newClock()
  const store = { ...memoryStore(), load: never }
  const session = open({ clock: time.clock, lease: 1000, deadline: 700, store, refresh: () => 'new' })
  const seen = watch(session)
  const early = failureOf(session.getAccessToken())
  await time.advance(1_000)
  expect(await early).toMatchObject({ code: 'refresh_timeout' })
  expect(session.state.status).toBe('unknown')
  expect(seen.of('degraded').map(({ reason }) => reason)).toEqual([
    'load has not come to an end',
    'the store cannot be read',
  ])
})

test('a session that is closed while its store hangs leaves no timer, whatever the store has answered since', async () => {
  const time = newClock()
  const store = { ...memoryStore(), load: never }
  const session = open({ clock: time.clock, store, refresh: () => 'unused' })
  await session.signIn('mine')
  session.close()
  await time.advance(0)
  expect(time.pending).toBe(0)
})

test('a pool is closed, and serves everybody else, while a store hangs', async () => {
  const time = newClock()
  const pool = createSessionPool({
    clock: time.clock,
    lease: 1000,
    deadline: 700,
    store: (id) => (id === 'bad' ? { ...memoryStore(), load: never, save: never } : memoryStore()),
    refresh: () => 'new',
  })
  const bad = failureOf(pool.use('bad', (session) => session.getAccessToken()))
  await pool.use('good', async (session) => {
    await session.signIn('good')
    expect(await session.getAccessToken()).toBe('good')
  })
  await time.advance(800)
  expect(await bad).toMatchObject({ code: 'refresh_timeout' })
  await pool.close()
})

/** Functions of an app, and what a request of theirs comes to. */
const FUNCTIONS: [name: string, options: Partial<SessionOptions>][] = [
  ['applyToken', { applyToken: never }],
  ['refresh', { refresh: never, tokens: { accessToken: 'old', expiresAt: 1 } }],
  [
    'isTerminal',
    {
      isTerminal: never,
      refresh: () => new Response(null, { status: 400 }),
      tokens: { accessToken: 'old', expiresAt: 1 },
    },
  ],
  ['shouldRefresh', { shouldRefresh: never }],
  ['json() in shouldRefresh', { shouldRefresh: async ({ json }) => Boolean(await json().then(never)) }],
]

/** What sends a request that is answered at once. */
const SENDERS: [client: string, send: (session: Session, signal?: AbortSignal) => Promise<unknown>][] = [
  [
    'axios',
    (session, signal) => {
      const adapter = async (config: object): Promise<never> =>
        ({ status: 200, data: {}, headers: { 'content-type': 'application/json' }, config }) as never
      const api = axios.create({ baseURL: 'https://api.example.com', adapter })
      attachSession(api, session)
      return api.get('/items', signal && { signal })
    },
  ],
  [
    'fetch',
    (session, signal) =>
      withSession(session, { origins: ['https://api.example.com'], fetch: async () => Response.json({}) })(
        'https://api.example.com/items',
        signal && { signal },
      ),
  ],
]

describe.each(SENDERS)('%s', (_, send) => {
  test.each(FUNCTIONS)(
    '`%s` hangs: requests end by the deadline, and a sign-out works',
    async (name, options) => {
      const time = newClock()
      const session = open({
        clock: time.clock,
        tokens: 'mine',
        lease: 1000,
        deadline: 700,
        refresh: () => 'x',
        ...options,
      })
      const seen = watch(session)
      const sent = send(session)
      expect(await settles(time, 800, sent)).toBe(true)
      expect(await settles(time, 20_000, send(session))).toBe(true)
      // What was answered is the caller's.
      if (/shouldRefresh/.test(name)) expect(await sent).toMatchObject({ status: 200 })
      else expect(await failureOf(sent)).toMatchObject({ code: 'refresh_timeout' })
      if (/applyToken|shouldRefresh/.test(name))
        expect(
          seen
            .of('degraded')
            .map(({ reason }) => reason)
            .join(),
        ).toMatch(/^(applyToken|shouldRefresh) has not come to an end/)
      expect(await settles(time, 2_000, session.signOut())).toBe(true)
      await time.advance(5_000)
    },
  )

  test.each(FUNCTIONS)('`%s` hangs: a request still answers to its own signal', async (_, options) => {
    const time = newClock()
    const session = open({ clock: time.clock, tokens: 'mine', lease: 1000, refresh: () => 'x', ...options })
    const leaving = new AbortController()
    const sent = failureOf(send(session, leaving.signal))
    await time.advance(100)
    leaving.abort()
    expect(await sent).toMatchObject({ name: expect.stringMatching(/AbortError|CanceledError/) })
  })
})

test('an `applyToken` that hangs when a request is sent again: its caller gets no answer whose body is gone', async () => {
  const time = newClock()
  const session = open({
    clock: time.clock,
    tokens: 'old',
    refresh: () => 'new',
    applyToken: ({ accessToken }) =>
      accessToken === 'old' ? { headers: { authorization: accessToken } } : never(),
  })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async () => new Response('refused', { status: 401 }),
  })
  const sent = api('https://api.example.com/items')
  const failed = failureOf(sent)
  await time.advance(10_000)
  expect(await failed).toMatchObject({ code: 'refresh_timeout' })
})

test('a turn passes on when its lease has ended, although the work in it hangs', async () => {
  const time = newClock()
  const store = memoryStore({ clock: time.clock, lease: 1_000 })
  store.exclusive(never).catch(() => {})
  let next = false
  const turn = store.exclusive(async () => {
    next = true
  })
  await time.advance(999)
  expect(next).toBe(false)
  await time.advance(1)
  await turn
})

test.each([600_000, Number.POSITIVE_INFINITY])(
  'a refresh that asks the user is made once while somebody waits for it, %d ms',
  async (deadline) => {
    const time = newClock()
    let calls = 0
    const session = open({
      clock: time.clock,
      deadline,
      refresh: () => {
        calls++
        return new Promise((resolve) => time.clock.setTimeout(() => resolve('new'), 300_000))
      },
    })
    const token = session.getAccessToken()
    await time.advance(299_999)
    expect(calls).toBe(1)
    await time.advance(1)
    expect(await token).toBe('new')
  },
)

test('a signature that takes time leaves no listener at the signal of its request, nor does an answer that is looked at', async () => {
  const { signal } = new AbortController()
  const later = async <T>(value: T): Promise<T> => value
  const session = open({
    tokens: 'mine',
    refresh: () => 'unused',
    applyToken: ({ accessToken }) => later({ headers: { Authorization: `Bearer ${accessToken}` } }),
    shouldRefresh: () => later(false),
  })
  const api = axios.create({
    baseURL: 'https://api.example.com',
    adapter: async (config) => ({ config, data: '', status: 200, statusText: '', headers: {} }),
  })
  attachSession(api, session)
  await api.get('/items', { signal })
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
