import { join, type Stored } from '../../core/store.ts'
import { ensureSame, epoch, type Rule, record } from './place.ts'

/** What a store must do with records: keep them whole, and join them. */
export const records: readonly Rule[] = [
  {
    name: 'a place where nobody has been holds nothing',
    async check({ open }) {
      ensureSame(await (await open()).load(), undefined, 'load')
    },
  },
  {
    name: 'a record is kept whole, members that nobody knows included',
    async check({ open }) {
      const store = await open()
      const whole: Stored = {
        ...record(7),
        notBefore: 1_900_000_000_123,
        pending: { generation: 8, until: 1_900_000_000_456 },
      }
      const tokens = {
        accessToken: 'at',
        refreshToken: 'rt "quoted" \\ \u0000 \u20ac \ud83d\ude00 {curly}',
        expiresAt: 1_900_000_000_789.5,
        receivedAt: 1_900_000_000_000,
        scope: '',
        roles: [],
        claims: {},
        nothing: null,
        large: 9_007_199_254_740_991,
        deep: [{ list: [1, [], ''] }],
      }
      await store.save({ ...whole, tokens })
      ensureSame(await store.load(), { ...whole, tokens }, 'load')
    },
  },
  {
    name: 'save resolves with what is stored now, and never lowers it',
    async check({ open }) {
      const store = await open()
      ensureSame(await store.save(record(5)), record(5), 'the first')
      ensureSame(await store.save(record(3)), record(5), 'an older generation')
      ensureSame(await store.save(record(9, { time: 0 })), record(5), 'an older sign-in')
      ensureSame(await store.save(record(5, { nonce: 'b' })), record(5, { nonce: 'b' }), 'a greater nonce')
      ensureSame(await store.save(record(5)), record(5, { nonce: 'b' }), 'a smaller nonce')
      ensureSame(await store.save(record(10)), record(10), 'a newer generation: it is a number, not a text')
      ensureSame(await store.save(record(1, { time: 2 })), record(1, { time: 2 }), 'a newer sign-in')
      ensureSame(await store.load(), record(1, { time: 2 }), 'load')
    },
  },
  {
    name: 'versions are ordered digit by digit, whatever the language of the machine',
    async check({ elsewhere }) {
      // In many languages a point counts for less than a digit, and a capital for more than its small letter.
      const names = [
        ['0.5', '00.4'],
        ['1e-7', '1.5'],
        ['', '0'],
      ]
      // No epoch has letters in it, but for an `e`.
      const pairs = { epoch: names, nonce: [...names, ['B', 'a'], ['a-b', 'aa']] }
      const { version } = record(1)
      for (const member of ['epoch', 'nonce'] as const) {
        for (const [low, high] of pairs[member].map((pair) => [...pair].sort())) {
          for (const order of [
            [low, high],
            [high, low],
          ]) {
            const store = await elsewhere().open()
            for (const text of order)
              await store.save({ version: { ...version, [member]: version[member] + text } })
            const kept = (await store.load())?.version[member]
            ensureSame(kept, `${version[member]}${high}`, `the greater ${member}`)
          }
        }
      }
    },
  },
  {
    name: 'of equal versions the rejected one wins, with the latest cooldown and the greatest reservation',
    async check({ elsewhere }) {
      const { version, tokens } = record(4)
      const same: Stored[] = [
        { version, tokens, notBefore: 100, pending: { generation: 5, until: 30 } },
        { version, tokens, notBefore: 200, pending: { generation: 6, until: 10 } },
        { version, tokens, pending: { generation: 6, until: 20 } },
        { version, ended: 'rejected', notBefore: 150 },
        { version, ended: 'signed-out' },
      ]
      const expected = { version, ended: 'rejected', notBefore: 200, pending: { generation: 6, until: 20 } }
      for (const order of orders(same)) {
        const store = await elsewhere().open()
        for (const next of order) await store.save(next)
        ensureSame(await store.load(), expected, 'load')
      }
    },
  },
  {
    name: 'a reservation outlives the saves before it, and ends with its own generation or another sign-in',
    async check({ open }) {
      const store = await open()
      const pending = { generation: 5, until: 1_900_000_000_000 }
      await store.save({ ...record(3), pending })
      ensureSame((await store.save(record(4))).pending, pending, 'after an older generation')
      ensureSame((await store.save(record(5))).pending, undefined, 'after its own')
      await store.save({ ...record(5), pending: { ...pending, generation: 6 } })
      ensureSame((await store.save(record(1, { time: 2 }))).pending, undefined, 'after another sign-in')
    },
  },
  {
    name: 'saves may come in any order, and twice',
    async check({ elsewhere }) {
      const saves: Stored[] = [
        record(1),
        { ...record(2), notBefore: 50 },
        { ...record(2), pending: { generation: 3, until: 70 } },
        { version: record(2).version, ended: 'rejected' },
        record(2, { nonce: 'b' }),
      ]
      const expected = saves.reduce(join)
      for (const order of orders(saves)) {
        const store = await elsewhere().open()
        for (const next of order) await store.save(next)
        ensureSame(await store.load(), expected, 'load')
        for (const next of order) await store.save(next)
        ensureSame(await store.load(), expected, 'load, after all came again')
      }
    },
  },
  {
    name: 'a sign-out stays: no late token set of the former sign-in brings the session back',
    async check({ open }) {
      const store = await open()
      await store.save(record(3))
      const over: Stored = { version: { epoch: epoch(2), generation: 1, nonce: 'b' }, ended: 'signed-out' }
      ensureSame(await store.save(over), over, 'the sign-out')
      ensureSame(await store.save(record(4)), over, 'a late refresh')
      ensureSame(await store.load(), over, 'load: no token is left')
      ensureSame(await store.save(record(1, { time: 3 })), record(1, { time: 3 }), 'the next sign-in')
    },
  },
  {
    name: 'contexts see what others have saved, and nothing is lost between them',
    shared: true,
    async check({ open }) {
      const [one, two] = [await open(), await open()]
      await one.save(record(1))
      ensureSame(await two.load(), record(1), 'load of the other')
      const generations = Array.from({ length: 24 }, (_, index) => ((index * 7) % 24) + 2)
      const saved = await Promise.all(
        generations.map((generation, index) => (index % 2 ? one : two).save(record(generation))),
      )
      saved.forEach(({ version }, index) => {
        const own = Number(generations[index])
        ensureSame(version.generation >= own, true, `save answered ${version.generation} to ${own}`)
      })
      ensureSame(await one.load(), record(25), 'load of one')
      ensureSame(await two.load(), record(25), 'load of the other')
    },
  },
  {
    name: 'a store that is closed still saves: a late answer may hold the only good refresh token',
    async check({ open }) {
      const store = await open()
      await store.save(record(1))
      store.close()
      ensureSame(await store.save(record(2)), record(2), 'save')
    },
  },
]

/** Some of the orders that a list can come in: each rotation, forwards and backwards. */
function orders<T>(list: readonly T[]): T[][] {
  const rotations = list.map((_, index) => [...list.slice(index), ...list.slice(0, index)])
  return [...rotations, ...rotations.map((order) => [...order].reverse())]
}
