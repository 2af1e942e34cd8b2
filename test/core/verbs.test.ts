import { setImmediate as macrotask } from 'node:timers/promises'
import {
  createSession,
  isSessionError,
  memoryStore,
  type Session,
  type SessionOptions,
  type SessionStore,
  type TokenInput,
} from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, type TurnedClock, times, watch } from '../setup.ts'

function given(options: Partial<SessionOptions> = {}): {
  session: Session
  time: TurnedClock
  readonly calls: number
} {
  const time = newClock()
  let calls = 0
  const session = open({
    refresh: () => {
      calls++
      return { accessToken: `refreshed-${calls}`, refreshToken: `r-${calls}`, expiresIn: 300 }
    },
    tokens: null,
    clock: time.clock,
    retries: 0,
    ...options,
  })
  return {
    session,
    time,
    get calls() {
      return calls
    },
  }
}

describe('createSession', () => {
  test('says at once what is wrong with an option, and what it got', () => {
    const create = (options: unknown) => () => createSession(options as SessionOptions)
    const refresh = (): string => 'x'
    expect(create(undefined)).toThrow(TypeError)
    expect(create({})).toThrow(/refresh.*function/)
    expect(create({ refresh, deadline: -1 })).toThrow(/deadline.*-1/)
    expect(create({ refresh, lease: '60' })).toThrow(/lease.*60/)
    expect(create({ refresh, mode: 'cookies' })).toThrow(/mode.*cookies/)
    expect(create({ refresh, tokens: { access_token: 42 } })).toThrow(/access token.*number/)
  })

  test('takes an option that is undefined for one that is not given', async () => {
    const unset = {
      deadline: undefined,
      lease: undefined,
      retries: undefined,
      leeway: undefined,
      clock: undefined,
      mode: undefined,
      recall: undefined,
      store: undefined,
      skip: undefined,
      applyToken: undefined,
    }
    const session = open({ refresh: () => 'refreshed', ...unset })
    expect(await session.getAccessToken()).toBe('refreshed')
  })

  test('tells errors apart by their code', async () => {
    const error = await failureOf(given().session.getAccessToken())
    expect(isSessionError(error)).toBe(true)
    expect(isSessionError(error, 'session_expired')).toBe(true)
    expect(isSessionError(error, 'refresh_failed')).toBe(false)
  })

  test('calls nothing before somebody needs a token', async () => {
    const g = given({ tokens: undefined })
    await g.time.advance(60_000)
    expect(g.calls).toBe(0)
    expect(g.session.state.status).toBe('unknown')
  })
})

describe('getAccessToken', () => {
  test('resolves with the token that is good now', async () => {
    const g = given({ tokens: 'mine' })
    expect(await g.session.getAccessToken()).toBe('mine')
    expect(g.calls).toBe(0)
  })

  test('of a session that knows nothing asks for the first token, once for all callers', async () => {
    const g = given({ tokens: undefined })
    const tokens = await Promise.all(times(5, () => g.session.getAccessToken()))
    expect(tokens).toEqual(times(5, () => 'refreshed-1'))
    expect(g.calls).toBe(1)
  })

  test('of a session that knows nothing fails as every other, and the session knows as little as before', async () => {
    const g = given({ tokens: undefined, refresh: () => new Response(null, { status: 503 }) })
    const errors = await Promise.all(times(3, () => failureOf(g.session.getAccessToken())))
    for (const error of errors) expect(isSessionError(error, 'refresh_failed')).toBe(true)
    expect(g.session.state).toMatchObject({ status: 'unknown', refreshing: false, generation: 0 })
  })

  test('rejects with session_expired when nobody is signed in, and asks nobody', async () => {
    const g = given()
    expect(isSessionError(await failureOf(g.session.getAccessToken()), 'session_expired')).toBe(true)
    expect(
      isSessionError(await failureOf(g.session.getAccessToken({ minValidity: 1 })), 'session_expired'),
    ).toBe(true)
    expect(g.calls).toBe(0)
  })

  test('is a mistake in cookie mode', async () => {
    const g = given({ mode: 'cookie', tokens: undefined })
    const error = await failureOf(g.session.getAccessToken())
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain('cookie')
  })
})

describe('signIn', () => {
  test('is in effect at once', async () => {
    const g = given()
    const saved = g.session.signIn('mine')
    expect(g.session.state).toMatchObject({ status: 'signed-in', generation: 1 })
    expect(await g.session.getAccessToken()).toBe('mine')
    await saved
  })

  test('takes a string, a token set and an OAuth token response', async () => {
    const g = given()
    const inputs: TokenInput[] = [
      'a',
      { accessToken: 'b', expiresIn: 300 },
      { access_token: 'c', refresh_token: 'r', expires_in: 300, token_type: 'bearer' },
    ]
    const seen: string[] = []
    for (const input of inputs) {
      await g.session.signIn(input)
      seen.push(await g.session.getAccessToken())
    }
    expect(seen).toEqual(['a', 'b', 'c'])
  })

  test('with something that is no token set rejects, and the session is what it was', async () => {
    const g = given({ tokens: 'mine' })
    const texts = ['with space', 'línea', 'a\r\nb', '']
    for (const input of [undefined, null, 42, [], { token: 'x' }, ...texts]) {
      expect(await failureOf(g.session.signIn(input as unknown as string))).toBeInstanceOf(TypeError)
    }
    expect(await g.session.getAccessToken()).toBe('mine')
  })

  // What an app has kept with JSON.stringify, and not parsed: the API would get the refresh token, too.
  test('with JSON, or a page, in the place of a token rejects, and nothing of it is sent', async () => {
    const g = given({ tokens: 'mine' })
    for (const text of ['{"access_token":"a","refresh_token":"r"}', '"quoted"', '["a"]', '<html></html>']) {
      for (const input of [text, { accessToken: text }])
        expect(await failureOf(g.session.signIn(input))).toBeInstanceOf(TypeError)
      expect(await failureOf(g.session.update(text))).toBeInstanceOf(TypeError)
      expect(() => given({ tokens: text })).toThrow('is it JSON')
    }
    expect(await g.session.getAccessToken()).toBe('mine')
  })

  test('after a session has expired begins a new one', async () => {
    const g = given({
      tokens: { accessToken: 'old', expiresAt: 1 },
      refresh: () => new Response(null, { status: 401 }),
    })
    await failureOf(g.session.getAccessToken())
    expect(g.session.state.status).toBe('signed-out')
    await g.session.signIn('new')
    expect(await g.session.getAccessToken()).toBe('new')
  })

  test('in cookie mode needs no tokens', async () => {
    const g = given({ mode: 'cookie' })
    await g.session.signIn()
    expect(g.session.state.status).toBe('signed-in')
  })

  test('in cookie mode takes what the login has answered, and rejects where that was refused', async () => {
    const g = given({ mode: 'cookie' })
    for (const refused of [new Response(null, { status: 401 }), { status: 403, headers: {}, data: 'no' }]) {
      expect((await failureOf(g.session.signIn(refused))).message).toMatch(/answered with 40[13]/)
      expect(g.session.state.status).toBe('signed-out')
    }
    for (const accepted of [
      new Response(null, { status: 204 }),
      { status: 200, headers: {}, data: {} },
      // Only what says who that is.
      { user: { name: 'alice' } } as never,
    ]) {
      await g.session.signIn(accepted)
      expect(g.session.state.status).toBe('signed-in')
      await g.session.signOut()
    }
  })
})

describe('update', () => {
  test('replaces the token set of the same user, and keeps what the new one does not name', async () => {
    const seen: unknown[] = []
    const g = given({
      refresh: ({ tokens }) => {
        seen.push(tokens?.refreshToken, tokens?.scope)
        return 'refreshed'
      },
    })
    await g.session.signIn({ accessToken: 'one', refreshToken: 'r', scope: 'read' })
    await g.session.update({ accessToken: 'two' })
    expect(await g.session.getAccessToken()).toBe('two')
    expect(g.session.state.generation).toBe(2)
    await g.session.refresh()
    expect(seen).toEqual(['r', 'read'])
  })

  test('right after a sign-in waits until that is saved, over what a former user has left', async () => {
    const kept = memoryStore()
    await open({ refresh: () => 'unused', tokens: null, store: { ...kept, close() {} } }).signIn('former')
    const saving = deferred<void>()
    const store: SessionStore = {
      ...kept,
      async save(next) {
        await saving.promise
        return kept.save(next)
      },
    }
    const { session, time } = given({ tokens: undefined, store })
    const done = Promise.all([
      session.signIn({ accessToken: 'mine', scope: 'read' }),
      session.update('better'),
    ])
    await time.advance(0)
    saving.resolve()
    await done
    expect(await session.getTokenSet()).toMatchObject({ accessToken: 'better', scope: 'read' })
  })

  test('of a session that was closed asks nothing of its store', async () => {
    const store = memoryStore()
    let turns = 0
    const { session } = given({
      tokens: 'mine',
      store: {
        ...store,
        exclusive(...turn) {
          turns++
          return store.exclusive(...turn)
        },
      },
    })
    await session.update('next')
    session.close()
    expect(await failureOf(session.update('last'))).toMatchObject({ code: 'session_closed' })
    expect(turns).toBe(1)
  })

  test('waits for a refresh that is running, and wins over it', async () => {
    const answer = deferred<TokenInput>()
    const g = given({ refresh: () => answer.promise })
    await g.session.signIn('one')
    const refreshing = g.session.refresh()
    await g.time.advance(0)
    let updated = false
    const update = g.session.update('updated').then(() => {
      updated = true
    })
    await g.time.advance(0)
    expect(updated).toBe(false)
    answer.resolve('refreshed')
    await Promise.all([refreshing, update])
    expect(await g.session.getAccessToken()).toBe('updated')
    expect(g.session.state.generation).toBe(3)
  })

  test('with an end in the past: the tokens are used until somebody refuses them', async () => {
    const g = given()
    await g.session.signIn('one')
    for (const late of [{ expiresAt: g.time.clock.now() - 60_000 }, { expiresIn: 0 }, { expiresIn: -1 }]) {
      await g.session.update({ accessToken: 'two', ...late })
      expect(await g.session.getAccessToken()).toBe('two')
    }
    expect(g.calls).toBe(0)
  })

  test('with an end of the refresh token in the past: no refresh is told of it', async () => {
    const seen: unknown[] = []
    const g = given({
      refresh: ({ tokens }) => {
        seen.push(tokens?.refreshExpiresAt)
        return 'refreshed'
      },
    })
    await g.session.signIn('one')
    await g.session.update({ accessToken: 'two', refreshExpiresAt: g.time.clock.now() - 60_000 })
    await g.session.refresh()
    expect(seen).toEqual([undefined])
  })

  test('rejects when nobody is signed in, or somebody else has signed in meanwhile', async () => {
    const g = given()
    expect((await failureOf(g.session.update('x'))).message).toContain('signIn')
    await g.session.signIn('alices')
    const late = failureOf(g.session.update('alices-2'))
    await g.session.signIn('bobs')
    expect(isSessionError(await late, 'session_changed')).toBe(true)
    expect(await g.session.getAccessToken()).toBe('bobs')
  })
})

describe('signOut', () => {
  test('is in effect at once, and asks nobody', async () => {
    const g = given({ tokens: 'mine' })
    const saved = g.session.signOut()
    expect(g.session.state).toMatchObject({ status: 'signed-out', refreshing: false })
    expect(isSessionError(await failureOf(g.session.getAccessToken()), 'session_expired')).toBe(true)
    expect(isSessionError(await failureOf(g.session.refresh()), 'session_expired')).toBe(true)
    await saved
    expect(g.calls).toBe(0)
  })

  test('does not abort a refresh that is running', async () => {
    let signal: AbortSignal | undefined
    const answer = deferred<string>()
    const g = given({
      refresh: (context) => {
        signal = context.signal
        return answer.promise
      },
    })
    await g.session.signIn('mine')
    const refreshing = failureOf(g.session.refresh())
    await g.time.advance(0)
    await g.session.signOut()
    expect(isSessionError(await refreshing)).toBe(true)
    expect(signal?.aborted).toBe(false)
    answer.resolve('late')
    await g.time.advance(0)
    expect(g.session.state.status).toBe('signed-out')
  })

  test('`server` runs only once no refresh is running, and its failure is the caller’s', async () => {
    const answer = deferred<string>()
    const g = given({ refresh: () => answer.promise })
    await g.session.signIn('mine')
    const order: string[] = []
    const refreshing = failureOf(g.session.refresh())
    await g.time.advance(0)
    const out = g.session.signOut({
      server: async () => {
        order.push('server')
        throw new Error('logout failed')
      },
    })
    await g.time.advance(0)
    expect(order).toEqual([])
    expect(g.session.state.status).toBe('signed-out')
    answer.resolve('late')
    order.push('refreshed')
    expect((await failureOf(out)).message).toBe('logout failed')
    expect(order).toEqual(['refreshed', 'server'])
    await refreshing
    expect(g.session.state.status).toBe('signed-out')
  })

  describe('with a `server`', () => {
    /** What is told, in its order: the status, the event, what `server` does. */
    function follow(session: Session): string[] {
      const told: string[] = []
      session.subscribe(({ status }) => told.push(status))
      session.observe(({ type }) => type.startsWith('signed') && told.push(`event ${type}`))
      return told
    }

    for (const fails of [false, true])
      test(`the event comes when it has ${fails ? 'failed' : 'settled'}: whoever leaves the page cuts nothing off`, async () => {
        const g = given({ tokens: 'mine' })
        const told = follow(g.session)
        const answer = deferred<void>()
        const server = () => {
          told.push('server')
          return answer.promise
        }
        const left = g.session.signOut({ server })
        const outcome = left.catch((error) => error)
        expect(told).toEqual(['signed-out'])
        await g.time.advance(0)
        expect(told).toEqual(['signed-out', 'server'])
        if (fails) answer.reject(new Error('no network'))
        else answer.resolve()
        expect(Boolean(await outcome)).toBe(fails)
        expect(told).toEqual(['signed-out', 'server', 'event signed-out'])
      })

    test('the event comes at the deadline where it does not answer, and once', async () => {
      const g = given({ tokens: 'mine', deadline: 2_000, lease: 10_000 })
      const told = follow(g.session)
      const left = failureOf(g.session.signOut({ server: () => new Promise(() => {}) }))
      await g.time.advance(1_999)
      expect(told).toEqual(['signed-out'])
      await g.time.advance(1)
      expect(told).toEqual(['signed-out', 'event signed-out'])
      await g.time.advance(8_000)
      await left
      expect(told).toEqual(['signed-out', 'event signed-out'])
    })

    test('the deadline counts from its call: a refresh that is waited for first leaves it its time', async () => {
      const g = given({ refresh: () => new Promise(() => {}), deadline: 2_000, lease: 10_000 })
      await g.session.signIn({ accessToken: 'mine' })
      const refreshing = failureOf(g.session.refresh())
      await g.time.advance(0)
      const told = follow(g.session)
      const answer = deferred<void>()
      const left = g.session.signOut({ server: () => answer.promise })
      await g.time.advance(3_000)
      expect(told).toEqual(['signed-out'])
      answer.resolve()
      await left
      expect(told).toEqual(['signed-out', 'event signed-out'])
      await refreshing
    })

    test('the next sign-in is told after it, and never before', async () => {
      const g = given({ tokens: 'mine' })
      const told = follow(g.session)
      const answer = deferred<void>()
      const left = g.session.signOut({ server: () => answer.promise })
      await g.session.signIn('next')
      answer.resolve()
      await left
      expect(told).toEqual(['signed-out', 'event signed-out', 'event signed-in', 'signed-in'])
    })

    test.each(['with tokens', 'with a cookie'])(
      'whoever signs in %s is signed in, whatever is done from inside that event',
      async (how) => {
        const renewed: (string | undefined)[] = []
        const g = given({
          tokens: 'mine',
          refresh: ({ tokens }) => `refreshed-${renewed.push(tokens?.accessToken)}`,
        })
        const guests: Promise<void>[] = []
        g.session.observe(({ type }) => type === 'signed-out' && guests.push(g.session.signIn('guest')))
        for (let round = 1; round <= 8; round++) {
          const answer = deferred<void>()
          const left = g.session.signOut({ server: () => answer.promise })
          const signedIn = how === 'with tokens' ? g.session.signIn('next') : g.session.signIn()
          answer.resolve()
          await Promise.all([left, signedIn])
          expect(guests).toHaveLength(round)
          expect(await g.session.getAccessToken()).toBe(how === 'with tokens' ? 'next' : `refreshed-${round}`)
        }
        await Promise.all(guests)
        // What the guest had is not what the cookie's owner goes on with.
        expect(renewed).toEqual(times(how === 'with tokens' ? 0 : 8, () => undefined))
      },
    )

    test('a session that is closed from inside that event signs nobody in', async () => {
      const g = given({ tokens: 'mine' })
      g.session.observe(({ type }) => type === 'signed-out' && g.session.close())
      const left = g.session.signOut({ server: () => {} })
      expect(await failureOf(g.session.signIn('next'))).toMatchObject({ code: 'session_closed' })
      expect(g.session.state.status).toBe('signed-out')
      await left
    })

    test('one that is closed while a sign-in by a cookie begins asks nobody', async () => {
      let calls = 0
      const session = open({ tokens: 'mine', refresh: () => `new-${++calls}` })
      await session.getAccessToken()
      session.observe(({ type }) => type === 'restored' && session.close())
      expect(await failureOf(session.signIn())).toMatchObject({ code: 'session_closed' })
      await macrotask()
      expect(calls).toBe(0)
    })

    test('a second click waits as the first one', async () => {
      const g = given({ tokens: 'mine' })
      const told = follow(g.session)
      const answer = deferred<void>()
      const server = () => answer.promise
      const both = [g.session.signOut({ server }), g.session.signOut({ server })]
      await g.time.advance(0)
      expect(told).toEqual(['signed-out'])
      answer.resolve()
      await Promise.all(both)
      expect(told).toEqual(['signed-out', 'event signed-out'])
    })

    test('without one the event comes at once', () => {
      const g = given({ tokens: 'mine' })
      const told = follow(g.session)
      void g.session.signOut()
      expect(told).toEqual(['event signed-out', 'signed-out'])
    })
  })

  test('a `server` that never answers holds up nobody beyond its lease', async () => {
    const g = given({ tokens: 'mine', lease: 1_000 })
    let asked = 0
    const server = () => {
      asked++
      return new Promise(() => {})
    }
    const left = failureOf(g.session.signOut({ server }))
    await g.time.advance(0)
    await g.session.signIn('next')
    const refreshed = g.session.refresh()
    await g.time.advance(999)
    expect([asked, g.calls]).toEqual([1, 0])
    await g.time.advance(1)
    expect(g.calls).toBe(1)
    await refreshed
    expect(await g.session.getAccessToken()).toBe('refreshed-1')
    expect(await left).toMatchObject({ code: 'refresh_timeout', message: 'server has not come to an end' })
  })

  test('twice is the same as once', async () => {
    const g = given({ tokens: 'mine' })
    const seen = watch(g.session)
    await Promise.all([g.session.signOut(), g.session.signOut()])
    await g.session.signOut()
    expect(g.session.state.status).toBe('signed-out')
    expect(seen.of('signed-in')).toHaveLength(0)
  })
})

describe('refresh', () => {
  test('forces one refresh for all who ask at the same time', async () => {
    const g = given({ tokens: 'mine' })
    await Promise.all(times(5, () => g.session.refresh()))
    expect(g.calls).toBe(1)
    expect(await g.session.getAccessToken()).toBe('refreshed-1')
    await g.session.refresh()
    expect(g.calls).toBe(2)
  })

  test('does not make callers wait whose token is still good', async () => {
    const answer = deferred<string>()
    const g = given({ refresh: () => answer.promise, tokens: 'mine' })
    const forced = g.session.refresh()
    await g.time.advance(0)
    expect(await g.session.getAccessToken()).toBe('mine')
    answer.resolve('second')
    await forced
    expect(await g.session.getAccessToken()).toBe('second')
  })

  test('rejects with the failure, and the session is kept', async () => {
    const g = given({ refresh: () => new Response(null, { status: 503 }), tokens: 'mine' })
    expect(isSessionError(await failureOf(g.session.refresh()), 'refresh_failed')).toBe(true)
    expect(await g.session.getAccessToken()).toBe('mine')
  })

  test('rejects with session_expired where it is refused', async () => {
    const g = given({ refresh: () => new Response(null, { status: 401 }), tokens: 'mine' })
    expect(isSessionError(await failureOf(g.session.refresh()), 'session_expired')).toBe(true)
    expect(g.session.state.status).toBe('signed-out')
  })
})

describe('close', () => {
  test('ends every use with session_closed, keeps the user signed in, and can be called twice', async () => {
    const g = given({ tokens: 'mine', keepFresh: true })
    await g.session.signIn({ accessToken: 'mine', expiresIn: 300 })
    g.session.close()
    g.session.close()
    const uses = [
      () => g.session.getAccessToken(),
      () => g.session.refresh(),
      () => g.session.signIn('x'),
      () => g.session.signIn(),
      () => g.session.update('x'),
      () => g.session.signOut(),
    ]
    for (const use of uses) expect(isSessionError(await failureOf(use()), 'session_closed')).toBe(true)
    expect(g.session.state.status).toBe('signed-in')
    expect(g.time.pending).toBe(0)
    expect(g.calls).toBe(0)
  })

  test('aborts the signal of a refresh that is running, and leaves no timer even if that never settles', async () => {
    let signal: AbortSignal | undefined
    const g = given({
      tokens: 'mine',
      refresh: (context) => {
        signal = context.signal
        return new Promise<string>(() => {})
      },
    })
    const forced = failureOf(g.session.refresh())
    await g.time.advance(0)
    g.session.close()
    expect(isSessionError(await forced, 'session_closed')).toBe(true)
    await g.time.advance(0)
    expect(signal?.aborted).toBe(true)
    expect(g.time.pending).toBe(0)
  })

  test('between two tries ends the flight, and no other is made', async () => {
    const g = given({
      tokens: 'mine',
      retries: 5,
      refresh: () => Response.json({}, { status: 429, headers: { 'retry-after': '5' } }),
    })
    const forced = failureOf(g.session.refresh())
    await g.time.advance(0)
    expect(g.time.pending).toBeGreaterThan(0)
    g.session.close()
    expect(isSessionError(await forced, 'session_closed')).toBe(true)
    await g.time.advance(0)
    expect(g.time.pending).toBe(0)
  })

  test('while an update waits for its turn ends the update: a store that was closed may not know the newest tokens', async () => {
    const store = memoryStore()
    const g = given({ tokens: { accessToken: 'mine', refreshToken: 'first' }, store })
    await g.session.getAccessToken()
    const turn = deferred<void>()
    const others = store.exclusive(() => turn.promise)
    const updated = failureOf(g.session.update('other'))
    await g.time.advance(0)
    g.session.close()
    turn.resolve()
    await others
    expect(await updated).toMatchObject({ code: 'session_closed' })
    expect(await store.load()).toMatchObject({ version: { generation: 1 }, tokens: { accessToken: 'mine' } })
  })

  test('closes the store, once', async () => {
    let closed = 0
    const store = { ...memoryStore(), close: () => void closed++ }
    const g = given({ tokens: 'mine', store })
    await g.session.getAccessToken()
    expect(closed).toBe(0)
    g.session.close()
    g.session.close()
    expect(closed).toBe(1)
  })

  test('comes by itself with `using`, where the runtime knows it', () => {
    const g = given({ tokens: 'mine' })
    if (Symbol.dispose === undefined) return
    expect(g.session[Symbol.dispose]).toBeTypeOf('function')
  })
})

test('whoever asks for a token that lasts longer waits until a failure has cooled down, and `refresh` does not', async () => {
  const time = newClock()
  let calls = 0
  const session = open({
    clock: time.clock,
    retries: 0,
    tokens: { accessToken: 'mine', expiresAt: time.clock.now() + 120_000 },
    refresh: () => {
      calls++
      return new Response(null, { status: 503 })
    },
  })
  for (let n = 0; n < 2; n++)
    expect(await failureOf(session.getAccessToken({ minValidity: 240_000 }))).toMatchObject({
      code: 'refresh_failed',
    })
  expect(calls).toBe(1)
  expect(await failureOf(session.refresh())).toMatchObject({ code: 'refresh_failed' })
  expect(calls).toBe(2)
})

test('a session that a listener closes when its refresh begins has not been refreshed', async () => {
  const session = open({ tokens: 'mine', refresh: () => 'next' })
  session.observe(({ type }) => type === 'refresh-started' && session.close())
  expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_closed' })
})
