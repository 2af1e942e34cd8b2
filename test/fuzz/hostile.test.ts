/** Stores, storages, results and listeners of any kind: everything settles, nothing throws elsewhere, the session goes on. */
import { inspect } from 'node:util'
import axios from 'axios'
import fc from 'fast-check'
import { memoryStore, type Session, type SessionOptions, type SessionStore } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { expect, onTestFinished, test, vi } from 'vitest'
import { newClock, open, type TurnedClock } from '../setup.ts'
import { attempt, timeout } from './runs.ts'

/** Lets time pass until it has settled; a minute of theirs is more than any lease and deadline here. */
async function settled(time: TurnedClock, what: string, promise: Promise<unknown>): Promise<void> {
  let over = false
  const done = (): void => {
    over = true
  }
  promise.then(done, done)
  for (let passed = 0; passed < 60_000 && !over; passed += 250) await time.advance(250)
  expect(over, what).toBe(true)
}

function begin(time: TurnedClock, options: Partial<SessionOptions>): Session {
  return open({
    clock: time.clock,
    lease: 1000,
    deadline: 700,
    tokens: { accessToken: 'old-0123456789', refreshToken: 'rt-0123456789' },
    refresh: () => ({ accessToken: 'new-0123456789' }),
    ...options,
  })
}

/** Whatever has happened before: whoever signs in is signed in, and whoever signs out is not. */
async function goesOn(time: TurnedClock, session: Session): Promise<void> {
  await settled(time, 'getAccessToken', session.getAccessToken())
  await settled(time, 'refresh', session.refresh())
  await settled(time, 'update', session.update('mine-0123456789'))
  await settled(time, 'signIn', session.signIn('next-0123456789'))
  expect(await session.getAccessToken()).toBe('next-0123456789')
  await settled(time, 'signOut', session.signOut({ server: () => {} }))
  expect(session.state.status).toBe('signed-out')
  session.close()
  await time.advance(60_000)
}

const version = { epoch: '000001700000000', generation: 1, nonce: 'n' }

const odd = fc.oneof(
  fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }),
  fc.constantFrom<unknown>(
    Number.NaN,
    -1,
    1e300,
    'x'.repeat(2000),
    '\0\r\n',
    '\ud800',
    Symbol.iterator,
    () => 1,
  ),
)

/** A record of ours, but for some of its members. */
const record = fc
  .record(
    {
      version: fc.oneof(
        odd,
        fc.record({ epoch: odd, generation: odd, nonce: odd }, { requiredKeys: [] }),
        fc.constant(version),
      ),
      tokens: fc.oneof(
        odd,
        fc.record({ accessToken: odd, refreshToken: odd, expiresAt: odd }, { requiredKeys: [] }),
      ),
      ended: fc.oneof(odd, fc.constantFrom('signed-out', 'rejected')),
      notBefore: odd,
      pending: fc.oneof(odd, fc.record({ generation: odd, until: odd })),
    },
    { requiredKeys: [] },
  )
  .map((found) => found as never)

test('a record of any kind, from any method of a store', { timeout }, async () => {
  const where = fc.constantFrom('load', 'save', 'watch', 'storage' as const)
  await attempt(
    'records',
    0.3,
    fc.record({ where, found: fc.oneof(record, odd) }),
    async ({ where, found }) => {
      const time = newClock()
      const store = memoryStore({ clock: time.clock, lease: 1000 })
      const text = (): string => {
        try {
          return JSON.stringify(found) ?? 'undefined'
        } catch {
          return String(typeof found)
        }
      }
      const storage = { getItem: text, setItem: () => {}, removeItem: () => {} }
      const stores: Record<string, SessionStore> = {
        load: { ...store, load: async () => found as never },
        save: { ...store, save: async () => found as never },
        watch: {
          ...store,
          watch: (hear) => {
            time.clock.setTimeout(() => hear(found as never), 0)
            return () => {}
          },
        },
        storage: memoryStore({ storage, clock: time.clock, lease: 1000 }),
      }
      const session = begin(time, { store: stores[where] })
      await settled(time, 'getAccessToken', session.getAccessToken())
      await settled(time, 'signIn', session.signIn('next-0123456789'))
      await settled(time, 'signOut', session.signOut())
      session.close()
      await time.advance(60_000)
    },
  )
})

/** What a method may do instead of what it has promised. */
const misdeed = fc.constantFrom('nothing', 'nothing', 'throws', 'rejects', 'hangs', 'odd', 'undefined')

test('a store whose methods do anything', { timeout }, async () => {
  const given = fc.record({
    load: misdeed,
    save: misdeed,
    exclusive: misdeed,
    watch: misdeed,
    close: misdeed,
    begin: misdeed,
    clear: misdeed,
    found: odd,
  })
  await attempt('stores', 0.3, given, async ({ found, ...misdeeds }) => {
    const time = newClock()
    const inner = memoryStore({ clock: time.clock, lease: 1000 })
    const badly = (deed: string, well: (...all: never[]) => unknown): never =>
      ((...all: never[]) => {
        if (deed === 'nothing') return well(...all)
        if (deed === 'throws') throw new Error('thrown')
        if (deed === 'rejects') return Promise.reject(new Error('rejected'))
        if (deed === 'hangs') return new Promise(() => {})
        return Promise.resolve(deed === 'odd' ? found : undefined)
      }) as never
    // What is not promised to be a promise rejects for nobody.
    const atOnce = (deed: string): string => (deed === 'rejects' ? 'odd' : deed)
    const store: SessionStore = {
      load: badly(misdeeds.load, inner.load),
      save: badly(misdeeds.save, inner.save),
      watch: badly(atOnce(misdeeds.watch), inner.watch),
      close: badly(atOnce(misdeeds.close), inner.close),
      exclusive: badly(misdeeds.exclusive, ((
        work: Parameters<SessionStore['exclusive']>[0],
        signal: AbortSignal,
      ) =>
        inner.exclusive(
          (lease) =>
            work({
              ...lease,
              begin: badly(misdeeds.begin, lease.begin),
              clear: badly(misdeeds.clear, lease.clear as never),
            }),
          signal,
        )) as never),
    }
    await goesOn(time, begin(time, { store }))
  })
})

/** An object that does not want to be looked at. */
const unwilling = fc.constantFrom<() => unknown>(
  () =>
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('get')
        },
      },
    ),
  () =>
    new Proxy(new Error('x'), {
      getPrototypeOf: () => {
        throw new Error('prototype')
      },
      get: () => {
        throw new Error('get')
      },
    }),
  () =>
    new Proxy(
      {},
      {
        has: () => {
          throw new Error('has')
        },
        ownKeys: () => {
          throw new Error('keys')
        },
      },
    ),
  () =>
    Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('message')
      },
    }),
  () => ({
    toString: () => {
      throw new Error('text')
    },
  }),
  () => Object.create(null),
  () => ({
    get access_token() {
      throw new Error('token')
    },
  }),
  () => ({ error: { error: { error: 'deep' } }, status: 'x', headers: 7 }),
  () => ({
    status: 400,
    headers: {
      get: () => {
        throw new Error('header')
      },
    },
    data: null,
  }),
  () => ({
    json: () => {
      throw new Error('json')
    },
  }),
  () => new Response('{"access_token":', { status: 200 }),
  () => new Response('x'.repeat(300_000), { status: 400 }),
)

test('a refresh that returns or throws anything', { timeout }, async () => {
  const given = fc.record({
    threw: fc.boolean(),
    make: fc.oneof(
      unwilling,
      odd.map((value) => () => value),
    ),
    cookie: fc.boolean(),
  })
  await attempt('results', 0.3, given, async ({ threw, make, cookie }) => {
    const time = newClock()
    const session = begin(time, {
      refresh: async () => {
        if (threw) throw make()
        return make() as never
      },
      ...(cookie && { mode: 'cookie', tokens: undefined }),
    })
    const told: string[] = []
    session.observe((event) => told.push(inspect(event)))
    await settled(time, 'refresh', session.refresh())
    await settled(time, 'refresh', session.refresh())
    expect(Math.max(...told.map((text) => text.length))).toBeLessThan(5_000)
    expect(told.join('\n')).not.toMatch(/[\p{Cf}\p{Cs}]/u)
    await settled(time, 'signIn', session.signIn('next-0123456789'))
    await settled(time, 'signOut', session.signOut())
    session.close()
    await time.advance(60_000)
  })
})

test('calls from inside any event', { timeout }, async () => {
  const verb = fc.constantFrom(
    'signIn',
    'signOut',
    'update',
    'refresh',
    'getAccessToken',
    'throw',
    'observe',
    'close',
  )
  const given = fc.record({
    calls: fc.array(fc.record({ at: fc.nat(12), verb }), { maxLength: 5 }),
    fails: fc.boolean(),
  })
  await attempt('events', 0.1, given, async ({ calls, fails }) => {
    const time = newClock()
    const session = begin(time, {
      refresh: () => (fails ? new Response(null, { status: 503 }) : 'new-0123456789'),
    })
    const inside: Promise<unknown>[] = []
    let events = 0
    const acts: Record<string, () => unknown> = {
      signIn: () => session.signIn('next-0123456789'),
      signOut: () => session.signOut(),
      update: () => session.update('mine-0123456789'),
      refresh: () => session.refresh(),
      getAccessToken: () => session.getAccessToken(),
      observe: () => session.observe(() => {})(),
      close: () => session.close(),
    }
    session.observe(() => {
      const at = events++
      for (const call of calls) {
        if (call.at !== at) continue
        const done = Promise.resolve(acts[call.verb]?.())
        done.catch(() => {})
        inside.push(done)
      }
    })
    await settled(time, 'refresh', session.refresh())
    await settled(time, 'getAccessToken', session.getAccessToken())
    await settled(time, 'signOut', session.signOut())
    await settled(time, 'what was called inside', Promise.allSettled(inside))
    session.close()
    await time.advance(60_000)
  })
})

const thrower = (): never => {
  throw new Error('a getter')
}

/** An error that cannot be looked at in one of these ways, or in none. */
const hostileError = fc.oneof(
  unwilling,
  fc
    .subarray([
      'message',
      'name',
      'stack',
      'cause',
      'code',
      'status',
      'response',
      'toString',
      'toJSON',
      'then',
    ])
    .map((members) => () => {
      const error = new Error('Bearer old-0123456789')
      for (const member of members) Object.defineProperty(error, member, { get: thrower })
      return error
    }),
  fc.constantFrom<() => unknown>(
    () => Object.freeze(new Error('frozen old-0123456789')),
    () => Object.seal(Object.assign(new Error('sealed'), { url: '?t=old-0123456789' })),
    () => {
      const { proxy, revoke } = Proxy.revocable(new Error('revoked'), {})
      revoke()
      return proxy
    },
    () =>
      new Proxy(new Error('x'), {
        get: thrower,
        getPrototypeOf: thrower,
        defineProperty: thrower,
        has: thrower,
      }),
    () =>
      Object.assign(new Error('in a circle'), {
        get cause() {
          return this
        },
      }),
    () => new AggregateError([new Error('one')], 'many'),
    () => undefined,
    () => null,
    () => 'text with old-0123456789',
    () => 7,
    () => Symbol('s'),
    () => 7n,
  ),
)

/** Where code of an app's own stands in the way of a request. */
const PLACES = [
  'applyToken',
  'fetch',
  'isTerminal',
  'shouldRefresh',
  'skip',
  'refresh',
  'server',
  'revoke',
  'tokens',
  'observe',
] as const

test('code of an app that throws what does not want to be looked at', { timeout }, async () => {
  // Faults of listeners are printed there.
  const printed = vi.spyOn(console, 'error').mockImplementation((error) => void inspect(error))
  onTestFinished(() => printed.mockRestore())
  const given = fc.record({
    place: fc.constantFrom(...PLACES),
    later: fc.boolean(),
    make: hostileError,
    guarded: fc.constantFrom('axios', 'fetch'),
    expired: fc.boolean(),
  })
  await attempt('errors', 0.5, given, async ({ place, later, make, guarded, expired }) => {
    const time = newClock()
    let armed = true
    const bad = (at: (typeof PLACES)[number]): unknown => {
      if (at !== place || !armed) return undefined
      if (later) return Promise.reject(make())
      throw make()
    }
    const refused = () =>
      new Response('{"error":"trouble"}', { status: 400, headers: { 'content-type': 'application/json' } })
    const tokens = {
      accessToken: 'old-0123456789',
      refreshToken: 'rt-0123456789',
      ...(expired && { expiresAt: 1 }),
    }
    const session = begin(time, {
      tokens: place === 'tokens' ? () => bad('tokens') as never : tokens,
      refresh: () =>
        (bad('refresh') as never) ??
        (place === 'isTerminal' && armed
          ? refused()
          : { accessToken: 'new-0123456789', refreshToken: 'rt-0123456789' }),
      ...(place === 'isTerminal' && { isTerminal: () => bad('isTerminal') as never }),
      ...(place === 'shouldRefresh' && { shouldRefresh: () => (bad('shouldRefresh') as never) ?? false }),
      ...(place === 'skip' && { skip: () => (later ? false : (bad('skip') as never)) ?? false }),
      ...(place === 'revoke' && { revoke: () => bad('revoke') as never }),
      ...(place === 'applyToken' && {
        applyToken: ({ accessToken }: { accessToken: string }) =>
          (bad('applyToken') as never) ?? { headers: { 'x-token': accessToken } },
      }),
    })
    const told: string[] = []
    session.observe((event) => {
      told.push(inspect(event))
      if (place === 'observe' && !later) bad('observe')
    })
    const answer = async () => (bad('fetch') as never) ?? Response.json({})
    const send = (): Promise<unknown> => {
      if (guarded === 'fetch')
        return withSession(session, { origins: ['https://api.example.com'], fetch: answer })(
          'https://api.example.com/items',
        )
      const api = axios.create({
        baseURL: 'https://api.example.com',
        adapter: async (config) =>
          (bad('fetch') as never) ?? { status: 200, statusText: '', data: {}, headers: {}, config },
      })
      attachSession(api, session)
      return api.get('/items')
    }
    await settled(time, 'a request', send())
    await settled(time, 'a refresh', session.refresh())
    await settled(time, 'another request', send())
    await settled(time, 'a sign-out', session.signOut({ server: () => bad('server') }))
    armed = false
    await settled(time, 'a sign-in', session.signIn('next-0123456789'))
    const served = send()
    await settled(time, 'a request of the next one', served)
    expect(await served).toMatchObject({ status: 200 })
    // Tokens that were never given are not known.
    if (place !== 'tokens') expect(told.join()).not.toMatch(/(old|rt|new|next)-0123456789/)
    session.close()
    await time.advance(60_000)
  })
})
