import { setImmediate as macrotask } from 'node:timers/promises'
import { memoryStore, type Session, type SessionOptions } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, open, startServer, watch, withoutJitter } from '../setup.ts'
import { asyncStorage, syncStorage } from './storage.ts'

/** A browser with one app: what it keeps, and the server that its cookie belongs to. */
function browser(options: Partial<SessionOptions> = {}) {
  const storage = syncStorage()
  const page = { cookie: '', refreshes: 0, kept: storage.content }
  return Object.assign(page, {
    /** A page is loaded. */
    async start(more: Partial<SessionOptions> = {}) {
      const session = open({
        refresh({ tokens }) {
          page.refreshes++
          const grant = page.cookie || tokens?.refreshToken
          if (!grant?.startsWith('good')) return Response.json({ error: 'invalid_grant' }, { status: 400 })
          return Response.json({ access_token: `${grant}-${page.refreshes}`, expires_in: 300 })
        },
        store: memoryStore({ storage }),
        ...options,
        ...more,
      })
      const seen = watch(session)
      await Promise.race([seen.until('restored'), seen.until('signed-in')])
      return { session, types: () => seen.events.map(({ type }) => type), seen }
    },
  })
}

const token = (session: Session): Promise<string> =>
  session.getAccessToken().catch((error) => error.code as string)

describe('what is found at a start is not what happens then', () => {
  test('a stored sign-out is restored, and nobody is told that somebody has signed out', async () => {
    const { start } = browser()
    const before = await start()
    await before.session.signIn({ accessToken: 'mine' })
    await before.session.signOut()
    expect(before.types()).toEqual(['restored', 'signed-in', 'signed-out'])
    for (const tokens of [undefined, null]) {
      const { session, types } = await start({ tokens })
      expect(session.state.status).toBe('signed-out')
      expect(types()).toEqual(['restored'])
    }
  })

  test('a first visit that says that nobody is signed in tells of no sign-out', async () => {
    const { session, types } = await browser().start({ tokens: null })
    expect(session.state.status).toBe('signed-out')
    expect(types()).toEqual(['restored'])
  })

  test('a first visit that begins with tokens is a sign-in; the next page finds it', async () => {
    const { start } = browser()
    const tokens = { accessToken: 'mine', refreshToken: 'good' }
    expect((await start({ tokens })).types()).toEqual(['signed-in'])
    expect((await start({ tokens })).types()).toEqual(['restored'])
  })

  test.each([
    ['null', null],
    ['a function that says null', () => null],
  ])(
    '%s is nobody, also where a refusal is stored, and tokens of that sign-in come late',
    async (_, tokens) => {
      const own = memoryStore()
      const version = { epoch: '0000000000000010.5', generation: 1, nonce: '0.5' }
      await own.save({ version, ended: 'rejected' })
      let hear = (_: Parameters<typeof own.save>[0]): void => {}
      const store: typeof own = {
        ...own,
        watch(listener) {
          hear = listener
          return () => {}
        },
      }
      const session = open({ refresh: () => 'unused', tokens, store })
      await watch(session).until('restored')
      hear({ version: { ...version, generation: 2 }, tokens: { accessToken: 'late' } })
      expect(session.state.status).toBe('signed-out')
      expect(await token(session)).toBe('session_expired')
    },
  )

  test('the news of a store that come before it was read are found, too', async () => {
    const own = memoryStore()
    const version = { epoch: '0000000000000010.5', generation: 1, nonce: '0.5' }
    await own.save({ version, ended: 'signed-out' })
    const store: typeof own = {
      ...own,
      watch(listener) {
        queueMicrotask(() => listener({ version, ended: 'signed-out' }))
        return () => {}
      },
    }
    const session = open({ refresh: () => 'unused', store })
    const seen = watch(session)
    await seen.until('restored')
    expect(session.state.status).toBe('signed-out')
    expect(seen.of('signed-out')).toEqual([])
  })

  test('a visitor who is refused was never signed in: no sign-out, with a store or without', async () => {
    for (const options of [{}, { store: undefined }]) {
      const session = open({ refresh: () => new Response(null, { status: 401 }), ...options })
      const seen = watch(session)
      expect(await token(session)).toBe('session_expired')
      expect(session.state.status).toBe('signed-out')
      expect(seen.of('signed-out')).toEqual([])
      await session.signIn('mine')
      await failureOf(session.refresh())
      expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
    }
  })
})

describe('a login that leads elsewhere and comes back with a cookie', () => {
  test('what a visitor was refused is not kept: the cookie is asked', async () => {
    const app = browser()
    const first = await app.start()
    expect(await token(first.session)).toBe('session_expired')
    expect(await token(first.session)).toBe('session_expired')
    expect(app.refreshes).toBe(1)
    expect([...app.kept.values()].join()).not.toContain('rejected')
    app.cookie = 'good'
    const second = await app.start()
    expect(await token(second.session)).toBe('good-2')
  })

  test('a refusal that has ended a session is asked again by each page, once', async () => {
    const app = browser()
    const first = await app.start()
    await first.session.signIn('mine')
    await failureOf(first.session.refresh())
    expect(first.seen.of('signed-out')).toHaveLength(1)
    for (const refreshes of [2, 3]) {
      const { session, types } = await app.start()
      expect(session.state.status).toBe('unknown')
      expect([await token(session), await token(session)]).toEqual(['session_expired', 'session_expired'])
      expect(session.state.status).toBe('signed-out')
      expect(app.refreshes).toBe(refreshes)
      expect(types()).not.toContain('signed-out')
    }
    app.cookie = 'good'
    const last = await app.start()
    expect(await token(last.session)).toBe('good-4')
    const next = await app.start()
    expect([await token(next.session), app.refreshes]).toEqual(['good-4', 4])
  })

  test('signIn() asks for the cookie, also after a sign-out', async () => {
    const app = browser()
    const { session, types } = await app.start()
    await session.signIn('mine')
    await session.signOut()
    app.cookie = 'good'
    expect(await token(session)).toBe('session_expired')
    await session.signIn()
    expect(await token(session)).toBe('good-1')
    expect(types().at(-1)).toBe('refresh-succeeded')
    const next = await app.start()
    expect([await token(next.session), app.refreshes]).toEqual(['good-1', 1])
  })

  test('signIn() before the store was read waits for that, and asks once', async () => {
    const reading = deferred<void>()
    const store = memoryStore()
    const load = async () => {
      await reading.promise
      return store.load()
    }
    let asked = 0
    const session = open({ store: { ...store, load }, refresh: () => `good-${++asked}` })
    const signedIn = session.signIn()
    expect([session.state.status, asked]).toEqual(['restoring', 0])
    reading.resolve()
    await signedIn
    expect([await token(session), asked]).toEqual(['good-1', 1])
  })

  test('signIn() that is refused says so, and has changed nothing for others', async () => {
    const app = browser()
    const { session } = await app.start()
    await session.signIn('mine')
    const kept = [...app.kept.values()]
    expect(await failureOf(session.signIn())).toMatchObject({ code: 'session_expired' })
    expect(session.state.status).toBe('signed-out')
    expect(JSON.parse(kept.join())).toMatchObject({ tokens: { accessToken: 'mine' } })
    const next = await app.start()
    expect(await token(next.session)).toBe('mine')
  })

  test('signIn() that fails for now says so, and the next request asks again', async () => {
    let up = false
    const session = open({
      refresh: () => (up ? 'good' : new Response(null, { status: 503, headers: { 'retry-after': '1' } })),
      retries: 0,
      tokens: null,
    })
    expect(await failureOf(session.signIn())).toMatchObject({ code: 'refresh_failed' })
    expect(session.state.status).toBe('unknown')
    up = true
    await session.signIn()
    expect(await session.getAccessToken()).toBe('good')
  })

  test('a token that was typed wrong in the environment is not remembered as the end', async () => {
    const app = browser()
    const wrong = await app.start({ tokens: { accessToken: 'a', refreshToken: 'bad', expiresAt: 1 } })
    expect(await token(wrong.session)).toBe('session_expired')
    const right = await app.start({ tokens: { accessToken: 'a', refreshToken: 'good', expiresAt: 1 } })
    expect(await token(right.session)).toBe('good-2')
  })

  test('nor is it by a clock that has stood still, or was set back since', async () => {
    for (const later of [0, 0, 0, 0, 0, -60_000]) {
      const app = browser()
      const clock = { ...withoutJitter(), random: Math.random, now: () => 1_700_000_000_000 }
      const wrong = await app.start({
        clock,
        tokens: { accessToken: 'a', refreshToken: 'bad', expiresAt: 1 },
      })
      expect(await token(wrong.session)).toBe('session_expired')
      const right = await app.start({
        clock: { ...clock, now: () => clock.now() + later },
        tokens: { accessToken: 'a', refreshToken: 'good', expiresAt: 1 },
      })
      expect(await token(right.session)).toBe('good-2')
    }
  })
})

describe('a verb before the store was read wins over what is in it, also by a clock that is behind', () => {
  const ahead = { epoch: `${Date.now() + 60_000}`.padStart(15, '0'), generation: 1, nonce: '0.5' }

  test.each([
    ['a storage that answers at once', syncStorage],
    ['one that takes its time', asyncStorage],
  ])('%s', async (_, newStorage) => {
    for (const verb of ['signOut', 'signIn'] as const) {
      const storage = newStorage()
      await memoryStore({ storage }).save({ version: ahead, tokens: { accessToken: 'former' } })
      const session = open({ refresh: () => 'refreshed', store: memoryStore({ storage }) })
      await (verb === 'signIn' ? session.signIn('mine') : session.signOut())
      const outcome = verb === 'signIn' ? 'mine' : 'session_expired'
      expect(await token(session)).toBe(outcome)
      // So it is for the next one.
      expect(await token(open({ refresh: () => 'refreshed', store: memoryStore({ storage }) }))).toBe(outcome)
    }
  })
})

describe('while a verb is saved that came before the store was read', () => {
  const epochIn = (ms: number) => `${Date.now() + ms}`.padStart(15, '0')
  const former = {
    version: { epoch: epochIn(60_000), generation: 1, nonce: '0.5' },
    tokens: { accessToken: 'former' },
  }

  /** A store that answers when it is told to, and whose news are told by hand. */
  async function slowly() {
    const own = memoryStore()
    await own.save(former)
    const [looked, saved] = [deferred<void>(), deferred<void>()]
    let loads = 0
    let tell = (_: typeof former): void => {}
    const store: typeof own = {
      ...own,
      async load() {
        loads++
        await looked.promise
        return own.load()
      },
      async save(next) {
        const stored = await own.save(next)
        await saved.promise
        return stored
      },
      watch(listener) {
        tell = listener
        return () => {}
      },
    }
    const session = open({ refresh: () => 'refreshed', store })
    return {
      session,
      seen: watch(session),
      own,
      looked,
      saved,
      tell: (stored: typeof former) => tell(stored),
      get loads() {
        return loads
      },
    }
  }

  test.each(['signOut', 'signIn'] as const)('what is found is not gone by: %s', async (verb) => {
    const { session, seen, looked, saved, tell } = await slowly()
    const names: (string | undefined)[] = []
    session.subscribe(({ signIn }) => names.push(signIn))
    const done = verb === 'signIn' ? session.signIn('mine') : session.signOut()
    tell(former)
    looked.resolve()
    const outcome = verb === 'signIn' ? 'mine' : 'session_expired'
    for (let turn = 0; turn < 9; turn++) expect(await token(session)).toBe(outcome)
    saved.resolve()
    await done
    expect(await token(session)).toBe(outcome)
    expect(names).not.toContain(former.version.epoch)
    expect(seen.of('signed-out').length).toBe(verb === 'signOut' ? 2 : 0)
  })

  test('the last of several verbs holds', async () => {
    for (const last of ['signOut', 'signIn'] as const) {
      const { session, looked, saved, tell } = await slowly()
      const done = [session.signIn('mine'), session.signOut(), last === 'signIn' && session.signIn('last')]
      tell(former)
      looked.resolve()
      saved.resolve()
      await Promise.all(done)
      expect(await token(session)).toBe(last === 'signIn' ? 'last' : 'session_expired')
    }
  })

  test('the first of several verbs that is saved does not end the waiting for the last', async () => {
    const own = memoryStore()
    await own.save(former)
    const [looked, saved] = [deferred<void>(), deferred<void>()]
    const session = open({
      refresh: () => 'refreshed',
      store: {
        ...own,
        load: () => looked.promise.then(() => own.load()),
        async save(next) {
          const stored = await own.save(next)
          if (next.tokens?.accessToken === 'last') await saved.promise
          return stored
        },
      },
    })
    const names: (string | undefined)[] = []
    session.subscribe(({ signIn }) => names.push(signIn))
    const first = session.signIn('first')
    const last = session.signIn('last')
    await first
    looked.resolve()
    for (let turn = 0; turn < 9; turn++) expect(await token(session)).toBe('last')
    saved.resolve()
    await last
    expect(await token(session)).toBe('last')
    expect(names).not.toContain(former.version.epoch)
  })

  test.each([
    ['after a verb that came before the store was read', undefined],
    ['while that is saved which it has begun with', 'begun'],
    ['once the store was read', null],
  ])('only that: whoever signs in %s hears of a later sign-in elsewhere at once', async (_, tokens) => {
    const own = memoryStore()
    const saved = deferred<void>()
    let hear = (_: typeof former): void => {}
    const session = open({
      refresh: () => 'refreshed',
      tokens,
      store: {
        ...own,
        async save(next) {
          const stored = await own.save(next)
          if (next.tokens?.accessToken !== 'first') await saved.promise
          return stored
        },
        watch(listener) {
          hear = listener
          return () => {}
        },
      },
    })
    if (tokens === undefined) await session.signIn('first')
    else await watch(session).until(tokens ? 'signed-in' : 'restored')
    const done = session.signIn('mine')
    hear({ ...former, tokens: { accessToken: 'elsewhere' } })
    expect(await token(session)).toBe('elsewhere')
    saved.resolve()
    await done
  })

  test('who needs a token does not ask the store again and again', async () => {
    const slow = await slowly()
    const done = slow.session.signIn({ refreshToken: 'mine' })
    const first = token(slow.session)
    slow.looked.resolve()
    for (let turn = 0; turn < 20; turn++) await macrotask()
    expect(slow.loads).toBeLessThan(4)
    slow.saved.resolve()
    await Promise.all([done, first])
    expect(await token(slow.session)).toBe('refreshed')
  })

  test.each(['signOut', 'signIn'] as const)('who signs in elsewhere after %s is not missed', async (verb) => {
    const { session, seen, own, looked, saved, tell } = await slowly()
    const done = verb === 'signIn' ? session.signIn('mine') : session.signOut()
    looked.resolve()
    const version = { epoch: epochIn(120_000), generation: 1, nonce: '0.25' }
    const later = await own.save({ version, tokens: { accessToken: 'elsewhere' } })
    tell(later as typeof former)
    saved.resolve()
    await done
    await seen.until('signed-in')
    expect(await token(session)).toBe('elsewhere')
  })
})

test('a sign-out elsewhere that a slow first look brings to one who has signed in meanwhile is told', async () => {
  const own = memoryStore()
  const looked = deferred<void>()
  const store = {
    ...own,
    async load() {
      await looked.promise
      return own.load()
    },
  }
  const session = open({ refresh: () => 'refreshed', store })
  const seen = watch(session)
  await session.signIn('mine')
  const record = await own.load()
  const epoch = `${Number(record?.version.epoch.slice(0, 15)) + 1}`.padStart(15, '0')
  await own.save({ version: { epoch, generation: 1, nonce: '0.5' }, ended: 'signed-out' })
  looked.resolve()
  await seen.until('signed-out')
  expect(session.state.status).toBe('signed-out')
})

describe('cookie mode, where nobody can see whether there is a cookie', () => {
  test('a refusal is a sign-out where something had been accepted before, and only there', async () => {
    const { withSession } = await import('refresh-once/fetch')
    const server = await startServer()
    for (const accepted of [false, true]) {
      const session = open({ mode: 'cookie', refresh: () => new Response(null, { status: 401 }) })
      const seen = watch(session)
      const authFetch = withSession(session, { origins: [server.url] })
      if (accepted)
        await authFetch(`${server.url}/api/items`, {
          headers: { cookie: `access_token=${server.mint('alice').access_token}` },
        })
      else {
        server.fault('custom', { on: '/api/items', respond: { status: 400 } })
        expect((await authFetch(`${server.url}/api/items`)).status).toBe(400)
      }
      expect((await authFetch(`${server.url}/api/items`)).status).toBe(401)
      expect(session.state.status).toBe('signed-out')
      expect(seen.of('signed-out')).toHaveLength(Number(accepted))
    }
  })
})

describe('a script that has only a refresh token', () => {
  test('begins with it, and gets its first access token when one is needed', async () => {
    for (const tokens of [{ refreshToken: 'good' }, { refresh_token: 'good', access_token: null }]) {
      const app = browser()
      const { session } = await app.start({ tokens: tokens as { refreshToken: string } })
      expect(session.state.status).toBe('signed-in')
      expect(app.refreshes).toBe(0)
      expect(await token(session)).toBe('good-1')
      expect(await token((await app.start()).session)).toBe('good-1')
    }
  })

  test('may sign in with it as well', async () => {
    const app = browser()
    const { session } = await app.start({ tokens: null })
    await session.signIn({ refreshToken: 'good' })
    expect(await token(session)).toBe('good-1')
    // How long the first access token would last says nothing: there is none.
    await session.signIn({ refreshToken: 'good', expires_in: 300 } as { refreshToken: string })
    expect(await token(session)).toBe('good-2')
  })

  test('a refresh that brings no access token is an error all the same', async () => {
    const session = open({
      refresh: () => ({ refreshToken: 'next' }) as never,
      tokens: { refreshToken: 'r' },
    })
    expect(await failureOf(session.getAccessToken())).toMatchObject({
      code: 'refresh_failed',
      message: expect.stringContaining('expected an access token'),
    })
  })
})

describe('signIn takes whatever `refresh` may return', () => {
  const body = { access_token: 'fresh', expires_in: 300, refresh_token: 'r' }
  test.each<[string, unknown]>([
    ['a Response', Response.json(body)],
    ['an answer of axios', { status: 200, headers: {}, data: body }],
    ['a hand-made one', { ok: true, status: 200, json: async () => body }],
    ['an answer without a status, as of Supabase', { data: { user: {}, session: body }, error: null }],
  ])('%s', async (_, given) => {
    const session = open({ refresh: () => 'unused', tokens: null })
    await session.signIn(given as Response)
    expect(await session.getAccessToken()).toBe('fresh')
    expect(session.state.expiresAt).toBeGreaterThan(0)
  })

  test('a refused login rejects with what was answered, and the session is what it was', async () => {
    const session = open({ refresh: () => 'unused', tokens: 'mine' })
    const refusal = Response.json({ error: 'invalid_credentials' }, { status: 401 })
    const error = await failureOf(session.signIn(refusal))
    expect(error.message).toContain('401 invalid_credentials')
    // Nor is that a mistake in the program.
    expect(error).not.toBeInstanceOf(TypeError)
    expect(await session.getAccessToken()).toBe('mine')
  })

  test('an answer without a token names the members that came', async () => {
    const session = open({ refresh: () => 'unused', tokens: 'mine' })
    for (const given of [{ token: 'secret' }, Response.json({ token: 'secret' })]) {
      const error = await failureOf(session.signIn(given as Response))
      expect(error.message).toContain('token')
      expect(error.message).not.toContain('secret')
      expect(error instanceof TypeError).toBe(!(given instanceof Response))
    }
  })
})
