import { memoryStore, SessionError, type SessionStore } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, watch } from '../setup.ts'

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
  test('an update is a mistake that is told at once, where it can be known', async () => {
    const session = open({
      tokens: OLD,
      retries: 0,
      refresh: async () => {
        await session.update('mine')
        return 'mine'
      },
    })
    const { message } = await failureOf(session.getAccessToken())
    expect(message).toContain('return the tokens')
  })

  test('verbs wait for the turn no longer than the deadline', async () => {
    const time = newClock()
    let logouts = 0
    const session = open({
      clock: time.clock,
      deadline: 2_000,
      tokens: OLD,
      refresh: async () => {
        await null
        await session.signOut({ server: () => void logouts++ })
        return 'late'
      },
    })
    const waiting = failureOf(session.getAccessToken())
    await time.advance(0)
    expect(await waiting).toMatchObject({ code: 'session_changed' })
    await time.advance(2_000)
    expect([logouts, session.state.status]).toEqual([1, 'signed-out'])

    const refreshing = newClock()
    const other = open({
      clock: refreshing.clock,
      deadline: 2_000,
      tokens: OLD,
      retries: 0,
      refresh: async () => {
        await null
        await other.update('mine')
        return 'mine'
      },
    })
    const failed = failureOf(other.refresh())
    await refreshing.advance(2_000)
    expect((await failed).message).toContain('2000 ms')
  })
})

test('`signOut({ server })` is given the tokens that end, to revoke them', async () => {
  const session = open({ tokens: { accessToken: 'a', refreshToken: 'r' }, refresh: () => 'unused' })
  const ended: unknown[] = []
  await session.signOut({ server: ({ tokens }) => void ended.push(tokens) })
  expect(ended).toMatchObject([{ accessToken: 'a', refreshToken: 'r' }])
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
