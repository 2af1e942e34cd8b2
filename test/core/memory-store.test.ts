import { readFile } from 'node:fs/promises'
import { setImmediate as macrotask } from 'node:timers/promises'
import {
  isSessionError,
  type KeyValueStorage,
  type MemoryStoreOptions,
  memoryStore,
  type Session,
  type SessionOptions,
} from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, standStill, times, watch } from '../setup.ts'
import { ODD, STRANGE, withOdd } from '../strange-records.ts'
import { asyncStorage, syncStorage } from './storage.ts'

const refuse: SessionOptions['refresh'] = () => Response.json({ error: 'invalid_grant' }, { status: 400 })
const TOKENS = { accessToken: 'mine', refreshToken: 'r', expiresIn: 300 }

for (const [name, newStorage] of [
  ['a storage that answers at once', syncStorage],
  ['a storage that answers later', asyncStorage],
] as const) {
  describe(name, () => {
    test('brings the session back after a reload, without a refresh', async () => {
      const storage = newStorage()
      const first = open({ refresh: refuse, store: memoryStore({ storage }) })
      await first.signIn(TOKENS)
      first.close()

      let calls = 0
      const second = open({
        refresh: () => {
          calls++
          return 'refreshed'
        },
        store: memoryStore({ storage }),
      })
      expect(second.state.status).toBe('restoring')
      expect(await Promise.all(times(3, () => second.getAccessToken()))).toEqual(times(3, () => 'mine'))
      expect(second.state).toMatchObject({ status: 'signed-in', expiresAt: first.state.expiresAt })
      expect(calls).toBe(0)
    })

    test('brings the newest tokens back, after refreshes and an update', async () => {
      const storage = newStorage()
      const first = open({
        refresh: () => ({ ...TOKENS, accessToken: 'refreshed' }),
        store: memoryStore({ storage }),
      })
      await first.signIn(TOKENS)
      await first.refresh()
      first.close()
      const second = open({ refresh: refuse, store: memoryStore({ storage }) })
      expect(await second.getAccessToken()).toBe('refreshed')
      await second.update('updated')
      second.close()
      const third = open({ refresh: refuse, store: memoryStore({ storage }) })
      expect(await third.getAccessToken()).toBe('updated')
    })

    test('keeps a sign-out across a reload, and no token with it', async () => {
      const storage = newStorage()
      const first = open({ refresh: refuse, store: memoryStore({ storage }) })
      await first.signIn(TOKENS)
      await first.signOut()
      first.close()
      expect([...storage.content.values()].join()).not.toContain('mine')

      let calls = 0
      const second = open({
        refresh: () => {
          calls++
          return 'resurrected'
        },
        store: memoryStore({ storage }),
      })
      expect(isSessionError(await failureOf(second.getAccessToken()), 'session_expired')).toBe(true)
      expect(second.state.status).toBe('signed-out')
      expect(calls).toBe(0)
    })

    test('keeps the end of a session that was refused, and no token with it', async () => {
      const storage = newStorage()
      const first = open({ refresh: refuse, store: memoryStore({ storage }) })
      await first.signIn(TOKENS)
      await failureOf(first.refresh())
      first.close()
      expect([...storage.content.values()].join()).not.toContain('mine')
      const second = open({ refresh: () => 'resurrected', tokens: null, store: memoryStore({ storage }) })
      expect(isSessionError(await failureOf(second.getAccessToken()), 'session_expired')).toBe(true)
    })

    test('an empty one is not a sign-out: the first request asks for a refresh', async () => {
      const session = open({
        refresh: () => 'by cookie'.replace(' ', '-'),
        store: memoryStore({ storage: newStorage() }),
      })
      expect(await session.getAccessToken()).toBe('by-cookie')
    })

    test('tokens of the options are taken where it is empty, and only there', async () => {
      const storage = newStorage()
      const options = { refresh: refuse, tokens: 'from-options' }
      const first = open({ ...options, store: memoryStore({ storage }) })
      expect(await first.getAccessToken()).toBe('from-options')
      await first.signIn('signed-in')
      first.close()
      const second = open({ ...options, store: memoryStore({ storage }) })
      expect(await second.getAccessToken()).toBe('signed-in')
    })

    test('that nobody is signed in, by the options, is not written: a sign-in of somebody else comes after it', async () => {
      const storage = newStorage()
      const session = open({ refresh: refuse, store: memoryStore({ storage }), tokens: null })
      expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
      expect(storage.content.size).toBe(0)
    })

    test('one that is cleared while the session runs does not sign anybody out', async () => {
      const storage = newStorage()
      let calls = 0
      const session = open({ refresh: () => `refreshed-${++calls}`, store: memoryStore({ storage }) })
      await session.signIn(TOKENS)
      storage.content.clear()
      expect(await session.getAccessToken()).toBe('mine')
      await session.refresh()
      expect(await session.getAccessToken()).toBe('refreshed-1')
      expect(session.state.status).toBe('signed-in')
    })

    test('garbage in it is reported and passed over', async () => {
      for (const garbage of [
        '{',
        'null',
        '42',
        '[]',
        '{}',
        '"x"',
        '{"version":{}}',
        '{"version":{"epoch":1}}',
        '{"version":{"epoch":"1","nonce":"x"},"tokens":{"accessToken":"without-generation"}}',
        '{"version":{"epoch":"1","generation":"1","nonce":"x"},"tokens":{"accessToken":"of-words"}}',
        '{"version":{"epoch":"1","generation":1},"tokens":{"accessToken":"without-nonce"}}',
        '{"version":{"epoch":"1","generation":1,"nonce":"x"},"tokens":{"accessToken":1}}',
      ]) {
        const storage = newStorage(new Map([['refresh-once', garbage]]))
        const session = open({ refresh: () => 'refreshed', store: memoryStore({ storage }) })
        const seen = watch(session)
        expect([garbage, await session.getAccessToken()]).toEqual([garbage, 'refreshed'])
        if (garbage !== 'null') expect([garbage, seen.of('degraded').length > 0]).toEqual([garbage, true])
        session.close()
      }
    })

    test.each(Object.entries(STRANGE))(
      '(%s) a record that nobody of ours has written is told, and holds no sign-out and no sign-in up',
      async (_, found) => {
        const storage = newStorage(new Map([['refresh-once', JSON.stringify(found)]]))
        const session = open({ refresh: refuse, store: memoryStore({ storage }), tokens: null })
        const seen = watch(session)
        await session.signOut()
        expect(session.state.status).toBe('signed-out')
        expect(seen.of('degraded')).not.toEqual([])
        await session.signIn(TOKENS)
        expect(await session.getAccessToken()).toBe('mine')
        session.close()
        const next = open({ refresh: refuse, store: memoryStore({ storage }) })
        expect(await next.getAccessToken()).toBe('mine')
      },
    )

    test.each(Object.entries(ODD))(
      '(%s) what is odd beside the tokens is passed over: they are used, and renewed',
      async (_, odd) => {
        for (const mode of ['token', 'cookie'] as const) {
          const storage = newStorage(new Map([['refresh-once', JSON.stringify(withOdd(odd))]]))
          const refresh = () => (mode === 'cookie' ? new Response() : 'refreshed')
          const session = open({ mode, refresh, store: memoryStore({ storage }) })
          // The first one finds the tokens, the second one renews them.
          await session.refresh()
          expect(session.state).toMatchObject({ status: 'signed-in', generation: 2 })
          session.close()
        }
      },
    )

    test('a record of a clock that was ahead is followed, up to the widest time', async () => {
      for (const epoch of ['0029999999999990.5', `${'9'.repeat(14)}80.5`]) {
        const ahead = JSON.stringify(withOdd({}, { epoch }))
        const storage = newStorage(new Map([['refresh-once', ahead]]))
        const session = open({ refresh: refuse, store: memoryStore({ storage }) })
        const seen = watch(session)
        expect(await session.getAccessToken()).toBe('mine')
        await session.signOut()
        await session.signIn('of-bob')
        expect(seen.of('degraded')).toEqual([])
        const next = open({ refresh: refuse, store: memoryStore({ storage }) })
        expect(await next.getAccessToken()).toBe('of-bob')
      }
    })

    test('two keys are two sessions', async () => {
      const storage = newStorage()
      const one = open({ refresh: refuse, store: memoryStore({ storage, key: 'one' }) })
      const two = open({ refresh: refuse, store: memoryStore({ storage, key: 'two' }) })
      await one.signIn('first')
      await two.signIn('second')
      expect([await one.getAccessToken(), await two.getAccessToken()]).toEqual(['first', 'second'])
      expect([...storage.content.keys()].sort()).toEqual(['one', 'two'])
    })

    test('who shares it adopts the tokens that another has fetched, instead of spending the old one again', async () => {
      const storage = newStorage()
      const sent: unknown[] = []
      const refresh: SessionOptions['refresh'] = ({ tokens }) => {
        sent.push(tokens?.refreshToken)
        return { accessToken: `refreshed-${sent.length}`, refreshToken: `r-${sent.length}`, expiresIn: 300 }
      }
      const one = open({ refresh, store: memoryStore({ storage }) })
      await one.signIn(TOKENS)
      const two = open({ refresh, store: memoryStore({ storage }) })
      expect(await two.getAccessToken()).toBe('mine')
      await one.refresh()
      const seen = watch(two)
      await two.refresh()
      expect(await two.getAccessToken()).toBe('refreshed-1')
      expect(seen.of('refresh-adopted')).toHaveLength(1)
      expect(sent).toEqual(['r'])
    })

    test('who shares it is not signed out by a refusal, where another has spent the refresh token first', async () => {
      const storage = newStorage()
      const answers = [deferred<unknown>(), deferred<unknown>()] as const
      const asked = [deferred<void>(), deferred<void>()] as const
      const sharing = (n: 0 | 1): Session =>
        open({
          refresh: () => {
            asked[n].resolve()
            return answers[n].promise as Promise<Response>
          },
          store: memoryStore({ storage }),
        })
      const one = sharing(0)
      await one.signIn(TOKENS)
      const two = sharing(1)
      await two.getAccessToken()
      const refreshes = [one.refresh(), two.refresh()]
      await Promise.all(asked.map(({ promise }) => promise))
      answers[1].resolve({ accessToken: 'of-two', refreshToken: 'r2', expiresIn: 300 })
      await refreshes[1]
      answers[0].resolve(Response.json({ error: 'invalid_grant' }, { status: 400 }))
      await refreshes[0]
      expect(one.state.status).toBe('signed-in')
      expect(await one.getAccessToken()).toBe('of-two')
    })

    test('who shares it is not signed out by a refusal, where another has refreshed before the end is saved', async () => {
      const storage = newStorage()
      const store = memoryStore({ storage })
      const one = open({
        refresh: refuse,
        store: {
          ...store,
          async save(next) {
            if (next.ended) await two.refresh()
            // Somebody else has written: what is kept is what a save returns.
            await store.load()
            return store.save(next)
          },
        },
      })
      await one.signIn(TOKENS)
      const two = open({ refresh: () => 'of-two', store: memoryStore({ storage }) })
      await one.refresh()
      expect(one.state.status).toBe('signed-in')
      expect(await one.getAccessToken()).toBe('of-two')
    })

    test('who shares it does not refresh before a Retry-After that another was given', async () => {
      const time = newClock()
      const storage = newStorage()
      let calls = 0
      const options: Partial<SessionOptions> = { clock: time.clock, retries: 0 }
      const refresh: SessionOptions['refresh'] = () =>
        ++calls === 1 ? Response.json({}, { status: 429, headers: { 'retry-after': '120' } }) : 'refreshed'
      const one = open({ ...options, refresh, store: memoryStore({ storage, clock: time.clock }) })
      await one.signIn(TOKENS)
      const two = open({ ...options, refresh, store: memoryStore({ storage, clock: time.clock }) })
      await two.getAccessToken()
      await failureOf(one.refresh())
      expect(isSessionError(await failureOf(two.refresh()), 'refresh_failed')).toBe(true)
      expect(calls).toBe(1)
      await time.advance(120_000)
      await two.refresh()
      expect(await two.getAccessToken()).toBe('refreshed')
      expect(calls).toBe(2)
    })

    test('who shares it knows of a Retry-After already while the one who was given it waits', async () => {
      const time = newClock()
      const storage = newStorage()
      let calls = 0
      const refresh: SessionOptions['refresh'] = () =>
        ++calls === 1 ? Response.json({}, { status: 429, headers: { 'retry-after': '7' } }) : 'refreshed'
      const sharing = (): Session =>
        open({ refresh, clock: time.clock, store: memoryStore({ storage, clock: time.clock }) })
      const one = sharing()
      await one.signIn(TOKENS)
      const two = sharing()
      await two.getAccessToken()
      const first = one.refresh()
      await time.untilTimer(7_000)
      const second = two.refresh()
      await time.untilTimer(7_000, 2)
      await time.advance(6_999)
      expect(calls).toBe(1)
      await time.advance(1)
      await Promise.all([first, second])
      expect(new Set([await one.getAccessToken(), await two.getAccessToken()])).toEqual(
        new Set(['refreshed']),
      )
    })

    test('who has dropped a reservation does not take the next one, of the same number, for its own', async () => {
      const time = newClock()
      const storage = newStorage()
      const asked = deferred<void>()
      const answer = deferred<Response>()
      let calls = 0
      const sharing = (refresh: SessionOptions['refresh']): Session => {
        const store = memoryStore({ storage, clock: time.clock })
        return open({ mode: 'cookie', clock: time.clock, deadline: 90_000, retries: 0, refresh, store })
      }
      const one = sharing(() => {
        calls++
        return Response.json({}, { status: 503 })
      })
      await one.signIn()
      const two = sharing(() => {
        asked.resolve()
        return answer.promise
      })
      await failureOf(one.refresh())
      await time.advance(1_000)
      const refreshes = [two.refresh()]
      await asked.promise
      await time.advance(1_000)
      refreshes.push(one.refresh())
      await time.untilTimer(59_000)
      answer.resolve(new Response())
      await refreshes[0]
      await time.advance(60_000)
      await refreshes[1]
      expect(calls).toBe(1)
      expect(one.state.generation).toBe(two.state.generation)
    })

    test('who shares it learns of a sign-out when he needs a refresh, and is not revived', async () => {
      const storage = newStorage()
      const one = open({ refresh: refuse, store: memoryStore({ storage }) })
      await one.signIn(TOKENS)
      let calls = 0
      const two = open({
        refresh: () => {
          calls++
          return 'resurrected'
        },
        store: memoryStore({ storage }),
      })
      await two.getAccessToken()
      await one.signOut()
      expect(isSessionError(await failureOf(two.refresh()))).toBe(true)
      expect(two.state.status).toBe('signed-out')
      expect(calls).toBe(0)
    })
  })
}

describe('a storage that throws', () => {
  const thrower = (): never => {
    throw new DOMException('denied', 'SecurityError')
  }
  const rejecter = async (): Promise<never> => thrower()
  const whole: KeyValueStorage = { getItem: () => null, setItem() {}, removeItem() {} }

  const storages: [name: string, storage: KeyValueStorage][] = [
    ['on reading', { ...whole, getItem: thrower }],
    ['on reading, later', { ...whole, getItem: rejecter }],
    ['on writing: it is full', { ...whole, setItem: thrower }],
    ['on writing, later', { ...whole, setItem: rejecter }],
    ['always', { getItem: thrower, setItem: thrower, removeItem: thrower }],
    ['always, later', { getItem: rejecter, setItem: rejecter, removeItem: rejecter }],
  ]
  for (const [name, storage] of storages) {
    test(`${name}: the session goes on in memory, and says so`, async () => {
      let calls = 0
      const session = open({ refresh: () => `refreshed-${++calls}`, store: memoryStore({ storage }) })
      const seen = watch(session)
      await session.signIn(TOKENS)
      expect(await session.getAccessToken()).toBe('mine')
      await session.refresh()
      expect(await session.getAccessToken()).toBe('refreshed-1')
      await session.signOut()
      expect(session.state.status).toBe('signed-out')
      expect(seen.of('degraded').length).toBeGreaterThan(0)
    })
  }

  test('only when the end of a session is written: the tokens are removed instead', async () => {
    const storage = syncStorage()
    const { setItem } = storage
    storage.setItem = (key, value) => {
      if (value.includes('ended')) throw new Error('full')
      setItem(key, value)
    }
    const session = open({ refresh: refuse, store: memoryStore({ storage }) })
    await session.signIn(TOKENS)
    expect(storage.content.size).toBe(1)
    await session.signOut()
    expect(storage.content.size).toBe(0)
  })

  test('that never answers a read does not keep a sign-in from taking effect', async () => {
    const session = open({
      refresh: refuse,
      store: memoryStore({ storage: { ...whole, getItem: () => new Promise(() => {}) } }),
    })
    void session.signIn(TOKENS)
    expect(await session.getAccessToken()).toBe('mine')
  })
})

describe('a storage that cannot be read yet', () => {
  /** The keychain of a phone: locked, it throws at who reads. */
  function keychain(content: Map<string, string>): ReturnType<typeof syncStorage> & { locked: boolean } {
    const storage = {
      ...syncStorage(content),
      locked: true,
      async getItem(key: string) {
        await macrotask()
        if (storage.locked) throw new Error('User interaction is not allowed')
        return content.get(key) ?? null
      },
    }
    return storage
  }

  async function kept(): Promise<Map<string, string>> {
    const storage = syncStorage()
    const session = open({ refresh: refuse, store: memoryStore({ storage }) })
    await session.signIn({ accessToken: 'mine', refreshToken: 'r' })
    session.close()
    return storage.content
  }

  for (const [name, options] of [
    ['`tokens: null`', { tokens: null }],
    ['no tokens', {}],
  ] as const) {
    test(`is not an empty one: with ${name} in the options nobody is signed out, and nothing is written`, async () => {
      const content = await kept()
      const before = content.get('refresh-once')
      const storage = keychain(content)
      let calls = 0
      const refresh: SessionOptions['refresh'] = () => {
        calls++
        return Response.json({ error: 'invalid_grant' }, { status: 400 })
      }
      const time = newClock()
      const store = memoryStore({ storage, clock: time.clock })
      const session = open({ refresh, store, retries: 0, clock: time.clock, ...options })
      const seen = watch(session)
      expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
      expect(session.state.status).toBe('unknown')
      expect(seen.of('degraded').map(({ reason }) => reason)).toContain('the storage cannot be read')
      expect([calls, content.get('refresh-once')]).toEqual([0, before])

      storage.locked = false
      await time.advance(60_000)
      expect(await session.getAccessToken()).toBe('mine')
      expect(calls).toBe(0)
    })
  }

  test('`load` rejects, and `save` does not overwrite what could not be read', async () => {
    const content = await kept()
    const before = content.get('refresh-once')
    const store = memoryStore({ storage: keychain(content) })
    expect((await failureOf(store.load())).message).toMatch(/cannot be read/)
    for (const next of [{ tokens: { accessToken: 'other' } }, { ended: 'rejected' as const }]) {
      await store.save({ version: { epoch: 'zzz', generation: 1, nonce: '' }, ...next })
      expect(content.get('refresh-once')).toBe(before)
    }
  })

  test('`save` joins what it holds, where it can be read by then', async () => {
    const content = await kept()
    const storage = keychain(content)
    const store = memoryStore({ storage })
    await failureOf(store.load())
    storage.locked = false
    const older = { version: { epoch: '', generation: 1, nonce: '' }, tokens: { accessToken: 'older' } }
    expect((await store.save(older)).tokens?.accessToken).toBe('mine')
    expect(content.get('refresh-once')).toContain('mine')
  })

  test('what was saved meanwhile is written as soon as it is read', async () => {
    const content = await kept()
    const storage = keychain(content)
    const store = memoryStore({ storage })
    const version = { epoch: 'zzz', generation: 1, nonce: '' }
    await store.save({ version, tokens: { accessToken: 'other' } })
    expect((await store.load())?.tokens?.accessToken).toBe('other')
    storage.locked = false
    await store.load()
    await macrotask()
    expect(content.get('refresh-once')).toContain('other')
  })

  test('who signs in meanwhile goes on in memory, and is written once it can be read', async () => {
    const content = await kept()
    const storage = keychain(content)
    let calls = 0
    const refresh: SessionOptions['refresh'] = () => `refreshed-${++calls}`
    // It is later: two sign-ins of one millisecond have no order.
    const { clock } = newClock()
    const session = open({ refresh, store: memoryStore({ storage, clock }), clock })
    await session.signIn('somebody-else')
    await session.refresh()
    expect(await session.getAccessToken()).toBe('refreshed-1')
    expect(content.get('refresh-once')).toContain('mine')
    storage.locked = false
    await session.refresh()
    expect(await session.getAccessToken()).toBe('refreshed-2')
    expect(content.get('refresh-once')).toContain('refreshed-2')
  })

  test('who signs out meanwhile leaves no token behind', async () => {
    const content = await kept()
    const session = open({ refresh: refuse, store: memoryStore({ storage: keychain(content) }) })
    await session.signOut()
    expect(content.get('refresh-once')).not.toContain('mine')
    session.close()
    const next = open({ refresh: () => 'resurrected', store: memoryStore({ storage: syncStorage(content) }) })
    expect(await failureOf(next.getAccessToken())).toMatchObject({ code: 'session_expired' })
  })

  test('one that was read once goes on in memory when it cannot be read any more', async () => {
    const content = await kept()
    const storage = keychain(content)
    storage.locked = false
    const session = open({ refresh: () => 'refreshed', store: memoryStore({ storage }) })
    expect(await session.getAccessToken()).toBe('mine')
    storage.locked = true
    await session.refresh()
    expect(await session.getAccessToken()).toBe('refreshed')
    expect(content.get('refresh-once')).toContain('refreshed')
  })
})

describe('a storage that does not answer', () => {
  const LEASE = 60_000
  const METHODS = ['getItem', 'setItem', 'removeItem'] as const
  const never = (): Promise<never> => new Promise(() => {})

  for (const method of METHODS) {
    test(`\`${method}\` that hangs for ever: each call ends with the lease, and the session goes on in memory`, async () => {
      const time = newClock()
      const storage: KeyValueStorage = { ...syncStorage(), [method]: never }
      if (method === 'removeItem')
        storage.setItem = () => {
          throw new Error('full')
        }
      let calls = 0
      const session = open({
        refresh: () => `refreshed-${++calls}`,
        store: memoryStore({ storage, lease: LEASE, clock: time.clock }),
        clock: time.clock,
        lease: LEASE,
      })
      const seen = watch(session)
      for (const step of [
        () => session.signIn(TOKENS),
        () => session.refresh(),
        () => session.update('updated'),
        () => session.signOut(),
      ]) {
        const done = step().catch(({ code }) => expect(code).toBe('refresh_timeout'))
        await time.advance(LEASE)
        await done
      }
      expect([session.state.status, calls]).toEqual(['signed-out', 1])
      expect(seen.of('degraded').length).toBeGreaterThan(0)
    })
  }

  test('one that answers at once is asked without a timer', async () => {
    const { clock } = newClock()
    let timers = 0
    const counting = {
      ...clock,
      setTimeout(run: () => void, ms: number) {
        timers++
        return clock.setTimeout(run, ms)
      },
    }
    const store = memoryStore({ storage: syncStorage(), clock: counting })
    await store.load()
    await store.save({ version: { epoch: '1', generation: 1, nonce: 'n' }, tokens: { accessToken: 'a' } })
    expect(timers).toBe(0)
  })

  test('a process that stands still for longer than that finds the answer that has come meanwhile', async () => {
    const asked = deferred<void>()
    const storage: KeyValueStorage = {
      ...syncStorage(),
      getItem() {
        asked.resolve()
        return readFile(new URL('../../package.json', import.meta.url), 'utf8')
      },
    }
    const loading = memoryStore({ storage, lease: 4 * 1_000 }).load()
    await asked.promise
    standStill(1_100)
    expect(await loading).toBeUndefined()
  })

  test('a write that hangs once costs one refresh its turn, and no more', async () => {
    const time = newClock()
    const storage = syncStorage()
    const { setItem } = storage
    let hangs = false
    storage.setItem = (key, value) => {
      if (!hangs) return setItem(key, value)
      hangs = false
      return never()
    }
    const store = memoryStore({ storage, clock: time.clock })
    const session = open({
      refresh: () => ({ ...TOKENS, accessToken: 'refreshed' }),
      store,
      clock: time.clock,
    })
    await session.signIn(TOKENS)
    hangs = true
    const seen = watch(session)
    const refreshed = failureOf(session.refresh())
    await time.advance(LEASE)
    expect(await refreshed).toMatchObject({ code: 'refresh_timeout' })
    expect(await session.getAccessToken()).toBe('refreshed')
    expect(storage.content.get('refresh-once')).toContain('refreshed')
    expect(seen.of('degraded').map(({ reason }) => reason)).toEqual(['the storage cannot be written'])
    await session.signOut()
    expect(storage.content.get('refresh-once')).toContain('signed-out')
  })

  test('a write that was given up and comes after all does not undo a later one', async () => {
    const time = newClock()
    const storage = syncStorage()
    const { setItem } = storage
    const late = deferred<void>()
    let writes = 0
    storage.setItem = async (key, value) => {
      if (++writes === 1) await late.promise
      setItem(key, value)
    }
    const store = memoryStore({ storage, clock: time.clock })
    const session = open({ refresh: refuse, store, clock: time.clock })
    const first = session.signIn('first')
    await time.advance(LEASE)
    await first
    await session.signIn('second')
    expect(storage.content.get('refresh-once')).toContain('second')
    late.resolve()
    await time.advance(0)
    expect(storage.content.get('refresh-once')).toContain('second')
    // What comes late and is still the newest is not written again.
    expect(writes).toBe(3)
  })

  test('writes that wait for one that hangs are one write', async () => {
    const time = newClock()
    let writes = 0
    const storage = {
      ...syncStorage(),
      setItem() {
        writes++
        return never()
      },
    }
    const store = memoryStore({ storage, clock: time.clock, lease: LEASE })
    const session = open({ refresh: refuse, store, clock: time.clock })
    await time.advance(0)
    const saves = times(9, (n) => session.signIn(`token-${n}`))
    await time.advance(LEASE)
    await Promise.all(saves)
    expect(writes).toBeLessThan(4)
  })
})

describe('memoryStore', () => {
  const whole = syncStorage()
  const HALVES: [name: string, options: unknown, says: RegExp][] = [
    ['an empty object', { storage: {} }, /expected `storage` to have getItem, setItem and removeItem/],
    ['a Map', { storage: new Map() }, /it has no getItem, setItem, removeItem$/],
    ['a name', { storage: 'localStorage' }, /it has no getItem/],
    ['one that cannot be read', { storage: { ...whole, getItem: undefined } }, /it has no getItem$/],
    ['one that cannot be written', { storage: { ...whole, setItem: undefined } }, /it has no setItem$/],
    ['one that cannot be cleared', { storage: { ...whole, removeItem: 1 } }, /it has no removeItem$/],
    ['a storage in the place of the options', whole, /use memoryStore\(\{ storage \}\)/],
    [
      'a storage of a class',
      new (class extends Map {
        getItem() {}
      })(),
      /use memoryStore/,
    ],
  ]
  test.each(HALVES)('says at once that a storage is none: %s', (_, options, says) => {
    const make = (): unknown => memoryStore(options as MemoryStoreOptions)
    expect(make).toThrow(TypeError)
    expect(make).toThrow(says)
  })

  test.each([7, true, new Map(), { tokens: {} }, [{}]])(
    'a storage that gives %j back holds something else: that is said, and the session begins',
    async (item) => {
      const storage = { ...syncStorage(), getItem: () => item }
      const session = open({ refresh: () => 'refreshed', store: memoryStore({ storage }) })
      const seen = watch(session)
      expect(await session.getAccessToken()).toBe('refreshed')
      expect(seen.of('degraded').map(({ reason }) => reason)).toContain(
        'the storage holds something else under this key',
      )
    },
  )

  test('a storage may have parsed what it gives back', async () => {
    const storage = syncStorage()
    await open({ refresh: refuse, store: memoryStore({ storage }) }).signIn(TOKENS)
    const parsing = { ...storage, getItem: (key: string) => JSON.parse(storage.content.get(key) ?? 'null') }
    expect(await open({ refresh: refuse, store: memoryStore({ storage: parsing }) }).getAccessToken()).toBe(
      'mine',
    )
  })

  test.each([
    ['alice\ud83d', 'one with half a surrogate pair in it: it could be taken for another'],
    ['\udc00', 'one with half a surrogate pair in it: it could be taken for another'],
    ['', 'an empty string'],
    [7 as never, 'number'],
    [null as never, 'object'],
  ])('refuses the key %j, which could be another once it is encoded, and says what it is', (key, what) => {
    const create = () => memoryStore({ storage: syncStorage(), key })
    expect(create).toThrow(TypeError)
    expect(create).toThrow(RegExp(`^memoryStore: expected a key, got ${what}$`))
  })

  test('takes any other key, of whatever characters', async () => {
    const storage = syncStorage()
    const store = memoryStore({ storage, key: 'alice\ud83d\ude00 ' })
    await open({ refresh: refuse, store }).signIn(TOKENS)
    expect([...storage.content.keys()]).toEqual(['alice\ud83d\ude00 '])
  })

  test('without a storage keeps nothing beyond itself', async () => {
    const first = open({ refresh: refuse, store: memoryStore() })
    await first.signIn(TOKENS)
    const second = open({ refresh: () => 'refreshed', store: memoryStore() })
    expect(await second.getAccessToken()).toBe('refreshed')
  })

  test('a slow older write never overwrites a newer one', async () => {
    const storage = syncStorage()
    const { setItem } = storage
    const gates = times(2, () => deferred<void>())
    let writes = 0
    storage.setItem = async (key, value) => {
      await gates[writes++]?.promise
      setItem(key, value)
    }
    const session = open({ refresh: refuse, store: memoryStore({ storage }) })
    await macrotask()
    const first = session.signIn('first')
    const second = session.signIn('second')
    gates[1]?.resolve()
    await macrotask()
    gates[0]?.resolve()
    await Promise.all([first, second])
    session.close()
    const next = open({ refresh: refuse, store: memoryStore({ storage: syncStorage(storage.content) }) })
    expect(await next.getAccessToken()).toBe('second')
  })

  test('new tokens are saved before anybody is given them', async () => {
    const storage = asyncStorage()
    const session = open({
      refresh: () => ({ accessToken: 'refreshed', refreshToken: 'r2' }),
      store: memoryStore({ storage }),
    })
    await session.signIn(TOKENS)
    let savedFirst: boolean | undefined
    session.subscribe(({ generation }) => {
      if (generation === 2) savedFirst ??= [...storage.content.values()].join().includes('r2')
    })
    await session.refresh()
    expect(savedFirst).toBe(true)
  })

  test('the need for a refresh is reserved before it is sent', async () => {
    const storage = syncStorage()
    let reserved: boolean | undefined
    const session = open({
      refresh: () => {
        reserved = [...storage.content.values()].join().includes('"pending"')
        return 'refreshed'
      },
      store: memoryStore({ storage }),
    })
    await session.signIn(TOKENS)
    await session.refresh()
    expect(reserved).toBe(true)
  })

  test('requests that come while it is read wait for it, and reject when their signal aborts', async () => {
    const item = deferred<string | null>()
    const storage = { ...syncStorage(), getItem: () => item.promise }
    const session = open({ refresh: () => 'refreshed', store: memoryStore({ storage }) })
    const controller = new AbortController()
    const left = failureOf(session.getAccessToken({ signal: controller.signal }))
    const stayed = session.getAccessToken()
    controller.abort(new Error('left'))
    expect((await left).message).toBe('left')
    item.resolve(null)
    expect(await stayed).toBe('refreshed')
  })

  test.each([
    ['the storage', 7],
    ['memory', 2],
  ])('of two reservations the greater one is kept, here that of %s', async (_, kept) => {
    const storage = syncStorage()
    const store = memoryStore({ storage })
    const record = {
      version: { epoch: '000000000000001', generation: 1, nonce: 'a' },
      tokens: { accessToken: 'mine' },
    }
    const reserved = async (): Promise<number | undefined> => (await store.load())?.pending?.generation
    await store.save(record)
    await store.exclusive(async (lease) => expect(await lease.begin()).toBe(2))
    const until = Number((await store.load())?.pending?.until)
    // Somebody who shares the storage has written over it.
    const written = { ...record, pending: { generation: kept === 2 ? 1 : kept, until: until + 1 } }
    storage.content.set('refresh-once', JSON.stringify(written))
    expect(await reserved()).toBe(kept)
    storage.content.set('refresh-once', JSON.stringify(record))
    expect(await reserved()).toBe(kept)
  })
})

test('two stores over one storage, without a lock, may refresh at once: what is kept is whole, and of one of them', async () => {
  const storage = asyncStorage()
  const sent: string[] = []
  const both = deferred<void>()
  const openOne = (name: string): Session =>
    open({
      store: memoryStore({ storage }),
      refresh: async ({ tokens }) => {
        if (sent.push(String(tokens?.refreshToken)) === 2) both.resolve()
        await both.promise
        return { accessToken: `new-${name}`, refreshToken: `next-${name}` }
      },
    })
  const [one, two] = [openOne('one'), openOne('two')]
  await one.signIn({ accessToken: 'old', refreshToken: 'spent twice' })
  await two.getAccessToken()
  await Promise.all([one.refresh(), two.refresh()])
  // That is what is not promised.
  expect(sent).toEqual(['spent twice', 'spent twice'])
  expect(await Promise.all([one.getAccessToken(), two.getAccessToken()])).toEqual(['new-one', 'new-two'])
  const next = open({ store: memoryStore({ storage }), refresh: () => 'unused' })
  expect(['new-one', 'new-two']).toContain(await next.getAccessToken())
  // Whoever comes to the store again takes the newest.
  await one.signOut()
  const last = open({ store: memoryStore({ storage }), refresh: () => 'unused' })
  expect(await failureOf(last.getAccessToken())).toMatchObject({ code: 'session_expired' })
})
