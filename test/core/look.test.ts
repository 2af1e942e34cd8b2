/** A session that has ended, and others who sign in where it does not hear of it. */
import { setImmediate as macrotask } from 'node:timers/promises'
import { memoryStore, type Session, type SessionOptions, type SessionStore, type Stored } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, received, startServer, times, watch } from '../setup.ts'
import { asyncStorage } from './storage.ts'

/** Two processes with one storage, of which neither hears of the other; and how often the first one reads it. */
function newPair(options: Partial<SessionOptions> = {}): {
  session: Session
  other: Session
  reads: () => number
} {
  const storage = asyncStorage()
  let reads = 0
  const deaf = (): SessionStore => ({ ...memoryStore({ storage }), watch: () => () => {} })
  const store = deaf()
  const counting = {
    ...store,
    load: () => {
      reads++
      return store.load()
    },
  }
  const refresh = (): string => 'refreshed'
  return {
    session: open({ refresh, tokens: null, ...options, store: counting }),
    other: open({ refresh, tokens: null, store: deaf() }),
    reads: () => reads,
  }
}

const asks: [name: string, ask: (session: Session) => Promise<unknown>][] = [
  ['getAccessToken', (session) => session.getAccessToken()],
  ['refresh', (session) => session.refresh()],
]

for (const [name, ask] of asks) {
  test(`${name}: a session that has ended finds that somebody has signed in elsewhere`, async () => {
    const { session, other } = newPair()
    await expect(ask(session)).rejects.toMatchObject({ code: 'session_expired' })
    await other.signIn('elsewhere')
    const seen = watch(session)
    await ask(session)
    expect(session.state.status).toBe('signed-in')
    expect(seen.of('signed-in')).toHaveLength(1)
  })
}

for (const reason of ['signed-out', 'rejected']) {
  test(`a request finds another sign-in, too, after an end that was ${reason}`, async () => {
    const server = await startServer()
    const { session, other } = newPair({
      tokens: { accessToken: 'dead', expiresAt: 1 },
      refresh: () => new Response('{"error":"invalid_grant"}', { status: 400 }),
    })
    if (reason === 'rejected') await failureOf(session.getAccessToken())
    else await session.signOut()
    const authFetch = withSession(session, { origins: [server.url] })
    const bare = await authFetch(`${server.url}/api/items`)
    expect(bare.status).toBe(401)
    await other.signIn(received(server.mint('alice')))
    expect((await authFetch(`${server.url}/api/items`)).status).toBe(200)
  })
}

test('a hundred who come at once cost one read, and each that comes alone costs one', async () => {
  const { session, reads } = newPair()
  await failureOf(session.getAccessToken())
  const before = reads()
  const all = await Promise.all(times(100, () => failureOf(session.getAccessToken())))
  expect(all.map((error) => 'code' in error && error.code)).toEqual(times(100, () => 'session_expired'))
  expect(reads() - before).toBe(1)
  await failureOf(session.getAccessToken())
  expect(reads() - before).toBe(2)
})

test('who is signed in costs no read', async () => {
  const { session, reads } = newPair({ tokens: 'mine' })
  await session.getAccessToken()
  const before = reads()
  await session.getAccessToken()
  await session.refresh()
  // The refresh itself looks once.
  expect(reads() - before).toBe(1)
})

test('an older sign-in in the store does not bring back a user who has signed out', async () => {
  const { session, other } = newPair({ tokens: null })
  await failureOf(session.getAccessToken())
  await other.signIn('before')
  await session.getAccessToken()
  await session.signOut()
  await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'session_expired' })
  // The other one has not heard of it, and looks when it refreshes.
  await failureOf(other.refresh())
  expect(other.state.status).toBe('signed-out')
})

test('whoever comes long after a look has one of his own', async () => {
  const time = newClock()
  const { session, other } = newPair({ clock: time.clock })
  await failureOf(session.getAccessToken())
  await time.advance(60_000)
  await other.signIn('elsewhere')
  expect(await session.getAccessToken()).toBe('elsewhere')
})

test.each([
  { deadline: 10_000, patience: 1_000 },
  { deadline: 600, patience: 300 },
])(
  'a store that cannot be read, or does not answer, keeps nobody from an answer (deadline $deadline)',
  async ({ deadline, patience }) => {
    const time = newClock()
    const memory = memoryStore()
    let load = (): Promise<Stored | undefined> => memory.load()
    let reads = 0
    const session = open({
      refresh: () => 'unused',
      tokens: null,
      deadline,
      clock: time.clock,
      store: {
        ...memory,
        load: () => {
          reads++
          return load()
        },
      },
    })
    await failureOf(session.getAccessToken())
    load = () => Promise.reject(new Error('locked'))
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'session_expired' })
    const answer = deferred<undefined>()
    load = () => answer.promise
    reads = 0
    let told: unknown
    session.getAccessToken().catch(({ code }) => {
      told = code
    })
    await time.advance(patience - 1)
    expect(told).toBeUndefined()
    await time.advance(1)
    expect(told).toBe('session_expired')
    // Whoever comes while the store is overdue neither waits nor asks it again.
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'session_expired' })
    expect(reads).toBe(1)
    answer.resolve(undefined)
    await time.advance(0)
    // From then on it is asked again.
    load = () => memory.load()
    await open({ refresh: () => 'unused', tokens: null, store: memory }).signIn('elsewhere')
    expect(await session.getAccessToken()).toBe('elsewhere')
  },
)

test('a look that takes too long ends no waiting for anything else', async () => {
  const time = newClock()
  const memory = memoryStore()
  const answer = deferred<void>()
  let load = memory.load
  const session = open({
    refresh: () => 'fresh',
    tokens: null,
    clock: time.clock,
    store: { ...memory, load: () => load() },
  })
  await failureOf(session.getAccessToken())
  load = () => answer.promise.then(memory.load)
  const asked = failureOf(session.getAccessToken())
  await session.signIn('mine')
  expect(await asked).toMatchObject({ code: 'session_changed' })
  let token: string | undefined
  const refreshed = session.refresh().then(async () => {
    token = await session.getAccessToken()
  })
  await time.advance(2_000)
  expect(token).toBeUndefined()
  answer.resolve()
  await refreshed
  expect(token).toBe('fresh')
})

test('whoever waits for the look may leave', async () => {
  const answer = deferred<undefined>()
  const leaving = new AbortController()
  const slow = open({
    refresh: () => 'unused',
    tokens: null,
    store: { ...memoryStore(), load: () => answer.promise },
  })
  const waiting = failureOf(slow.getAccessToken({ signal: leaving.signal }))
  leaving.abort(new Error('gone'))
  expect(await waiting).toMatchObject({ message: 'gone' })
  answer.resolve(undefined)
})

test('what the look finds when the session has been closed is heard of by nobody', async () => {
  const answer = deferred<Stored>()
  let looks = false
  const memory = memoryStore()
  const session = open({
    refresh: () => 'unused',
    tokens: null,
    store: { ...memory, load: () => (looks ? answer.promise : memory.load()) },
  })
  await failureOf(session.getAccessToken())
  looks = true
  const waiting = failureOf(session.getAccessToken())
  const seen = watch(session)
  session.close()
  answer.resolve({
    version: { epoch: '9999999999999980.5', generation: 1, nonce: 'other' },
    tokens: { accessToken: 'theirs' },
  })
  expect(await waiting).toMatchObject({ code: 'session_closed' })
  await macrotask()
  expect([session.state.status, seen.events]).toEqual(['signed-out', []])
})

test('what was asked before somebody signs in here is not done in that name', async () => {
  const { session } = newPair()
  await failureOf(session.getAccessToken())
  const asked = failureOf(session.getAccessToken())
  await session.signIn('later')
  expect(await asked).toMatchObject({ code: 'session_changed' })
  expect(await session.getAccessToken()).toBe('later')
})
