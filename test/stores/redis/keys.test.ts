import type { SessionStore } from 'refresh-once'
import { redisStores } from 'refresh-once/redis'
import { describe, expect, test } from 'vitest'
import { ACQUIRE, RELEASE } from '../../../src/stores/redis/scripts.ts'
import { times, watch } from '../../setup.ts'
import { STRANGE } from '../../strange-records.ts'
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
      const ids = ['{a}', '%7Ba%7D', 'a', '{a', 'ä{}%', '\ufffd', '\ud83d\ude00']
      const saved = (store: SessionStore, id: string): Promise<unknown> =>
        store.save({ version: { epoch: '000000000000001', generation: 1, nonce: id } })
      for (const id of ids) await saved(stores(id), id)
      const keys = (await stage.command('KEYS', 'p:*')) as string[]
      expect(keys).toHaveLength(ids.length)
      expect(keys.join()).not.toMatch(/[{}]/)
    })
  })
}

for (const kind of kinds) {
  describe(`a record that nobody of ours has written, with ${kind.name}`, () => {
    const fieldsOf = (found: unknown): string[] => {
      const { version, tokens, ended } = Object(found)
      const { epoch, generation, nonce } = Object(version)
      const fields = { e: epoch, g: generation, n: nonce, x: ended, t: tokens && JSON.stringify(tokens) }
      return Object.entries(fields).flatMap(([name, value]) =>
        value === undefined || value === null ? [] : [name, String(value)],
      )
    }
    // A hash has no types and no lists: what differs only by them is one of ours here.
    const found = Object.entries(STRANGE).filter(
      ([what]) => !/no nonce|no epoch|epoch that is a number|in a list|is a text|is a list/.test(what),
    )
    const hashes: [what: string, fields: string[]][] = [
      ...found.map(([what, record]): [string, string[]] => [what, fieldsOf(record)]),
      ['an epoch that is a text', fieldsOf(STRANGE['an epoch that is a text'])],
      ['tokens that are no JSON', ['e', '0019000000000000.5', 'g', '1', 'n', 'n', 't', '{"accessToken":']],
      ['tokens that are a list', ['e', '0019000000000000.5', 'g', '1', 'n', 'n', 't', '[]']],
      ['no generation', ['e', '0019000000000000.5', 'n', 'n', 't', '{"accessToken":"forged"}']],
      ['a generation in words', ['e', '0019000000000000.5', 'g', 'one', 't', '{"accessToken":"forged"}']],
      ['letters that are none', ['e', '\ud800', 'g', '1', 't', '{"accessToken":"forged"}']],
    ]

    test.each(hashes)('(%s) is told, and holds no sign-out and no sign-in up', async (_, fields) => {
      const stage = await setStage(kind)
      await stage.command('HSET', KEY, ...fields)
      const { session } = await stage.context()
      const seen = watch(session)
      await seen.until('degraded')
      await session.signOut()
      expect(session.state.status).toBe('signed-out')
      const tokens = stage.server.mint('alice')
      await session.signIn(tokens)
      expect(await session.getAccessToken()).toBe(tokens.access_token)
      await session.refresh()
      const other = await stage.context()
      expect(await other.session.getAccessToken()).toBe(await session.getAccessToken())
      expect(JSON.stringify(await stage.command('HGETALL', KEY))).not.toContain('forged')
      expect(stage.server.count).toMatchObject({ refreshes: 1, reuses: 0 })
    })

    test('that was put there while somebody is signed in: the sign-out is everywhere', async () => {
      const stage = await setStage(kind)
      const [one, two] = await signedIn(stage, 2)
      await stage.command('DEL', KEY)
      await stage.command('HSET', KEY, ...fieldsOf(STRANGE['an epoch of twenty nines']))
      const ended = two && watch(two.session).until('signed-out')
      await one?.session.signOut()
      expect(one?.session.state.status).toBe('signed-out')
      await ended
    })

    test('bytes that are no text are saved over, too', async () => {
      const stage = await setStage(kind)
      await stage.command('EVAL', "redis.call('HSET', KEYS[1], 'e', '\\255\\254', 'g', '1')", '1', KEY)
      const [one] = await signedIn(stage, 1)
      const late = await stage.context()
      expect(await late.session.getAccessToken()).toBe(await one?.session.getAccessToken())
    })

    test.each([
      ['a cooldown', ['b', 'x']],
      ['a cooldown without an end', ['b', 'inf']],
      ['a reservation', ['p', 'x', 'u', 'x']],
      ['a reservation beyond all', ['p', '9e99', 'u', '9e99']],
      ['a reservation without its time', ['p', '5']],
      ['the greatest reservation that there ever was', ['r', '9e99']],
      ['the turn', ['o', 'somebody', 'k', '1', 'l', '9e99', 'd', '9e99']],
      ['the length of the turn', ['o', 'somebody', 'k', '1', 'l', '9999999999999', 'd', 'x']],
    ])('%s that is odd holds no refresh up', async (_, fields) => {
      const stage = await setStage(kind)
      const [one] = await signedIn(stage, 1)
      await stage.command('HSET', KEY, ...fields)
      for (let generation = 2; generation < 4; generation++) {
        await one?.session.refresh()
        expect(one?.session.state.status).toBe('signed-in')
      }
      const late = await stage.context()
      expect(await late.session.getAccessToken()).toBe(await one?.session.getAccessToken())
      expect(late.session.state.generation).toBeLessThan(20)
    })
  })
}

describe('what makes no sense is refused at once, by name', () => {
  const client = { evalSha() {}, duplicate() {}, subscribe() {} } as never
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

  test('an id that would be another once it is encoded, and a prefix, without repeating it', () => {
    for (const half of ['\ud800', '\udc00', 'alice\ud83d', '\ude00\ud83d']) {
      expect(() => redisStores({ client })(half)).toThrow(
        /^redisStores: expected the id of a session, got one/,
      )
      expect(() => redisStores({ client, prefix: half })).toThrow(TypeError)
    }
    expect(() => redisStores({ client, prefix: 7 as never })).toThrow(/prefix/)
    expect(() => redisStores({ client })('alice\ud83d\ude00')).not.toThrow()
  })
})
