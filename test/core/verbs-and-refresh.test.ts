import { setImmediate as macrotask } from 'node:timers/promises'
import {
  memoryStore,
  type Session,
  SessionError,
  type SessionOptions,
  type SessionStore,
  type Stored,
} from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, startServer, watch } from '../setup.ts'
import { syncStorage } from './storage.ts'

const OLD = { accessToken: 'old', refreshToken: 'r', expiresAt: 1 }
const refuse = (): Response => Response.json({ error: 'invalid_grant' }, { status: 400 })

describe('whoever comes after the end is told why the server has refused', () => {
  test.each([
    ['getAccessToken()', 'getAccessToken'],
    ['refresh()', 'refresh'],
  ] as const)('%s', async (_, verb) => {
    const session = open({ tokens: OLD, refresh: refuse })
    await failureOf(session.getAccessToken())
    const error = await failureOf(session[verb]())
    expect(error).toMatchObject({ code: 'session_expired' })
    expect(String((error.cause as Error | undefined)?.message)).toContain('400 invalid_grant')
  })

  test('an update that waited for the refresh', async () => {
    const answer = deferred<Response>()
    const time = newClock()
    const session = open({ tokens: 'mine', clock: time.clock, refresh: () => answer.promise })
    const refused = failureOf(session.refresh())
    await time.advance(0)
    const updated = failureOf(session.update('other'))
    await time.advance(0)
    answer.resolve(refuse())
    await refused
    expect(await updated).toMatchObject({ code: 'session_expired' })
  })

  test('but not the next user, nor one who has signed out', async () => {
    const session = open({ tokens: OLD, refresh: refuse })
    await failureOf(session.getAccessToken())
    await session.signIn('next')
    await session.signOut()
    expect((await failureOf(session.getAccessToken())).cause).toBeUndefined()
  })
})

describe('inside `refresh`', () => {
  const verbs = {
    update: (session: Session) => session.update('mine'),
    refresh: (session: Session) => session.refresh(),
    getAccessToken: (session: Session) => session.getAccessToken(),
  }
  const before: [verb: keyof typeof verbs, when: string, first: () => unknown][] = [
    ['update', 'before its first await', () => undefined],
    ['update', 'after an await', () => Promise.resolve()],
    ['update', 'after an answer', () => fetch('data:,')],
    ['refresh', 'before its first await', () => undefined],
    ['refresh', 'after an await', () => Promise.resolve()],
    ['getAccessToken', 'after an await', () => Promise.resolve()],
  ]
  test.each(before)('`%s` is a mistake that is told at once: %s', async (verb, _, first) => {
    const seen: unknown[] = []
    const call = async (session: Session): Promise<void> => {
      seen.push(await failureOf(verbs[verb](session)))
    }
    const session: Session = open({
      clock: newClock().clock,
      tokens: OLD,
      refresh: async () => {
        const something = first()
        if (something) await something
        await call(session)
        return 'new'
      },
    })
    expect(await session.getAccessToken()).toBe('new')
    expect(seen).toEqual([expect.any(TypeError)])
    expect(String(seen[0])).toMatch(RegExp(`${verb}.*return the tokens`))
  })

  test('whoever is looked for leaves the stacks of the app as long as they were', async () => {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 7
    try {
      const session: Session = open({
        tokens: OLD,
        refresh: async () => {
          await null
          await failureOf(session.refresh())
          return 'new'
        },
      })
      expect(await session.getAccessToken()).toBe('new')
      expect(Error.stackTraceLimit).toBe(7)
    } finally {
      Error.stackTraceLimit = limit
    }
  })

  test('of another session nothing is a mistake, and neither is what is called outside meanwhile', async () => {
    const answer = deferred<string>()
    const parent = open({ tokens: OLD, refresh: () => answer.promise })
    const child = open({ tokens: OLD, refresh: async () => `child-of-${await parent.getAccessToken()}` })
    const waiting = [parent.getAccessToken(), child.getAccessToken(), parent.refresh()]
    answer.resolve('parent')
    expect(await Promise.all(waiting)).toEqual(['parent', 'child-of-parent', undefined])
  })

  test.each([
    ['a token that is in the script', OLD, 'token', undefined],
    ['a cookie', { accessToken: 'old', expiresAt: 1 }, 'token', undefined],
    ['a cookie, as is the access token', undefined, 'cookie', undefined],
    ['a token in a storage', OLD, 'token', 'a storage'],
  ] as const)(
    'a sign-out and its logout do not wait, and neither does the next user: the refresh token is %s',
    async (_, tokens, mode, storage) => {
      const time = newClock()
      const answer = deferred<void>()
      let calls = 0
      const heard: string[] = []
      const session: Session = open({
        clock: time.clock,
        mode,
        tokens,
        store: storage && memoryStore({ clock: time.clock, storage: syncStorage() }),
        refresh: async () => {
          if (calls++) return mode === 'cookie' ? undefined : 'next'
          await null
          await session.signOut({ server: () => void heard.push('logout') })
          heard.push('signed out')
          await answer.promise
          throw new Error('logged out')
        },
      })
      if (mode === 'cookie') await session.signIn()
      const failed = failureOf(session.refresh())
      await time.advance(0)
      expect(await failed).toMatchObject({ code: 'session_changed' })
      expect(heard).toEqual(['logout', 'signed out'])
      await session.signIn(mode === 'cookie' ? undefined : { accessToken: 'b', refreshToken: 'b' })
      const renewed = session.refresh()
      await time.advance(0)
      await renewed
      answer.resolve()
      await time.advance(0)
      expect(calls).toBe(2)
      expect(session.state).toMatchObject({ status: 'signed-in', generation: 2 })
    },
  )
})

describe('a refresh of the former user that is not answered', () => {
  const hangs = (): Promise<never> => new Promise(() => {})

  test('does not hold up the logout, nor the refresh of the next one', async () => {
    const time = newClock()
    let calls = 0
    const session = open({
      clock: time.clock,
      tokens: OLD,
      refresh: () => (calls++ ? 'next' : hangs()),
    })
    const failed = failureOf(session.getAccessToken())
    await time.advance(0)
    let logouts = 0
    await session.signOut({ server: () => void logouts++ })
    expect([logouts, await failed]).toMatchObject([1, { code: 'session_changed' }])
    await session.signIn({ accessToken: 'b', refreshToken: 'b' })
    await session.refresh()
    expect(await session.getAccessToken()).toBe('next')
  })

  test('does not either where somebody else has signed in', async () => {
    const time = newClock()
    const store = memoryStore({ clock: time.clock })
    let tell: (stored: Stored) => void = () => {}
    let calls = 0
    const session = open({
      clock: time.clock,
      store: {
        ...store,
        watch(listener) {
          tell = listener
          return () => {}
        },
      },
      tokens: OLD,
      refresh: () => (calls++ ? 'next' : hangs()),
    })
    const failed = failureOf(session.getAccessToken())
    await time.advance(0)
    const version = { epoch: `${Date.now() * 2}`.padStart(15, '0'), generation: 1, nonce: 'x' }
    tell(await store.save({ version, tokens: { accessToken: 'b', refreshToken: 'b' } }))
    expect(await failed).toMatchObject({ code: 'session_changed' })
    await session.refresh()
    expect(await session.getAccessToken()).toBe('next')
  })

  test('is waited for where it may still set a cookie, no longer than the deadline', async () => {
    const time = newClock()
    let calls = 0
    const answer = deferred<undefined>()
    const session = open({
      clock: time.clock,
      mode: 'cookie',
      tokens: undefined,
      deadline: 2_000,
      refresh: () => (calls++ ? undefined : answer.promise),
    })
    await session.signIn()
    const failed = failureOf(session.refresh())
    await time.advance(0)
    let logouts = 0
    const done = session.signOut({ server: () => void logouts++ })
    await time.advance(1_999)
    expect([logouts, await failed]).toMatchObject([0, { code: 'session_changed' }])
    await time.advance(1)
    await done
    expect(logouts).toBe(1)
    await session.signIn()
    const next = session.refresh()
    await time.advance(0)
    expect(calls).toBe(1)
    answer.resolve(undefined)
    await next
    expect(calls).toBe(2)
  })

  test('is still part of a refresh: what it sends with its signal waits for nobody', async () => {
    const server = await startServer()
    const go = deferred<void>()
    let calls = 0
    const session = open({
      tokens: OLD,
      refresh: async ({ signal }) => {
        if (calls++) return hangs()
        await go.promise
        await api(`${server.url}/health`, { signal })
        return 'late'
      },
    })
    const seen = watch(session)
    const api = withSession(session, { origins: [server.url] })
    const failed = failureOf(session.getAccessToken())
    await macrotask()
    await session.signIn({ accessToken: 'b', refreshToken: 'b' })
    session.refresh().catch(() => {})
    await macrotask()
    go.resolve()
    await seen.until('request-ignored')
    await failed
    expect(calls).toBe(2)
    expect(seen.of('request-ignored')).toMatchObject([{ reason: 'refresh' }])
  })
})

describe('`revoke` gets the tokens that come after a sign-out, which nobody will use', () => {
  const LATE = { accessToken: 'late', refreshToken: 'late-r' }
  const given = (revoke: SessionOptions['revoke']) => {
    const answer = deferred<typeof LATE>()
    const memory = memoryStore()
    const newStore = () => ({ ...memory, watch: () => () => {} })
    const session = open({ tokens: OLD, store: newStore(), revoke, refresh: () => answer.promise })
    return { session, answer, elsewhere: open({ store: newStore(), refresh: () => 'unused' }) }
  }

  test.each(['here', 'elsewhere'])('%s', async (where) => {
    const revoked: unknown[] = []
    const { session, answer, elsewhere } = given(({ tokens }) => void revoked.push(tokens))
    const failed = failureOf(session.getAccessToken())
    await macrotask()
    await (where === 'here' ? session : elsewhere).signOut()
    answer.resolve(LATE)
    expect(await failed).toMatchObject({ code: 'session_changed' })
    await macrotask()
    expect(revoked).toMatchObject([LATE])
  })

  test('and not those that are used', async () => {
    const revoked: unknown[] = []
    const { session, answer } = given(({ tokens }) => void revoked.push(tokens))
    answer.resolve(LATE)
    expect(await session.getAccessToken()).toBe('late')
    await session.signOut()
    await macrotask()
    expect(revoked).toEqual([])
  })

  test.each([
    ['rejects', () => Promise.reject(new Error('offline'))],
    [
      'throws',
      () => {
        throw new Error('offline')
      },
    ],
  ])('a `revoke` that %s harms nobody', async (_, revoke) => {
    const { session, answer } = given(revoke)
    const failed = failureOf(session.getAccessToken())
    await macrotask()
    await session.signOut()
    answer.resolve(LATE)
    await failed
    await macrotask()
    await session.signIn('next')
    expect(await session.getAccessToken()).toBe('next')
  })
})

test('`signOut({ server })` is given the tokens that end, to revoke them', async () => {
  const session = open({ tokens: { accessToken: 'a', refreshToken: 'r' }, refresh: () => 'unused' })
  const ended: unknown[] = []
  await session.signOut({ server: ({ tokens }) => void ended.push(tokens) })
  expect(ended).toMatchObject([{ accessToken: 'a', refreshToken: 'r' }])
})

test('`signOut({ server })` before the store was read is given the tokens that are in it, and none where it cannot be read', async () => {
  for (const fails of [false, true]) {
    const memory = memoryStore()
    const first = open({ store: { ...memory }, tokens: 'stored', refresh: () => 'unused' })
    await first.getAccessToken()
    const load = async (): Promise<Stored | undefined> => {
      await macrotask()
      if (fails) throw new Error('locked')
      return memory.load()
    }
    const saved = deferred<void>()
    const session = open({
      store: {
        ...memory,
        load,
        async save(next) {
          const stored = await memory.save(next)
          saved.resolve()
          return stored
        },
      },
      refresh: () => 'unused',
    })
    const ended: unknown[] = []
    await session.signOut({ server: ({ tokens }) => void ended.push(tokens?.accessToken) })
    await saved.promise
    expect(ended).toEqual([fails ? undefined : 'stored'])
    expect(session.state.status).toBe('signed-out')
  }
})

test.each([
  ['those of another context, of which it was not told', 2, 'theirs'],
  ['its own, which the store has not taken', 0, 'mine'],
])('`signOut({ server })` is given the newest tokens: %s', async (_, generation, newest) => {
  const memory = memoryStore()
  let stored: Stored | undefined
  const store = { ...memory, watch: () => () => {}, load: async () => stored ?? memory.load() }
  const session = open({ store, tokens: 'mine', refresh: () => 'unused' })
  await session.getAccessToken()
  const record = await memory.load()
  if (!record) throw new Error('nothing was saved')
  stored = { version: { ...record.version, generation }, tokens: { accessToken: 'theirs' } }
  const ended: unknown[] = []
  await session.signOut({ server: ({ tokens }) => void ended.push(tokens?.accessToken) })
  expect(ended).toEqual([newest])
})

test('the logout of whoever has a refresh token alone carries no empty credentials', async () => {
  const session = open({ tokens: { refreshToken: 'r' }, refresh: () => 'unused' })
  const sent: (string | null)[] = []
  const send = withSession(session, {
    origins: ['https://api.example.com'],
    async fetch(_, init) {
      sent.push(new Headers(init?.headers).get('authorization'))
      return new Response()
    },
  })
  await session.signOut({ server: ({ signal }) => send('https://api.example.com/logout', { signal }) })
  expect(sent).toEqual([null])
})

test('an update goes on where somebody has cleared the store', async () => {
  const memory = memoryStore()
  let cleared = false
  const store: SessionStore = { ...memory, load: async () => (cleared ? undefined : memory.load()) }
  const session = open({ store, tokens: 'mine', refresh: () => 'unused' })
  await session.getAccessToken()
  cleared = true
  await session.update('better')
  expect(await session.getAccessToken()).toBe('better')
})

test('a refusal of the former user is told to nobody who has signed in meanwhile, though somebody has cleared the store', async () => {
  const memory = memoryStore()
  let cleared = false
  const store: SessionStore = { ...memory, load: async () => (cleared ? undefined : memory.load()) }
  const [asked, answer] = [deferred<void>(), deferred<Response>()]
  const refresh = () => {
    asked.resolve()
    return answer.promise
  }
  const session = open({ store, tokens: 'former', refresh })
  await session.getAccessToken()
  cleared = true
  const left = failureOf(session.refresh())
  await asked.promise
  await session.signIn('next')
  const seen = watch(session)
  answer.resolve(refuse())
  expect(await left).toMatchObject({ code: 'session_changed' })
  await macrotask()
  expect(seen.events).toEqual([])
  expect(await session.getAccessToken()).toBe('next')
})

test('an update that a sign-out has outrun says so', async () => {
  const memory = memoryStore()
  const [saving, saved] = [deferred<void>(), deferred<void>()]
  const store: SessionStore = {
    ...memory,
    async save(next) {
      const stored = await memory.save(next)
      if (next.tokens?.accessToken === 'better') {
        saving.resolve()
        await saved.promise
      }
      return stored
    },
  }
  const session = open({ store, tokens: 'mine', refresh: () => 'unused' })
  await session.getAccessToken()
  const updated = failureOf(session.update('better'))
  await saving.promise
  await session.signOut()
  saved.resolve()
  expect(await updated).toMatchObject({ code: 'session_expired' })
  expect(session.state.status).toBe('signed-out')
})

test('a `server` that fails after longer than the deadline: whoever signs out hears of its own error', async () => {
  const time = newClock()
  const session = open({ clock: time.clock, tokens: 'mine', refresh: () => 'unused' })
  const answer = deferred<void>()
  const left = failureOf(session.signOut({ server: () => answer.promise }))
  await time.advance(20_000)
  answer.reject(new Error('offline'))
  expect(await left).toMatchObject({ message: 'offline' })
})

test('an update right after the opening waits for the store', async () => {
  const store = memoryStore()
  const first = open({ store, tokens: 'stored', refresh: () => 'unused' })
  await first.getAccessToken()
  const session = open({ store: { ...store }, refresh: () => 'unused' })
  await session.update('other')
  expect(await session.getAccessToken()).toBe('other')
})

test('tokens of the options are used, and not written, where the store cannot be read', async () => {
  const saved: unknown[] = []
  const memory = memoryStore()
  const store: SessionStore = {
    ...memory,
    load: () => Promise.reject(new Error('locked')),
    save: (next) => {
      saved.push(next)
      return memory.save(next)
    },
  }
  const session = open({ store, tokens: 'mine', refresh: () => 'unused' })
  expect(await session.getAccessToken()).toBe('mine')
  expect(saved).toEqual([])
})

test.each(['signIn', 'update'] as const)('what is no time in a set for `%s` is told, too', async (verb) => {
  const session = open({ tokens: 'mine', refresh: () => 'unused' })
  const seen = watch(session)
  await session[verb]({ accessToken: 'a', expires_at: 'soon' })
  expect(seen.of('degraded').map(({ reason }) => reason)).toEqual(['expires_at is no time'])
})

test('what of a token set is no time is told, once', async () => {
  const session = open({
    tokens: { accessToken: 'a', expires_at: 'soon' },
    refresh: () => ({ accessToken: 'b', expires_at: 'soon' }),
  })
  const seen = watch(session)
  await session.refresh()
  await session.refresh()
  expect(seen.of('degraded').map(({ reason }) => reason)).toEqual(['expires_at is no time'])
})

test('a refresh that tells no refusal from a failure is told to be one, once', async () => {
  const session = open({
    clock: newClock().clock,
    tokens: OLD,
    retries: 0,
    refresh: () => {
      throw new Error('refresh failed')
    },
  })
  const seen = watch(session)
  const { message } = await failureOf(session.refresh())
  await failureOf(session.refresh())
  expect(message).toContain('Return the response itself')
  expect(seen.of('degraded')).toHaveLength(1)
})

test.each([10, 1_000])(
  'a request that takes longer than its tokens live is sent three times at most (%i ms)',
  async (life) => {
    const time = newClock()
    let sends = 0
    const session = open({
      clock: time.clock,
      budget: { within: 100 },
      tokens: null,
      refresh: () => ({ accessToken: `t${time.clock.monotonic()}`, expiresIn: life / 1000 }),
    })
    await session.signIn({ accessToken: 'first', expiresIn: life / 1000 })
    const slow = (async () => {
      sends++
      await time.advance(life + 300)
      return new Response(null, { status: 401 })
    }) as typeof fetch
    const api = withSession(session, { origins: ['https://api.example.com'], fetch: slow })
    const response = await api('https://api.example.com/upload', { method: 'POST', body: 'x' })
    expect(response.status).toBe(401)
    expect(sends).toBeLessThanOrEqual(3)
  },
)

test('a request whose tokens end on its way has its one replay left: it was never refused while they were good', async () => {
  const time = newClock()
  let sends = 0
  const session = open({
    clock: time.clock,
    tokens: null,
    refresh: () => ({ accessToken: `t${time.clock.monotonic()}`, expiresIn: 60 }),
  })
  await session.signIn({ accessToken: 'first', expiresIn: 60 })
  const wire = (async () => {
    sends++
    if (sends === 1) await time.advance(60_000)
    return new Response(null, { status: sends < 3 ? 401 : 200 })
  }) as typeof fetch
  const api = withSession(session, { origins: ['https://api.example.com'], fetch: wire })
  expect((await api('https://api.example.com/items')).status).toBe(200)
  expect(sends).toBe(3)
})

test('a turn that a store refuses leaves nothing that waits for it', async () => {
  const time = newClock()
  const store = { ...memoryStore(), exclusive: () => Promise.reject(new Error('no lock')) }
  const session = open({ clock: time.clock, store, tokens: 'mine', refresh: () => 'unused' })
  await session.getAccessToken()
  expect(await failureOf(session.update('other'))).toMatchObject({ message: 'no lock' })
  expect(time.pending).toBe(0)
})

test('an update that gets no turn is told so by the deadline', async () => {
  const time = newClock()
  const store = memoryStore({ clock: time.clock })
  const session = open({ clock: time.clock, store, tokens: 'mine', refresh: () => 'unused' })
  await session.getAccessToken()
  const turn = deferred<void>()
  const others = store.exclusive(() => turn.promise)
  const failed = failureOf(session.update('other'))
  await time.advance(10_000)
  expect(await failed).toMatchObject({ code: 'refresh_timeout' })
  turn.resolve()
  await others
})

test('whoever waits for the store keeps a session busy', async () => {
  const read = deferred<undefined>()
  const store = { ...memoryStore(), load: () => read.promise }
  const session = open({ store, refresh: () => 'new' })
  expect(session.busy).toBe(false)
  const token = session.getAccessToken()
  expect(session.busy).toBe(true)
  read.resolve(undefined)
  expect(await token).toBe('new')
  expect(session.busy).toBe(false)
})

test('the first tokens of all are taken, although they come when the lease has ended', async () => {
  const time = newClock()
  const answer = deferred<string>()
  let calls = 0
  const session = open({
    clock: time.clock,
    retries: 0,
    refresh: () => (calls++ ? new Response(null, { status: 503 }) : answer.promise),
  })
  const seen = watch(session)
  const failed = failureOf(session.getAccessToken())
  await time.advance(60_000)
  await failed
  expect(seen.of('refresh-started')).toMatchObject([{ reason: 'unknown' }])
  answer.resolve('late')
  await time.advance(0)
  expect(await session.getAccessToken()).toBe('late')
})

test('a session that is closed while it refreshes does not say for ever that it does', async () => {
  const time = newClock()
  const session = open({ tokens: 'mine', clock: time.clock, refresh: () => new Promise(() => {}) })
  const heard: boolean[] = []
  session.subscribe(({ refreshing }) => heard.push(refreshing))
  session.refresh().catch(() => {})
  await time.advance(0)
  session.close()
  expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
  expect(heard).toEqual([true, false])
})

test('a `server` that fails as a turn does that was not to be had is called once', async () => {
  const session = open({ tokens: 'mine', refresh: () => 'unused' })
  let calls = 0
  const server = (): never => {
    calls++
    throw new SessionError('refresh_timeout')
  }
  expect(await failureOf(session.signOut({ server }))).toMatchObject({ code: 'refresh_timeout' })
  expect(calls).toBe(1)
})
