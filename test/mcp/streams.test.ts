/** What is no call: streams of notifications, those of calls that are cut, and the end of a session of the protocol. */
import { describe, expect, test, vi } from 'vitest'
import { deferred } from '../setup.ts'
import { kits } from './kits.ts'
import { calls, closing, keys, setUp } from './stage.ts'

/** A machine may have much else to do. */
const PATIENCE = 20_000

const lasting = { server: { brief: false } }

for (const kit of kits.filter(({ name }) => !name.startsWith('@ai-sdk'))) {
  describe(kit.name, () => {
    test('a stream of notifications that is cut after the token has expired is opened again, by one refresh', async () => {
      const { world, open, provider } = await setUp(kit, 'http', lasting)
      const connection = await open()
      const pages = provider.pages.length
      await vi.waitFor(() => expect(world.streams).toBe(1), PATIENCE)
      await world.notify('before')
      await vi.waitFor(() => expect(connection.heard).toEqual(['before']), PATIENCE)
      for (let round = 1; round <= 2; round++) {
        world.expire()
        await world.cutStreams()
        // Nobody listens: it is told when he does again.
        await world.notify(`cut ${round}`)
        await vi.waitFor(() => expect(connection.heard.at(-1)).toBe(`cut ${round}`), PATIENCE)
        expect(await calls(connection, 3, round)).toEqual(keys(3, round))
        expect(world.count).toMatchObject({ refreshes: round, reuses: 0 })
      }
      expect(connection.heard).toEqual(['before', 'cut 1', 'cut 2'])
      expect(provider.pages).toHaveLength(pages)
    })

    test('a stream and ten calls at an expiry are one refresh', async () => {
      const { world, open } = await setUp(kit, 'http', lasting)
      const connection = await open()
      await vi.waitFor(() => expect(world.streams).toBe(1), PATIENCE)
      world.expire()
      await world.cutStreams()
      expect(await calls(connection, 10)).toEqual(keys(10))
      await vi.waitFor(() => expect(world.streams).toBe(1), PATIENCE)
      expect(world.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('a call whose stream is cut after the token has expired is resumed, and was executed once', async () => {
      const { world, open } = await setUp(kit, 'http', lasting)
      const connection = await open()
      const resumable = deferred<void>()
      const waiting = connection.call('wait', { key: 'x' }, resumable.resolve)
      await resumable.promise
      await vi.waitFor(() => expect(world.added.get('x')).toBe(1), PATIENCE)
      world.expire()
      await world.cutStreams()
      await vi.waitFor(() => expect(world.count.refreshes).toBe(1), PATIENCE)
      world.answer()
      expect(await waiting).toBe('x')
      expect(world.added.get('x')).toBe(1)
      expect(world.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('a server that refuses streams whatever the token costs two refreshes at most, and the session goes on', async () => {
      const { world, open, connect, provider } = await setUp(kit, 'http', lasting)
      const first = await open()
      const pages = provider.pages.length
      await first.close()
      world.refusingStreams(true)
      const connection = await connect().catch(() => undefined)
      if (connection) expect(await calls(connection, 3)).toEqual(keys(3))
      expect(world.count.refreshes).toBeLessThanOrEqual(2)
      expect(world.count.reuses).toBe(0)
      world.refusingStreams(false)
      expect(await calls(await connect(), 3, 1)).toEqual(keys(3, 1))
      expect(world.count.refreshes).toBeLessThanOrEqual(3)
      expect(provider.pages.length).toBeLessThanOrEqual(pages + 1)
    })
  })
}

for (const kit of kits.filter(({ name }) => /^@modelcontextprotocol.*newest/.test(name))) {
  // After the three seconds that EventSource waits.
  test(`${kit.name}: SSE that is cut after the token has expired is opened again, by one refresh`, async () => {
    const { world, open, provider } = await setUp(kit, 'sse')
    const connection = await open()
    const pages = provider.pages.length
    expect(world.streams).toBe(1)
    world.expire()
    await world.cutStreams()
    await vi.waitFor(() => expect(world.streams).toBe(1), PATIENCE)
    expect(world.count).toMatchObject({ refreshes: 1, reuses: 0 })
    expect(provider.pages).toHaveLength(pages)
    await connection.close()
  })
}

for (const kit of kits) {
  test(`${kit.name}: a session of the protocol is ended with a token that has expired`, async () => {
    const { world, open } = await setUp(kit, 'http')
    const connection = await open()
    world.expire()
    await connection.end()
    await vi.waitFor(() => expect(world.count.ended).toBe(1), PATIENCE)
    expect(world.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test(`${kit.name}: an authorization server at the origin of the MCP server gets no access token`, async () => {
    for (const kind of ['http', 'sse'] as const) {
      const { world, open } = await setUp(kit, kind, { server: { together: true } })
      const connection = await open()
      world.expire()
      expect(await calls(connection, 5)).toEqual(keys(5))
      expect(world.count).toMatchObject({ refreshes: 1, reuses: 0, leaks: 0, exchanges: 1 })
      closing.push(() => connection.close())
    }
  })
}
