import { setImmediate as macrotask } from 'node:timers/promises'
import { memoryStore, type Session, type SessionOptions, type SessionStore, type Stored } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { createSharedStore } from '../laws/shared-store.ts'
import { deferred, failureOf, newClock, open, type TurnedClock, watch, withoutJitter } from '../setup.ts'
import { syncStorage } from './storage.ts'

/** Stores of several contexts at one place. */
function newPlace(): () => SessionStore {
  const unheard = (): void => {}
  let contexts = 0
  const place = createSharedStore({
    schedule: (_, run) => void setImmediate(run),
    clock: withoutJitter(),
    spy: { saving: unheard, told: unheard, watched: unheard, leased: unheard },
    lease: 60_000,
    steals: true,
  })
  return () => place.open(++contexts)
}

/** Resolves once the session is in this state. */
function reach(session: Session, status: Session['state']['status']): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (session.state.status !== status) return
      stop()
      resolve()
    }
    const stop = session.subscribe(look)
    look()
  })
}

const unheard = { watch: () => () => {} }

/** What others have saved is heard of while something is being saved here. */
function hearsLate(store: SessionStore): SessionStore {
  let hear = (): void => {}
  return {
    ...store,
    watch: (listener, degraded) =>
      store.watch((stored) => {
        hear = () => listener(stored)
      }, degraded),
    async save(next) {
      const saved = await store.save(next)
      hear()
      return saved
    },
  }
}

for (const { heard, storeOf } of [
  { heard: 'is heard of too late', storeOf: hearsLate },
  { heard: 'is not heard of', storeOf: (store: SessionStore): SessionStore => ({ ...store, ...unheard }) },
]) {
  test(`a sign-in by a clock that is ahead ${heard}: whoever signs out or in after it has done so`, async () => {
    const place = newPlace()
    const ahead = { ...withoutJitter(), now: () => Date.now() + 3_600_000 }
    const own = open({ refresh: () => 'unused', tokens: null, store: storeOf(place()) })
    const other = open({ refresh: () => 'unused', tokens: null, store: place(), clock: ahead })
    await own.signIn('mine')
    for (const wanted of ['bobs', undefined]) {
      await other.signIn('alices')
      await (wanted ? own.signIn(wanted) : own.signOut())
      expect(own.state.status).toBe(wanted ? 'signed-in' : 'signed-out')
      expect(await own.getAccessToken().catch(() => undefined)).toBe(wanted)
      await reach(other, wanted ? 'signed-in' : 'signed-out')
      await expect.poll(() => other.getAccessToken().catch(() => undefined)).toBe(wanted)
    }
  })
}

for (const { how, deaf } of [
  { how: 'by news', deaf: {} },
  { how: 'by its own save', deaf: unheard },
]) {
  test(`a sign-out elsewhere, of which a refresh learns ${how}, is no failed refresh`, async () => {
    const place = newPlace()
    const tokens = { accessToken: 'old', expiresAt: 1 }
    const answer = deferred<string>()
    const refreshing = open({ refresh: () => answer.promise, store: { ...place(), ...deaf }, tokens })
    await reach(refreshing, 'signed-in')
    const other = open({ refresh: () => 'unused', store: place() })
    await reach(other, 'signed-in')
    const seen = watch(refreshing)
    const waiting = failureOf(refreshing.getAccessToken())
    await seen.until('refresh-started')
    await other.signOut()
    answer.resolve('new')
    expect(await waiting).toMatchObject({ code: 'session_changed' })
    await reach(refreshing, 'signed-out')
    expect(seen.of('refresh-failed')).toEqual([])
    expect(other.state.status).toBe('signed-out')
    await expect(refreshing.getAccessToken()).rejects.toMatchObject({ code: 'session_expired' })
  })
}

test.each([
  ['is in doubt', new TypeError('fetch failed')],
  ['fails, and whose pause has met it', Object.assign(new Error('busy'), { status: 503 })],
])('what others have saved meanwhile is taken by a refresh that %s', async (_, failure) => {
  const place = newPlace()
  const other = place()
  const tokens = { accessToken: 'old', expiresAt: 1 }
  const [sent, answer] = [deferred<void>(), deferred<string>()]
  const refresh = (): Promise<string> => {
    sent.resolve()
    return answer.promise
  }
  const store = { ...place(), ...unheard }
  const session = open({ refresh, store, tokens, retries: 0 })
  await reach(session, 'signed-in')
  const seen = watch(session)
  const token = session.getAccessToken()
  await sent.promise
  const { version } = (await other.load()) ?? {}
  if (!version) throw new Error('nothing was saved')
  await other.save({
    version: { ...version, generation: 9 },
    tokens: { accessToken: 'theirs', receivedAt: 0 },
  })
  answer.reject(failure)
  expect(await token).toBe('theirs')
  expect(session.state).toMatchObject({ status: 'signed-in', generation: 9, refreshing: false })
  expect(seen.of('refresh-failed')).toEqual([])
})

test('a refusal ends nothing where the store has newer tokens, although it takes no writes any more', async () => {
  const place = newPlace()
  const other = place()
  const own = place()
  let broken = false
  const session = open({
    tokens: { accessToken: 'old', expiresAt: 1 },
    store: {
      ...own,
      ...unheard,
      save: (next) => (broken ? Promise.reject(new Error('read-only')) : own.save(next)),
    },
    async refresh() {
      const { version } = (await other.load()) ?? {}
      if (!version) throw new Error('nothing was saved')
      await other.save({ version: { ...version, generation: 9 }, tokens: { accessToken: 'theirs' } })
      broken = true
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    },
  })
  expect(await session.getAccessToken()).toBe('theirs')
  expect(session.state).toMatchObject({ status: 'signed-in', generation: 9, refreshing: false })
})

/** A refusal, and what becomes of the store once it was asked for. */
function refusedWhile(around: (store: SessionStore) => Partial<SessionStore>) {
  const memory = memoryStore()
  let calls = 0
  const after = around(memory)
  const session = open({
    tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
    retries: 0,
    store: {
      ...memory,
      load: () => (calls && after.load ? after.load() : memory.load()),
      save: (next) => (calls && after.save ? after.save(next) : memory.save(next)),
    },
    refresh: () => {
      calls++
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    },
  })
  return { session, seen: watch(session), calls: () => calls }
}

test('a refusal that cannot be saved ends the session here, and is told', async () => {
  const { session, seen } = refusedWhile(() => ({ save: () => Promise.reject(new Error('read-only')) }))
  expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
  expect(session.state.status).toBe('signed-out')
  expect(seen.of('degraded')).toMatchObject([{ reason: 'the end was not saved' }])
})

test('tokens that come at the last moment are taken: a refusal does not end what another has renewed', async () => {
  const { session } = refusedWhile((store) => ({
    save: (next) =>
      store.save({ version: { ...next.version, generation: 9 }, tokens: { accessToken: 'theirs' } }),
  }))
  expect(await session.getAccessToken()).toBe('theirs')
})

test('a refusal without the tokens that another tab has ends nothing, and is not asked for again at once', async () => {
  const { session, calls } = refusedWhile((store) => ({
    save: async (next) => ({
      ...(next.ended ? { version: next.version } : await store.save(next)),
      tokens: { accessToken: 'theirs' },
    }),
  }))
  const error = await failureOf(session.getAccessToken())
  expect(error).toMatchObject({ code: 'refresh_failed' })
  expect(error.message).toContain('the tab that has the tokens does not answer')
  expect(session.state.status).toBe('signed-in')
  session.resume()
  await failureOf(session.getAccessToken())
  expect(calls()).toBe(1)
})

test.each([{}, { 'retry-after': '60' }])(
  'a pause that cannot be shared is kept here: the caller is told of it (%j)',
  async (headers) => {
    let calls = 0
    const memory = memoryStore()
    const session = open({
      tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
      retries: 0,
      store: {
        ...memory,
        save: (next) => (calls ? Promise.reject(new Error('read-only')) : memory.save(next)),
      },
      refresh: () => {
        calls++
        return new Response(null, { status: 503, headers })
      },
    })
    for (let n = 0; n < 2; n++) {
      expect((await failureOf(session.getAccessToken())).message).toContain('503')
      expect(calls).toBe(1)
    }
  },
)

test.each([
  ['cannot be read', () => Promise.reject(new Error('locked'))],
  ['was cleared', () => Promise.resolve(undefined)],
])('a refusal ends the session, although the store %s by then', async (_, load) => {
  const { session } = refusedWhile(() => ({ load }))
  expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
  expect(session.state.status).toBe('signed-out')
})

test('a refusal where the tokens could not be had is found by whoever comes next', async () => {
  const store = memoryStore()
  await store.save({ version: { epoch: '000000000000001', generation: 3, nonce: 'other' } })
  const session = open({ store, refresh: () => Response.json({ error: 'invalid_grant' }, { status: 400 }) })
  expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
  expect(await store.load()).toMatchObject({ ended: 'rejected' })
})

test('of two who sign in at the same time the one is signed in whose sign-in is the later one, in every context', async () => {
  const place = newPlace()
  const other = place()
  const own = place()
  // They stay in one millisecond.
  const { clock } = newClock()
  const session = open({
    clock,
    refresh: () => 'unused',
    tokens: null,
    store: {
      ...own,
      ...unheard,
      async save(next) {
        if (next.tokens?.accessToken === 'ours') {
          const epoch = `${next.version.epoch.slice(0, 15)}1`
          await other.save({
            version: { ...next.version, epoch, nonce: 'other' },
            tokens: { accessToken: 'theirs' },
          })
        }
        return own.save(next)
      },
    },
  })
  await reach(session, 'signed-out')
  await session.signIn('ours')
  expect(await session.getAccessToken()).toBe('theirs')
  expect((await own.load())?.tokens?.accessToken).toBe('theirs')
})

test('a sign-in that comes after one of a clock ahead of ours, and is renewed elsewhere before it is known to be saved, is not begun anew', async () => {
  const place = newPlace()
  const other = place()
  const own = place()
  const theirs = { accessToken: 'theirs', refreshToken: 'spent' }
  const ahead = String(Date.now() + 3_600_000).padStart(15, '0')
  await other.save({ version: { epoch: `${ahead}0.5`, generation: 1, nonce: 'other' }, tokens: theirs })
  const session = open({
    refresh: () => 'unused',
    store: {
      ...own,
      ...unheard,
      async save(next) {
        const saved = await own.save(next)
        const version = { ...saved.version, generation: 2, nonce: 'other' }
        return next.tokens?.accessToken === 'ours'
          ? other.save({ version, tokens: { accessToken: 'renewed' } })
          : saved
      },
    },
  })
  await reach(session, 'signed-in')
  await session.signIn('ours')
  expect(await session.getAccessToken()).toBe('renewed')
  expect(await own.load()).toMatchObject({ version: { generation: 2 }, tokens: { accessToken: 'renewed' } })
})

test('a sign-in that comes after one of a clock ahead of ours is saved, too, when it resolves', async () => {
  const memory = memoryStore()
  await memory.save({
    version: { epoch: '9999999999999980.5', generation: 1, nonce: 'other' },
    tokens: { accessToken: 'theirs' },
  })
  const store: SessionStore = {
    ...memory,
    // It has not been read when somebody signs in.
    load: () => new Promise(() => {}),
    async save(next) {
      await macrotask()
      return memory.save(next)
    },
  }
  const session = open({ refresh: () => 'unused', store })
  await session.signIn('mine')
  expect((await memory.load())?.tokens?.accessToken).toBe('mine')
  expect(await session.getAccessToken()).toBe('mine')
})

test('refreshes of others count for the loop budget', async () => {
  const place = newPlace()
  let refreshes = 0
  const refresh = (): string => `token-${++refreshes}`
  const refuse = async (): Promise<Response> => new Response(null, { status: 401 })
  const contexts = [1, 2, 3, 4].map(() => {
    const session = open({ refresh, store: place(), tokens: 'token-0' })
    return {
      session,
      send: withSession(session, { origins: ['https://api.example.com'], fetch: refuse }),
    }
  })
  await Promise.all(contexts.map(({ session }) => reach(session, 'signed-in')))
  for (let round = 0; round < 10; round++)
    await Promise.all(contexts.map(({ send }) => send('https://api.example.com/items')))
  // Each context has five of its own where it does not count what it sees of the others.
  expect(refreshes).toBeLessThan(10)
})

test('tokens that could not be had at first are taken when they come', async () => {
  const store = newPlace()()
  const version = { epoch: '000000000000001', generation: 3, nonce: 'other' }
  await store.save({ version })
  let tell: (stored: Stored) => void = () => {}
  const session = open({
    refresh: () => {
      throw new Error('not needed')
    },
    store: {
      ...store,
      watch(listener) {
        tell = listener
        return () => {}
      },
    },
  })
  await reach(session, 'unknown')
  tell({ version, tokens: { accessToken: 'late' } })
  expect(await session.getAccessToken()).toBe('late')
  // What is known already is not news.
  tell({ version, tokens: { accessToken: 'other' } })
  expect(await session.getAccessToken()).toBe('late')
})

test('a Retry-After of a former sign-in does not hide the one that another is given in the next', async () => {
  const time = newClock()
  const storage = syncStorage()
  const busy = (seconds: number) => () =>
    new Response(null, { status: 503, headers: { 'retry-after': String(seconds) } })
  let answer: () => Response = busy(300)
  let calls = 0
  const sharing = (tokens?: { accessToken: string; expiresAt: number }): Session =>
    open({
      clock: time.clock,
      store: { ...memoryStore({ storage, clock: time.clock }), ...unheard },
      tokens,
      retries: 0,
      refresh: () => {
        calls++
        return answer()
      },
    })
  const one = sharing({ accessToken: 'old', expiresAt: 1 })
  await failureOf(one.getAccessToken())
  await one.signIn({ accessToken: 'new', expiresIn: 10 })
  await time.advance(10_000)
  answer = () => new Response(null, { status: 502 })
  await failureOf(one.getAccessToken())
  answer = busy(120)
  await failureOf(sharing().refresh())
  const before = calls
  // Its own cooldown is over, the other's is not.
  await time.advance(60_000)
  expect(await failureOf(one.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
  expect(calls).toBe(before)
  await time.advance(60_000)
  answer = () => Response.json({ access_token: 'newer' })
  expect(await one.getAccessToken()).toBe('newer')
})

/** Two contexts at one place, of which neither hears of the other; their token has expired. */
function newPair(
  first: SessionOptions['refresh'],
  second: SessionOptions['refresh'],
  around: (store: SessionStore) => SessionStore = (store) => store,
  tokens: SessionOptions['tokens'] = { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
): { time: TurnedClock; one: Session; two: Session; store: SessionStore } {
  const time = newClock()
  const storage = syncStorage()
  const newStore = () => ({ ...memoryStore({ storage, clock: time.clock }), ...unheard })
  const sharing = (refresh: SessionOptions['refresh']) =>
    open({
      clock: time.clock,
      store: around(newStore()),
      tokens,
      retries: 0,
      refresh,
    })
  return { time, one: sharing(first), two: sharing(second), store: newStore() }
}

test.each([
  { asked: 60, kept: 60_000 },
  // Nobody is kept waiting for longer.
  { asked: 3_600, kept: 300_000 },
])(
  'whoever meets a Retry-After of $asked seconds that another was given is told when to come back, and comes back then',
  async ({ asked, kept }) => {
    let calls = 0
    const { time, one, two } = newPair(
      () => new Response(null, { status: 503, headers: { 'retry-after': String(asked) } }),
      () => `new-${++calls}`,
    )
    const retryAt = time.clock.now() + kept
    const meet = async (session: Session) => {
      const failed = failureOf(session.getAccessToken())
      await time.advance(0)
      expect(await failed).toMatchObject({ code: 'refresh_failed', retryAt })
    }
    await meet(one)
    await meet(two)
    await time.advance(kept - 1)
    await meet(two)
    expect(calls).toBe(0)
    await time.advance(1)
    expect(await two.getAccessToken()).toBe('new-1')
  },
)

test('who comes in the last moment of a pause that another was given does not make it longer', async () => {
  const { time, one, two } = newPair(
    () => new Response(null, { status: 503, headers: { 'retry-after': '60' } }),
    () => 'new',
  )
  const failed = failureOf(one.getAccessToken())
  await time.advance(0)
  await failed
  await time.advance(59_999)
  expect(await failureOf(two.getAccessToken())).toMatchObject({ retryAt: time.clock.now() + 1 })
  await time.advance(1)
  expect(await two.getAccessToken()).toBe('new')
})

test.each([
  { ahead: 300_000, believed: true },
  { ahead: 300_001, believed: false },
])('a pause in the store that ends in $ahead ms is believed: $believed', async ({ ahead, believed }) => {
  const { time, one, store } = newPair(
    () => 'new',
    () => 'unused',
  )
  await time.advance(0)
  const record = (await store.load()) as Stored
  await store.save({ ...record, notBefore: time.clock.now() + ahead })
  const asked = Promise.allSettled([one.getAccessToken()])
  await time.advance(0)
  expect(await asked).toMatchObject([{ status: believed ? 'rejected' : 'fulfilled' }])
})

test('whoever comes later waits, too, where the first refresh of all was told to wait', async () => {
  const outage = () => new Response(null, { status: 503, headers: { 'retry-after': '60' } })
  let calls = 0
  const { one, two } = newPair(
    outage,
    () => `new-${++calls}`,
    undefined,
    () => undefined,
  )
  await failureOf(one.getAccessToken())
  expect(await failureOf(two.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
  expect(calls).toBe(0)
})

test('a sign-in by a cookie that fails for now takes nobody else’s session, and everybody waits as it was told to', async () => {
  const { one, two, store } = newPair(
    () => new Response(null, { status: 503, headers: { 'retry-after': '60' } }),
    () => 'unused',
    undefined,
    { accessToken: 'alices', refreshToken: 'r' },
  )
  await two.getAccessToken()
  await one.getAccessToken()
  expect(await failureOf(one.signIn())).toMatchObject({ code: 'refresh_failed' })
  expect(await store.load()).toMatchObject({
    tokens: { accessToken: 'alices' },
    notBefore: expect.any(Number),
  })
})

test('a context that is closed while its refresh is unanswered leaves no pause to the others', async () => {
  const { time, one, two } = newPair(
    () => new Promise(() => {}),
    () => 'new',
  )
  const closed = failureOf(one.getAccessToken())
  await time.advance(0)
  one.close()
  await closed
  await time.advance(0)
  expect(await two.getAccessToken()).toBe('new')
})

test.each([{}, { 'retry-after': '60' }])(
  'when a refresh has failed, its pause is known to all before the caller is told: he may be the last to live (%j)',
  async (headers) => {
    const slow = (store: SessionStore): SessionStore => ({
      ...store,
      async save(next) {
        await macrotask()
        return store.save(next)
      },
    })
    const outage = () => new Response(null, { status: 503, headers })
    const { one, store } = newPair(outage, () => 'unused', slow)
    await failureOf(one.getAccessToken())
    expect((await store.load())?.notBefore).toBeGreaterThan(0)
  },
)

test('where somebody has cleared the store, a refusal is not written into it', async () => {
  const memory = memoryStore()
  let cleared = false
  const saved: Stored[] = []
  const session = open({
    tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
    store: {
      ...memory,
      load: async () => (cleared ? undefined : memory.load()),
      save(next) {
        if (cleared) saved.push(next)
        return memory.save(next)
      },
    },
    refresh: () => Response.json({ error: 'invalid_grant' }, { status: 400 }),
  })
  await reach(session, 'signed-in')
  cleared = true
  expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
  expect(saved).toEqual([])
})

test('a refresh token that another has renewed beside the same access token is the one that is sent', async () => {
  const sent: (string | undefined)[] = []
  const { time, one, store } = newPair(
    ({ tokens }) => {
      sent.push(tokens?.refreshToken)
      return 'new'
    },
    () => 'unused',
  )
  await time.advance(0)
  const { version, tokens } = (await store.load()) as Stored
  if (!tokens) throw new Error('nothing was saved')
  await store.save({
    version: { ...version, generation: 2, nonce: 'other' },
    tokens: { ...tokens, refreshToken: 'renewed' },
  })
  await one.refresh()
  expect(sent).toEqual(['renewed'])
  expect(await one.getAccessToken()).toBe('new')
})

test('a refresh token that another has renewed is not forgotten with the store: somebody may clear it', async () => {
  const memory = memoryStore()
  let tell: (stored: Stored) => void = () => {}
  let cleared = false
  const sent: (string | undefined)[] = []
  const session = open({
    tokens: { accessToken: 'old', refreshToken: 'first' },
    store: {
      ...memory,
      load: async () => (cleared ? undefined : memory.load()),
      watch(listener) {
        tell = listener
        return () => {}
      },
    },
    refresh: ({ tokens }) => {
      sent.push(tokens?.refreshToken)
      return 'new'
    },
  })
  await session.getAccessToken()
  const { version, tokens } = (await memory.load()) as Stored
  if (!tokens) throw new Error('nothing was saved')
  const next = { ...version, generation: 2, nonce: 'other' }
  tell({ version: next, tokens: { ...tokens, refreshToken: 'renewed' } })
  cleared = true
  await session.refresh()
  expect(sent).toEqual(['renewed'])
})

test('a sign-in elsewhere that comes while a first refresh looks into the empty store is taken, not refreshed', async () => {
  const place = newPlace()
  const store = place()
  const other = open({ refresh: () => 'unused', store: place(), tokens: null })
  await reach(other, 'signed-out')
  let refreshes = 0
  const signsInBefore: SessionStore = {
    ...store,
    ...unheard,
    async save(stored) {
      await other.signIn('fresh')
      return store.save(stored)
    },
  }
  const session = open({ refresh: () => `refreshed ${++refreshes}`, store: signsInBefore })
  expect(await session.getAccessToken()).toBe('fresh')
  expect(refreshes).toBe(0)
})

test("a sign-in elsewhere is told as one, and the state names it: what was loaded before may be another user's", async () => {
  const place = newPlace()
  const here = open({ refresh: () => 'unused', tokens: null, store: place() })
  const there = open({ refresh: () => 'renewed', tokens: null, store: place() })
  await here.signIn('of-ann')
  await reach(there, 'signed-in')
  const ann = here.state.signIn
  expect(ann).toEqual(expect.any(String))
  expect(there.state.signIn).toBe(ann)
  const seen = watch(here)
  await there.refresh()
  await seen.until('refresh-adopted')
  expect(here.state.signIn).toBe(ann)
  await there.signIn('of-bob')
  await seen.until('signed-in')
  expect(seen.events.map(({ type }) => type)).toEqual(['refresh-adopted', 'signed-in'])
  expect(here.state).toMatchObject({ status: 'signed-in', signIn: there.state.signIn })
  expect(here.state.signIn).not.toBe(ann)
  const late = open({ refresh: () => 'unused', store: place() })
  await reach(late, 'signed-in')
  expect(late.state.signIn).toBe(here.state.signIn)
  await there.signOut()
  await reach(here, 'signed-out')
  expect(here.state.signIn).toBeUndefined()
})

test('a refusal that another has saved ends a session that has not heard of it, and the token is not sent again', async () => {
  const place = newPlace()
  const tokens = { accessToken: 'old', refreshToken: 'spent', expiresAt: 1 }
  const first = open({
    refresh: () => Promise.reject(Object.assign(new Error('no'), { status: 401 })),
    store: place(),
    tokens,
  })
  await reach(first, 'signed-in')
  let asked = 0
  const deaf = open({ refresh: () => `${++asked}`, store: { ...place(), ...unheard } })
  await reach(deaf, 'signed-in')
  await expect(first.getAccessToken()).rejects.toMatchObject({ code: 'session_expired' })
  await expect(deaf.getAccessToken()).rejects.toMatchObject({ code: 'session_expired' })
  expect(asked).toBe(0)
})

test('who signs in elsewhere while the server is told of a sign-out is told after it: the app shows no login to one who is signed in', async () => {
  const place = newPlace()
  const here = open({ refresh: () => 'unused', tokens: null, store: place() })
  const there = open({ refresh: () => 'unused', tokens: null, store: place() })
  await here.signIn('mine')
  await reach(there, 'signed-in')
  const seen = watch(here)
  const answer = deferred<void>()
  const left = here.signOut({ server: () => answer.promise })
  await reach(there, 'signed-out')
  await there.signIn('theirs')
  await reach(here, 'signed-in')
  answer.resolve()
  await left
  expect(seen.events.map(({ type }) => type)).toEqual(['signed-out', 'signed-in'])
  expect(await here.getAccessToken()).toBe('theirs')
})

test("a refresh elsewhere for another audience's sake is no new access token: a 401 is not replayed with the same one, and the next refresh has the new refresh token", async () => {
  const place = newPlace()
  const other = place()
  const sent: unknown[] = []
  const session = open({
    tokens: { accessToken: 'old', refreshToken: 'first' },
    store: place(),
    refresh: ({ tokens }) => {
      sent.push(tokens?.refreshToken)
      return { accessToken: 'new', refreshToken: 'third' }
    },
  })
  await reach(session, 'signed-in')
  const seen = watch(session)
  const used: unknown[] = []
  const api = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const token = new Headers(init?.headers).get('authorization')
    used.push(token)
    if (used.length === 1) {
      const record = await other.load()
      if (!record?.tokens) throw new Error('nothing was saved')
      const version = { ...record.version, generation: 2, nonce: 'other' }
      await other.save({ version, tokens: { ...record.tokens, refreshToken: 'second' } })
      await macrotask()
    }
    return new Response(null, { status: token === 'Bearer new' ? 200 : 401 })
  }
  const send = withSession(session, { origins: ['https://api.example.com'], fetch: api })
  expect((await send('https://api.example.com/items')).status).toBe(200)
  expect(used).toEqual(['Bearer old', 'Bearer new'])
  expect(sent).toEqual(['second'])
  expect(seen.of('refresh-adopted')).toEqual([])
})

test('whoever begins a sign-in of his own on hearing of that sign-out comes after the one who has signed in elsewhere', async () => {
  const place = newPlace()
  let now = Date.now()
  const clock = { ...withoutJitter(), now: () => (now += 1_000) }
  const here = open({ refresh: () => 'unused', tokens: null, store: place(), clock })
  const there = open({ refresh: () => 'unused', tokens: null, store: place() })
  await here.signIn('mine')
  await reach(there, 'signed-in')
  const guests: Promise<void>[] = []
  here.observe(({ type }) => type === 'signed-out' && guests.push(here.signIn('guest')))
  const answer = deferred<void>()
  const left = here.signOut({ server: () => answer.promise })
  await reach(there, 'signed-out')
  await there.signIn('theirs')
  await reach(here, 'signed-in')
  answer.resolve()
  await Promise.all([left, ...guests])
  expect(guests).toHaveLength(1)
  expect(await here.getAccessToken()).toBe('guest')
})

test('a sign-in elsewhere that a sign-out meets when it is saved is told then, and not when the server has answered', async () => {
  const place = newPlace()
  const other = place()
  const own = place()
  let now = Date.now()
  const here = open({
    refresh: () => 'unused',
    tokens: null,
    // So that one comes after the other, and not in one millisecond.
    clock: { ...withoutJitter(), now: () => (now += 1_000) },
    store: {
      ...own,
      ...unheard,
      async save(next) {
        if (next.ended) {
          const epoch = `${next.version.epoch.slice(0, 15)}9`
          await other.save({
            version: { ...next.version, epoch, nonce: 'other' },
            tokens: { accessToken: 'theirs' },
          })
        }
        return own.save(next)
      },
    },
  })
  await reach(here, 'signed-out')
  await here.signIn('mine')
  const seen = watch(here)
  const [called, answer] = [deferred<void>(), deferred<void>()]
  const left = here.signOut({
    server: () => {
      called.resolve()
      return answer.promise
    },
  })
  await called.promise
  expect(seen.events.map(({ type }) => type)).toEqual(['signed-out', 'signed-in'])
  answer.resolve()
  await left
})

test('a sign-in that is not saved yet ends no turn: nobody else sends the refresh token that is on its way', async () => {
  const place = newPlace()
  const own = place()
  const sent: unknown[] = []
  const [saved, answer] = [deferred<void>(), deferred<string>()]
  const here = open({
    tokens: { accessToken: 'old', refreshToken: 'first' },
    refresh: ({ tokens }) => {
      sent.push(tokens?.refreshToken)
      return answer.promise
    },
    store: {
      ...own,
      async save(next) {
        if (next.tokens?.accessToken === 'next') await saved.promise
        return own.save(next)
      },
    },
  })
  await reach(here, 'signed-in')
  const refresh = ({ tokens }: { tokens?: { refreshToken?: string | undefined } | undefined }): string =>
    `${sent.push(tokens?.refreshToken)}`
  const there = open({ store: place(), refresh })
  await reach(there, 'signed-in')
  const lost = failureOf(here.refresh())
  await expect.poll(() => sent).toEqual(['first'])
  const theirs = failureOf(there.refresh())
  const done = here.signIn({ accessToken: 'next', refreshToken: 'second' })
  expect(await lost).toMatchObject({ code: 'session_changed' })
  for (let turn = 0; turn < 20; turn++) await macrotask()
  expect(sent).toEqual(['first'])
  saved.resolve()
  await done
  expect(await theirs).toMatchObject({ code: 'session_changed' })
  answer.resolve('late')
  expect(sent).toEqual(['first'])
})

test('a refusal elsewhere is heard as the end of the session; a sign-out after it is not another one', async () => {
  const place = newPlace()
  const here = open({
    refresh: () => 'unused',
    tokens: { accessToken: 'old', refreshToken: 'r' },
    store: place(),
  })
  await reach(here, 'signed-in')
  const there = open({
    refresh: () => Response.json({ error: 'invalid_grant' }, { status: 400 }),
    store: place(),
  })
  await reach(there, 'signed-in')
  const seen = watch(here)
  await failureOf(there.refresh())
  await seen.until('signed-out')
  expect(here.state.status).toBe('signed-out')
  await there.signOut()
  await there.signIn('next')
  await seen.until('signed-in')
  expect(seen.events.map((event) => ('reason' in event ? event.reason : event.type))).toEqual([
    'rejected',
    'restored',
    'signed-in',
  ])
})

test('nobody hears of a sign-in elsewhere that is not granted yet', async () => {
  const place = newPlace()
  const answer = deferred<string>()
  const here = open({ refresh: () => answer.promise, tokens: null, store: place() })
  const there = open({ refresh: () => 'unused', tokens: null, store: place() })
  await reach(there, 'signed-out')
  const seen = watch(there)
  const asked = watch(here).until('refresh-started')
  const done = here.signIn()
  await asked
  for (let turn = 0; turn < 20; turn++) await macrotask()
  expect(seen.of('signed-in')).toEqual([])
  expect(there.state.signIn).toBeUndefined()
  answer.resolve('granted')
  await done
  await reach(there, 'signed-in')
  expect(await there.getAccessToken()).toBe('granted')
})

test('who was refused before anybody had signed in is signed in by what another context is granted', async () => {
  const place = newPlace()
  const refused = open({ refresh: () => new Response(null, { status: 401 }), store: place() })
  const granted = open({ refresh: () => 'granted', store: place() })
  await Promise.all([reach(refused, 'unknown'), reach(granted, 'unknown')])
  await failureOf(refused.getAccessToken())
  expect(refused.state.status).toBe('signed-out')
  await granted.getAccessToken()
  await reach(refused, 'signed-in')
  expect(await refused.getAccessToken()).toBe('granted')
})

describe('in the very moment of the sign-in that a store holds, which is not read yet', () => {
  const verbs: Record<string, (session: Session) => Promise<void>> = {
    'a sign-out': (session) => session.signOut(),
    'another sign-in': (session) => session.signIn('bob'),
  }
  test.each(Object.keys(verbs))('%s holds', async (verb) => {
    const { clock } = newClock()
    // Which of two names of one moment is the later one is drawn.
    for (let round = 0; round < 20; round++) {
      const store = memoryStore({ clock })
      const options = { clock, store, tokens: null, refresh: () => 'unused' }
      await open(options).signIn('alice')
      const session = open(options)
      await verbs[verb]?.(session)
      expect((await store.load())?.tokens?.accessToken).toBe(verb === 'a sign-out' ? undefined : 'bob')
      expect(session.state.status).toBe(verb === 'a sign-out' ? 'signed-out' : 'signed-in')
    }
  })
})
