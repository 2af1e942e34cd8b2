import { memoryStore, type SessionStore, type Stored } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { failureOf, newClock, open, watch } from '../setup.ts'

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
