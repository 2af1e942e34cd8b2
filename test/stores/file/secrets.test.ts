import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyValueStorage, Session } from 'refresh-once'
import { fileStore } from 'refresh-once/file'
import { type AuthServer, storeContract } from 'refresh-once/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { failureOf, open, refreshAt, startServer, times, watch, withoutJitter } from '../../setup.ts'
import { newFolder } from './folder.ts'

const folder = newFolder()
let path: string
let names = 0
let server: AuthServer
let keychain: Keychain
beforeEach(async () => {
  path = join(folder, String(++names))
  server = await startServer()
  keychain = newKeychain()
})

/**
 * As the one of Windows is: entries are short. It may be locked, which throws, or absent, which tells of no entry; or it may
 * be read, and not be written.
 */
interface Keychain extends KeyValueStorage {
  readonly entries: Map<string, string>
  state: 'open' | 'locked' | 'absent' | 'read-only'
}

function newKeychain(): Keychain {
  const entries = new Map<string, string>()
  const keychain: Keychain = {
    entries,
    state: 'open',
    async getItem(key) {
      if (keychain.state === 'locked') throw new Error('locked')
      return keychain.state === 'absent' ? null : (entries.get(key) ?? null)
    },
    async setItem(key, value) {
      if (keychain.state !== 'open') throw new Error('Couldn’t access platform storage')
      if (value.length * 2 > 2_560) throw new Error('too long')
      // Two encodings meet on the way.
      entries.set(key, Buffer.from(value, 'latin1').toString('utf8'))
    },
    async removeItem(key) {
      if (keychain.state !== 'open') throw new Error('locked')
      entries.delete(key)
    },
  }
  return keychain
}

function context(more: object = {}): Session {
  const store = fileStore({ path, secrets: keychain, ...more })
  return open({ refresh: refreshAt(server), store, tokens: null, clock: withoutJitter() })
}

const onDisk = (): string =>
  readdirSync(path)
    .map((name) => readFileSync(join(path, name), 'utf8'))
    .join('\n')

describe('the store contract with secrets elsewhere', () => {
  const shared = newKeychain()
  const all = storeContract(
    (place, lease) => fileStore({ path: join(folder, place), lease, secrets: shared }),
    // The keychain is waited for a quarter of it.
    { briefLease: 1_000 },
  )
  for (const { name, run } of all) test(name, run)
})

test('tokens are in the keychain, of one or two generations, and not on the disk; a sign-out removes them', async () => {
  const session = context()
  await session.signIn(server.mint('alice'))
  const other = context()
  for (let cycle = 0; cycle < 6; cycle++) await (cycle % 2 ? other : session).refresh()
  expect(await context().getAccessToken()).toBe(await other.getAccessToken())
  expect(keychain.entries.size).toBe(2)
  expect(onDisk()).not.toMatch(/accessToken|refreshToken/)
  for (const text of keychain.entries.values())
    for (const token of Object.values(JSON.parse(text)).filter((value) => String(value).length > 20))
      expect(onDisk()).not.toContain(token)
  await other.signOut()
  expect(keychain.entries.size).toBe(0)
  expect(server.count.reuses).toBe(0)
})

test('long tokens, with any characters beside them, are divided among entries that Windows takes', async () => {
  const store = fileStore({ path, secrets: keychain })
  const record = {
    version: { epoch: `${'1'.padStart(15, '0')}0.1`, generation: 1, nonce: '' },
    tokens: { accessToken: 'a'.repeat(5_000), name: '😀é\u2028"\\ '.repeat(300) },
  }
  await store.save(record)
  expect(keychain.entries.size).toBeGreaterThan(5)
  expect((await fileStore({ path, secrets: keychain }).load())?.tokens).toEqual(record.tokens)
  await store.save({ version: { ...record.version, generation: 2 }, tokens: { accessToken: 'b' } })
  await store.save({ version: { ...record.version, generation: 3 }, tokens: { accessToken: 'c' } })
  expect(keychain.entries.size).toBe(2)
})

test('what many put at the same moment, of which one counts, stays behind nowhere', async () => {
  const tokens = server.mint('alice')
  const sessions = times(4, () => context({ migrate: () => tokens }))
  await Promise.all(sessions.map((session) => session.getAccessToken()))
  await expect.poll(() => keychain.entries.size, { timeout: 20_000 }).toBe(1)
  const [first] = sessions
  await Promise.all(sessions.map((session) => session.signIn(server.mint('alice'))))
  await first?.refresh()
  await first?.refresh()
  expect(keychain.entries.size).toBe(2)
  await first?.signOut()
  expect(keychain.entries.size).toBe(0)
})

for (const state of ['locked', 'absent'] as const) {
  test(`a keychain that is ${state} for now is no sign-out: not at the start, and not later`, async () => {
    const session = context()
    await session.signIn(server.mint('alice'))
    keychain.state = state
    const late = context()
    const seen = watch(late)
    const error = await failureOf(late.getAccessToken())
    expect(error).toMatchObject({ code: 'refresh_failed', message: expect.stringContaining('elsewhere') })
    expect(late.state.status).not.toBe('signed-out')
    // Whoever has tokens goes on with those that he has.
    await session.getAccessToken()
    server.expireAccessTokens()
    keychain.state = 'open'
    await session.refresh()
    // Has it heard of the new tokens already? Then it renews them once more, and the other may not have heard of that.
    await late.refresh()
    expect(await late.getAccessToken()).toBe(await context().getAccessToken())
    expect(seen.of('signed-out')).toEqual([])
    expect(server.count.reuses).toBe(0)
  })

  test(`a refresh while the keychain is ${state} loses no token: it is saved when it can be`, async () => {
    const session = context()
    await session.signIn(server.mint('alice'))
    const seen = watch(session)
    const gate = server.hold('/token')
    const refreshing = session.refresh()
    await gate.untilArrived()
    keychain.state = state
    gate.release()
    await refreshing
    expect(seen.of('degraded')).toHaveLength(1)
    keychain.state = 'open'
    await expect.poll(() => session.busy, { timeout: 20_000 }).toBe(false)
    expect(await context().getAccessToken()).toBe(await session.getAccessToken())
  })
}

for (const state of ['locked', 'absent', 'read-only'] as const) {
  test(`a keychain that is ${state} before a refresh: no token is spent, and it goes on when it is over`, async () => {
    const session = context()
    await session.signIn(server.mint('alice'))
    const other = context()
    await other.getAccessToken()
    keychain.state = state
    server.expireAccessTokens()
    for (const each of [session, other])
      expect(await failureOf(each.refresh())).toMatchObject({ code: 'refresh_failed' })
    expect(server.count.refreshRequests).toBe(0)
    expect(session.state.status).toBe('signed-in')
    keychain.state = 'open'
    await session.refresh()
    expect(await context().getAccessToken()).toBe(await session.getAccessToken())
    expect(keychain.entries.size).toBe(2)
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })
}

test.each(['null', '{}', '"text"', '7', '[]', '{"accessToken":5}', ''])(
  'a keychain that tells of something else (%s) is no sign-out',
  async (other) => {
    const session = context()
    await session.signIn(server.mint('alice'))
    const kept = [...keychain.entries]
    for (const [key] of kept) keychain.entries.set(key, other)
    const late = context()
    expect(await failureOf(late.getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    for (const [key, text] of kept) keychain.entries.set(key, text)
    await late.refresh()
    expect(await late.getAccessToken()).toBe(await session.getAccessToken())
  },
)

test('whoever opens the folder without the keychain is told, and signs nobody out', async () => {
  await context().signIn(server.mint('alice'))
  const error = await failureOf(context({ secrets: undefined }).getAccessToken())
  expect(error).toMatchObject({ code: 'refresh_failed', message: expect.stringContaining('elsewhere') })
  expect(keychain.entries.size).toBe(1)
})

describe('a file that the app has had until now', () => {
  test('is asked for once, by all processes, and its tokens are taken over', async () => {
    let asked = 0
    const tokens = server.mint('alice')
    const migrate = async () => {
      asked++
      return tokens
    }
    const sessions = [context({ migrate }), context({ migrate })]
    for (const session of sessions) expect(await session.getAccessToken()).toBe(tokens.access_token)
    const before = asked
    await sessions[0]?.refresh()
    expect(await context({ migrate }).getAccessToken()).toBe(await sessions[0]?.getAccessToken())
    await sessions[1]?.signOut()
    expect(await failureOf(context({ migrate }).getAccessToken())).toMatchObject({ code: 'session_expired' })
    expect(asked).toBe(before)
    expect(server.count.reuses).toBe(0)
  })

  test('is not believed once its refresh token was taken over, not even where the folder has gone', async () => {
    const tokens = server.mint('alice')
    const migrate = () => tokens
    const session = context({ migrate })
    await session.refresh()
    rmSync(path, { recursive: true })
    const other = context({ migrate })
    const seen = watch(other)
    expect(await failureOf(other.getAccessToken())).toMatchObject({ code: 'session_expired' })
    expect(seen.of('degraded')[0]?.reason).toMatch('they are spent')
    // Somebody has signed in again with a former version of the app: these are others.
    const later = server.mint('alice')
    rmSync(path, { recursive: true, force: true })
    expect(await context({ migrate: () => later }).getAccessToken()).toBe(later.access_token)
    expect(server.count.reuses).toBe(0)
  })

  test('may be slow: what others have taken over meanwhile is there', async () => {
    const tokens = server.mint('alice')
    let answer = (_: object) => {}
    const slow = fileStore({
      path,
      secrets: keychain,
      migrate: () =>
        new Promise((resolve) => {
          answer = resolve as typeof answer
        }),
    })
    const loading = slow.load()
    const session = context({ migrate: () => tokens })
    await session.refresh()
    answer(tokens)
    expect((await loading)?.tokens?.accessToken).toBe(await session.getAccessToken())
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test('may hold a refresh token alone', async () => {
    const { refresh_token } = server.mint('alice')
    const session = context({ migrate: () => ({ refresh_token }) })
    const other = context({ migrate: () => ({ refreshToken: refresh_token }) })
    await Promise.all([session, other].map((each) => each.getAccessToken()))
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test('may be missing, and is asked for again; one that cannot be read is no sign-out', async () => {
    let file: () => unknown = () => undefined
    const migrate = () => file()
    expect(await failureOf(context({ migrate }).getAccessToken())).toMatchObject({ code: 'session_expired' })
    file = () => {
      throw new Error('EACCES')
    }
    expect(await failureOf(context({ migrate }).getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    file = () => ({ nothing: 'of use' })
    expect(await failureOf(context({ migrate }).getAccessToken())).toMatchObject({ code: 'refresh_failed' })
    const tokens = server.mint('alice')
    file = () => tokens
    expect(await context({ migrate }).getAccessToken()).toBe(tokens.access_token)
  })

  test('comes before no sign-in', async () => {
    const session = context()
    const tokens = server.mint('alice')
    await session.signIn(tokens)
    expect(await context({ migrate: () => server.mint('bob') }).getAccessToken()).toBe(tokens.access_token)
  })
})
