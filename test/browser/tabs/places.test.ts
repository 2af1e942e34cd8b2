import { expect, test } from 'vitest'
import { type ChromiumEngine, type ChromiumTab, launchChromium } from './chromium.ts'
import { inEachEngine, inEngine } from './stage.ts'

inEachEngine('other contexts:', (set) => {
  test('a dedicated worker and a SharedWorker share the session with their page, without a refresh', async () => {
    const { site, server, open, start } = await set()
    const page = await open({})
    await page.call('signIn', server.mint('alice'))
    await page.call('addWorker', site.script('worker'))
    await page.call('addSharedWorker', site.script('shared'))
    const all = [page, site.member('worker'), site.member('shared')]
    for (const member of all.slice(1)) await start(member)
    for (const member of all) expect(await member.call('request', 1)).toMatchObject([{ generation: 1 }])
    expect(server.count.refreshRequests).toBe(0)
    server.expireAccessTokens()
    const answers = await Promise.all(all.map((member) => member.call('request', 5)))
    expect(answers.flat()).toEqual(Array(15).fill({ status: 200, user: 'alice', generation: 2 }))
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('two frames of one page that load it twice: one refresh', async () => {
    const { site, server, open, start } = await set()
    const page = await open()
    await page.call('addFrame', site.page('left'))
    await page.call('addFrame', site.page('right'))
    const frames = [site.member('left'), site.member('right')]
    for (const frame of frames) await start(frame)
    await frames[0]?.call('signIn', server.mint('alice'))
    await frames[1]?.call('accessToken')
    server.expireAccessTokens()
    const answers = await Promise.all(frames.map((frame) => frame.call('request', 5)))
    expect(answers.flat()).toEqual(Array(10).fill({ status: 200, user: 'alice', generation: 2 }))
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('a frame in the page of another site is separate from its own site, and both stay whole', async () => {
    const { site, server, open, start } = await set()
    const own = await open({})
    await own.call('signIn', server.mint('alice'))
    // localhost and 127.0.0.1 are two sites: the frame is a third party.
    const top = await open(undefined, 'localhost')
    await top.call('addFrame', site.page('frame'))
    const frame = site.member('frame')
    await start(frame, { session: { tokens: null } })
    expect(await frame.call('request', 1)).toEqual([{ status: 401 }])
    await frame.call('signIn', server.mint('bob'))
    expect(await frame.call('request', 1)).toMatchObject([{ user: 'bob' }])
    server.expireAccessTokens()
    expect(await own.call('request', 1)).toMatchObject([{ user: 'alice', generation: 2 }])
    expect(await frame.call('request', 1)).toMatchObject([{ user: 'bob', generation: 2 }])
    expect(server.count, server.explain()).toMatchObject({ refreshes: 2, reuses: 0 })
  })

  test('two origins do not meet', async () => {
    const { server, open } = await set()
    const one = await open({})
    const two = await open({ session: { tokens: null } }, 'localhost')
    await one.call('signIn', server.mint('alice'))
    expect(await two.call('request', 1)).toEqual([{ status: 401 }])
    await two.call('signIn', server.mint('bob'))
    expect(await one.call('request', 1)).toMatchObject([{ user: 'alice' }])
    expect(server.count.refreshRequests).toBe(0)
  })
})

inEngine<ChromiumTab, ChromiumEngine>('Chromium', launchChromium, 'the back/forward cache', (set) => {
  test('a page with a session goes into it, and knows what happened meanwhile when it comes back', async () => {
    const { site, server, openAll } = await set()
    const [page, other] = await openAll(2, {})
    if (!page || !other) throw new Error('no tabs')
    await page.call('signIn', server.mint('alice'))
    await other.call('accessToken')
    await page.navigate(site.elsewhere)
    server.expireAccessTokens()
    expect(await other.call('refresh')).toBe(2)
    await page.back()
    await page.untilConnected(2)
    const why = 'JSON.stringify(performance.getEntriesByType("navigation")[0].notRestoredReasons)'
    const reasons = await page.target.send('Runtime.evaluate', { expression: why, returnByValue: true })
    expect(page.restored, JSON.stringify(reasons)).toBe(true)
    expect(await page.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 2 }])
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })
})

inEngine<ChromiumTab, ChromiumEngine>('Chromium', launchChromium, 'a tab that hears no messages', (set) => {
  test('looks again when it becomes visible, and when the machine comes online', async () => {
    const { server, open, start } = await set()
    const deaf = await open()
    await deaf.call('suffer', 'no channels')
    await start(deaf, { persist: 'disk' })
    // The tab that was opened last is in front.
    const other = await open({ persist: 'disk' })
    await other.call('signIn', server.mint('alice'))
    expect(await deaf.call('state')).toMatchObject({ generation: 0 })
    await deaf.target.send('Page.bringToFront')
    await deaf.call('untilGeneration', 1)

    expect(await other.call('refresh')).toBe(2)
    expect(await deaf.call('state')).toMatchObject({ generation: 1 })
    const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 }
    for (const offline of [true, false])
      await deaf.target.send('Network.emulateNetworkConditions', { offline, ...unlimited })
    await deaf.call('untilGeneration', 2)
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })
})
