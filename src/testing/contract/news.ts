import { compareVersions, type Stored } from '../../core/store.ts'
import { ensure, ensureSame, hear, type Rule, record } from './place.ts'

/** What `watch` must tell: the others, everything that lasts, in order. */
export const news: readonly Rule[] = [
  {
    name: 'watch tells the others what was saved, whole, and not the one who saved it',
    shared: true,
    async check({ open }) {
      const [one, two, three] = [await open(), await open(), await open()]
      const [mine, yours, theirs] = [hear(one), hear(two), hear(three)]
      await one.save(record(1))
      await Promise.all([yours.of(record(1)), theirs.of(record(1))])
      await two.save(record(2))
      await Promise.all([mine.of(record(2)), theirs.of(record(2))])
      ensureSame(mine.heard, [record(2)], 'what the first heard')
      ensureSame(yours.heard, [record(1)], 'what the second heard')
      ensureSame(theirs.heard, [record(1), record(2)], 'what the third heard')
    },
  },
  {
    name: 'watch tells in rising order, each version once, and at last the greatest',
    shared: true,
    async check({ open }) {
      const stores = [await open(), await open()]
      const hearing = hear(await open())
      const generations = Array.from({ length: 30 }, (_, index) => ((index * 11) % 30) + 1)
      await Promise.all(generations.map((generation, index) => stores[index % 2]?.save(record(generation))))
      await hearing.of(record(30))
      hearing.heard.forEach(({ version }, index) => {
        const before = hearing.heard[index - 1]
        ensure(!before || compareVersions(before.version, version) < 0, 'expected versions to rise')
      })
      ensureSame(hearing.heard.at(-1), record(30), 'the last')
    },
  },
  {
    name: 'watch tells of ends: a sign-out, and a refusal of the version that is known',
    shared: true,
    async check({ open }) {
      const [one, hearing] = [await open(), hear(await open())]
      const refused: Stored = { version: record(1).version, ended: 'rejected' }
      const over: Stored = { version: record(1, { time: 2 }).version, ended: 'signed-out' }
      await one.save(record(1))
      await hearing.of(record(1))
      await one.save(refused)
      await hearing.of(refused)
      await one.save(over)
      await hearing.of(over)
      ensureSame(hearing.heard, [record(1), refused, over], 'what was heard')
    },
  },
  {
    name: 'watch does not take an older record, a cooldown or a reservation for news',
    shared: true,
    async check({ open }) {
      const [one, hearing] = [await open(), hear(await open())]
      await one.save(record(5))
      await hearing.of(record(5))
      await one.save(record(4))
      await one.save({ ...record(5), notBefore: 1_900_000_000_000 })
      await one.exclusive((lease) => lease.begin())
      await one.save(record(6))
      await hearing.of(record(6))
      ensureSame(
        hearing.heard.map(({ version }) => version.generation),
        [5, 6],
        'generations that were heard',
      )
    },
  },
  {
    name: 'whoever has stopped watching, or closed the store, hears nothing',
    shared: true,
    async check({ open }) {
      const [one, two, three] = [await open(), await open(), await open()]
      const [ended, closed, hearing] = [hear(two), hear(three), hear(await open())]
      await one.save(record(1))
      await Promise.all([ended, closed, hearing].map(({ of }) => of(record(1))))
      ended.end()
      three.close()
      await one.save(record(2))
      await hearing.of(record(2))
      // What was on its way to those who have left would be there by now.
      await Promise.all([two.load(), two.load()])
      ensureSame([ended.heard.length, closed.heard.length], [1, 1], 'what those heard who have left')
    },
  },
]
