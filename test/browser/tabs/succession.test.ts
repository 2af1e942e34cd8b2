import { expect, test } from 'vitest'
import type { Start } from './page/session.ts'
import { inEachEngine, type Stage, type StagedTab } from './stage.ts'

const LEASE = 3_000
const brief = { lease: LEASE, session: { lease: LEASE, deadline: 20_000 } }

/** Nobody is passed over as long as the access token may still be good: these do not say how long they are. */
const UNDATED = { grace: 60_000, expiresIn: false } as const

/** One tab has sent the refresh and its answer is on the way; the other wants a new token, too. */
async function whileOneRefreshes(
  { server, open }: Stage,
  start: Partial<Start>,
): Promise<{ holder: StagedTab; successor: StagedTab; refresh: Promise<unknown>; release: () => void }> {
  const holder = await open({ ...brief, ...start })
  await holder.call('signIn', server.mint('alice'))
  const successor = await open({ ...brief, ...start })
  await successor.call('accessToken')
  server.expireAccessTokens()
  const answers = server.hold('/token')
  const refresh = holder.call('refresh').catch(() => 'gone')
  await answers.untilArrived()
  return { holder, successor, refresh, release: () => answers.release() }
}

inEachEngine('a tab refreshes, and', (set) => {
  for (const persist of ['memory', 'disk'] as const) {
    for (const end of ['close', 'kill'] as const) {
      test(`is ${end === 'close' ? 'closed' : 'killed'}: a successor goes on at once (${persist})`, async () => {
        const stage = await set(UNDATED)
        const { server } = stage
        const { holder, successor, release } = await whileOneRefreshes(stage, { persist })
        const request = successor.call('request', 1)
        await successor.until('refresh-started')
        await holder[end]()
        await server.until((log) => log.some(({ kind }) => kind === 'grace'))
        release()
        expect(await request).toEqual([{ status: 200, user: 'alice', generation: 2 }])
        expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
      })
    }
  }

  for (const { grace, outcome, state, reuses } of [
    { grace: 60_000, outcome: { generation: 2 }, state: { status: 'signed-in', generation: 3 }, reuses: 0 },
    { grace: 0, outcome: { status: 401 }, state: { status: 'signed-out' }, reuses: 1 },
  ])
    test(`takes its new tokens along: the former ones are tried, and the session ${grace ? 'goes on' : 'ends if they are refused'}`, async () => {
      const { server, openAll } = await set({ grace })
      const [holder, successor, bystander] = await openAll(3, brief)
      if (!holder || !successor || !bystander) throw new Error('no tabs')
      await successor.call('signIn', server.mint('alice'))
      for (const tab of [holder, bystander]) await tab.call('untilGeneration', 1)
      server.expireAccessTokens()
      await holder.call('suffer', 'nobody hears')
      expect(await holder.call('refresh')).toBe(2)
      await holder.kill()
      expect(await successor.call('request', 2)).toMatchObject([outcome, outcome])
      expect(await successor.call('state')).toMatchObject(state)
      expect(await bystander.call('request', 2)).toMatchObject([outcome, outcome])
      expect(await bystander.call('state')).toMatchObject(state)
      expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses })
    })

  test('goes elsewhere in the history: a successor goes on at once, and who comes back knows the new token', async () => {
    const stage = await set(UNDATED)
    const { server, site } = stage
    const { holder, successor, release } = await whileOneRefreshes(stage, {})
    const request = successor.call('request', 1)
    await holder.navigate(site.elsewhere)
    await server.until((log) => log.some(({ kind }) => kind === 'grace'))
    release()
    expect(await request).toEqual([{ status: 200, user: 'alice', generation: 2 }])

    await holder.back()
    await holder.untilConnected(2)
    if (!holder.restored) await stage.start(holder, brief)
    await holder.call('untilGeneration', 2)
    expect(await holder.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 2 }])
    // A page that leaves may hear that its request was cut, and send it once more before it is gone.
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test('is frozen: a successor goes on after the lease, and the late answer takes nothing back (in memory)', async () => {
    const stage = await set(UNDATED)
    const { server } = stage
    const { holder, successor, refresh, release } = await whileOneRefreshes(stage, {})
    await holder.freeze()
    const request = successor.call('request', 1)
    await server.until((log) => log.some(({ kind }) => kind === 'grace'))
    release()
    expect(await request).toEqual([{ status: 200, user: 'alice', generation: 2 }])
    const { generation } = await successor.call('state')
    expect(generation).toBe(3)

    await holder.resume()
    await refresh
    await holder.until('refresh-adopted')
    expect(await holder.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 2 }])
    expect(await holder.call('state')).toMatchObject({ status: 'signed-in', generation: 3 })
    expect(await successor.call('state')).toMatchObject({ status: 'signed-in', generation: 3 })
    expect(server.count, server.explain()).toMatchObject({ refreshRequests: 2, reuses: 0 })
  })

  test('was frozen before it had reserved: it resumes past its lease, and sends nothing (on the disk)', async () => {
    const { server, open } = await set(UNDATED)
    const onDisk = { ...brief, persist: 'disk' } as const
    const holder = await open({ ...onDisk, waitBeforeBegin: true })
    await holder.call('signIn', server.mint('alice'))
    const successor = await open(onDisk)
    await successor.call('accessToken')
    server.expireAccessTokens()
    const refresh = holder.call('refresh').catch(() => 'gone')
    await holder.until('waiting')
    await holder.freeze()
    expect(await successor.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 2 }])

    await holder.resume()
    await holder.call('go')
    await refresh
    expect(await holder.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 2 }])
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
  })

  test('loses its lock to another tab: the refresh is given up, and none is sent before the lock is had again', async () => {
    const stage = await set(UNDATED)
    const { server } = stage
    const patient = { lease: 60_000, session: { deadline: 20_000 } }
    const { holder, successor, refresh, release } = await whileOneRefreshes(stage, patient)
    await successor.call('takeLock')
    await holder.until('given-up')
    release()
    expect(await holder.call('state')).toMatchObject({ status: 'signed-in', refreshing: true, generation: 1 })
    expect(server.count.refreshRequests).toBe(1)

    await successor.call('giveLockBack')
    expect(await refresh).toBeGreaterThan(1)
    expect(await holder.call('request', 1)).toEqual([{ status: 200, user: 'alice', generation: 2 }])
    expect(server.count, server.explain()).toMatchObject({ refreshes: 1, refreshRequests: 2, reuses: 0 })
  })

  for (const former of [false, true])
    test(`has all the tokens, and cannot answer: one with ${former ? 'the former' : 'none'} is refused, and ends nobody's session`, async () => {
      const { server, open } = await set({ grace: 0 })
      const start = { ...brief, asksWithAny: true }
      const holder = await open(start)
      await holder.call('signIn', server.mint('alice'))
      const earlier = former && (await open(start))
      if (earlier) await earlier.call('untilGeneration', 1)
      await holder.call('suffer', 'nobody hears')
      if (earlier) await holder.call('refresh')
      // One that is frozen with its turn is waited for until its lease is over: that is another case.
      await holder.call('untilNoTurn')
      // Chromium hands messages to a page that is frozen.
      await holder.freeze()
      const other = earlier || (await open(start))
      expect(await other.call('refresh')).toBe('refresh_failed')
      expect(await other.call('state')).not.toMatchObject({ status: 'signed-out' })
      await holder.resume()
      expect(await holder.call('state')).toMatchObject({ status: 'signed-in' })
      expect(await (await open(start)).call('state')).not.toMatchObject({ status: 'signed-out' })
    })
})
