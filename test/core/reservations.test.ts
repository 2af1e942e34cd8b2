/**
 * Whose reservation it is. Generations are counted anew with each sign-in, so a number alone does not tell: whoever
 * takes the reservation of somebody else for its own refreshes at the same time, or ends a session that goes on.
 */
import { setImmediate as macrotask } from 'node:timers/promises'
import { isSessionError, memoryStore, type SessionOptions, type SessionStore } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, leasing, newClock, open } from '../setup.ts'
import { syncStorage } from './storage.ts'

const LEASE = 5_000

/** A place that several contexts share, on a clock that stands still. */
function newPlace() {
  const time = newClock()
  const { clock } = time
  const storage = syncStorage()
  const store = (): SessionStore => memoryStore({ storage, clock, lease: LEASE })
  const other = store()
  return {
    time,
    storage,
    store,
    /** Somebody else, who has answered to nobody yet. */
    other,
    /** Somebody else is about to refresh. Resolves with the generation. */
    async reserve(): Promise<number> {
      await other.load()
      return other.exclusive((lease) => lease.begin())
    },
    open: (refresh: SessionOptions['refresh'], options: Partial<SessionOptions> = {}) =>
      open({ mode: 'cookie', clock, retries: 0, store: store(), refresh, ...options }),
  }
}

const unavailable = (): Response => new Response(null, { status: 503 })

/** An epoch of another context, which comes after all that this clock knows. */
const LATER = { epoch: '9999999999999980.5', generation: 1, nonce: 'other' }

describe('a reservation of somebody else is waited for', () => {
  test('the first of all, where nothing is known but that', async () => {
    const place = newPlace()
    await place.other.save({ version: { epoch: '000000000000001', generation: 0, nonce: 'other' } })
    expect(await place.reserve()).toBe(1)
    let calls = 0
    const session = place.open(() => {
      calls++
      return undefined
    })
    await place.time.advance(0)
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1)
    expect(calls).toBe(0)
    await place.time.advance(1)
    await refreshed
    expect(calls).toBe(1)
  })

  test('after another sign-in, though its number was our own in the last one', async () => {
    const place = newPlace()
    let calls = 0
    const session = place.open(() => (++calls === 1 ? unavailable() : undefined), { tokens: null })
    await session.signIn()
    expect(isSessionError(await failureOf(session.refresh()), 'refresh_failed')).toBe(true)
    await session.signIn()
    expect(await place.reserve()).toBe(2)
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1)
    expect(calls).toBe(1)
    await place.time.advance(1)
    await refreshed
    expect(calls).toBe(2)
  })

  test('after the sign-in of somebody else was adopted, though its number was our own before', async () => {
    const place = newPlace()
    let calls = 0
    const session = place.open(() => (++calls === 1 ? unavailable() : undefined), { tokens: null })
    await session.signIn()
    await failureOf(session.refresh())
    await place.time.advance(1_000)
    await place.other.save({ version: LATER, tokens: { accessToken: '' } })
    await session.refresh().catch(() => {})
    expect(session.state).toMatchObject({ status: 'signed-in', generation: 1 })
    expect(await place.reserve()).toBe(2)
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1)
    expect(calls).toBe(1)
    await place.time.advance(1)
    await refreshed
    expect(calls).toBe(2)
  })

  test('after newer tokens of somebody else were adopted', async () => {
    const place = newPlace()
    let calls = 0
    const session = place.open(() => (++calls === 1 ? unavailable() : undefined), { tokens: null })
    await session.signIn()
    await failureOf(session.refresh())
    await place.time.advance(1_000)
    const generation = await place.reserve()
    const version = { ...(await place.other.load())?.version, generation, nonce: 'other' }
    await place.other.save({ version: version as typeof LATER, tokens: { accessToken: '' } })
    await session.refresh()
    expect(session.state.generation).toBe(generation)
    expect(await place.reserve()).toBe(generation + 1)
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1)
    expect(calls).toBe(1)
    await place.time.advance(1)
    await refreshed
    expect(calls).toBe(2)
  })

  test('that an earlier page has left, though it was of the same user', async () => {
    const place = newPlace()
    const asked = deferred<void>()
    const former = place.open(
      () => {
        asked.resolve()
        return new Promise(() => {})
      },
      { tokens: null },
    )
    await former.signIn()
    void former.refresh().catch(() => {})
    await asked.promise
    // Killed, that is: it does not come to take anything back.
    const left = new Map(place.storage.content)
    former.close()
    await place.time.advance(0)
    place.storage.content.clear()
    for (const [key, value] of left) place.storage.content.set(key, value)
    let calls = 0
    const session = place.open(() => {
      calls++
      return undefined
    })
    await place.time.advance(0)
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1)
    expect(calls).toBe(0)
    await place.time.advance(60_000)
    await refreshed
    expect(calls).toBe(1)
  })

  describe.each([
    ['of a page that was loaded anew', undefined],
    ['beside an access token that has expired', { accessToken: 'old', expiresAt: 1 }],
  ])('in token mode, where the refresh token is a cookie, %s', (_, tokens) => {
    test('it holds as in cookie mode', async () => {
      const place = newPlace()
      await place.other.save({
        version: { epoch: '000000000000001', generation: 1, nonce: 'other' },
        ...(tokens && { tokens }),
      })
      expect(await place.reserve()).toBe(2)
      let calls = 0
      const session = place.open(() => `new-${++calls}`, { mode: 'token' })
      const token = session.getAccessToken()
      await place.time.advance(LEASE - 1)
      expect(calls).toBe(0)
      await place.time.advance(1)
      expect([await token, calls]).toEqual(['new-1', 1])
    })

    test('it ends with what the other one saves', async () => {
      const place = newPlace()
      await place.other.save({
        version: { epoch: '000000000000001', generation: 1, nonce: 'other' },
        ...(tokens && { tokens }),
      })
      const generation = await place.reserve()
      const session = place.open(() => 'unused', { mode: 'token' })
      const token = session.getAccessToken()
      await place.time.advance(1_000)
      const version = { epoch: '000000000000001', generation, nonce: 'other' }
      await place.other.save({ version, tokens: { accessToken: 'theirs' } })
      await place.time.advance(LEASE)
      expect(await token).toBe('theirs')
    })
  })

  test('also where an earlier try was answered, and the page went before the last one was: its cookie may come', async () => {
    const place = newPlace()
    let calls = 0
    const former = place.open(() => (++calls === 1 ? unavailable() : new Promise(() => {})), {
      tokens: null,
      retries: 1,
    })
    await former.signIn()
    const left = failureOf(former.refresh())
    await place.time.advance(1_000)
    expect(calls).toBe(2)
    former.close()
    await left
    await place.time.advance(0)
    const session = place.open(() => void ++calls)
    await place.time.advance(0)
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1_000)
    expect(calls).toBe(2)
    await place.time.advance(1_000)
    await refreshed
    expect(calls).toBe(3)
  })

  test('in cookie mode also where the record is from before, when the tokens were in the script', async () => {
    const place = newPlace()
    await place.other.save({
      version: { epoch: '000000000000001', generation: 1, nonce: 'other' },
      tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
    })
    await place.reserve()
    let calls = 0
    const session = place.open(() => {
      calls++
      return undefined
    })
    const refreshed = session.refresh()
    await place.time.advance(LEASE - 1)
    expect(calls).toBe(0)
    await place.time.advance(1)
    await refreshed
    expect(calls).toBe(1)
  })

  test('in token mode with a refresh token in the script nobody waits for it: the record tells which one is spent', async () => {
    const place = newPlace()
    await place.other.save({
      version: { epoch: '000000000000001', generation: 1, nonce: 'other' },
      tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
    })
    await place.reserve()
    const session = place.open(() => 'new', { mode: 'token' })
    expect(await session.getAccessToken()).toBe('new')
  })

  test.each([
    ['cookie', 'was answered 502', () => new Response(null, { status: 502 })],
    ['cookie', 'broke off', () => Promise.reject(new TypeError('fetch failed'))],
    ['token', 'was answered 502', () => new Response(null, { status: 502 })],
  ] as const)('in %s mode it ends where the refresh %s: no cookie is to come', async (mode, _, trouble) => {
    const place = newPlace()
    const options = { mode, tokens: mode === 'token' ? { accessToken: 'old', expiresAt: 1 } : null } as const
    const former = place.open(trouble, options)
    if (mode === 'cookie') await former.signIn()
    const failed = failureOf(former.refresh())
    await place.time.advance(0)
    expect(await failed).toMatchObject({ code: 'refresh_failed' })
    let calls = 0
    const session = place.open(() => (++calls && mode === 'token' ? 'new' : undefined), { mode })
    await place.time.advance(0)
    await session.refresh()
    expect(calls).toBe(1)
  })

  test('where tokens are held it is waited for before a refusal ends the session: it may have spent them', async () => {
    const place = newPlace()
    const answer = deferred<Response>()
    const asked = deferred<void>()
    let calls = 0
    const session = place.open(
      () => {
        calls++
        asked.resolve()
        return answer.promise
      },
      { mode: 'token', tokens: null },
    )
    await session.signIn({ accessToken: 'mine', refreshToken: 'r' })
    const refreshed = session.refresh()
    await asked.promise
    const generation = await place.reserve()
    answer.resolve(Response.json({ error: 'invalid_grant' }, { status: 400 }))
    await place.time.advance(1_000)
    expect(session.state).toMatchObject({ status: 'signed-in', refreshing: true })
    const { version } = (await place.other.load()) ?? {}
    if (!version) throw new Error('nothing was saved')
    await place.other.save({
      version: { ...version, generation, nonce: 'other' },
      tokens: { accessToken: 'theirs' },
    })
    await place.time.advance(LEASE)
    await refreshed
    expect(await session.getAccessToken()).toBe('theirs')
    expect(calls).toBe(1)
  })
})

describe('an own reservation', () => {
  test('keeps nobody waiting who tries again because the first answer was lost', async () => {
    const place = newPlace()
    let calls = 0
    const session = place.open(
      () => {
        if (++calls > 1) return undefined
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      },
      { tokens: null },
    )
    await session.signIn()
    const refreshed = session.refresh()
    await place.time.advance(0)
    expect(calls).toBe(2)
    await refreshed
    expect(place.time.clock.monotonic()).toBe(0)
  })

  test('of a refresh that was refused is no reason to go on with the session', async () => {
    const place = newPlace()
    const refuse = (): Response => Response.json({ error: 'invalid_grant' }, { status: 400 })
    for (const mode of ['token', 'cookie'] as const) {
      const session = place.open(refuse, { mode, tokens: null })
      await session.signIn('mine')
      const refused = failureOf(session.refresh())
      await place.time.advance(0)
      expect(isSessionError(await refused, 'session_expired')).toBe(true)
    }
  })

  test('keeps nobody waiting who signs in by a cookie and is refused, over the record of a former user', async () => {
    const place = newPlace()
    await place.other.save({
      version: { epoch: '000000000000001', generation: 1, nonce: 'other' },
      tokens: { accessToken: 'theirs', refreshToken: 'r' },
    })
    const refuse = (): Response => Response.json({ error: 'invalid_grant' }, { status: 400 })
    const session = place.open(refuse, { mode: 'token' })
    await session.getAccessToken()
    const refused = failureOf(session.signIn())
    await place.time.advance(0)
    expect(session.state.refreshing).toBe(false)
    expect(await refused).toMatchObject({ code: 'session_expired' })
  })

  test('is taken back where its page has been closed before it could ask', async () => {
    const place = newPlace()
    await place.other.save({
      version: { epoch: '000000000000001', generation: 1, nonce: 'other' },
      tokens: { accessToken: '' },
    })
    let calls = 0
    const refresh = (): undefined => void calls++
    const memory = place.store()
    const closing = place.open(refresh, {
      store: {
        ...memory,
        exclusive: leasing(memory, (lease) => ({
          async begin() {
            const generation = await lease.begin()
            closing.close()
            return generation
          },
        })),
      },
    })
    expect(await failureOf(closing.refresh())).toMatchObject({ code: 'session_closed' })
    await place.time.advance(0)
    const refreshed = place.open(refresh).refresh()
    await place.time.advance(0)
    expect(calls).toBe(1)
    await refreshed
  })

  test('is taken back before the turn passes on, where a refresh has failed for now', async () => {
    const time = newClock()
    const memory = memoryStore({ clock: time.clock })
    // A store that takes its time.
    const store: SessionStore = {
      ...memory,
      exclusive: leasing(memory, (lease) => ({
        async clear(generation) {
          await macrotask()
          await macrotask()
          await lease.clear(generation)
        },
      })),
    }
    await memory.save({ version: { epoch: '1', generation: 1, nonce: 'x' }, tokens: { accessToken: '' } })
    let calls = 0
    const options: SessionOptions = {
      mode: 'cookie',
      clock: time.clock,
      store,
      refresh: () => (++calls === 1 ? unavailable() : undefined),
    }
    const one = open({ ...options, retries: 0 })
    const two = open({ ...options, retries: 2 })
    await time.advance(0)
    const first = failureOf(one.refresh())
    const second = two.refresh()
    for (let turn = 0; turn < 20; turn++) await macrotask()
    await time.advance(5_000)
    expect(calls).toBe(2)
    expect(isSessionError(await first, 'refresh_failed')).toBe(true)
    await second
  })
})
