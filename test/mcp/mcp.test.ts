/** The Model Context Protocol's clients on one session: each release, over both transports. */
import { isSessionError, memoryStore, type SessionStore } from 'refresh-once'
import { describe, expect, test, vi } from 'vitest'
import { failureOf, times } from '../setup.ts'
import { type Kit, kits } from './kits.ts'
import { AppProvider } from './provider.ts'
import { calls, closing, isLogin, keys, setUp } from './stage.ts'
import type { World } from './world.ts'

for (const kit of kits) {
  for (const kind of ['http', 'sse'] as const) {
    describe(`${kit.name}, over ${kind}`, () => {
      test('a login is the SDK’s, and ten calls at each expiry are one refresh', async () => {
        const { world, provider, open } = await setUp(kit, kind)
        const connection = await open()
        const pages = provider.pages.length
        for (let round = 0; round < 3; round++) {
          world.expire()
          expect(await calls(connection, 10, round)).toEqual(keys(10, round))
        }
        expect(world.count).toMatchObject({
          refreshes: 3,
          reuses: 0,
          exchanges: 1,
          leaks: 0,
          registrations: 1,
        })
        expect([...world.added.values()].filter((count) => count > 1)).toEqual([])
        expect(provider.pages).toHaveLength(pages)
      })

      test('an expiry that was announced is no 401', async () => {
        const { world, mcp, open } = await setUp(kit, kind, { server: { lifetime: 1 } })
        const connection = await open()
        const { refreshes, unauthorized } = world.count
        for (let round = 0; round < 2; round++) {
          const { expiresAt = 0 } = mcp.session.state
          await new Promise((resolve) => setTimeout(resolve, Math.max(expiresAt - Date.now(), 0)))
          expect(await calls(connection, 5, round)).toEqual(keys(5, round))
        }
        expect(world.count).toMatchObject({ reuses: 0, unauthorized })
        expect(world.count.refreshes).toBeGreaterThanOrEqual(refreshes + 2)
      })

      test('what the provider has kept is taken over, and renewed where it has expired', async () => {
        const { world, provider, open, connect, again, mcp } = await setUp(kit, kind)
        await open()
        const pages = provider.pages.length
        mcp.session.close()
        world.expire()
        const connection = await connect(again())
        expect(await connection.call('add', { key: 'x' })).toBe('x')
        expect(world.count).toMatchObject({ refreshes: 1, exchanges: 1 })
        expect(provider.pages).toHaveLength(pages)
      })

      test('a store that holds the session needs no provider for it', async () => {
        const content = new Map<string, string>()
        const store = (): SessionStore =>
          memoryStore({
            storage: {
              getItem: (key) => content.get(key) ?? null,
              setItem: (key, value) => void content.set(key, value),
              removeItem: (key) => void content.delete(key),
            },
          })
        const { world, provider, open, connect, again, mcp } = await setUp(kit, kind, { store: store() })
        await open()
        mcp.session.close()
        expect(provider.kept).toBeUndefined()
        world.expire()
        const connection = await connect(again({ store: store() }))
        expect(await connection.call('add', { key: 'x' })).toBe('x')
        expect(world.count).toMatchObject({ refreshes: 1, exchanges: 1 })
      })

      test('a server that gives no refresh token: the end of the access token is a login', async () => {
        const { world, provider, open, connect, again, mcp } = await setUp(kit, kind)
        await open()
        mcp.session.close()
        const { refresh_token: _, ...kept } = provider.kept ?? { access_token: '' }
        provider.kept = kept
        world.expire()
        expect(isLogin(await failureOf(connect(again())))).toBe(true)
        expect(provider.pages.length).toBeGreaterThan(1)
        expect(world.count).toMatchObject({ refreshes: 0, leaks: 0 })
      })

      test('tokens that were kept without their issuer are renewed all the same', async () => {
        const { world, provider, open, connect, again, mcp } = await setUp(kit, kind)
        await open()
        const pages = provider.pages.length
        mcp.session.close()
        const { issuer: _, ...kept } = provider.kept ?? { access_token: '' }
        provider.kept = kept
        const connection = await connect(again())
        for (let round = 0; round < 2; round++) {
          world.expire()
          expect(await calls(connection, 3, round)).toEqual(keys(3, round))
        }
        expect(world.count).toMatchObject({ refreshes: 2, reuses: 0, exchanges: 1 })
        expect(provider.pages).toHaveLength(pages)
      })

      test('a refresh that is refused is one refresh, and a login', async () => {
        const { world, provider, open, connect, finish } = await setUp(kit, kind)
        const connection = await open()
        world.revoke()
        const answers = await Promise.all(
          times(3, (index) => connection.call('add', { key: `${index}` }).catch((error: unknown) => error)),
        )
        expect(answers.some(isLogin)).toBe(true)
        expect(world.count).toMatchObject({ refreshes: 1, reuses: 0 })
        expect(provider.pages.length).toBeGreaterThan(1)
        await finish()
        const after = await connect()
        expect(await after.call('add', { key: 'after' })).toBe('after')
      })

      for (const [what, fails] of [
        ['answers 503', (world: World) => world.failing(9, 503, '{"error":"temporarily_unavailable"}')],
        ['is behind a page', (world: World) => world.failing(9, 502, '<h1>Bad gateway</h1>', 'text/html')],
        ['cuts connections', (world: World) => world.cutting(9)],
      ] as const) {
        test(`a token endpoint that ${what} opens no login, and is asked again later`, async () => {
          const { world, provider, open, mcp } = await setUp(kit, kind)
          const connection = await open()
          const pages = provider.pages.length
          world.expire()
          fails(world)
          const failure = await failureOf(connection.call('add', { key: 'x' }))
          expect(isLogin(failure), String(failure)).toBe(false)
          expect(provider.pages).toHaveLength(pages)
          expect(mcp.session.state.status).toBe('signed-in')
          world.heal()
          await mcp.session.refresh()
          // Over SSE a client may have given its connection up.
          if (!isSessionError(failure)) return
          expect(await connection.call('add', { key: 'y' })).toBe('y')
          expect(world.count.exchanges).toBe(1)
        })
      }

      for (const [what, answer] of [
        ['503', () => new Response(null, { status: 503 })],
        ['404', () => new Response(null, { status: 404 })],
        ['a page', () => new Response('<h1>Sign in to this network</h1>')],
      ] as const) {
        test(`metadata that is answered with ${what} opens no login, and the server gets no refresh token`, async () => {
          let broken = false
          const strays: string[] = []
          const { world, provider, open, mcp, again, connect } = await setUp(kit, kind, {
            fetch: (input, init) => {
              const { origin, pathname } = new URL(input instanceof Request ? input.url : input)
              if (!broken || origin !== world.origin) return fetch(input, init)
              if (/metadata|well-known/.test(pathname)) return Promise.resolve(answer())
              // As behind a guard that knows no exceptions.
              if (/token/.test(pathname)) strays.push(pathname)
              return /token/.test(pathname)
                ? Promise.resolve(Response.json({ error: 'invalid_token' }, { status: 401 }))
                : fetch(input, init)
            },
          })
          const connection = await open()
          const pages = provider.pages.length
          world.expire()
          broken = true
          const failure = await failureOf(connection.call('add', { key: 'x' }))
          expect(isLogin(failure), String(failure)).toBe(false)
          expect(provider.pages).toHaveLength(pages)
          expect(mcp.session.state.status).toBe('signed-in')
          expect(strays).toEqual([])
          broken = false
          await mcp.session.refresh()
          expect(await (await connect(again())).call('add', { key: 'y' })).toBe('y')
          expect(world.count).toMatchObject({ refreshes: 1, exchanges: 1, reuses: 0 })
        })
      }

      test('a code that was refused leaves a good session alone', async () => {
        const { world, open, finish, mcp } = await setUp(kit, kind)
        const connection = await open()
        await failureOf(finish('nonsense'))
        expect(mcp.session.state.status).toBe('signed-in')
        world.expire()
        expect(await connection.call('add', { key: 'x' })).toBe('x')
        expect(world.count.exchanges).toBe(1)
      })

      test('a client that the server has forgotten is registered anew, by a login', async () => {
        const { world, open, mcp } = await setUp(kit, kind)
        const connection = await open()
        world.expire()
        world.forgetClients()
        await failureOf(connection.call('add', { key: 'x' }))
        const after = await open(mcp)
        expect(await after.call('add', { key: 'y' })).toBe('y')
        expect(world.count.registrations).toBe(2)
      })

      test('five first connections register one client, and the last code is good', async () => {
        const { world, connect, finish } = await setUp(kit, kind)
        const first = await Promise.all(times(5, () => connect().catch((error: unknown) => error)))
        expect(first.every(isLogin), String(first[0])).toBe(true)
        expect(world.count.registrations).toBe(1)
        await finish()
        const connections = await Promise.all(times(5, () => connect()))
        world.expire()
        const answers = await Promise.all(
          connections.map((one, index) => one.call('add', { key: `${index}` })),
        )
        expect(answers).toEqual(times(5, String))
        expect(world.count).toMatchObject({ refreshes: 1, reuses: 0, exchanges: 1 })
      })

      test('sessions that have one provider in common, one for each transport, sign in and refresh once', async () => {
        const { world, connect, finish, again } = await setUp(kit, kind)
        const sessions = times(3, () => again())
        const first = await Promise.all(
          sessions.map((each) => connect(each).catch((error: unknown) => error)),
        )
        expect(first.every(isLogin), String(first[0])).toBe(true)
        expect(world.count.registrations).toBe(1)
        await finish()
        const connections = await Promise.all(sessions.map((each) => connect(each)))
        for (let round = 0; round < 3; round++) {
          world.expire()
          const answers = await Promise.all(connections.map((each) => calls(each, 3, round)))
          expect(answers).toEqual(times(3, () => keys(3, round)))
          expect(world.count).toMatchObject({ refreshes: round + 1, reuses: 0, exchanges: 1 })
        }
      })

      test('another user at the next login: nothing of the first one’s is done in that name', async () => {
        const { world, provider, open, mcp } = await setUp(kit, kind)
        const connection = await open()
        expect(await connection.call('whoami')).toBe('Ada')
        await mcp.session.signOut()
        // Else the next start would sign Ada in again.
        expect(provider.kept).toBeUndefined()
        world.user = 'Bob'
        const other = await open(mcp)
        expect(await other.call('whoami')).toBe('Bob')
        expect(world.users).toEqual(['Ada', 'Bob'])
      })

      test('a login that another process has finished is found where no news of it has come', async () => {
        const content = new Map<string, string>()
        const deaf = (): SessionStore => ({
          ...memoryStore({
            storage: {
              getItem: (key) => content.get(key) ?? null,
              setItem: (key, value) => void content.set(key, value),
              removeItem: (key) => void content.delete(key),
            },
          }),
          watch: () => () => {},
        })
        const { provider, open, connect, again, mcp } = await setUp(kit, kind, { store: deaf() })
        const other = again({ store: deaf() })
        expect(isLogin(await failureOf(connect(other)))).toBe(true)
        await open(mcp)
        const pages = provider.pages.length
        const connection = await connect(other)
        expect(await connection.call('add', { key: 'x' })).toBe('x')
        expect(provider.pages).toHaveLength(pages)
      })
    })
  }

  describe(`${kit.name}: redirects`, () => {
    test('one within the server is followed, with the token', async () => {
      const { world, provider, mcp, connect, open } = await setUp(kit, 'http', { path: '/moved' })
      // Two requests may open a page each: the code is for the one whose verifier was kept last.
      const first = await failureOf(connect())
      expect(isLogin(first), String(first)).toBe(true)
      await vi.waitFor(async () => {
        const back = await world.consent(provider.pages.at(-1))
        await kit.finish(new URL(`${world.origin}/moved`), 'http', mcp, back)
      }, 20_000)
      const connection = await open()
      world.expire()
      expect(await calls(connection, 3)).toEqual(keys(3))
      expect(world.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('one to another server gets no token', async () => {
      const { world, connect, provider, mcp } = await setUp(kit, 'http', { path: '/astray' })
      provider.saveClientInformation({ client_id: 'x', redirect_uris: [provider.redirectUrl] })
      await mcp.session.signIn({ access_token: 'mine', refresh_token: 'mine' })
      await failureOf(connect())
      expect(world.count).toMatchObject({ strays: 0, refreshes: 0 })
    })
  })
}

test('a request that left before the login, and comes back after it, is sent again with the tokens', async () => {
  const { world, provider, mcp, open } = await setUp(kits[0] as Kit, 'http')
  await open()
  const pages = provider.pages.length
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const response = await mcp.fetch(`${world.origin}/mcp`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }),
  })
  await response.body?.cancel()
  expect(response.status).toBe(200)
  expect(provider.pages).toHaveLength(pages)
})

test('a login that takes its time, because the authorization server does, keeps the others back', async () => {
  const { world, connect, finish } = await setUp(kits[0] as Kit, 'http')
  world.delay = 2_500
  const first = await Promise.all(times(3, () => connect().catch((error: unknown) => error)))
  expect(first.every(isLogin), String(first[0])).toBe(true)
  expect(world.count.registrations).toBe(1)
  world.delay = 0
  await finish()
  expect(await (await connect()).call('add', { key: 'x' })).toBe('x')
})

describe('step-up', () => {
  for (const kit of kits.filter(({ name }) => !name.startsWith('@ai-sdk') && name.includes('newest'))) {
    test(`${kit.name}: the user is asked once more, and the session goes on where he does not answer`, async () => {
      const { world, provider, open, finish } = await setUp(kit, 'http', {
        provider: new AppProvider('read'),
      })
      const connection = await open()
      world.requires('admin')
      await failureOf(connection.call('admin'))
      world.expire()
      expect(await connection.call('add', { key: 'x' })).toBe('x')
      expect(provider.pages).toHaveLength(2)
      expect(provider.pages[1]?.searchParams.get('scope')).toContain('admin')
      await failureOf(connection.call('admin'))
      await finish()
      expect(await connection.call('admin')).toBe('admin')
    })
  }
})

describe('a provider', () => {
  const [kit] = kits as [Kit]
  const tokens = { access_token: 'a', refresh_token: 'r', token_type: 'Bearer' }

  test('may be frozen', async () => {
    const kept = {
      tokens: () => tokens,
      saveTokens() {},
      clientInformation() {},
      redirectUrl: 'http://127.0.0.1:1/',
    }
    const mcp = kit.session(Object.freeze(kept) as never, new URL('http://127.0.0.1:1/mcp'))
    closing.push(() => mcp.session.close())
    expect(mcp.authProvider.redirectUrl).toBe('http://127.0.0.1:1/')
    expect(await mcp.authProvider.tokens()).toMatchObject({ access_token: 'a' })
    expect(await mcp.authProvider.tokens()).not.toHaveProperty('refresh_token')
  })

  for (const newest of kits.filter(({ name }) => name.endsWith('newest'))) {
    test.each([
      ['throws', Number.POSITIVE_INFINITY],
      ['rejects', Number.POSITIVE_INFINITY],
      ['rejects', 1],
    ])(
      `that %s where it should keep tokens (%d times) costs no session: ${newest.name}`,
      async (how, times) => {
        const { world, provider, mcp, open } = await setUp(newest, 'http')
        const connection = await open()
        const unsaved: unknown[] = []
        mcp.session.observe((event) => event.type === 'degraded' && unsaved.push(event.reason))
        const keep = provider.saveTokens.bind(provider)
        let left = times
        provider.saveTokens = ((next: object): unknown => {
          if (left-- <= 0) return keep(next)
          if (how === 'rejects') return Promise.reject(new Error('the disk is full'))
          throw new Error('the disk is full')
        }) as never
        for (let round = 0; round < 3; round++) {
          world.expire()
          expect(await calls(connection, 3, round)).toEqual(keys(3, round))
        }
        expect(world.count).toMatchObject({ refreshes: 3, reuses: 0, exchanges: 1 })
        expect(unsaved).toEqual(['the new tokens were not saved'])
      },
    )
  }

  test('that cannot keep a login: whoever has made it is told, and is signed in', async () => {
    const provider = new AppProvider()
    provider.saveTokens = () => Promise.reject(new Error('the disk is full')) as never
    const mcp = kit.session(provider, new URL('http://127.0.0.1:1/mcp'))
    closing.push(() => mcp.session.close())
    await expect((async () => mcp.authProvider.saveTokens(tokens))()).rejects.toThrow('the disk is full')
    expect(await mcp.session.getAccessToken()).toBe('a')
  })

  test('that is slow to keep a login does not bring back the former one', async () => {
    const provider = new AppProvider()
    const mcp = kit.session(provider, new URL('http://127.0.0.1:1/mcp'))
    closing.push(() => mcp.session.close())
    await mcp.session.signIn({ access_token: 'first', refresh_token: 'first' })
    await mcp.session.signOut()
    let written = (): void => {}
    provider.saveTokens = (next: object) =>
      new Promise<void>((resolve) => {
        written = () => {
          provider.kept = next as never
          resolve()
        }
      }) as never
    provider.kept = { access_token: 'old', refresh_token: 'old' }
    const reading = mcp.authProvider.tokens()
    const saved = mcp.authProvider.saveTokens(tokens)
    await new Promise((resolve) => setImmediate(resolve))
    written()
    await Promise.all([saved, reading])
    expect(await mcp.session.getAccessToken()).toBe('a')
  })
})

describe('mistakes', () => {
  const [kit] = kits
  const provider = new AppProvider()
  test.each([
    ['auth', { auth: undefined }],
    ['provider', { provider: {} }],
    ['dpop()', { provider: Object.assign(new AppProvider(), { dpop() {} }) }],
    ['url', { url: 'ftp://a' }],
    ['url', { url: '/mcp' }],
    ['origins', { url: 'http://example.com/mcp' }],
  ])('in %s are told when it is made', (name, more) => {
    expect(() => kit?.session(provider, new URL('http://127.0.0.1/'), more as never)).toThrow(TypeError)
    expect(() => kit?.session(provider, new URL('http://127.0.0.1/'), more as never)).toThrow(name)
  })
})
