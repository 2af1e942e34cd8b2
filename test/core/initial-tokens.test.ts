/** `tokens` as a promise or a function: who is signed in at the beginning is for the app to find out. */
import { memoryStore, type SessionOptions, type SessionStore } from 'refresh-once'
import { expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, watch } from '../setup.ts'

const stores: [name: string, options: () => Partial<SessionOptions>][] = [
  ['without a store', () => ({})],
  ['with an empty store', () => ({ store: memoryStore() })],
  ['with a store in which an earlier page was refused', () => ({ store: refusedBefore() })],
]

const VERSION = { epoch: '000000000000001', generation: 1, nonce: 'former' }

function refusedBefore(): SessionStore {
  const store = memoryStore()
  void store.save({ version: VERSION, ended: 'rejected' })
  return store
}

for (const [where, options] of stores) {
  for (const [how, tokens] of [
    ['a promise', Promise.resolve({ accessToken: 'kept' })],
    ['a function', () => ({ accessToken: 'kept' })],
    ['a function that gives a promise', async () => ({ accessToken: 'kept' })],
  ] as const) {
    test(`${how}, ${where}: requests wait for it, and nothing is refreshed`, async () => {
      const session = open({ refresh: () => 'refreshed', tokens, ...options() })
      expect(session.state.status).toBe('restoring')
      expect(await session.getAccessToken()).toBe('kept')
      expect(session.state.status).toBe('signed-in')
    })
  }

  test(`null, ${where}: nobody is signed in, which is no failure`, async () => {
    let refreshes = 0
    const session = open({ refresh: () => `${++refreshes}`, tokens: async () => null, ...options() })
    const seen = watch(session)
    expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
    expect(session.state.status).toBe('signed-out')
    expect(seen.of('refresh-failed')).toEqual([])
    expect(seen.of('signed-out')).toEqual([])
    expect(refreshes).toBe(0)
  })

  test(`undefined, ${where}: it is not known, and refresh is asked`, async () => {
    const session = open({ refresh: () => 'refreshed', tokens: async () => undefined, ...options() })
    expect(await session.getAccessToken()).toBe('refreshed')
  })

  for (const [fault, fails] of [
    ['rejects', () => Promise.reject(new Error('the keychain is locked'))],
    [
      'throws',
      () => {
        throw new Error('the keychain is locked')
      },
    ],
    ['gives what is no token', () => ({ accessToken: 7 }) as never],
  ] as const) {
    test(`a function that ${fault}, ${where}: nobody is signed out, and it is asked again`, async () => {
      const time = newClock()
      let locked = true
      let refreshes = 0
      const session = open({
        refresh: () => `${++refreshes}`,
        tokens: () => (locked ? fails() : { accessToken: 'kept' }),
        clock: time.clock,
        retries: 0,
        ...options(),
      })
      const seen = watch(session)
      const failed = failureOf(session.getAccessToken())
      await time.advance(0)
      expect(await failed).toMatchObject({ code: 'refresh_failed' })
      expect(seen.of('degraded')).toMatchObject([{ reason: '`tokens` has not told who is signed in' }])
      expect(seen.of('signed-out')).toEqual([])
      locked = false
      await time.advance(1000)
      expect(await session.getAccessToken()).toBe('kept')
      expect([refreshes, seen.of('refresh-succeeded').length]).toEqual([0, 0])
    })
  }
}

test('it is not asked where the store holds a session', async () => {
  const store = memoryStore()
  const first = open({ refresh: () => 'unused', store, tokens: 'stored' })
  await first.getAccessToken()
  let asked = 0
  const second = open({ refresh: () => 'unused', store, tokens: () => `${++asked}` })
  expect(await second.getAccessToken()).toBe('stored')
  expect(asked).toBe(0)
})

test('somebody who signs in meanwhile comes after it', async () => {
  const answer = deferred<string>()
  const session = open({ refresh: () => 'unused', tokens: answer.promise })
  await session.signIn('new')
  answer.resolve('old')
  await answer.promise
  expect(await session.getAccessToken()).toBe('new')
})

test('a promise that is rejected, and for which nobody has waited, is no unhandled rejection', async () => {
  const session = open({ refresh: () => 'refreshed', tokens: Promise.reject(new Error('locked')) })
  await session.signIn('new')
  expect(await session.getAccessToken()).toBe('new')
})

/** A store, and an app, that can tell nothing at first. */
function locked(tokens: SessionOptions['tokens'], store: SessionStore = memoryStore()) {
  const time = newClock()
  let refreshes = 0
  let isLocked = true
  const orFail = <T>(tell: () => T): T => {
    if (isLocked) throw new Error('the keychain is locked')
    return tell()
  }
  const session = open({
    refresh: () => `refreshed-${++refreshes}`,
    tokens: typeof tokens === 'function' ? () => orFail(tokens) : tokens,
    clock: time.clock,
    retries: 0,
    store: { ...store, load: async () => orFail(() => store.load()) },
  })
  return {
    time,
    session,
    store,
    refreshes: () => refreshes,
    unlock: () => {
      isLocked = false
    },
  }
}

test('what the store holds comes first, also where neither it nor the app could tell at first', async () => {
  const store = memoryStore()
  await store.save({ version: VERSION, tokens: { accessToken: 'stored' } })
  const there = locked(() => 'kept', store)
  await there.time.advance(0)
  there.unlock()
  expect([await there.session.getAccessToken(), there.refreshes()]).toEqual(['stored', 0])
})

test('a sign-in while the store is still read begins when it is known who was signed in', async () => {
  const memory = memoryStore()
  await memory.save({ version: VERSION, tokens: { accessToken: 'former' } })
  const reading = deferred<void>()
  const store = { ...memory, load: () => reading.promise.then(() => memory.load()) }
  const sent: unknown[] = []
  const session = open({
    store,
    refresh: ({ tokens }) => {
      sent.push(tokens)
      return 'mine'
    },
  })
  const seen = watch(session)
  const signedIn = session.signIn()
  expect(sent).toEqual([])
  reading.resolve()
  await signedIn
  expect([sent, await session.getAccessToken()]).toEqual([[undefined], 'mine'])
  expect(seen.events.map(({ type }) => type).indexOf('restored')).toBe(0)
})

test('who has signed in where it could not tell at first is refreshed, though the store was cleared since', async () => {
  const memory = memoryStore()
  let cleared = false
  const there = locked(() => 'kept', {
    ...memory,
    load: async () => (cleared ? undefined : memory.load()),
  })
  await there.time.advance(0)
  there.unlock()
  await there.session.signIn('mine')
  cleared = true
  await there.session.refresh()
  expect([await there.session.getAccessToken(), there.refreshes()]).toEqual(['refreshed-1', 1])
})

test('what it tells when the session has been closed is not written down', async () => {
  const answer = deferred<string>()
  let asked = 0
  const store = memoryStore()
  const time = newClock()
  const session = open({
    refresh: () => 'unused',
    tokens: () => (asked++ ? answer.promise : Promise.reject(new Error('locked'))),
    clock: time.clock,
    store,
  })
  const closed = failureOf(session.getAccessToken())
  await time.advance(0)
  expect(asked).toBe(2)
  session.close()
  answer.resolve('late')
  expect(await closed).toMatchObject({ code: 'session_closed' })
  await time.advance(0)
  expect((await store.load())?.tokens).toBeUndefined()
})

test('that nobody is signed in, as it says when it can, is not written down: the next page asks it, too', async () => {
  const there = locked(() => null)
  await there.time.advance(0)
  there.unlock()
  expect(await failureOf(there.session.getAccessToken())).toMatchObject({ code: 'session_expired' })
  expect([await there.store.load(), there.refreshes()]).toEqual([undefined, 0])
  const next = open({ store: there.store, tokens: () => 'kept', refresh: () => 'unused' })
  expect(await next.getAccessToken()).toBe('kept')
})
