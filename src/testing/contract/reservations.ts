import type { Lease } from '../../core/store.ts'
import { ensure, ensureSame, keepTurn, type Rule, record, refusalOf, soon } from './place.ts'

/** What a lease must do: reserve durably while it lasts, and nothing after. */
export const reservations: readonly Rule[] = [
  {
    name: 'a lease has time left, and less of it later',
    async check({ open }) {
      const store = await open()
      await store.exclusive(async ({ remaining, signal }) => {
        const left = remaining()
        ensure(left > 0 && Number.isFinite(left), `expected some milliseconds to be left, got ${left}`)
        ensure(!signal.aborted, 'the lease must not have ended')
        await new Promise((resolve) => setTimeout(resolve, 5))
        ensure(remaining() < left, 'expected less to be left')
      })
    },
  },
  {
    name: 'begin reserves the next generation, in the record, until some time to come',
    async check({ open }) {
      const store = await open()
      await store.save(record(4))
      await store.exclusive(async (lease) => {
        ensureSame(await lease.begin(), 5, 'begin')
        const { pending, ...rest } = (await store.load()) ?? {}
        ensureSame(rest, record(4), 'the record itself')
        ensureSame(pending?.generation, 5, 'pending.generation')
        ensure(Number(pending?.until) > Date.now(), 'expected pending.until to come')
      })
    },
  },
  {
    name: 'a reservation outlives its turn, and another context sees it and reserves after it',
    shared: true,
    async check({ open }) {
      const [one, two] = [await open(), await open()]
      await one.save(record(4))
      await one.exclusive((lease) => lease.begin())
      ensureSame((await two.load())?.pending?.generation, 5, 'pending.generation')
      ensureSame(await two.exclusive((lease) => lease.begin()), 6, 'begin of the other')
      ensureSame(await one.exclusive((lease) => lease.begin()), 7, 'begin')
    },
  },
  {
    name: 'generations that are reserved are unique and rising',
    shared: true,
    async check({ open }) {
      const stores = [await open(), await open()]
      await stores[0]?.save(record(1))
      const reserved: number[] = []
      await soon(
        Promise.all(
          Array.from({ length: 8 }, (_, index) =>
            stores[index % 2]?.exclusive(async (lease) => {
              reserved.push(await lease.begin())
              reserved.push(await lease.begin())
            }),
          ),
        ),
        'eight turns',
      )
      const rising = reserved.every((generation, index) => generation > (reserved[index - 1] ?? 1))
      ensure(rising && reserved.length === 16, `expected them to rise: ${reserved}`)
    },
  },
  {
    name: 'clear lets the reservation lapse, and its number is not given out again',
    async check({ open }) {
      const store = await open()
      await store.save(record(4))
      await store.exclusive(async (lease) => lease.clear(await lease.begin()))
      const { pending, ...rest } = (await store.load()) ?? {}
      ensureSame(rest, record(4), 'the record itself')
      ensure(!pending || pending.until <= Date.now(), 'expected no reservation that anybody waits for')
      ensureSame(await store.exclusive((lease) => lease.begin()), 6, 'begin')
    },
  },
  {
    name: 'clear drops only a reservation of its own turn, not a later one',
    shared: true,
    async check({ open }) {
      const [one, two] = [await open(), await open()]
      await one.save(record(4))
      const former = await one.exclusive((lease) => lease.begin())
      const turn = keepTurn(two, (lease) => lease.begin())
      await turn.begun
      turn.end()
      const later = await turn.ended
      await one.exclusive((lease) => lease.clear(former))
      await one.exclusive((lease) => lease.clear(later))
      ensureSame((await two.load())?.pending?.generation, later, 'pending.generation')
    },
  },
  {
    name: 'a save with the reserved generation beats one that came with a smaller one',
    shared: true,
    async check({ open }) {
      const [one, two] = [await open(), await open()]
      await one.save(record(1))
      const former = await one.exclusive((lease) => lease.begin())
      const later = await two.exclusive((lease) => lease.begin())
      await two.save(record(later))
      ensureSame(await one.save(record(former)), record(later), 'save')
    },
  },
  {
    name: 'a turn whose lease has ended is told, has no time left and reserves nothing',
    passesOn: true,
    async check({ openBrief }) {
      const store = await openBrief()
      await store.save(record(1))
      await store.exclusive(async (lease) => {
        await over(store.exclusive(async () => {}))
        await ended(lease)
        ensure(lease.remaining() <= 0, `expected nothing to be left, got ${lease.remaining()}`)
        await refusalOf(lease.begin(), 'begin after the end of the lease')
      })
      ensureSame(await store.load(), record(1), 'load')
    },
  },
  {
    name: 'the turn of a holder that does not come back passes on, and what it saves late still counts',
    shared: true,
    passesOn: true,
    async check({ openBrief, open }) {
      const [frozen, other] = [await openBrief(), await open()]
      await frozen.save(record(1))
      let late: Lease | undefined
      const turn = keepTurn(frozen, async (lease) => {
        late = lease
        return lease.begin()
      })
      await turn.begun
      const next = keepTurn(other, (lease) => lease.begin())
      await soon(next.begun, 'the turn of the other')
      if (late) {
        await refusalOf(late.begin(), 'begin of one who was robbed')
        await late.clear(3).catch(() => {})
      }
      ensureSame((await other.load())?.pending?.generation, 3, 'the reservation of the other')
      // Nobody else has answered yet: this is the only good token set there is.
      ensureSame((await frozen.save(record(2))).version, record(2).version, 'a late save')
      turn.end()
      ensureSame(await soon(turn.ended, 'the late end'), 2, 'begin')
      const third = frozen.exclusive(async () => 'third')
      ensureSame((await other.save(record(3))).version, record(3).version, 'the save of the other')
      next.end()
      ensureSame(await next.ended, 3, 'begin of the other')
      ensureSame(await soon(third, 'a third turn'), 'third', 'exclusive')
      ensureSame(await frozen.load(), record(3), 'load')
    },
  },
  {
    name: 'one who was robbed does not end the turn of the next',
    shared: true,
    passesOn: true,
    async check({ openBrief, open }) {
      const [frozen, other, third] = [await openBrief(), await open(), await open()]
      await frozen.save(record(1))
      const turn = keepTurn(frozen, (lease) => lease.begin())
      await turn.begun
      let inside = false
      const next = keepTurn(other, async () => {
        inside = true
      })
      await soon(next.begun, 'the turn of the other')
      turn.end()
      await turn.ended
      const last = third.exclusive(async () => inside)
      // Two answers later, what the release may have done has been done.
      await third.load()
      await third.load()
      inside = false
      next.end()
      ensureSame(await soon(last, 'the last turn'), false, 'whether two had a turn')
    },
  },
]

async function over(turn: Promise<void>): Promise<void> {
  await soon(turn, 'the turn after a lease that has ended')
}

async function ended({ signal }: Lease): Promise<void> {
  if (signal.aborted) return
  await soon(
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
    'the end of the lease',
  )
}
