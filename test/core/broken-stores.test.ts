import { memoryStore, type SessionStore, type Stored } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { failureOf, newClock, open, watch } from '../setup.ts'

type Work = Parameters<SessionStore['exclusive']>[0]

const VERSION = { epoch: '000001700000000', generation: 1, nonce: 'n' }

describe('a store that breaks its contract', () => {
  test('written as a class: what it holds is restored', async () => {
    class Store {
      readonly inner = memoryStore()
      load(): Promise<Stored | undefined> {
        return this.inner.load()
      }
      save(next: Stored): Promise<Stored> {
        return this.inner.save(next)
      }
      exclusive(...all: Parameters<SessionStore['exclusive']>): Promise<unknown> {
        return this.inner.exclusive(...all)
      }
      watch(): () => void {
        return () => {}
      }
      close(): void {
        this.inner.close()
      }
    }
    const store = new Store()
    await store.save({ version: VERSION, tokens: { accessToken: 'stored' } })
    const session = open({ store: store as never, refresh: () => 'new' })
    expect(await session.getAccessToken()).toBe('stored')
    await session.refresh()
    expect(await session.getAccessToken()).toBe('new')
  })

  test('by a `save` that returns nothing: the session goes on, and says so', async () => {
    const memory = memoryStore()
    const save = async (next: Stored): Promise<Stored> => {
      await memory.save(next)
      return undefined as never
    }
    const session = open({ store: { ...memory, save }, tokens: 'old', refresh: () => 'new' })
    const seen = watch(session)
    await session.refresh()
    expect(await session.getAccessToken()).toBe('new')
    expect(seen.of('degraded').map(({ reason }) => reason)).toEqual([
      'the store breaks its contract: save brings no record',
    ])
  })

  test.each([
    null,
    7,
    'text',
    {},
    { version: null },
    { version: { ...VERSION, epoch: 'zzz' }, tokens: { accessToken: 'forged' } },
  ])('by news and records like %j: they are passed over', async (odd) => {
    const memory = memoryStore()
    let tell: (stored: Stored) => void = () => {}
    const session = open({
      store: {
        ...memory,
        load: async () => odd as never,
        watch: (listener) => {
          tell = listener
          return undefined as never
        },
      },
      tokens: 'mine',
      refresh: () => 'new',
    })
    expect(await session.getAccessToken()).toBe('mine')
    tell(odd as never)
    expect(await session.getAccessToken()).toBe('mine')
    await session.signIn('bob')
    expect(await session.getAccessToken()).toBe('bob')
    session.close()
  })
})

test.each<[string, () => never]>([
  [
    'cannot be watched',
    () => {
      throw new Error('not supported')
    },
  ],
  ['is watched without an end', () => undefined as never],
])(
  'a store that %s keeps nothing from going on, and to say null for nothing is no fault',
  async (_, hear) => {
    const memory = memoryStore()
    const session = open({
      store: { ...memory, load: async () => null as never, watch: hear },
      refresh: () => 'new',
    })
    const seen = watch(session)
    expect(await session.getAccessToken()).toBe('new')
    expect(session.state.status).toBe('signed-in')
    session.close()
    expect(seen.of('degraded')).toEqual([])
  },
)

describe('a turn at a store that breaks its contract', () => {
  /** A session whose store gives its turns as `exclusive` does. */
  async function given(exclusive: (memory: SessionStore) => unknown) {
    const time = newClock()
    const memory = memoryStore({ clock: time.clock })
    let calls = 0
    const session = open({
      clock: time.clock,
      lease: 1_000,
      retries: 0,
      tokens: { accessToken: 'old', refreshToken: 'r' },
      store: { ...memory, exclusive: exclusive(memory) as SessionStore['exclusive'] },
      refresh: () => ({ accessToken: `new-${++calls}`, refreshToken: 'r' }),
    })
    await session.getAccessToken()
    const seen = watch(session)
    return {
      time,
      session,
      told: () => seen.of('degraded').map(({ reason }) => reason),
      get calls() {
        return calls
      },
    }
  }

  test('may have to be waited for while others have theirs: for three leases, and no longer', async () => {
    let begin = (): unknown => undefined
    const g = await given((memory) => (work: Work) => {
      const begun = new Promise<void>((resolve) => {
        begin = resolve
      })
      return begun.then(() => memory.exclusive(work))
    })
    const refreshed = g.session.refresh()
    await g.time.advance(2_500)
    begin()
    await refreshed
    expect([g.calls, g.told()]).toEqual([1, []])
    const failed = failureOf(g.session.refresh())
    await g.time.advance(2_999)
    expect(g.told()).toEqual([])
    await g.time.advance(1)
    expect(await failed).toMatchObject({ code: 'refresh_failed' })
    expect(g.told()).toEqual(['exclusive has not come to an end'])
    // It comes when nobody waits for it any more: in it nothing is sent.
    begin()
    await g.time.advance(60_000)
    expect(g.calls).toBe(1)
  })

  test('is used once where it is given twice', async () => {
    const g = await given(
      (memory) => (work: Work) =>
        memory.exclusive(async (lease) => {
          const [first] = await Promise.allSettled([work(lease), work(lease)])
          return first
        }),
    )
    await g.session.refresh()
    expect(g.calls).toBe(1)
  })

  test('is finished where the store does not wait for it, and its end is nobody’s fault', async () => {
    const g = await given((memory) => async (work: Work) => {
      void memory.exclusive(work)
    })
    await g.session.refresh()
    expect(await g.session.getAccessToken()).toBe('new-1')
    await g.time.advance(5_000)
    expect(g.told()).toEqual([])
  })

  test('may have a lease without a signal, but not one without numbers', async () => {
    let number: unknown
    const g = await given(
      (memory) => (work: Work) =>
        memory.exclusive(({ begin, clear, remaining }) =>
          work({ begin: async () => number ?? begin(), clear, remaining } as never),
        ),
    )
    await g.session.refresh()
    expect([g.calls, g.told()]).toEqual([1, []])
    number = '3'
    expect(await failureOf(g.session.refresh())).toMatchObject({ code: 'refresh_failed' })
    expect([g.calls, g.told()]).toEqual([1, ['the store breaks its contract: begin brings no number']])
  })
})

test.each<[string, Partial<Stored>, string]>([
  ['tokens', { tokens: { accessToken: 'stored' } }, 'signed-in'],
  ['an end', { ended: 'signed-out' }, 'signed-out'],
  ['a record of nobody', {}, 'unknown'],
])('what a store tells after its lease is heard: %s', async (_, content, status) => {
  const time = newClock()
  const memory = memoryStore({ clock: time.clock })
  let answer: (stored: Stored) => void = () => {}
  const load = () =>
    new Promise<Stored>((resolve) => {
      answer = resolve
    })
  const session = open({ clock: time.clock, lease: 1_000, store: { ...memory, load }, refresh: () => 'new' })
  await time.advance(1_000)
  expect(session.state.status).toBe('unknown')
  answer({ version: VERSION, ...content })
  await time.advance(0)
  expect(session.state).toMatchObject({ status, generation: status === 'unknown' ? 0 : 1 })
})

test('whatever a store throws when it is closed, the session is closed, and watches it no longer', async () => {
  const ended: string[] = []
  const fault = (name: string) => () => {
    ended.push(name)
    throw new Error('closed already')
  }
  const store = { ...memoryStore(), watch: () => fault('watch'), close: fault('close') }
  const session = open({ store, tokens: 'mine', refresh: () => 'new' })
  await session.getAccessToken()
  const seen = watch(session)
  session.close()
  expect(ended).toEqual(['watch', 'close'])
  expect(seen.of('degraded')).toHaveLength(2)
  expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_closed' })
})

test.each(['cookie', 'token'] as const)(
  'a reservation of a clock that was years ahead binds for one lease (%s mode)',
  async (mode) => {
    const time = newClock()
    const store = memoryStore({ clock: time.clock })
    const until = time.clock.now() + 10 * 365 * 86_400_000
    await store.save({
      version: VERSION,
      tokens: { accessToken: 'a', refreshToken: 'r' },
      pending: { generation: 2, until },
    })
    let calls = 0
    const session = open({
      mode,
      clock: time.clock,
      lease: 1_000,
      store,
      refresh: () => {
        calls++
        return mode === 'cookie' ? undefined : Response.json({ error: 'invalid_grant' }, { status: 400 })
      },
    })
    const refreshed = session.refresh().catch((error) => error.code)
    await time.advance(3_000)
    expect([await refreshed, calls > 0]).toEqual([mode === 'cookie' ? undefined : 'session_expired', true])
  },
)

test('a reservation binds no longer where the clock is set back meanwhile', async () => {
  const time = newClock()
  const store = memoryStore({ clock: time.clock })
  await store.save({
    version: VERSION,
    tokens: { accessToken: '', receivedAt: 1 },
    pending: { generation: 2, until: time.clock.now() + 500 },
  })
  let calls = 0
  const session = open({
    mode: 'cookie',
    clock: time.clock,
    lease: 1_000,
    store,
    refresh: () => void calls++,
  })
  const refreshed = session.refresh()
  await time.advance(0)
  time.jump(-3_600_000)
  await time.advance(499)
  expect(calls).toBe(0)
  await time.advance(1_000)
  await refreshed
  expect(calls).toBe(1)
})

test('a pause that a clock years ahead has written down binds nobody', async () => {
  const time = newClock()
  const store = memoryStore({ clock: time.clock })
  const notBefore = time.clock.now() + 10 * 365 * 86_400_000
  await store.save({
    version: VERSION,
    tokens: { accessToken: 'a', refreshToken: 'r', expiresAt: 1 },
    notBefore,
  })
  const session = open({ clock: time.clock, store, refresh: () => 'new' })
  expect(await session.getAccessToken()).toBe('new')
})

test('a request with the token of a former user is not executed as the next one', async () => {
  const session = open({ tokens: 'alice', refresh: () => 'unused' })
  let sent = 0
  const wire = (async () => {
    sent++
    return new Response('x')
  }) as typeof fetch
  const api = withSession(session, { origins: ['https://api.example.com'], fetch: wire })
  const headers = { authorization: `Bearer ${await session.getAccessToken()}` }
  await session.signIn('bob')
  const error = await failureOf(api('https://api.example.com/pay', { method: 'POST', headers }))
  expect([error, sent]).toMatchObject([{ code: 'session_changed' }, 0])
  // The same user's own former token is replaced, as before.
  const own = { authorization: `Bearer ${await session.getAccessToken()}` }
  await session.update('bob-2')
  expect((await api('https://api.example.com/pay', { headers: own })).status).toBe(200)
})
