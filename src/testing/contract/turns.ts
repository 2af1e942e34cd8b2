import type { SessionStore } from '../../core/store.ts'
import { ensure, ensureSame, keepTurn, type Rule, record, refusalOf, soon } from './place.ts'

/** How many turns are asked for at once. */
const CROWD = 12

/** What `exclusive` must do: one at a time, and no one is forgotten. */
export const turns: readonly Rule[] = [
  {
    name: 'exclusive settles with what its work settles with, and the turn passes on',
    async check({ open }) {
      const store = await open()
      await store.save(record(1))
      ensureSame(
        await soon(
          store.exclusive(async () => 'done'),
          'a turn',
        ),
        'done',
        'exclusive',
      )
      const fault = new Error('the work failed')
      const failing = store.exclusive(async () => {
        throw fault
      })
      ensure((await refusalOf(failing, 'failed work')) === fault, 'expected the error of the work')
      await ensureNext(store)
    },
  },
  {
    name: 'one store takes one turn at a time, and load in it sees what the former one saved',
    async check({ open }) {
      const store = await open()
      await crowd([store])
    },
  },
  {
    name: 'contexts take one turn at a time, and load in it sees what the former one saved',
    shared: true,
    async check({ open }) {
      await crowd([await open(), await open(), await open()])
    },
  },
  {
    name: 'load in a turn sees what others have saved since the turn began',
    shared: true,
    async check({ open }) {
      const [one, two] = [await open(), await open()]
      await one.save(record(1))
      const seen = await one.exclusive(async () => {
        await two.save(record(1, { time: 2 }))
        return one.load()
      })
      ensureSame(seen, record(1, { time: 2 }), 'load')
    },
  },
  {
    name: 'a signal that has aborted asks for no turn',
    async check({ open }) {
      const store = await open()
      let runs = 0
      const reason = new Error('not wanted')
      const asked = store.exclusive(async () => runs++, AbortSignal.abort(reason))
      ensure((await refusalOf(asked, 'an aborted turn')) === reason, 'expected the reason of the signal')
      ensureSame(runs, 0, 'runs')
      await ensureNext(store)
    },
  },
  {
    name: 'the signal ends the waiting at once, in one store',
    async check({ open }) {
      const store = await open()
      await leave(store, store)
    },
  },
  {
    name: 'the signal ends the waiting at once, in another context',
    shared: true,
    async check({ open }) {
      await leave(await open(), await open())
    },
  },
  {
    name: 'the signal ends nothing once the turn has come',
    async check({ open }) {
      const store = await open()
      await store.save(record(1))
      const caller = new AbortController()
      const generation = await store.exclusive(async (lease) => {
        caller.abort()
        ensure(!lease.signal.aborted, 'the lease must not end with the signal of the caller')
        return lease.begin()
      }, caller.signal)
      ensureSame(generation, 2, 'begin')
    },
  },
  {
    name: 'a turn ends well after the store was closed, and passes on',
    shared: true,
    async check({ open }) {
      const [one, two] = [await open(), await open()]
      await one.save(record(1))
      const turn = keepTurn(one, async (lease) => {
        one.close()
        return lease.begin()
      })
      await turn.begun
      const next = two.exclusive(async () => two.load())
      await one.save(record(2))
      turn.end()
      ensureSame(await soon(turn.ended, 'the end of the turn'), 2, 'begin')
      ensureSame(await soon(next, 'the next turn'), record(2), 'load')
    },
  },
]

/** Many turns at once, each of which would lose an update if there were two at a time. */
async function crowd(stores: readonly SessionStore[]): Promise<void> {
  let inside = 0
  let most = 0
  await stores[0]?.save(record(1))
  const all = Array.from({ length: CROWD }, (_, index) => {
    const store = stores[index % stores.length] as SessionStore
    return store.exclusive(async (lease) => {
      most = Math.max(most, ++inside)
      const before = await store.load()
      const generation = await lease.begin()
      ensureSame(generation, Number(before?.version.generation) + 1, 'begin')
      await store.save(record(generation))
      inside--
    })
  })
  await soon(Promise.all(all), `${CROWD} turns`)
  ensureSame(most, 1, 'turns at a time')
  ensureSame(await stores[0]?.load(), record(CROWD + 1), 'load')
}

async function leave(holder: SessionStore, waiter: SessionStore): Promise<void> {
  const turn = keepTurn(holder, async (lease) => lease)
  await turn.begun
  let runs = 0
  const caller = new AbortController()
  const waiting = waiter.exclusive(async () => runs++, caller.signal)
  const patient = waiter.exclusive(async () => 'patient')
  const reason = new Error('left')
  caller.abort(reason)
  ensure((await refusalOf(waiting, 'one who left')) === reason, 'expected the reason of the signal')
  turn.end()
  ensure(!(await turn.ended).signal.aborted, 'one who waits must not end the lease of the holder')
  ensureSame(await soon(patient, 'the turn of one who stayed'), 'patient', 'exclusive')
  ensureSame(runs, 0, 'runs of the work of one who left')
}

/** The turn has passed on. */
async function ensureNext(store: SessionStore): Promise<void> {
  const next = store.exclusive(async () => 'next')
  ensureSame(await soon(next, 'the next turn'), 'next', 'exclusive')
}
