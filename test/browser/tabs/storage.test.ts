import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { STRANGE } from '../../strange-records.ts'
import { type ChromiumEngine, type ChromiumTab, launchChromium } from './chromium.ts'
import { inEachEngine, inEngine, type StagedTab } from './stage.ts'

const degradations = ({ events }: StagedTab): unknown[] => events.filter(({ type }) => type === 'degraded')

inEachEngine('storage fails:', (set, engine) => {
  for (const fault of ['no storage', 'storage throws', 'storage fails', 'storage is full'] as const) {
    test(`${fault}: the session is usable in memory, and says so`, async () => {
      const { server, open, start } = await set()
      const tab = await open()
      await tab.call('suffer', fault)
      await start(tab, { persist: 'disk' })
      await tab.call('signIn', server.mint('alice')).catch(() => {})
      expect(await tab.call('request', 2)).toMatchObject([{ generation: 1 }, { generation: 1 }])
      server.expireAccessTokens()
      expect(await tab.call('request', 2)).toMatchObject([
        { status: 200, user: 'alice', generation: 2 },
        { status: 200, user: 'alice', generation: 2 },
      ])
      expect(degradations(tab)).not.toEqual([])
      expect(server.count, server.explain()).toMatchObject({ refreshes: 1, reuses: 0 })
    })
  }

  test('the database is deleted under us: no sign-out, one refresh, and it is reported', async () => {
    const { server, openAll } = await set()
    const [one, two] = await openAll(2, { persist: 'disk' })
    if (!one || !two) throw new Error('no tabs')
    await one.call('signIn', server.mint('alice'))
    await two.call('accessToken')
    await one.call('deleteDatabases')
    server.expireAccessTokens()
    expect(await one.call('request', 2)).toMatchObject([{ generation: 2 }, { generation: 2 }])
    expect(await two.call('request', 1)).toMatchObject([{ status: 200, user: 'alice' }])
    expect(await one.call('state')).toMatchObject({ status: 'signed-in' })
    // Whoever has cleared it may have meant it.
    expect(await one.call('readStorage')).not.toContain('"version"')
    expect(degradations(one)).not.toEqual([])
    expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
  })

  test('a page that was frozen for longer than storage is waited for wakes with the new tokens: nothing has failed', async () => {
    const { server, openAll } = await set()
    const [one, two] = await openAll(2, {})
    if (!one || !two) throw new Error('no tabs')
    await one.call('signIn', server.mint('alice'))
    await two.call('untilGeneration', 1)
    const adopted = two.events.filter(({ type }) => type === 'refresh-adopted').length
    await two.freeze()
    // Chromium hands the news to it, and not what it reads then.
    expect(await one.call('refresh')).toBe(2)
    await sleep(6_000)
    await two.resume()
    await two.until('refresh-adopted', adopted + 1)
    expect(degradations(two)).toEqual([])
  })

  const garbage = [
    7,
    'nonsense',
    {},
    [],
    { version: 'x' },
    { version: { epoch: 1, generation: 2, nonce: 3 } },
  ]
  test('the cell holds garbage of many kinds: no sign-out, and each is reported', async () => {
    const { server, open } = await set()
    const tab = await open({ persist: 'disk' })
    for (const value of garbage) {
      const found = JSON.stringify(value)
      const before = { reports: degradations(tab).length, refreshes: server.count.refreshes }
      await tab.call('signIn', server.mint('alice'))
      expect(await tab.call('overwriteStorage', value), found).toBe(1)
      server.expireAccessTokens()
      expect(await tab.call('request', 2), found).toMatchObject([{ generation: 2 }, { generation: 2 }])
      expect(degradations(tab).length, found).toBe(before.reports + 1)
      expect(server.count.refreshes, found).toBe(before.refreshes + 1)
    }
    expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
  })

  test('the cell holds a record that nobody of ours has written: each is told, and no sign-out is held up', async () => {
    const { server, open } = await set()
    const tab = await open({ persist: 'disk' })
    for (const [what, value] of Object.entries(STRANGE)) {
      const reports = degradations(tab).length
      await tab.call('signIn', server.mint('alice'))
      expect(await tab.call('overwriteStorage', value), what).toBe(1)
      await tab.call('signOut')
      expect(await tab.call('state'), what).toMatchObject({ status: 'signed-out' })
      expect(await tab.call('readStorage'), what).not.toContain('forged')
      expect(degradations(tab).length, what).toBeGreaterThan(reports)
    }
    expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
  })

  test('in memory mode no token is in any storage, on disk it is', async () => {
    const { server, open } = await set()
    const tab = await open({ name: 'memory' })
    const tokens = server.mint('alice')
    await tab.call('signIn', tokens)
    expect(await tab.call('readStorage')).not.toContain(tokens.refresh_token)
    const other = await open({ name: 'disk', persist: 'disk' })
    await other.call('signIn', tokens)
    expect(await other.call('readStorage')).toContain(tokens.refresh_token)
  })

  test('no Web Locks: in-tab flight, adoption, exactly one event that says so', async () => {
    const { server, open, start } = await set()
    const tabs = [await open(), await open()]
    for (const tab of tabs) {
      await tab.call('suffer', 'no locks')
      await start(tab)
    }
    const [one, two] = tabs
    await one?.call('signIn', server.mint('alice'))
    await two?.call('accessToken')
    server.expireAccessTokens()
    expect(await one?.call('request', 10)).toEqual(
      Array(10).fill({ status: 200, user: 'alice', generation: 2 }),
    )
    expect(await two?.call('request', 10)).toEqual(
      Array(10).fill({ status: 200, user: 'alice', generation: 2 }),
    )
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
    for (const tab of tabs) expect(degradations(tab)).toHaveLength(1)
  })

  test('an insecure context has no Web Locks: the same', async () => {
    const { server, open } = await set()
    const tab = await open({}, engine().insecureHost)
    expect(await tab.call('hasLocks')).toBe(false)
    await tab.call('signIn', server.mint('alice'))
    server.expireAccessTokens()
    expect(await tab.call('request', 10)).toEqual(
      Array(10).fill({ status: 200, user: 'alice', generation: 2 }),
    )
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1 })
    expect(degradations(tab)).toHaveLength(1)
  })
})

inEngine<ChromiumTab, ChromiumEngine>('Chromium', launchChromium, 'what never answers:', (set) => {
  for (const persist of ['memory', 'disk'] as const) {
    test(`a page stands still in a transaction (${persist}): others go on, and store later what they could not store`, async () => {
      const { server, openAll } = await set()
      const [one, two] = await openAll(2, { persist })
      if (!one || !two) throw new Error('no tabs')
      await one.call('signIn', server.mint('alice'))
      await two.call('untilGeneration', 1)
      await two.call('holdStorage')
      expect(await one.call('refresh')).toBe(2)
      expect(degradations(one)).toHaveLength(1)
      await two.call('releaseStorage')
      await two.call('untilGeneration', 2)
      server.expireAccessTokens()
      expect(await two.call('request', 2)).toMatchObject([{ generation: 3 }, { generation: 3 }])
      await one.call('untilGeneration', 3)
      expect(server.count, server.explain()).toMatchObject({ refreshes: 2, reuses: 0 })
    })
  }

  test('storage that has hung once is read again: tokens of a tab that has gone since are found there', async () => {
    const { server, openAll } = await set({ grace: 0 })
    const [one, two] = await openAll(2, { persist: 'disk' })
    if (!one || !two) throw new Error('no tabs')
    await one.call('signIn', server.mint('alice'))
    await two.call('untilGeneration', 1)
    await two.call('suffer', 'storage hangs once')
    expect(await one.call('refresh')).toBe(2)
    await two.until('degraded', 1)
    await two.call('untilGeneration', 2)
    await one.call('suffer', 'nobody hears')
    expect(await one.call('refresh')).toBe(3)
    await one.kill()
    server.expireAccessTokens()
    expect(await two.call('request', 2)).toMatchObject([{ status: 200 }, { status: 200 }])
    expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
  })

  for (const fault of ['storage hangs', 'storage hangs once', 'locks hang once', 'queries hang'] as const) {
    test(`${fault}: everything settles, and the session goes on`, async () => {
      const { server, open, start } = await set()
      const tab = await open()
      // A lock is waited for three leases: somebody else may have it.
      await start(tab, fault.startsWith('locks') ? { session: { lease: 2_000, deadline: 1_500 } } : {})
      await tab.call('signIn', server.mint('alice'))
      await tab.call('suffer', fault)
      for (let refreshed = false; !refreshed; ) {
        server.expireAccessTokens()
        const answers = (await tab.call('request', 3)) as { generation?: number }[]
        expect(answers).toHaveLength(3)
        refreshed = answers.every(({ generation }) => Number(generation) > 1)
        // Nobody is let go by the deadline: storage is waited for once.
        if (!fault.startsWith('locks')) expect(answers).toMatchObject(Array(3).fill({ generation: 2 }))
      }
      if (fault === 'storage hangs') expect(degradations(tab)).toHaveLength(1)
      await tab.call('signOut')
      expect(await tab.call('state')).toMatchObject({ status: 'signed-out' })
      await tab.call('signIn', server.mint('bob'))
      expect(await tab.call('request', 1)).toMatchObject([{ user: 'bob' }])
      expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
    })
  }

  test('locks hang: requests end by the deadline, it is told, and a sign-out works', async () => {
    const { server, open, start } = await set()
    const tab = await open()
    await start(tab, { session: { lease: 1_000, deadline: 1_500 } })
    await tab.call('signIn', server.mint('alice'))
    await tab.call('suffer', 'locks hang')
    server.expireAccessTokens()
    expect(await tab.call('request', 2)).toEqual([{ status: 401 }, { status: 401 }])
    await tab.until('degraded', 1)
    await tab.call('signOut')
    expect(await tab.call('state')).toMatchObject({ status: 'signed-out' })
    await tab.call('signIn', server.mint('bob'))
    expect(await tab.call('request', 1)).toMatchObject([{ user: 'bob' }])
  })
})
