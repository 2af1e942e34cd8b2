import { expect, test } from 'vitest'
import { inEachEngine } from './stage.ts'

inEachEngine('sign-in and sign-out', (set) => {
  test('sign-out in one tab signs out all, the one included whose refresh is under way: its answer revives nobody', async () => {
    const { server, open, openAll } = await set()
    const refreshing = await open({})
    await refreshing.call('signIn', server.mint('alice'))
    const others = await openAll(3, {})
    await Promise.all(others.map((tab) => tab.call('accessToken')))
    const answers = server.hold('/token')
    const refresh = refreshing.call('refresh')
    await answers.untilArrived()

    await others[0]?.call('signOut')
    const tabs = [refreshing, ...others]
    await Promise.all(tabs.map((tab) => tab.until('signed-out')))
    answers.release()
    expect(await refresh).toMatch(/^session_(changed|expired)$/)

    // One more turn of everybody is over: nobody has come back.
    const newcomer = await open({})
    for (const tab of [...tabs, newcomer]) {
      expect(await tab.call('request', 1)).toEqual([{ status: 401 }])
      expect(await tab.call('state')).toMatchObject({ status: 'signed-out' })
    }
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
  })

  test('another user signs in: what waits in other tabs rejects with session_changed', async () => {
    const { server, openAll } = await set()
    const [one, two] = await openAll(2, {})
    await one?.call('signIn', server.mint('alice'))
    await two?.call('accessToken')
    server.expireAccessTokens()
    const answers = server.hold('/token')
    const waiting = two?.call('request', 3)
    await answers.untilArrived()
    await one?.call('signIn', server.mint('bob'))
    const outcome = await waiting
    answers.release()
    // A request that has a 401 of its own settles with that, and never with an answer to somebody else.
    for (const answer of outcome ?? [])
      expect([{ status: 401 }, { code: 'session_changed' }]).toContainEqual(answer)
    expect(await two?.call('request', 1)).toEqual([{ status: 200, user: 'bob', generation: 1 }])
  })

  test('another user signs in while a request is held that was never sent: it rejects with session_changed', async () => {
    const { server, openAll } = await set()
    const [one, two] = await openAll(2, {})
    await one?.call('signIn', server.mint('alice'))
    await two?.call('accessToken')
    const answers = server.hold('/token')
    server.expireAccessTokens()
    const rejected = two?.call('request', 1)
    await answers.untilArrived()
    // The refresh is under way, and this one waits for it.
    const held = two?.call('request', 1)
    await two?.until('request-held')
    await one?.call('signIn', server.mint('bob'))
    expect(await held).toEqual([{ code: 'session_changed' }])
    await rejected
    answers.release()
    expect(server.requests.filter(({ user }) => user === 'alice')).toHaveLength(1)
  })
})
