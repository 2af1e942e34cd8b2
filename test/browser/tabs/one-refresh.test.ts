import { expect, test } from 'vitest'
import { times } from '../../setup.ts'
import { inEachEngine } from './stage.ts'

const signedIn = (generation: number) => ({ status: 200, user: 'alice', generation })

inEachEngine('many tabs, one session', (set) => {
  test('tabs 2 to 20 open without a refresh, and then send 10 requests each with one expired token: one refresh, 200 answers (in memory, then on the disk)', async () => {
    const { server, open, openAll, start } = await set()
    const first = await open({})
    await first.call('signIn', server.mint('alice'))
    const tabs = [first, ...(await openAll(19, {}))]

    async function expectOneRefresh(): Promise<void> {
      const before = server.count.refreshRequests
      const tokens = await Promise.all(tabs.map((tab) => tab.call('accessToken')))
      expect(new Set(tokens).size).toBe(1)
      expect(server.count.refreshRequests).toBe(before)
      server.expireAccessTokens()
      const answers = await Promise.all(tabs.map((tab) => tab.call('request', 10)))
      expect(answers.flat()).toEqual(times(200, () => signedIn(2)))
      expect(server.count.refreshRequests, server.explain()).toBe(before + 1)
    }

    await expectOneRefresh()
    const onDisk = { name: 'on the disk', persist: 'disk' } as const
    await start(first, onDisk)
    await first.call('signIn', server.mint('alice'))
    for (const tab of tabs.slice(1)) await start(tab, onDisk)
    await expectOneRefresh()
    expect(server.count, server.explain()).toMatchObject({ refreshes: 2, refreshRequests: 2, reuses: 0 })
  })

  test('in cookie mode, 5 tabs whose cookie has expired send 10 requests each: one refresh, 50 answers', async () => {
    const { server, open, openAll } = await set()
    const start = { session: { mode: 'cookie' as const } }
    const first = await open(start)
    await first.call('logIn', 'alice')
    const tabs = [first, ...(await openAll(4, start))]
    await Promise.all(tabs.map((tab) => tab.call('request', 1)))
    server.expireAccessTokens()
    const answers = await Promise.all(tabs.map((tab) => tab.call('request', 10)))
    expect(answers.flat()).toEqual(times(50, () => signedIn(2)))
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('an only tab in memory mode waits for no siblings: it refreshes at once', async () => {
    const { server, open } = await set()
    const tab = await open({})
    await tab.call('signIn', server.mint('alice'))
    expect(await tab.call('refresh')).toBe(2)
    expect(await tab.call('request', 1)).toEqual([signedIn(2)])
  })

  test('an only tab asks nobody for tokens that have gone with the last one', async () => {
    const { server, open } = await set()
    const former = await open({})
    await former.call('signIn', server.mint('alice'))
    const channels = await former.call('channels')
    const spy = await open()
    await spy.call('listen', channels)
    await former.call('close')
    await former.close()
    const only = await open({})
    // It has no refresh token to show, and the server says that one is missing.
    expect(await only.call('request', 1)).toEqual([{ code: 'refresh_failed' }])
    await only.call('say', channels, ['the end'])
    await spy.call('untilHeard', 'the end')
    expect(await spy.call('heard')).not.toContainEqual(expect.objectContaining({ ask: true }))
  })

  test('two tabs sign in as different users at once: no request leaves with the other’s token', async () => {
    const { server, openAll } = await set()
    const [alices, bobs] = await openAll(2, {})
    for (let round = 0; round < 20; round++) {
      const ids = (user: string) => times(5, (n) => `${user}-${round}-${n}`)
      await Promise.all([
        alices?.call('signInAndRequest', server.mint('alice'), ids('alice')),
        bobs?.call('signInAndRequest', server.mint('bob'), ids('bob')),
      ])
    }
    const astray = server.requests.filter(({ id, user }) => user !== id?.split('-')[0])
    expect(astray).toEqual([])
    expect(server.requests.length).toBeGreaterThan(0)
    // In the end they agree who it is: the one as soon as it hears of the other's, or looks.
    for (const tab of [alices, bobs]) await tab?.call('refresh')
    const [one, two] = await Promise.all([alices?.call('request', 1), bobs?.call('request', 1)])
    expect(one).toMatchObject([{ status: 200 }])
    expect(two).toMatchObject([
      { status: 200, user: one?.map((answer) => 'user' in answer && answer.user)[0] },
    ])
  })
})
