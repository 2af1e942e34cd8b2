import type { SessionStore } from 'refresh-once'
import { redisStores } from 'refresh-once/redis'
import { describe, expect, test } from 'vitest'
import { ACQUIRE, RELEASE } from '../../../src/stores/redis/scripts.ts'
import { times } from '../../setup.ts'
import { kinds, storesOf } from './clients.ts'
import { setStage, signedIn } from './stage.ts'

const KEY = 'refresh-once:alice'

for (const kind of kinds) {
  describe(kind.name, () => {
    test("another's turn cannot be released, nor one's own of before", async () => {
      const stage = await setStage(kind)
      const [one] = await signedIn(stage, 1)
      await one?.store.exclusive(async () => {
        const [context, turn] = (await stage.command('HMGET', KEY, 'o', 'k')) as [string, string]
        for (const [who, which] of [
          ['somebody', turn],
          [context, String(Number(turn) - 1)],
        ] as const) {
          expect(await stage.command('EVAL', RELEASE.source, '1', KEY, who, which, KEY, who)).toBe(0)
        }
        expect(await stage.command('HMGET', KEY, 'o', 'k')).toEqual([context, turn])
      })
      await expect.poll(() => stage.command('HEXISTS', KEY, 'o')).toBe(0)
    })

    test('whoever asks for the turn again, because the reply was lost, does not lose to itself', async () => {
      const stage = await setStage(kind)
      await signedIn(stage, 1)
      const acquire = async (context: string, turn: string): Promise<unknown> => {
        const reply = await stage.command('EVAL', ACQUIRE.source, '1', KEY, context, turn, '5000')
        return (reply as unknown[])[0]
      }
      expect(await acquire('me', '1')).toBe(0)
      expect(await acquire('me', '1')).toBe(0)
      expect(await acquire('me', '2')).toBe(0)
      expect(await acquire('you', '1')).toBeGreaterThan(0)
    })

    test('a record is kept for as long as is said, a sign-out too, and a turn without a record goes away', async () => {
      const stage = await setStage(kind)
      const context = await stage.context({ stores: { keep: 100_000, ttl: 2_000 } })
      await context.store.exclusive(async () => {
        expect(await stage.command('PTTL', KEY)).toBeGreaterThan(0)
      })
      await expect.poll(() => stage.command('EXISTS', KEY)).toBe(0)
      await context.session.signIn(stage.server.mint('alice'))
      expect(await stage.command('PTTL', KEY)).toBeGreaterThan(90_000)
      await stage.command('PEXPIRE', KEY, '50000')
      await context.session.signOut()
      expect(await stage.command('PTTL', KEY)).toBeGreaterThan(90_000)
    })

    test('a server that has forgotten the scripts is sent them again', async () => {
      const stage = await setStage(kind)
      const [one] = await signedIn(stage, 1)
      await stage.command('SCRIPT', 'FLUSH')
      await one?.session.refresh()
      expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('any number of sessions share one connection that listens', async () => {
      const stage = await setStage(kind)
      const client = await kind.open(stage.redis.url)
      const stores = storesOf(client)
      const opened = times(30, (index) => stores(`user ${index}`))
      await Promise.all(
        opened.map(async (store) => {
          store.watch(() => {})
          await store.load()
        }),
      )
      const connections = String(await stage.command('CLIENT', 'LIST'))
        .trim()
        .split('\n')
      // The client's, the one that listens, and the one that asks.
      expect(connections).toHaveLength(3)
      expect(connections.filter((line) => /\bsub=30\b/.test(line))).toHaveLength(1)
      for (const store of opened) store.close()
      await expect
        .poll(async () => /\bsub=[1-9]/.test(String(await stage.command('CLIENT', 'LIST'))))
        .toBe(false)
      await client.close()
    })

    test('a forged message costs a read, and moves nobody', async () => {
      const stage = await setStage(kind)
      const [one] = await signedIn(stage, 1)
      const before = one?.session.state
      for (const message of ['', 'x', 'x saved', 'x free', '{"version":{"epoch":"9"}}', 'saved saved saved'])
        await stage.command('PUBLISH', KEY, message)
      await one?.client.answered()
      await one?.session.getAccessToken()
      expect(one?.session.state).toBe(before)
    })

    test('braces of an id are encoded, and two ids never share a key', async () => {
      const stage = await setStage(kind)
      const { client } = await stage.context()
      const stores = storesOf(client, { prefix: 'p:' })
      const ids = ['{a}', '%7Ba%7D', 'a', '{a', 'ä{}%']
      const saved = (store: SessionStore, id: string): Promise<unknown> =>
        store.save({ version: { epoch: '1', generation: 1, nonce: id } })
      for (const id of ids) await saved(stores(id), id)
      const keys = (await stage.command('KEYS', 'p:*')) as string[]
      expect(keys).toHaveLength(ids.length)
      expect(keys.join()).not.toMatch(/[{}]/)
    })
  })
}

describe('what makes no sense is refused at once, by name', () => {
  const client = { evalSha() {}, duplicate() {} } as never
  test.each([
    ['client', {}],
    ['client', { client: {} }],
    ['lease', { client, lease: 0 }],
    ['ttl', { client, ttl: 500 }],
    ['keep', { client, keep: '1d' }],
    ['timeout', { client, timeout: Number.NaN }],
    ['onUnavailable', { client, onUnavailable: 'ignore' }],
  ])('%s', (name, options) => {
    expect(() => redisStores(options as never)).toThrow(TypeError)
    expect(() => redisStores(options as never)).toThrow(name)
  })

  test('an id', () => {
    expect(() => redisStores({ client })('')).toThrow(/id of a session/)
    expect(() => redisStores({ client })(7 as never)).toThrow(/id of a session/)
  })
})
