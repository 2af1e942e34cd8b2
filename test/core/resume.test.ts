import { memoryStore, type Session, type SessionOptions } from 'refresh-once'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { failureOf, newClock, open, type TurnedClock } from '../setup.ts'
import { syncStorage } from './storage.ts'

afterEach(() => vi.unstubAllGlobals())

interface Scene {
  time: TurnedClock
  session: Session
  calls(): number
  answers(next: () => unknown): void
}

const offline = (): never => {
  throw new TypeError('fetch failed')
}

/** A session whose refresh has just failed, once with its retries, in this way. */
async function scene(failing: () => unknown, options: Partial<SessionOptions> = {}): Promise<Scene> {
  const time = newClock()
  let answer = failing
  let calls = 0
  const session = open({
    clock: time.clock,
    retries: 0,
    tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
    refresh: () => {
      calls++
      return answer() as string
    },
    ...options,
  })
  await failureOf(session.getAccessToken())
  const before = calls
  return {
    time,
    session,
    calls: () => calls - before,
    answers(next) {
      answer = next
    },
  }
}

describe('resume() ends a cooldown that came from the network', () => {
  test.each([
    ['a connection that broke', offline],
    ['none that was made', () => Promise.reject(Object.assign(new Error('x'), { code: 'ECONNREFUSED' }))],
  ])('%s: the refresh is tried at once, and served', async (_, trouble) => {
    const { time, session, calls, answers } = await scene(trouble)
    answers(() => 'new')
    expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    session.resume()
    expect(await session.getAccessToken()).toBe('new')
    expect([calls(), time.clock.monotonic()]).toEqual([1, 0])
  })

  test('also one of another context, and a hundred calls are one refresh', async () => {
    const storage = syncStorage()
    const time = newClock()
    const store = () => memoryStore({ storage, clock: time.clock })
    const first = await scene(offline, { clock: time.clock, store: store() })
    const second = await scene(() => 'new', { clock: time.clock, store: store(), tokens: undefined })
    expect(second.calls()).toBe(0)
    for (let n = 0; n < 100; n++) second.session.resume()
    expect(await second.session.getAccessToken()).toBe('new')
    expect([first.calls(), second.calls()]).toEqual([0, 1])
  })

  test('also one that another context has made longer meanwhile', async () => {
    const storage = syncStorage()
    const time = newClock()
    const store = () => ({ ...memoryStore({ storage, clock: time.clock }), watch: () => () => {} })
    const first = await scene(offline, { clock: time.clock, store: store() })
    const second = await scene(() => 'new', { clock: time.clock, store: store(), tokens: undefined })
    first.session.resume()
    await time.advance(0)
    expect(first.calls()).toBeGreaterThan(0)
    second.session.resume()
    expect([await second.session.getAccessToken(), time.clock.monotonic()]).toEqual(['new', 0])
  })

  test('and where there is still none, failures go on to be counted', async () => {
    const { time, session, calls } = await scene(offline)
    for (const pause of [2_000, 4_000]) {
      session.resume()
      await time.advance(0)
      const { retryAt } = (await failureOf(session.getAccessToken())) as { retryAt?: number }
      expect(retryAt).toBe(time.clock.now() + pause)
    }
    expect(calls()).toBe(4)
  })

  test.each([
    ['a server that has answered', () => new Response(null, { status: 502 })],
    [
      'a server that asks for patience',
      () => new Response(null, { status: 503, headers: { 'retry-after': '9' } }),
    ],
    ['a refresh that is wrong', () => undefined],
  ])('not one of %s', async (_, trouble) => {
    const { time, session, calls } = await scene(trouble)
    session.resume()
    await time.advance(0)
    expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    expect(calls()).toBe(0)
  })

  test('and does nothing once that is over', async () => {
    const { time, session, calls, answers } = await scene(offline)
    answers(() => 'new')
    await time.advance(60_000)
    expect(await session.getAccessToken()).toBe('new')
    session.resume()
    await time.advance(0)
    expect([await session.getAccessToken(), calls()]).toEqual(['new', 1])
  })

  test('and does nothing where there is none', async () => {
    let calls = 0
    const session = open({ tokens: 'good', refresh: () => `new-${++calls}` })
    session.resume()
    expect([await session.getAccessToken(), calls]).toEqual(['good', 0])
    session.close()
    session.resume()
  })
})

describe('a page resumes by itself', () => {
  /** What a page has of a window. */
  function stubPage(): { window: EventTarget; document: EventTarget & { hidden: boolean } } {
    const page = { window: new EventTarget(), document: Object.assign(new EventTarget(), { hidden: false }) }
    vi.stubGlobal('document', page.document)
    vi.stubGlobal('addEventListener', page.window.addEventListener.bind(page.window))
    vi.stubGlobal('removeEventListener', page.window.removeEventListener.bind(page.window))
    return page
  }

  test('at `online`', async () => {
    const { window } = stubPage()
    const { session, answers } = await scene(offline)
    answers(() => 'new')
    window.dispatchEvent(new Event('online'))
    expect(await session.getAccessToken()).toBe('new')
  })

  test('when it is seen again, not when it is hidden, and not once it is closed', async () => {
    const { document, window } = stubPage()
    const { session, answers, calls, time } = await scene(offline)
    answers(() => 'new')
    document.hidden = true
    document.dispatchEvent(new Event('visibilitychange'))
    await time.advance(0)
    expect(calls()).toBe(0)
    document.hidden = false
    document.dispatchEvent(new Event('visibilitychange'))
    expect(await session.getAccessToken()).toBe('new')
    const other = await scene(offline)
    other.session.close()
    window.dispatchEvent(new Event('online'))
    await other.time.advance(0)
    expect(other.calls()).toBe(0)
  })
})
