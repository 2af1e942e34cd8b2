import { getEventListeners } from 'node:events'
import { isSessionError, type Session, type SessionOptions } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, type TurnedClock, times, watch } from '../setup.ts'

/** A session whose token has expired, and whose refresh answers when the test says so. */
function given(options: Partial<SessionOptions> = {}): {
  session: Session
  time: TurnedClock
  answer: (token: string) => void
  fail: (error: unknown) => void
  readonly calls: number
} {
  const time = newClock()
  const { promise, resolve, reject } = deferred<string>()
  let calls = 0
  const session = open({
    refresh: () => {
      calls++
      return promise
    },
    tokens: { accessToken: 'first', refreshToken: 'r1', expiresAt: 1 },
    clock: time.clock,
    retries: 0,
    ...options,
  })
  return {
    session,
    time,
    answer: resolve,
    fail: reject,
    get calls() {
      return calls
    },
  }
}

describe('those who wait', () => {
  test('a thousand callers share one refresh and one timer', async () => {
    const g = given()
    const tokens = Promise.all(times(1_000, () => g.session.getAccessToken()))
    await g.time.advance(0)
    // One for all who wait, and those of the refresh itself.
    expect(g.time.pending).toBeLessThanOrEqual(3)
    g.answer('second')
    expect(new Set(await tokens)).toEqual(new Set(['second']))
    expect(g.calls).toBe(1)
    expect(g.time.pending).toBe(0)
  })

  test('they go on in the order of their arrival', async () => {
    const g = given()
    const order: number[] = []
    const all = times(50, (n) => g.session.getAccessToken().then(() => order.push(n)))
    await g.time.advance(0)
    g.answer('second')
    await Promise.all(all)
    expect(order).toEqual(times(50, (n) => n))
  })

  test('one whose signal aborts rejects at once with its reason, and the others are served', async () => {
    const g = given()
    const controller = new AbortController()
    const reason = new Error('no longer needed')
    const mine = failureOf(g.session.getAccessToken({ signal: controller.signal }))
    const others = times(5, () => g.session.getAccessToken())
    controller.abort(reason)
    expect(await mine).toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
    g.answer('second')
    expect(await Promise.all(others)).toEqual(times(5, () => 'second'))
    expect(g.calls).toBe(1)
  })

  test('one who asks for a token that lasts longer leaves by his signal, too', async () => {
    const time = newClock()
    const tokens = { accessToken: 'first', expiresAt: time.clock.now() + 60_000 }
    const g = given({ clock: time.clock, tokens })
    const controller = new AbortController()
    const reason = new Error('no longer needed')
    const mine = failureOf(g.session.getAccessToken({ minValidity: 120_000, signal: controller.signal }))
    await time.advance(0)
    controller.abort(reason)
    await time.advance(10_000)
    expect(await mine).toBe(reason)
    g.answer('second')
  })

  test('one whose signal was aborted before rejects at once', async () => {
    const g = given()
    const signal = AbortSignal.abort(new Error('before'))
    expect((await failureOf(g.session.getAccessToken({ signal }))).message).toBe('before')
    expect((await failureOf(g.session.refresh({ signal }))).message).toBe('before')
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    g.answer('second')
    expect(await g.session.getAccessToken()).toBe('second')
  })

  test('when the first waiter leaves, and when all have left, the refresh goes on and its result is kept', async () => {
    const g = given()
    const controllers = times(3, () => new AbortController())
    const all = controllers.map(({ signal }) => failureOf(g.session.getAccessToken({ signal })))
    await g.time.advance(0)
    for (const controller of controllers) controller.abort()
    await Promise.all(all)
    expect(g.session.state.refreshing).toBe(true)
    g.answer('second')
    await g.time.advance(0)
    expect(await g.session.getAccessToken()).toBe('second')
    expect(g.calls).toBe(1)
    expect(g.time.pending).toBe(0)
  })

  test('a signal that many waiters share has no listener left when they are served', async () => {
    const g = given()
    const { signal } = new AbortController()
    const all = times(5, () => g.session.getAccessToken({ signal }))
    await g.time.advance(0)
    g.answer('second')
    await Promise.all(all)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  test('nor has it one after the deadline, whose error names three of those who came later', async () => {
    const g = given()
    const { signal } = new AbortController()
    const all = times(6, () => failureOf(g.session.getAccessToken({ signal })))
    await g.time.advance(10_000)
    const [first] = await Promise.all(all)
    expect(first).toMatchObject({ code: 'refresh_timeout' })
    expect(first?.message).toContain(
      ' Is getAccessToken or getAccessToken or getAccessToken part of the refresh?',
    )
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    g.answer('second')
  })

  test('sign-out makes all who wait reject with session_changed, and the late answer revives nobody', async () => {
    const g = given()
    const seen = watch(g.session)
    const all = times(5, () => failureOf(g.session.getAccessToken()))
    await g.time.advance(0)
    await g.session.signOut()
    for (const error of await Promise.all(all)) expect(isSessionError(error, 'session_changed')).toBe(true)
    g.answer('second')
    await g.time.advance(0)
    expect(g.session.state).toMatchObject({ status: 'signed-out', refreshing: false })
    expect(isSessionError(await failureOf(g.session.getAccessToken()), 'session_expired')).toBe(true)
    expect(seen.of('refresh-succeeded')).toHaveLength(0)
    expect(g.time.pending).toBe(0)
  })

  test('sign-in of another user makes all who wait for the former one reject, and the late answer is nobody’s', async () => {
    const g = given()
    const all = times(5, () => failureOf(g.session.getAccessToken()))
    await g.time.advance(0)
    await g.session.signIn('bobs')
    for (const error of await Promise.all(all)) expect(isSessionError(error, 'session_changed')).toBe(true)
    expect(await g.session.getAccessToken()).toBe('bobs')
    g.answer('alices')
    await g.time.advance(0)
    expect(await g.session.getAccessToken()).toBe('bobs')
    expect(g.session.state).toMatchObject({ status: 'signed-in', refreshing: false, generation: 1 })
    expect(g.calls).toBe(1)
  })

  test('a refusal that comes after somebody else signed in does not end his session', async () => {
    const g = given()
    const waiting = failureOf(g.session.getAccessToken())
    await g.time.advance(0)
    await g.session.signIn('bobs')
    await waiting
    g.fail(Object.assign(new Error('refused'), { error: 'invalid_grant', status: 400 }))
    await g.time.advance(0)
    expect(g.session.state.status).toBe('signed-in')
    expect(await g.session.getAccessToken()).toBe('bobs')
  })

  test('close makes all who wait reject with session_closed, and leaves nothing behind', async () => {
    const g = given()
    const all = times(5, () => failureOf(g.session.getAccessToken()))
    const forced = failureOf(g.session.refresh())
    await g.time.advance(0)
    g.session.close()
    for (const error of await Promise.all([...all, forced])) {
      expect(isSessionError(error, 'session_closed')).toBe(true)
    }
    g.answer('second')
    await g.time.advance(0)
    expect(g.time.pending).toBe(0)
  })

  test('those who wait for a refresh that is refused all settle with session_expired', async () => {
    const g = given()
    const seen = watch(g.session)
    const all = times(20, () => failureOf(g.session.getAccessToken()))
    await g.time.advance(0)
    g.fail(Object.assign(new Error('refused'), { error: 'invalid_grant', status: 400 }))
    for (const error of await Promise.all(all)) expect(isSessionError(error, 'session_expired')).toBe(true)
    expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
    expect(seen.of('refresh-failed')).toMatchObject([{ state: { refreshing: false } }])
    expect(g.time.pending).toBe(0)
  })

  test('the deadline is the user’s to say', async () => {
    const g = given({ deadline: 500 })
    const settled = failureOf(g.session.getAccessToken())
    await g.time.advance(500)
    expect(isSessionError(await settled, 'refresh_timeout')).toBe(true)
    g.answer('second')
    expect(await g.session.getAccessToken()).toBe('second')
  })

  test('whoever waits alone is told so in words: nobody else may be what the refresh waits for', async () => {
    const g = given()
    const settled = failureOf(g.session.getAccessToken())
    await g.time.advance(10_000)
    expect((await settled).message).toContain('Is it part of the refresh?')
    g.answer('second')
  })

  test('retries never make anybody wait beyond the deadline', async () => {
    const time = newClock()
    let calls = 0
    const session = open({
      refresh: () => {
        calls++
        return Response.json({}, { status: 429, headers: { 'retry-after': '8' } })
      },
      tokens: { accessToken: 'first', expiresAt: 1 },
      clock: time.clock,
      retries: 10,
    })
    const waiting = failureOf(session.getAccessToken())
    await time.advance(10_000)
    expect(isSessionError(await waiting)).toBe(true)
    expect(calls).toBe(2)
  })
})
