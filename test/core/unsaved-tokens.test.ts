import { memoryStore, type Session, type SessionStore, type Stored } from 'refresh-once'
import { expect, test } from 'vitest'
import { deferred, newClock, open, type TurnedClock, watch } from '../setup.ts'

/** A session over a store that can be made to refuse every save of tokens, as a full disk does. */
function given(): {
  session: Session
  time: TurnedClock
  store: SessionStore
  /** What saves have been tried with, refused ones included. */
  tried: Stored[]
  refuse(which: boolean | ((next: Stored) => boolean)): void
  /** Resolves once the store has been closed. */
  closed: Promise<void>
} {
  const time = newClock()
  const memory = memoryStore({ clock: time.clock })
  const tried: Stored[] = []
  let refuses: boolean | ((next: Stored) => boolean) = false
  const closing = deferred<void>()
  const store: SessionStore = {
    ...memory,
    async save(next) {
      tried.push(next)
      if (typeof refuses === 'function' ? refuses(next) : refuses) throw new Error('no space left')
      return memory.save(next)
    },
    close: () => closing.resolve(),
  }
  let calls = 0
  const refresh = () => ({ accessToken: `access-${++calls}`, refreshToken: `refresh-${calls}` })
  const session = open({ refresh, store, tokens: 'first', clock: time.clock })
  return {
    session,
    time,
    store,
    tried,
    refuse(which) {
      refuses = which
    },
    closed: closing.promise,
  }
}

/** A session whose newest tokens are in its memory only. */
async function unsaved(ms = 1_000) {
  const g = given()
  await g.session.getAccessToken()
  g.refuse(true)
  const refreshed = g.session.refresh()
  await g.time.advance(ms)
  await refreshed
  return g
}

test('new tokens that the store refuses are served, and reported', async () => {
  const g = given()
  await g.session.getAccessToken()
  g.refuse(true)
  const seen = watch(g.session)
  const refreshed = g.session.refresh()
  await g.time.advance(1_000)
  await refreshed
  expect(await g.session.getAccessToken()).toBe('access-1')
  expect(seen.of('degraded')).toHaveLength(1)
  expect(g.session.busy).toBe(true)
})

test('new tokens that the store refuses are saved as soon as it works again, without another refresh', async () => {
  const g = await unsaved()
  expect((await g.store.load())?.tokens?.accessToken).toBe('first')
  await g.time.advance(60_000)
  g.refuse(false)
  await g.time.advance(60_000)
  expect((await g.store.load())?.tokens).toMatchObject({ accessToken: 'access-1', refreshToken: 'refresh-1' })
  expect(g.session.busy).toBe(false)
  const { length } = g.tried
  await g.time.advance(600_000)
  expect(g.tried).toHaveLength(length)
  expect(g.time.pending).toBe(0)
})

test('new tokens that the store refuses are tried again after one second, two and four, and then every five', async () => {
  const g = await unsaved()
  let { length } = g.tried
  // The three tries of the refresh itself have taken 550 milliseconds of the second that has passed.
  for (const ms of [550, 2_000, 4_000, 5_000, 5_000]) {
    await g.time.advance(ms - 1)
    expect(g.tried).toHaveLength(length)
    await g.time.advance(1)
    expect(g.tried).toHaveLength(++length)
  }
})

test('new tokens are served once the store has hung with them: nobody waits for it again', async () => {
  const time = newClock()
  const memory = memoryStore({ clock: time.clock })
  const hangs = new Promise<never>(() => {})
  const session = open({
    clock: time.clock,
    tokens: 'first',
    lease: 5_000,
    refresh: () => 'new',
    store: {
      ...memory,
      save: (next) => (next.tokens?.accessToken === 'new' ? hangs : memory.save(next)),
    },
  })
  await session.getAccessToken()
  let token: string | undefined
  const refreshed = session.refresh().then(async () => {
    token = await session.getAccessToken()
  })
  await time.advance(5_000)
  expect(token).toBe('new')
  await refreshed
  session.close()
  // It is tried a last time.
  await time.advance(5_000)
})

test('new tokens that the store refuses are in it before they are spent: the next page finds the newest', async () => {
  const time = newClock()
  const memory = memoryStore({ clock: time.clock })
  let full = false
  let calls = 0
  let found: Stored | undefined
  const session = open({
    clock: time.clock,
    tokens: 'first',
    store: {
      ...memory,
      save: (next) => (full ? Promise.reject(new Error('no space left')) : memory.save(next)),
    },
    async refresh() {
      if (calls++) found = await memory.load()
      return { accessToken: `access-${calls}`, refreshToken: `refresh-${calls}` }
    },
  })
  await session.getAccessToken()
  full = true
  const refreshed = session.refresh()
  await time.advance(1_000)
  await refreshed
  full = false
  await session.refresh()
  expect(found?.tokens).toMatchObject({ accessToken: 'access-1', refreshToken: 'refresh-1' })
})

test('a store is not asked to save nothing where the next refresh has been saved meanwhile', async () => {
  const g = await unsaved(600)
  g.refuse(false)
  await g.session.refresh()
  expect(g.session.busy).toBe(false)
  await g.time.advance(60_000)
  expect(g.tried.filter((next) => !next?.version)).toEqual([])
  expect((await g.store.load())?.tokens?.accessToken).toBe('access-2')
})

test('what another has saved meanwhile is taken when new tokens that were refused are saved late', async () => {
  const g = await unsaved()
  g.refuse(false)
  const { version } = (await g.store.load()) ?? {}
  if (!version) throw new Error('nothing was saved')
  await g.store.save({
    version: { ...version, generation: 9, nonce: 'other' },
    tokens: { accessToken: 'theirs' },
  })
  await g.time.advance(1_000)
  expect(await g.session.getAccessToken()).toBe('theirs')
  expect(g.session.busy).toBe(false)
})

test('tokens of the options that the store refuses are served, and nothing else comes of it', async () => {
  const g = given()
  g.refuse(true)
  expect(await g.session.getAccessToken()).toBe('first')
  await g.time.advance(0)
  expect(g.tried).toHaveLength(1)
  expect(g.session.state.status).toBe('signed-in')
})

test('a store that is closed with its session has got the new tokens before', async () => {
  const g = await unsaved()
  g.refuse(false)
  const { length } = g.tried
  g.session.close()
  await g.closed
  expect(g.tried).toHaveLength(length + 1)
  expect((await g.store.load())?.tokens?.accessToken).toBe('access-1')
})

test('new tokens that have not been saved are saved when the session is closed', async () => {
  const g = await unsaved()
  g.refuse(false)
  g.session.close()
  await g.time.advance(0)
  expect((await g.store.load())?.tokens?.accessToken).toBe('access-1')
})

async function triesInAMinute({ time, tried }: ReturnType<typeof given>): Promise<number> {
  const { length } = tried
  await time.advance(60_000)
  return tried.length - length
}

test.each([0, 60_000])(
  'the tokens of a second refresh that the store refuses, too, are tried no oftener than those of the first (after %i ms)',
  async (ms) => {
    const first = await unsaved()
    await first.time.advance(60_000)
    const inAMinute = await triesInAMinute(first)
    const g = await unsaved(600)
    await g.time.advance(ms)
    g.refuse((next) => next.tokens?.accessToken === 'access-2')
    const refreshed = g.session.refresh()
    await g.time.advance(1_000)
    await refreshed
    await g.time.advance(60_000)
    expect(await triesInAMinute(g)).toBe(inAMinute)
    g.refuse(false)
    await g.time.advance(60_000)
    expect((await g.store.load())?.tokens?.accessToken).toBe('access-2')
  },
)

test('new tokens that are refused while the session is closed are tried again at once', async () => {
  const time = newClock()
  const memory = memoryStore({ clock: time.clock })
  const full = deferred<void>()
  let tries = 0
  const save: SessionStore['save'] = async (next) => {
    if (next.tokens?.accessToken !== 'new') return memory.save(next)
    if (++tries === 1) await full.promise
    if (tries < 3) throw new Error('no space left')
    return memory.save(next)
  }
  const store = { ...memory, save }
  const session = open({ refresh: () => 'new', store, tokens: 'first', clock: time.clock })
  session.refresh().catch(() => {})
  await time.advance(0)
  expect(tries).toBe(1)
  session.close()
  full.resolve()
  // Nobody turns the clock for a page that goes.
  await time.advance(0)
  expect((await store.load())?.tokens?.accessToken).toBe('new')
})

test('a sign-out is not undone by tokens that are saved late', async () => {
  const g = await unsaved()
  g.refuse(false)
  await g.session.signOut()
  await g.time.advance(120_000)
  expect(await g.store.load()).toMatchObject({ ended: 'signed-out' })
  expect(g.session.state.status).toBe('signed-out')
})

test.each(['save', 'every call'])(
  'a store that refuses %s is not asked the faster, the shorter those wait who need it',
  async (what) => {
    const counts = []
    for (const deadline of [20, 200, 10_000]) {
      const time = newClock()
      const memory = memoryStore({ clock: time.clock })
      let refused = 0
      const refuse = async (): Promise<never> => {
        refused++
        throw new Error('no space left')
      }
      const store = { ...memory, save: refuse, ...(what !== 'save' && { load: refuse, exclusive: refuse }) }
      const refresh = () => ({ accessToken: 'new', expiresIn: 1 })
      const tokens = { accessToken: 'old', refreshToken: 'r', expiresAt: 1 }
      const session = open({ refresh, store, tokens, deadline, clock: time.clock })
      for (let ms = 0; ms < 5_000; ms += 5) {
        session.getAccessToken().catch(() => {})
        await time.advance(5)
      }
      counts.push(refused)
      session.close()
    }
    expect(Math.max(...counts)).toBeLessThan(30)
  },
)
