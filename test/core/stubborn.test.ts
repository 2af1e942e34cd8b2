import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { newClock, open } from '../setup.ts'

const API = 'https://api.example.com'

/** An API in which some endpoints refuse whatever they get, and a session that polls it. */
function world({ status = 401, locks = ['/locked'] } = {}) {
  const time = newClock()
  let token = 0
  let expired = -1
  let refreshes = 0
  const locked = new Set(locks)
  const session = open({
    clock: time.clock,
    tokens: 'token-0',
    shouldRefresh: status === 401 ? undefined : (response) => response.status === status || undefined,
    refresh: () => {
      refreshes++
      return `token-${++token}`
    },
  })
  /** Resolved when `/slow` may answer. */
  let slow: Promise<void> | undefined
  const wire: typeof fetch = async (input, init) => {
    if (String(input).endsWith('/slow')) await slow
    const shown = Number(new Headers(init?.headers).get('authorization')?.split('-')[1])
    const { pathname } = new URL(String(input))
    return new Response(null, { status: locked.has(pathname) || shown <= expired ? status : 200 })
  }
  const api = withSession(session, { origins: [API], fetch: wire })
  return {
    time,
    session,
    locked,
    refreshes: () => refreshes,
    expire: () => {
      expired = token
    },
    /** The same of an app that asks for all at once, and is answered by others at once, or last. */
    async pollTogether(other: '/items' | '/slow', path = '/locked'): Promise<void> {
      let answer = () => {}
      slow = new Promise((resolve) => {
        answer = resolve
      })
      const others = api(API + other)
      await Promise.all([api(API + path), api(API + path)])
      answer()
      await others
      await time.advance(10_000)
    },
    /** Ten seconds of an app: its own requests, and what it polls. */
    async poll(path = '/locked', others = ['/items']): Promise<number> {
      for (const other of others) await api(API + other)
      const { status } = await api(API + path)
      for (const other of others) await api(API + other)
      await time.advance(10_000)
      return status
    },
  }
}

describe.each([401, 403])('an endpoint that always answers %i', (status) => {
  test('costs two refreshes, however often it is polled', async () => {
    const { poll, refreshes } = world({ status })
    for (let n = 0; n < 50; n++) expect(await poll(`/locked?n=${n}`)).toBe(status)
    expect(refreshes()).toBe(2)
  })

  test('is asked again after an update, after a sign-in, and when it has accepted one', async () => {
    const { poll, refreshes, session, locked } = world({ status })
    for (let n = 0; n < 5; n++) await poll()
    await session.update('token-900')
    for (let n = 0; n < 5; n++) await poll()
    expect(refreshes()).toBe(4)
    await session.signIn('token-901')
    for (let n = 0; n < 5; n++) await poll()
    expect(refreshes()).toBe(6)
    locked.clear()
    expect(await poll()).toBe(200)
    locked.add('/locked')
    for (let n = 0; n < 5; n++) await poll()
    expect(refreshes()).toBe(8)
  })
})

test.each(['/items', '/slow'] as const)(
  'it costs no more beside what is served at the same time: %s',
  async (other) => {
    const { pollTogether, refreshes } = world()
    for (let n = 0; n < 20; n++) await pollTogether(other)
    expect(refreshes()).toBeLessThanOrEqual(4)
  },
)

test('one bad answer mutes no endpoint: a real expiry is refreshed', async () => {
  const { poll, refreshes, locked, expire } = world()
  await poll()
  locked.clear()
  for (let n = 0; n < 5; n++) {
    expire()
    expect(await poll('/locked', [])).toBe(200)
  }
  expect(refreshes()).toBe(6)
})

test('nor does a refusal that nobody else contradicts: the tokens may be dead', async () => {
  const { poll, refreshes } = world()
  for (let n = 0; n < 5; n++) await poll('/locked', [])
  expect(refreshes()).toBe(5)
})

test('others are refreshed as before beside a muted one, and so is it with what they have brought', async () => {
  const { poll, refreshes, expire, locked } = world()
  for (let n = 0; n < 5; n++) await poll()
  const before = refreshes()
  expire()
  locked.clear()
  expect(await poll()).toBe(200)
  expect(refreshes()).toBe(before + 1)
})

test.each([
  [30, 'costs nothing any more'],
  [31, 'is one too many'],
])('an app that polls %i of them in turn %s', async (count) => {
  const locks = Array.from({ length: count }, (_, n) => `/locked/${n}`)
  const { poll, refreshes } = world({ locks })
  for (let n = 0; n < 3; n++) for (const path of locks) await poll(path)
  const before = refreshes()
  for (const path of locks) await poll(path)
  expect(refreshes() > before).toBe(count > 30)
})

test('the last thirty are remembered', async () => {
  const locks = Array.from({ length: 40 }, (_, n) => `/locked/${n}`)
  const { poll, refreshes } = world({ locks })
  for (let n = 0; n < 4; n++) for (const path of locks.slice(0, 20)) await poll(path)
  const before = refreshes()
  expect(before).toBe(40)
  for (let n = 0; n < 4; n++) for (const path of locks) await poll(path)
  expect(refreshes()).toBeGreaterThan(before + 40)
})
