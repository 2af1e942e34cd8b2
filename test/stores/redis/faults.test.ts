import { isSessionError, type Session } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { ACQUIRE, BEGIN, SAVE } from '../../../src/stores/redis/scripts.ts'
import { failureOf, refreshAt, standStill, times, watch, withoutJitter } from '../../setup.ts'
import { kinds, oldestKinds } from './clients.ts'
import { commandTo, newRedis, type Stage, setStage, signedIn } from './stage.ts'

/** The parts of a test are there, or it cannot go on. */
function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('it is not there')
  return value
}

for (const kind of [...kinds, ...oldestKinds]) {
  describe(kind.name, () => {
    for (const [what, script] of [
      ['acquire', ACQUIRE],
      ['begin', BEGIN],
      ['save', SAVE],
    ] as const) {
      test(`the reply to ${what} is lost: one refresh, and nobody waits for a turn that nobody has`, async () => {
        const stage = await setStage(kind)
        const [one, two] = (await signedIn(stage, 2, { session: { retries: 0 } })).map(
          ({ session }) => session,
        )
        // The scripts are known by their names from now on.
        await one?.refresh()
        const lost = stage.proxy.loseReplyTo(script.sha)
        await Promise.all([one?.refresh(), lost])
        await two?.refresh()
        await expect.poll(() => one?.state.generation, { timeout: 20_000 }).toBe(two?.state.generation)
        expect(await two?.getAccessToken()).toBe(await one?.getAccessToken())
        // The last one adopts where the news had not come yet, and refreshes where it had.
        expect(stage.server.count.refreshes).toBeLessThanOrEqual(3)
        expect(stage.server.count.reuses).toBe(0)
      })
    }

    test('Redis is away: a usable token is used, a refresh fails for now and says why, and it recovers', async () => {
      const stage = await setStage(kind, {
        redis: { args: ['--appendonly', 'yes', '--appendfsync', 'always'] },
      })
      const [one, two] = await signedIn(stage, 2, {
        stores: { timeout: 300 },
        session: { retries: 0 },
      })
      const session = there(one).session
      const before = await session.getAccessToken()
      await stage.redis.kill()
      expect(await session.getAccessToken()).toBe(before)
      const failure = await failureOf(session.refresh())
      expect(isSessionError(failure, 'refresh_failed')).toBe(true)
      expect(failure.message).toContain('Redis is not available')
      expect(failure.cause).toMatchObject({ code: 'redis_unavailable' })
      expect(stage.server.count.refreshRequests).toBe(0)
      expect(session.state.status).toBe('signed-in')

      await stage.redis.start()
      await expect
        .poll(() => session.refresh().then(() => 'refreshed', String), { timeout: 20_000 })
        .toBe('refreshed')
      await expect
        .poll(() => there(two).session.state.generation, { timeout: 20_000 })
        .toBe(session.state.generation)
      expect(await there(two).session.getAccessToken()).toBe(await session.getAccessToken())
      expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('Redis goes away while the refresh is out: the new tokens are used, and saved when it is back', async () => {
      const stage = await setStage(kind, {
        redis: { args: ['--appendonly', 'yes', '--appendfsync', 'always'] },
      })
      const [one, two] = (await signedIn(stage, 2, { stores: { timeout: 300 } })).map(
        ({ session }) => session,
      )
      const answer = stage.server.hold('/token')
      const refreshing = there(one).refresh()
      await answer.untilArrived()
      await stage.redis.kill()
      answer.release()
      await refreshing
      expect(await there(one).getAccessToken()).not.toBe(await there(two).getAccessToken())
      const adopted = watch(there(two)).until('refresh-adopted')
      await stage.redis.start()
      await adopted
      expect(await there(two).getAccessToken()).toBe(await there(one).getAccessToken())
      expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('a process that stands still for longer than Redis is waited for finds the answer that has come meanwhile', async () => {
      const stage = await setStage(kind)
      const [one] = await signedIn(stage, 1, { stores: { timeout: 500 } })
      const { store } = there(one)
      // After the first look the next one asks at once.
      await store.load()
      const loading = store.load()
      standStill(600)
      expect(await loading).toMatchObject({ version: { generation: 1 } })
    })

    test('Redis has lost everything: nobody is signed out, and the session is known again after a refresh', async () => {
      const stage = await setStage(kind)
      const [one] = (await signedIn(stage, 1, { stores: { timeout: 300 } })).map(({ session }) => session)
      await stage.command('FLUSHALL')
      await there(one).refresh()
      expect(there(one).state).toMatchObject({ status: 'signed-in', generation: 2 })
      const late = await stage.context()
      expect(await late.session.getAccessToken()).toBe(await there(one).getAccessToken())
      expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('what is missed while the connection is lost is read when it is back: a sign-out', async () => {
      const stage = await setStage(kind)
      const [cut] = await signedIn(stage, 1)
      const other = await stage.context({ url: stage.redis.url })
      await other.session.getAccessToken()
      stage.proxy.sever()
      await other.session.signOut()
      expect(there(cut).session.state.status).toBe('signed-in')
      const ended = watch(there(cut).session).until('signed-out')
      stage.proxy.restore()
      await ended
      expect(stage.server.count.refreshRequests).toBe(0)
    })

    test('a message that is missed costs a bounded delay, not the request', async () => {
      const stage = await setStage(kind)
      await stage.command(
        'ACL',
        'SETUSER',
        'deaf',
        'on',
        '>secret',
        '~*',
        '+@all',
        'resetchannels',
        '&nothing',
      )
      const [one] = await signedIn(stage, 1, { stores: { ttl: 2_000 } })
      const deaf = await stage.context({
        url: stage.redis.url.replace('//', '//deaf:secret@'),
        stores: { ttl: 2_000 },
      })
      await deaf.session.getAccessToken()
      const answer = stage.server.hold('/token')
      const refreshing = there(one).session.refresh()
      await answer.untilArrived()
      const waiting = deaf.session.refresh()
      answer.release()
      await refreshing
      await waiting
      expect(await deaf.session.getAccessToken()).toBe(await there(one).session.getAccessToken())
      expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('a turn that is given back without news wakes whoever waits for it', async () => {
      const stage = await setStage(kind)
      // Whoever had to wait for the end of the turn would wait for ten minutes.
      const stores = { ttl: 600_000, lease: 600_000 }
      const [one, two] = await signedIn(stage, 2, { stores })
      let end = (): void => {}
      const told = new Promise<void>((resolve) => {
        end = resolve
      })
      const first = there(one).store.exclusive(() => told)
      await expect.poll(() => stage.command('HEXISTS', 'refresh-once:alice', 'o')).toBe(1)
      const second = there(two).store.exclusive(async () => 'woken')
      await expect.poll(() => stage.command('HEXISTS', 'refresh-once:alice', 'w')).toBe(1)
      end()
      await first
      expect(await second).toBe('woken')
    })

    test('connections are cut again and again: one refresh per expiry, none lost', async () => {
      const stage = await setStage(kind)
      const contexts = await signedIn(stage, 3)
      for (let round = 1; round <= 8; round++) {
        const answer = stage.server.hold('/token')
        const refreshing = contexts.map(({ session }) => session.refresh())
        await answer.untilArrived()
        stage.proxy.cut()
        answer.release()
        await Promise.all(refreshing)
        await expect
          .poll(() => contexts.map(({ session }) => session.state.generation), { timeout: 20_000 })
          .toEqual(times(3, () => there(contexts[0]).session.state.generation))
      }
      const tokens = await Promise.all(contexts.map(({ session }) => session.getAccessToken()))
      expect(new Set(tokens).size).toBe(1)
      expect(stage.server.count.reuses).toBe(0)
    })
  })
}

// From here on it is the server that fails; which client hears of it makes no difference.
const kind = there(kinds[0])
const masterOptions = { args: ['--repl-diskless-sync-delay', '0'] }

test('no memory: the refresh fails before the refresh token is spent, and recovers by itself', async () => {
  const stage = await setStage(kind)
  const [one] = (await signedIn(stage, 1, { session: { retries: 0 } })).map(({ session }) => session)
  const session = there(one)
  await stage.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await stage.command('CONFIG', 'SET', 'maxmemory', '1')
  const before = await session.getAccessToken()
  const failure = await failureOf(session.refresh())
  expect(isSessionError(failure, 'refresh_failed')).toBe(true)
  expect(failure.message).toContain('OOM')
  expect(await session.getAccessToken()).toBe(before)
  expect(stage.server.count.refreshRequests).toBe(0)
  await stage.command('CONFIG', 'SET', 'maxmemory', '0')
  await expect
    .poll(() => session.refresh().then(() => 'refreshed', String), { timeout: 20_000 })
    .toBe('refreshed')
  expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

test('no memory when the tokens have come: the record that was there stays whole, and the new one is saved later', async () => {
  const stage = await setStage(kind)
  const [one, two] = (await signedIn(stage, 2)).map(({ session }) => session)
  const answer = stage.server.hold('/token')
  const refreshing = there(one).refresh()
  await answer.untilArrived()
  await stage.command('CONFIG', 'SET', 'maxmemory', '1')
  answer.release()
  await refreshing
  expect(await stage.command('HGET', 'refresh-once:alice', 'g')).toBe('1')
  expect(await stage.command('HGET', 'refresh-once:alice', 't')).toContain('rt_')
  const adopted = watch(there(two)).until('refresh-adopted')
  await stage.command('CONFIG', 'SET', 'maxmemory', '0')
  await adopted
  expect(await there(two).getAccessToken()).toBe(await there(one).getAccessToken())
  expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

test('read-only: the refresh fails before the refresh token is spent, and recovers by itself', async () => {
  const stage = await setStage(kind)
  const master = await newRedis()
  const [one] = (await signedIn(stage, 1, { session: { retries: 0 } })).map(({ session }) => session)
  const session = there(one)
  // It is away before it has anything to hand down.
  await master.kill()
  await stage.command('REPLICAOF', '127.0.0.1', String(master.port))
  const failure = await failureOf(session.refresh())
  expect(isSessionError(failure, 'refresh_failed')).toBe(true)
  expect(failure.message).toContain('READONLY')
  expect(stage.server.count.refreshRequests).toBe(0)
  await stage.command('REPLICAOF', 'NO', 'ONE')
  await expect
    .poll(() => session.refresh().then(() => 'refreshed', String), { timeout: 20_000 })
    .toBe('refreshed')
  expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

test('slow: commands that take a second are waited for; nobody refreshes beside the holder', async () => {
  const stage = await setStage(kind, { redis: { args: ['--enable-debug-command', 'local'] } })
  const contexts = await signedIn(stage, 3)
  const answer = stage.server.hold('/token')
  const refreshing = contexts.map(({ session }) => session.refresh())
  await answer.untilArrived()
  const slow = stage.command('DEBUG', 'SLEEP', '1')
  answer.release()
  await Promise.all([slow, ...refreshing])
  const tokens = await Promise.all(contexts.map(({ session }) => session.getAccessToken()))
  expect(new Set(tokens).size).toBe(1)
  expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

test('a failover that has lost nothing costs nothing', async () => {
  const stage = await setStage(kind, { redis: masterOptions })
  const replica = await newRedis({ args: ['--replicaof', '127.0.0.1', String(stage.redis.port)] })
  const [one, two] = (await signedIn(stage, 2, { stores: { timeout: 500 } })).map(({ session }) => session)
  await there(one).refresh()
  await expect
    .poll(() => commandTo(replica, 'HGET', 'refresh-once:alice', 'g'), { timeout: 20_000 })
    .toBe('2')
  stage.proxy.target = replica.port
  await stage.redis.kill()
  await commandTo(replica, 'REPLICAOF', 'NO', 'ONE')
  for (const session of [there(one), there(two)]) {
    await expect
      .poll(() => session.refresh().then(() => 'refreshed', String), { timeout: 20_000 })
      .toBe('refreshed')
  }
  expect(await commandTo(replica, 'HGET', 'refresh-once:alice', 'e')).toBeTruthy()
  expect(stage.server.count.reuses).toBe(0)
  const late = await stage.context({ url: replica.url })
  expect(await late.session.getAccessToken()).toBe(await there(two).getAccessToken())
})

describe('a failover that has lost a save', () => {
  async function failOver(): Promise<{ stage: Stage; one: Session; url: string }> {
    const stage = await setStage(kind, { redis: masterOptions })
    const replica = await newRedis({ args: ['--replicaof', '127.0.0.1', String(stage.redis.port)] })
    const [one] = await signedIn(stage, 1, { stores: { timeout: 500 } })
    await expect
      .poll(() => commandTo(replica, 'HGET', 'refresh-once:alice', 'g'), { timeout: 20_000 })
      .toBe('1')
    // Whatever the master writes from now on is lost with it.
    await commandTo(replica, 'REPLICAOF', 'NO', 'ONE')
    await there(one).session.refresh()
    stage.proxy.target = replica.port
    await stage.redis.kill()
    return { stage, one: there(one).session, url: replica.url }
  }

  test('whoever has the newer tokens saves them over, and the session goes on', async () => {
    const { stage, one, url } = await failOver()
    await expect
      .poll(() => one.refresh().then(() => 'refreshed', String), { timeout: 20_000 })
      .toBe('refreshed')
    const late = await stage.context({ url })
    expect(await late.session.getAccessToken()).toBe(await one.getAccessToken())
    expect(stage.server.count).toMatchObject({ refreshes: 2, reuses: 0 })
  })

  test('whoever knows only what is left spends the former refresh token again: the server says so', async () => {
    const { stage, url } = await failOver()
    const late = await stage.context({ url })
    await late.session.getAccessToken()
    expect(isSessionError(await failureOf(late.session.refresh()), 'session_expired')).toBe(true)
    expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 1 })
  })
})

test('a turn that lasts too long passes on; both answers are tried, and the newer one stays', async () => {
  const stage = await setStage(kind, { server: { grace: 10_000 } })
  const stores = { lease: 2_500 }
  const [one] = await signedIn(stage, 1, { stores, session: { lease: 60_000, deadline: 60_000 } })
  const two = await stage.context({ session: { deadline: 60_000 } })
  await two.session.getAccessToken()
  stage.server.fault('hang', { times: 1 })
  const first = there(one).session.refresh()
  await stage.server.until('fault')
  await two.session.refresh()
  await first
  stage.server.release()
  expect(await there(one).session.getAccessToken()).toBe(await two.session.getAccessToken())
  expect(stage.server.count.reuses).toBe(0)
  const late = await stage.context()
  expect(await late.session.getAccessToken()).toBe(await two.session.getAccessToken())
})

test('a turn that somebody else has taken ends the refresh, and none is sent before the turn is had again', async () => {
  const stage = await setStage(kind)
  const refresh = refreshAt(stage.server)
  const signals: AbortSignal[] = []
  const [one] = await signedIn(stage, 1, {
    stores: { ttl: 9_000 },
    session: {
      deadline: 60_000,
      refresh(context) {
        signals.push(context.signal)
        return refresh(context)
      },
    },
  })
  stage.server.fault('hang', { times: 1 })
  const refreshed = there(one).session.refresh()
  await stage.server.until('fault')
  // One who comes to nothing: it is silent, and Redis lets go of it when the time of the turn that it took is over.
  await stage.command('HSET', 'refresh-once:alice', 'o', 'somebody', 'k', '1')
  await expect.poll(() => signals[0]?.aborted, { timeout: 20_000 }).toBe(true)
  expect(await stage.command('HGET', 'refresh-once:alice', 'o')).toBe('somebody')
  expect(signals).toHaveLength(1)
  await refreshed
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

test("onUnavailable 'local' refreshes without Redis, and what came of it is saved when it is back", async () => {
  const stage = await setStage(kind, { redis: { args: ['--appendonly', 'yes', '--appendfsync', 'always'] } })
  const [alone] = await signedIn(stage, 1, { stores: { timeout: 300, onUnavailable: 'local' } })
  const other = await stage.context({ stores: { timeout: 300 } })
  await other.session.getAccessToken()
  const events = watch(there(alone).session)
  await stage.redis.kill()
  await there(alone).session.refresh()
  expect(there(alone).session.state.generation).toBe(2)
  expect(events.of('degraded').map(({ reason }) => reason)).toEqual([
    'Redis is not available: this process refreshes by itself',
  ])
  const adopted = watch(other.session).until('refresh-adopted')
  await stage.redis.start()
  await adopted
  expect(await other.session.getAccessToken()).toBe(await there(alone).session.getAccessToken())
  expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
})

describe('clocks are set', () => {
  const HOUR = 3_600_000

  /** The server's clock is an hour ahead or behind of what it was when the turn was taken. */
  function setClock({ command }: Stage, by: number): Promise<unknown> {
    return command('HINCRBY', 'refresh-once:alice', 'l', String(-by))
  }

  test("Redis's is set back while somebody dead has the turn: it passes on soon all the same", async () => {
    const stage = await setStage(kind)
    const [one] = await signedIn(stage, 1)
    await stage.command('EVAL', ACQUIRE.source, '1', 'refresh-once:alice', 'dead', '1', '2000')
    await setClock(stage, -HOUR)
    await there(one).session.refresh()
    expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test("Redis's is set back while a refresh is out: its turn stays", async () => {
    const stage = await setStage(kind)
    const contexts = await signedIn(stage, 2)
    const answer = stage.server.hold('/token')
    const refreshing = contexts.map(({ session }) => session.refresh())
    await answer.untilArrived()
    await setClock(stage, -HOUR)
    answer.release()
    await Promise.all(refreshing)
    expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })

  test("Redis's is set forward while a refresh is out: the turn passes on, which a grace covers", async () => {
    const stage = await setStage(kind, { server: { grace: 10_000 } })
    const [one, two] = await signedIn(stage, 2)
    const answer = stage.server.hold('/token')
    const first = there(one).session.refresh()
    await answer.untilArrived()
    await setClock(stage, HOUR)
    const second = there(two).session.refresh()
    await answer.untilArrived(2)
    answer.release()
    await Promise.all([first, second])
    // The grace answers with the same tokens: where both are told in one millisecond, the later is no news to the first.
    await expect
      .poll(() => there(one).session.getAccessToken(), { timeout: 20_000 })
      .toBe(await there(two).session.getAccessToken())
    expect(stage.server.count.reuses).toBe(0)
  })

  test('that of a process is set forward while it has the turn: it sends nothing, and tries again', async () => {
    const stage = await setStage(kind)
    let offset = 0
    const clock = { ...withoutJitter(), now: () => Date.now() + offset }
    const one = await stage.context({ stores: { clock } })
    await one.session.signIn(stage.server.mint('alice'))
    const failure = one.store.exclusive(async (lease) => {
      offset = HOUR
      expect(lease.remaining()).toBeLessThanOrEqual(0)
      return lease.begin()
    })
    expect((await failureOf(failure)).message).toContain('the lease has ended')
    await one.session.refresh()
    expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
  })
})
