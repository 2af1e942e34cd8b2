import { inspect } from 'node:util'
import { memoryStore, type SessionEvent, type SessionState } from 'refresh-once'
import { describe, expect, test, vi } from 'vitest'
import { deferred, failureOf, newClock, open, watch } from '../setup.ts'

describe('session.state', () => {
  test('goes from unknown through refreshing to signed in, and says when the token expires', async () => {
    const time = newClock()
    const answer = deferred<{ accessToken: string; expiresIn: number }>()
    const session = open({ refresh: () => answer.promise, clock: time.clock })
    expect(session.state).toMatchObject({ status: 'unknown', refreshing: false, generation: 0 })
    const token = session.getAccessToken()
    await time.advance(0)
    expect(session.state).toMatchObject({ status: 'unknown', refreshing: true })
    answer.resolve({ accessToken: 'first', expiresIn: 300 })
    await token
    expect(session.state).toEqual({
      status: 'signed-in',
      refreshing: false,
      generation: 1,
      signIn: expect.any(String),
      expiresAt: time.clock.now() + 300_000,
    })
  })

  test('starts with what the options say', () => {
    const refresh = (): string => 'x'
    expect(open({ refresh, tokens: null }).state.status).toBe('signed-out')
    expect(open({ refresh, tokens: 'mine' }).state).toMatchObject({ status: 'signed-in', generation: 1 })
    expect(open({ refresh, store: memoryStore() }).state).toEqual({
      status: 'restoring',
      refreshing: false,
      generation: 0,
      expiresAt: undefined,
    })
  })

  test('is frozen, and the same object until something changes', async () => {
    const session = open({ refresh: () => 'second', tokens: 'first' })
    const before = session.state
    expect(Object.isFrozen(before)).toBe(true)
    await session.getAccessToken()
    expect(session.state).toBe(before)
    await session.refresh()
    expect(session.state).not.toBe(before)
    expect(Object.isFrozen(session.state)).toBe(true)
    expect(before).toMatchObject({ generation: 1 })
    expect(session.state).toMatchObject({ generation: 2 })
  })

  test('is the same object where something happens that changes nothing', async () => {
    const session = open({ tokens: 'mine', refresh: () => new Promise(() => {}) })
    const seen = watch(session)
    const waiting = [failureOf(session.refresh())]
    await seen.until('refresh-started')
    const { state } = session
    waiting.push(failureOf(session.refresh()))
    await seen.until('refresh-joined')
    expect(session.state).toBe(state)
    session.close()
    await Promise.all(waiting)
  })

  test('grows its generation with each token set, and begins anew with each sign-in', async () => {
    const session = open({ refresh: () => 'next', tokens: 'first' })
    const generations: number[] = []
    const step = async (work: Promise<unknown>): Promise<void> => {
      await work
      generations.push(session.state.generation)
    }
    await step(session.refresh())
    await step(session.update('updated'))
    await session.signOut()
    await step(session.signIn('again'))
    expect(generations).toEqual([2, 3, 1])
  })

  test('never holds a token, and neither does any event or error', async () => {
    const secret = /(access|refresh)-secret/
    const events: SessionEvent[] = []
    const states: SessionState[] = []
    const session = open({
      refresh: ({ tokens }) => {
        if (tokens?.accessToken === 'access-secret-2') {
          throw Object.assign(new Error('the network is gone'), {
            config: { data: tokens.refreshToken },
            request: { body: tokens.refreshToken },
          })
        }
        return { accessToken: 'access-secret-2', refreshToken: 'refresh-secret-2', expiresIn: 300 }
      },
      tokens: { accessToken: 'access-secret-1', refreshToken: 'refresh-secret-1', expiresIn: 300 },
      retries: 0,
    })
    session.observe((event) => events.push(event))
    session.subscribe((state) => states.push(state))
    await session.refresh()
    const error = await failureOf(session.refresh())
    await session.signOut()
    for (const value of [session, session.state, events, states, error]) {
      expect(JSON.stringify(value)).not.toMatch(secret)
      expect(inspect(value, { depth: 10, showHidden: true })).not.toMatch(secret)
    }
    expect(events.map(({ type }) => type)).toEqual([
      'refresh-started',
      'refresh-succeeded',
      'refresh-started',
      'refresh-failed',
      'signed-out',
    ])
  })
})

describe('subscribe', () => {
  test('tells of each change once, with the state that `session.state` then is', async () => {
    const session = open({ refresh: () => 'second', tokens: 'first' })
    const states: SessionState[] = []
    const unsubscribe = session.subscribe((state) => {
      expect(state).toBe(session.state)
      states.push(state)
    })
    await session.getAccessToken()
    expect(states).toEqual([])
    await session.refresh()
    await session.signOut()
    expect(states).toMatchObject([
      { status: 'signed-in', refreshing: true, generation: 1 },
      { status: 'signed-in', refreshing: false, generation: 2 },
      { status: 'signed-out', refreshing: false },
    ])
    unsubscribe()
    await session.signIn('third')
    expect(states).toHaveLength(3)
  })

  test('the same listener twice is two subscriptions, each ended by itself', async () => {
    const session = open({ refresh: () => 'second', tokens: 'first' })
    let heard = 0
    const listener = (): void => void heard++
    const first = session.subscribe(listener)
    session.subscribe(listener)
    await session.signOut()
    expect(heard).toBe(2)
    first()
    first()
    await session.signIn('again')
    expect(heard).toBe(3)
  })

  test('a listener that throws harms neither the session nor the other listeners', async () => {
    const session = open({ refresh: () => 'second', tokens: 'first' })
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {})
    const heard: string[] = []
    session.subscribe(() => {
      throw new Error('a bug of the app')
    })
    session.observe(() => {
      throw new Error('another bug of the app')
    })
    session.subscribe(({ status }) => heard.push(status))
    await session.signOut()
    await session.signIn('again')
    expect(heard).toEqual(['signed-out', 'signed-in'])
    expect(await session.getAccessToken()).toBe('again')
    expect(reported).toHaveBeenCalledTimes(4)
    reported.mockRestore()
  })

  test('a listener that signs somebody in when a refresh starts: nobody waits for that refresh', async () => {
    const time = newClock()
    const asked = vi.fn(() => new Promise<never>(() => {}))
    const session = open({ refresh: asked, clock: time.clock })
    const stop = session.observe(({ type }) => {
      if (type !== 'refresh-started') return
      stop()
      void session.signIn('by-the-listener')
    })
    expect(await session.getAccessToken()).toBe('by-the-listener')
    await time.advance(0)
    // The new tokens are not spent for it.
    expect(asked).not.toHaveBeenCalled()
  })

  test('a listener that signs somebody in when a forced refresh starts: the caller learns it at once', async () => {
    const time = newClock()
    const session = open({ refresh: () => new Promise(() => {}), clock: time.clock, tokens: 'first' })
    const stop = session.observe(({ type }) => {
      if (type !== 'refresh-started') return
      stop()
      void session.signIn('second')
    })
    expect(await failureOf(session.refresh())).toMatchObject({ code: 'session_changed' })
  })

  test.each(['observe', 'subscribe'] as const)(
    'what is told last is how it is, also where a listener acts (by %s)',
    async (how) => {
      const session = open({ refresh: () => 'unused', tokens: null })
      const told: string[][] = [[], []]
      session.subscribe(({ status }) => told[0]?.push(status))
      if (how === 'observe') session.observe(({ type }) => type === 'signed-in' && void session.signOut())
      else session.subscribe(({ status }) => status === 'signed-in' && void session.signOut())
      session.subscribe(({ status }) => told[1]?.push(status))
      await session.signIn('mine')
      expect(session.state.status).toBe('signed-out')
      for (const statuses of told) {
        expect(statuses.at(-1)).toBe('signed-out')
        expect(new Set(statuses).size).toBe(statuses.length)
      }
    },
  )

  test('a listener may use the session', async () => {
    const session = open({ refresh: () => new Response(null, { status: 401 }), tokens: 'first' })
    const unsubscribe = session.subscribe(({ status }) => {
      if (status !== 'signed-out') return
      unsubscribe()
      void session.signIn('by the listener'.replaceAll(' ', '-'))
    })
    await failureOf(session.refresh())
    expect(session.state.status).toBe('signed-in')
    expect(await session.getAccessToken()).toBe('by-the-listener')
  })
})

describe('observe', () => {
  test('tells what happened and when', async () => {
    const time = newClock()
    let calls = 0
    const session = open({
      refresh: () => (++calls === 1 ? 'second' : new Response(null, { status: 503 })),
      tokens: 'first',
      clock: time.clock,
      retries: 0,
    })
    const seen = watch(session)
    await session.refresh()
    await time.advance(5_000)
    await failureOf(session.refresh())
    await session.update('third')
    await session.signOut()
    const at = time.clock.now()
    expect(seen.events).toMatchObject([
      { type: 'refresh-started', reason: 'forced', at: at - 5_000 },
      { type: 'refresh-succeeded', at: at - 5_000 },
      { type: 'refresh-started', reason: 'forced', at },
      {
        type: 'refresh-failed',
        code: 'refresh_failed',
        message: expect.stringContaining('503'),
        retryAt: at + 1_000,
        at,
      },
      { type: 'updated', at },
      { type: 'signed-out', reason: 'signed-out', at },
    ])
  })

  test('ends with the function it returns', async () => {
    const session = open({ refresh: () => 'second', tokens: 'first' })
    const events: SessionEvent[] = []
    const stop = session.observe((event) => events.push(event))
    stop()
    await session.refresh()
    expect(events).toEqual([])
  })

  test('the end of a session is one event, however many learn of it', async () => {
    const session = open({
      refresh: () => Response.json({ error: 'invalid_grant' }, { status: 400 }),
      tokens: { accessToken: 'old', expiresAt: 1 },
    })
    const seen = watch(session)
    await Promise.allSettled([session.getAccessToken(), session.refresh(), session.getAccessToken()])
    await failureOf(session.getAccessToken())
    expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
    expect(seen.of('refresh-started')).toHaveLength(1)
  })

  test('all hear the same order, whatever one of them brings about', async () => {
    const session = open({ refresh: () => 'second', tokens: 'first' })
    const orders: string[][] = [[], [], []]
    session.observe(({ type }) => orders[0]?.push(type))
    session.observe(({ type }) => {
      orders[1]?.push(type)
      if (type === 'refresh-started') void session.signIn('guest')
      if (type === 'signed-in') void session.signOut()
    })
    session.observe(({ type }) => orders[2]?.push(type))
    await session.refresh().catch(() => {})
    expect(orders[0]).toEqual(['refresh-started', 'signed-in', 'signed-out'])
    expect(orders[1]).toEqual(orders[0])
    expect(orders[2]).toEqual(orders[0])
  })

  test('a listener that brings about the event that it is told of does not freeze the process', async () => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    for (const [echo, status] of [
      ['signOut', 'signed-out'],
      ['signIn', 'unknown'],
    ] as const) {
      const session = open({ refresh: () => 'second', tokens: 'first' })
      session.observe(() => void session[echo]().catch(() => {}))
      await session.signOut().catch(() => {})
      expect(told, echo).toHaveBeenCalledWith(expect.stringContaining('a listener brings about'))
      expect(session.state.status, echo).toBe(status)
      told.mockClear()
    }
    told.mockRestore()
  })
})
