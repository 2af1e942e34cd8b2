/** What has happened to people who keep logins in files. */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Session, SessionStore } from 'refresh-once'
import { fileStore, fileStores } from 'refresh-once/file'
import { createSessionPool } from 'refresh-once/pool'
import type { AuthServer } from 'refresh-once/testing'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { failureOf, open, refreshAt, startServer, times, watch, withoutJitter } from '../../setup.ts'
import { newFolder } from './folder.ts'

const folder = newFolder()
let path: string
let names = 0
let server: AuthServer
beforeEach(async () => {
  path = join(folder, String(++names), 'login')
  server = await startServer()
})

/** One of the processes, or what amounts to one. */
function context(store: SessionStore = fileStore({ path })): Session {
  return open({ refresh: refreshAt(server), store, tokens: null, clock: withoutJitter() })
}

async function signedIn(): Promise<Session> {
  const session = context()
  await session.signIn(server.mint('alice'))
  return session
}

const states = (): string[] =>
  readdirSync(path)
    .filter((name) => name.endsWith('.login.json'))
    .sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))
const top = (): string => join(path, states()[0] ?? 'none')

test('files are for this user only, readable, and no more than two', async () => {
  const session = await signedIn()
  for (let cycle = 0; cycle < 5; cycle++) await session.refresh()
  expect(statSync(path).mode & 0o777).toBe(0o700)
  expect(states()).toHaveLength(2)
  for (const name of readdirSync(path)) expect(statSync(join(path, name)).mode & 0o777).toBe(0o600)
  const { record } = JSON.parse(readFileSync(top(), 'utf8'))
  expect(record).toMatchObject({
    version: { generation: 6 },
    tokens: { accessToken: await session.getAccessToken() },
  })
})

test('a sign-in while ten others refresh sticks, everywhere', async () => {
  await signedIn()
  const others = await Promise.all(
    times(10, async () => {
      const other = context()
      await other.getAccessToken()
      return other
    }),
  )
  const gate = server.hold('/token')
  server.expireAccessTokens()
  const refreshing = others.map((other) => other.refresh().catch((error) => error.code))
  await gate.untilArrived()
  const bob = server.mint('bob')
  await context().signIn(bob)
  gate.release()
  await Promise.all(refreshing)
  for (const other of [...others, context()]) expect(await other.getAccessToken()).toBe(bob.access_token)
  expect(server.count).toMatchObject({ refreshRequests: 1, reuses: 0 })
})

test('a sign-out in one, while others refresh, is one in all, and no token stays behind', async () => {
  const session = await signedIn()
  const others = times(4, () => context())
  await Promise.all(others.map((other) => other.getAccessToken()))
  const gate = server.hold('/token')
  const refreshing = others.map((other) => other.refresh().catch((error) => error.code))
  await gate.untilArrived()
  await session.signOut()
  gate.release()
  await Promise.all(refreshing)
  for (const other of [...others, context()])
    expect(await failureOf(other.getAccessToken())).toMatchObject({ code: 'session_expired' })
  const texts = readdirSync(path).map((name) => `${name}: ${readFileSync(join(path, name), 'utf8')}`)
  expect(texts.filter((text) => /accessToken|refreshToken/.test(text))).toEqual([])
})

test('an answer that comes after any lease is saved, for all', async () => {
  // It forgives the second use: which of two answers comes first is not the question here.
  server = await startServer({ grace: 60_000 })
  const store = fileStore({ path, lease: 4_000 })
  const slow = open({
    lease: 4_000,
    store,
    tokens: null,
    // It is not to be kept from its answer.
    refresh: (context) => refreshAt(server)({ ...context, signal: new AbortController().signal }),
  })
  await slow.signIn(server.mint('alice'))
  const gate = server.hold('/token')
  const late = slow.refresh().catch((error) => error.code)
  await gate.untilArrived(2)
  gate.release()
  await late
  const stored = async () => (await fileStore({ path }).load())?.tokens?.accessToken
  await expect
    .poll(async () => (await slow.getAccessToken()) === (await stored()), { timeout: 20_000 })
    .toBe(true)
  expect((await fileStore({ path }).load())?.version.generation).toBeGreaterThan(1)
  expect(server.count.refreshes).toBe(1)
})

test('a folder that was deleted, or made anew, is no sign-out for those who are signed in', async () => {
  const sessions = [await signedIn(), context(), context()]
  await Promise.all(sessions.map((session) => session.getAccessToken()))
  for (let cycle = 1; cycle <= 3; cycle++) {
    // Away at once: whoever writes into it while it is emptied would keep it.
    renameSync(path, `${path}-${cycle}`)
    rmSync(`${path}-${cycle}`, { recursive: true })
    if (cycle === 2) mkdirSync(path)
    server.expireAccessTokens()
    // One after the other: nobody knows of anybody, until something is there again. Nor is it certain who has heard then.
    const refused = await sessions[0]?.getAccessToken()
    for (const session of sessions) await session.refresh({ unless: refused })
    expect(new Set(await Promise.all(sessions.map((session) => session.getAccessToken()))).size).toBe(1)
  }
  expect(server.count.reuses).toBe(0)
  expect(await context().getAccessToken()).toBe(await sessions[0]?.getAccessToken())
})

test('a folder that goes while the answer is on its way: it is saved in a new one', async () => {
  const session = await signedIn()
  const seen = watch(session)
  const gate = server.hold('/token')
  const refreshing = session.refresh()
  await gate.untilArrived()
  rmSync(path, { recursive: true, maxRetries: 20, retryDelay: 20 })
  gate.release()
  await refreshing
  expect(await context().getAccessToken()).toBe(await session.getAccessToken())
  expect(seen.of('degraded')).toEqual([])
  expect(server.count).toMatchObject({ refreshRequests: 1, reuses: 0 })

  // Nor does it take anybody who listens.
  const deaf = fileStore({ path })
  const record = await deaf.load()
  deaf.close()
  if (!record) throw new Error('there is no record')
  await deaf.exclusive(async (lease) => {
    const generation = await lease.begin()
    // Away at once: whoever writes into it while it is emptied would keep it.
    renameSync(path, `${path}-gone`)
    rmSync(`${path}-gone`, { recursive: true })
    await deaf.save({ ...record, version: { ...record.version, generation } })
  })
  expect((await fileStore({ path }).load())?.version.generation).toBe(record.version.generation + 1)
})

describe('what is none of ours', () => {
  const GARBAGE = {
    'half a file': '{"refresh-once":1,"record":{"version":{"ep',
    'an empty file': '',
    'a file of another program': '{"name":"other","version":3}',
    'a record that is none':
      '{"refresh-once":1,"record":{"version":{"epoch":"zzz","generation":1,"nonce":""}}}',
  }
  test.each(Object.entries(GARBAGE))('%s is set aside, told, and never written over', async (_, text) => {
    const session = await signedIn()
    await session.refresh()
    const [newest = ''] = states()
    const garbage = join(
      path,
      newest.replace(/^\d+/, (number) => String(Number(number) + 1)),
    )
    writeFileSync(garbage, text)
    const other = context()
    const seen = watch(other)
    expect(await other.getAccessToken()).toBe(await session.getAccessToken())
    await other.refresh()
    await session.refresh()
    expect(seen.of('degraded').map(({ reason }) => reason)).toEqual([expect.stringContaining(garbage)])
    const kept = readdirSync(path).filter((name) => name.endsWith('.unreadable'))
    expect(kept.map((name) => readFileSync(join(path, name), 'utf8'))).toEqual([text])
    expect(await context().getAccessToken()).toBe(await session.getAccessToken())
    expect(server.count.reuses).toBe(0)
  })

  test.each(
    Object.entries<(file: string) => unknown>({
      'a pipe': (file: string) => execFileSync('mkfifo', [file]),
      'a socket': (file: string) =>
        new Promise<void>((resolve) => createServer().listen(file, resolve).unref()),
      'a link to itself': (file: string) => symlinkSync(file, file),
      'a link through a file': (file: string) => symlinkSync(join(top(), 'none'), file),
      'a folder with nothing in it': (file: string) => mkdirSync(file),
      'a folder of folders': (file: string) => mkdirSync(join(file, 'state.json'), { recursive: true }),
      'a link to what has no end': (file: string) => symlinkSync('/dev/zero', file),
      'a link to a file that has no end and tells of no size': (file: string) =>
        symlinkSync('/proc/self/pagemap', file),
      'a file that is larger than any text': (file: string) => {
        writeFileSync(file, '')
        truncateSync(file, 5e9)
      },
    }),
  )('%s is set aside, too', async (_, make) => {
    const session = await signedIn()
    await session.refresh()
    await make(join(path, states()[0]?.replace(/^\d+/, (number) => String(Number(number) + 1)) ?? ''))
    const other = context()
    expect(await other.getAccessToken()).toBe(await session.getAccessToken())
    await other.refresh()
    await session.refresh()
    expect(readdirSync(path).filter((name) => name.endsWith('.unreadable'))).toHaveLength(1)
    expect(server.count.reuses).toBe(0)
  })

  test.each(['999999999999999', '999999999999998', '900000000000000'])(
    'the number %s, after which there is hardly another, ends nothing',
    async (number) => {
      const session = await signedIn()
      await session.refresh()
      copyFileSync(top(), join(path, `${number}.login.json`))
      const other = context()
      for (let cycle = 0; cycle < 3; cycle++) await other.refresh()
      expect(await context().getAccessToken()).toBe(await other.getAccessToken())
      expect(server.count.reuses).toBe(0)
    },
  )

  test.each([0, 1, 5, 1e12 + 0.5, 9e14, 8.9e14, 1e15, 1e300, -1, 'soon'])(
    'a first state that says to go on with %s stops nobody',
    async (since) => {
      const session = await signedIn()
      rmSync(path, { recursive: true })
      mkdirSync(path)
      writeFileSync(join(path, '1.login.json'), JSON.stringify({ 'refresh-once': 1, since }))
      await session.refresh()
      for (let cycle = 0; cycle < 3; cycle++) await context().refresh()
      expect(await context().getAccessToken()).toBe((await fileStore({ path }).load())?.tokens?.accessToken)
      expect(server.count).toMatchObject({ refreshes: 4, reuses: 0 })
    },
  )

  test('the last number of all has a next one, because time goes on', async () => {
    const session = await signedIn()
    await session.refresh()
    copyFileSync(top(), join(path, `${1e13 + Date.now()}.login.json`))
    const other = context()
    for (let cycle = 0; cycle < 3; cycle++) await other.refresh()
    expect(await context().getAccessToken()).toBe(await other.getAccessToken())
    expect(server.count.reuses).toBe(0)
  })

  test.each(['text', 5, {}, [5, null], ['x/9999999999'], { length: 1e9 }])(
    'names of secrets that are none (%j) keep nobody from saving',
    async (secrets) => {
      const session = await signedIn()
      await session.refresh()
      const file = top()
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), secrets }))
      const other = context()
      const seen = watch(other)
      await other.refresh()
      expect(await context().getAccessToken()).toBe(await other.getAccessToken())
      expect(seen.of('degraded')).toEqual([])
    },
  )

  test('garbage in the place of the newest tokens: the former ones count, and nobody is signed out by us', async () => {
    const session = await signedIn()
    await session.refresh()
    writeFileSync(top(), '\0\0\0\0')
    expect((await fileStore({ path }).load())?.version.generation).toBe(1)
    // Whoever knows better goes on with what he knows.
    await session.refresh()
    expect(await context().getAccessToken()).toBe(await session.getAccessToken())
    expect(server.count.reuses).toBe(0)
  })

  test.each([[['1']], [['1', '2']], [['1', '2', '1000000000000']]])(
    'nothing but garbage (%s) is nobody signed in, until somebody is',
    async (numbers) => {
      mkdirSync(path, { recursive: true })
      for (const number of numbers) writeFileSync(join(path, `${number}.login.json`), 'garbage')
      expect(await fileStore({ path }).load()).toBeUndefined()
      const session = await signedIn()
      for (let cycle = 0; cycle < 3; cycle++) await session.refresh()
      expect(await context().getAccessToken()).toBe(await session.getAccessToken())
      expect(readdirSync(path).filter((name) => name.endsWith('.unreadable'))).toHaveLength(numbers.length)
    },
  )

  test('files of other programs in the folder are left alone, whatever their numbers', async () => {
    mkdirSync(path, { recursive: true })
    const others = [
      '1.json',
      '99999999999999.json',
      '20260101.login.json',
      '.hidden',
      'login.json',
      'a.given.txt',
      'a.given',
      '.2026-01-01.bak',
      '.1-copy',
    ]
    for (const name of others) writeFileSync(join(path, name), name)
    const session = await signedIn()
    for (let cycle = 0; cycle < 3; cycle++) await session.refresh()
    await session.signOut()
    for (const name of others) expect(readFileSync(join(path, name), 'utf8')).toBe(name)
  })

  test('a file where the folder should be is told, and stays as it is', async () => {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, '{"access_token":"yesterday"}')
    const session = context()
    const seen = watch(session)
    await expect(session.signIn(server.mint())).rejects.toThrow(/ENOTDIR|EEXIST/)
    expect(seen.of('degraded')).toHaveLength(1)
    expect(readFileSync(path, 'utf8')).toBe('{"access_token":"yesterday"}')
  })
})

test('a clock that stands at its beginning, or goes back years, keeps nobody from refreshing', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  try {
    for (const time of [5, Date.UTC(2040), 1_000]) {
      vi.setSystemTime(time)
      const session = await signedIn()
      for (let cycle = 0; cycle < 3; cycle++) await session.refresh()
      expect(await context().getAccessToken()).toBe(await session.getAccessToken())
      expect(readdirSync(path).length).toBeLessThan(5)
    }
    expect(server.count.reuses).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('a pool keeps the sessions of many users in one folder, and two pools refresh each of them once', async () => {
  const stores = fileStores({ folder: path })
  const ids = times(6, (index) => `user/${index}`)
  for (const id of ids) {
    const session = context(stores(id))
    await session.signIn(server.mint(id))
    session.close()
  }
  const pools = times(2, () =>
    createSessionPool({
      store: fileStores({ folder: path }),
      max: 3,
      refresh: ({ tokens, signal }) => refreshAt(server)({ tokens, signal, warn() {} }),
    }),
  )
  const tokens = await Promise.all(
    pools.flatMap((pool) =>
      ids.map((id) =>
        pool.use(id, async (session) => {
          await session.refresh({ unless: await session.getAccessToken() })
          return `${id} ${await session.getAccessToken()}`
        }),
      ),
    ),
  )
  expect(new Set(tokens).size).toBe(ids.length)
  expect(server.count).toMatchObject({ refreshes: ids.length, reuses: 0 })
  await Promise.all(pools.map((pool) => pool.close()))
})

describe('another version of this package', () => {
  test('what it adds to the state stays', async () => {
    const session = await signedIn()
    await session.refresh()
    const file = top()
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), later: { kept: true } }))
    const other = context()
    await other.refresh()
    await other.refresh()
    expect(JSON.parse(readFileSync(top(), 'utf8'))).toMatchObject({ later: { kept: true } })
  })

  test('a format that is not known yet is not touched: nobody is signed out, and the reason is told', async () => {
    const session = await signedIn()
    await session.refresh()
    const file = top()
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), 'refresh-once': 2 }))
    const before = readdirSync(path)
    const error = await failureOf(context().getAccessToken())
    expect(error).toMatchObject({ code: 'refresh_failed', message: expect.stringContaining('later version') })
    await expect(fileStore({ path }).load()).rejects.toThrow('later version')
    expect(readdirSync(path)).toEqual(before)
  })

  const later = (state: object): string => JSON.stringify({ ...state, 'refresh-once': 2 })
  const stateNow = () => JSON.parse(readFileSync(top(), 'utf8'))

  test('a format that comes while one runs that does not know it: he spends no token, overwrites nothing, and is told why', async () => {
    const session = await signedIn()
    await session.refresh()
    const [newest = '', ...former] = states()
    const next = newest.replace(/^\d+/, (number) => String(Number(number) + 1))
    writeFileSync(join(path, next), later(stateNow()))
    const kept = readFileSync(join(path, next), 'utf8')
    const sent = server.count.refreshRequests
    const used = await session.getAccessToken()
    expect(await failureOf(session.refresh())).toMatchObject({
      code: 'refresh_failed',
      message: expect.stringContaining('later version'),
    })
    expect(server.count.refreshRequests).toBe(sent)
    // What he has is good until it ends.
    expect(await session.getAccessToken()).toBe(used)
    for (const each of [session, context()])
      expect(String(await failureOf(each.signIn(server.mint('bob'))))).toContain('later version')
    expect(String(await failureOf(session.signOut()))).toContain('later version')
    expect(states()).toEqual([next, newest, ...former])
    expect(readFileSync(join(path, next), 'utf8')).toBe(kept)
    expect(readdirSync(path).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('an answer that was finished in a format to come, and never linked, is not passed over: its token would be spent twice', async () => {
    const session = await signedIn()
    await session.refresh()
    session.close()
    const state = stateNow()
    const { generation } = state.record.version
    const turn = {
      pid: 1,
      start: '',
      place: 'elsewhere',
      id: 'gone',
      generation: generation + 1,
      until: 1,
      ttl: 1_000,
    }
    writeFileSync(top(), JSON.stringify({ ...state, turn }))
    const finished = join(path, `.login-${Date.now()}-gone-answer`)
    writeFileSync(finished, later(state))
    const sent = server.count.refreshRequests
    const late = context()
    const used = await late.getAccessToken()
    expect(await failureOf(late.refresh())).toMatchObject({
      code: 'refresh_failed',
      message: expect.stringContaining('later version'),
    })
    expect(server.count.refreshRequests).toBe(sent)
    expect(await late.getAccessToken()).toBe(used)
    expect(existsSync(finished)).toBe(true)
    // Half of one tells nothing.
    writeFileSync(finished, later(state).slice(0, -9))
    await context().refresh()
    expect(server.count).toMatchObject({ refreshRequests: sent + 1, reuses: 0 })
  })

  test('whoever cannot get on with what a later one has left signs out and in again', async () => {
    const session = await signedIn()
    const state = stateNow()
    const turn = { pid: 1, start: '', place: '', id: 'gone', generation: 2, until: 1, ttl: 1_000 }
    writeFileSync(top(), JSON.stringify({ ...state, turn }))
    writeFileSync(join(path, `.login-${Date.now()}-gone-answer`), later(state))
    await session.signOut()
    await session.signIn(server.mint('alice'))
    await session.refresh()
    expect(await context().getAccessToken()).toBe(await session.getAccessToken())
  })
})

test('a process that writes yesterday’s record changes nothing', async () => {
  const session = await signedIn()
  const store = fileStore({ path })
  const yesterday = await store.load()
  for (let cycle = 0; cycle < 3; cycle++) await session.refresh()
  if (!yesterday) throw new Error('there is no record')
  expect((await store.save(yesterday)).version.generation).toBe(4)
  expect(await context().getAccessToken()).toBe(await session.getAccessToken())
  await session.signOut()
  expect((await store.save(yesterday)).ended).toBe('signed-out')
})

describe('symbolic links', () => {
  test('a folder that is one, and the folder itself, are one login', async () => {
    const session = await signedIn()
    const link = `${path}-link`
    symlinkSync(path, link)
    const other = context(fileStore({ path: link }))
    await Promise.all(
      [session, other].map((each) => each.refresh({ unless: 'none' }).then(() => each.getAccessToken())),
    )
    const refused = await session.getAccessToken()
    await other.refresh({ unless: refused })
    // Also where no hint of it has come.
    await session.refresh({ unless: refused })
    expect(await session.getAccessToken()).toBe(await other.getAccessToken())
    expect(server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test('a link in the place of a state that leads nowhere, or elsewhere, is set aside', async () => {
    const session = await signedIn()
    await session.refresh()
    const elsewhere = join(folder, `elsewhere-${names}`)
    writeFileSync(elsewhere, 'precious')
    for (const target of [join(folder, 'nowhere'), elsewhere]) {
      const next = states()[0]?.replace(/^\d+/, (number) => String(Number(number) + 1)) ?? ''
      symlinkSync(target, join(path, next))
      await context().refresh()
    }
    expect(readFileSync(elsewhere, 'utf8')).toBe('precious')
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
    expect(server.count.reuses).toBe(0)
  })

  test('a folder that is moved away is followed by nobody', async () => {
    const session = await signedIn()
    renameSync(path, `${path}-moved`)
    await session.refresh()
    expect(await context().getAccessToken()).toBe(await session.getAccessToken())
  })
})

describe('fileStores', () => {
  test('whatever an id is, it has a folder of its own, within the folder', async () => {
    const ids = [
      'alice',
      'Alice',
      'ALICE',
      '../alice',
      '..',
      '.',
      '/etc',
      'C:\\x',
      'a/b',
      'a%2fb',
      'con',
      'nul',
      'x.',
      'x ',
      'x',
      'é',
      'e\u0301',
      '😀',
      '\0',
      'a'.repeat(300),
      `${'a'.repeat(299)}b`,
      '=',
    ]
    mkdirSync(path, { recursive: true })
    const stores = fileStores({ folder: path })
    for (const id of ids) {
      const store = stores(id)
      await store.save({
        version: { epoch: `${'1'.padStart(15, '0')}0.1`, generation: 1, nonce: '' },
        tokens: { accessToken: id },
      })
      store.close()
    }
    for (const id of ids) expect((await stores(id).load())?.tokens?.accessToken).toBe(id)
    const made = readdirSync(path)
    expect(new Set(made.map((name) => name.toLowerCase())).size).toBe(ids.length)
    for (const name of made) expect(name).toMatch(/^login-[a-z0-9%=_-]{0,130}$/)
    expect(readdirSync(join(path, '..'))).toEqual(['login'])
  })
})

test('whoever changes the working directory does not change the logins', async () => {
  const former = process.cwd()
  mkdirSync(path, { recursive: true })
  const cwd = vi.spyOn(process, 'cwd').mockReturnValue(path)
  const [store, stores] = [fileStore({ path: 'one' }), fileStores({ folder: 'many' })]
  cwd.mockReturnValue(former)
  const record = { version: { epoch: `${'1'.padStart(15, '0')}0.1`, generation: 1, nonce: '' } }
  for (const each of [store, stores('alice')]) {
    await each.save(record)
    each.close()
  }
  cwd.mockRestore()
  expect(readdirSync(path).sort()).toEqual(['many', 'one'])
})

test('mistakes in the options are told', () => {
  const wrong = [
    {},
    { path: '' },
    { path: 'x', lease: 0 },
    // As an environment variable has it.
    { path: 'x', lease: '60000' },
    { path: 'x', ttl: '5000' },
    { path: 'x', ttl: 1_999 },
    { path: 'x', ttl: Number.NaN },
    // No turn without an end can be written down.
    { path: 'x', ttl: Number.POSITIVE_INFINITY, lease: Number.POSITIVE_INFINITY },
    { path: 'x', secrets: {} },
    { path: 'x', secrets: new Map() },
    { path: 'x', migrate: 'login.json' },
  ]
  for (const options of wrong)
    expect(() => fileStore(options as never), JSON.stringify(options)).toThrow(TypeError)
  expect(() => fileStores({} as never)).toThrow('fileStores: expected a folder')
  expect(() => fileStores({ folder: 'x' })('')).toThrow('fileStores: expected the id of a session')
  expect(() => fileStores({ folder: 'x' })('\ud800')).toThrow(TypeError)
  expect(() => fileStore(undefined as never)).toThrow(TypeError)
})
