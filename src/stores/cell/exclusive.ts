import { orAborted, throwIfAborted } from '../../core/abortable.ts'
import { type Clock, countdown } from '../../core/clock.ts'
import { createLine } from '../../core/line.ts'
import type { SessionStore } from '../../core/store.ts'
import { createTurn } from '../redis/turn.ts'
import type { Register } from './register.ts'
import type { State, Turn } from './state.ts'

/** What taking turns needs of the store. Times are in milliseconds. */
export interface Surroundings {
  readonly clock: Clock
  readonly lease: number
  readonly ttl: number
  /** Names this context. */
  readonly owner: string
  readonly register: Register
  /** Somebody else has the turn, and this is the state now. */
  tell(state: State): void
}

export interface Exclusive {
  run: SessionStore['exclusive']
  /** The turn may be free: whoever waits looks again. */
  wake(): void
  /** The state as it was taken with the turn, while the work makes its first step: to look again would bring the same. */
  said(): State | undefined
}

/** Whoever waits looks after so many milliseconds, at first, and never later than after so many: the dead give no hint. */
const [FIRST, LONGEST] = [10, 500]

/** Nobody is waited for any longer while he is silent, whatever is written. */
const LONGEST_SILENCE = 60_000

/**
 * One turn at a time: first among those who use this store object, then among all contexts. A turn is part of the state,
 * and is taken by replacing it.
 */
export function createExclusive(surroundings: Surroundings): Exclusive {
  const { clock, lease, ttl, owner, register, tell } = surroundings
  /** Of those who use this store object. */
  const queue = createLine()
  let turns = 0
  let wake = () => {}
  let said: State | undefined
  /** What the holder has said last, and since when that is known here. */
  let sighting = { key: '', since: 0 }

  /**
   * Whether somebody may still be at work: until he was seen to be silent for as long as he keeps his turn. Clocks of two
   * machines are not compared for that. But where nobody stays long enough to see it, what is long past is over.
   */
  function isTaken(turn: Turn | undefined): boolean {
    if (!turn || turn.owner === owner) return false
    const key = `${turn.owner} ${turn.id} ${turn.beat}`
    if (sighting.key !== key) sighting = { key, since: clock.monotonic() }
    const silent = clock.monotonic() - sighting.since
    return silent < Math.min(turn.ttl, LONGEST_SILENCE) && clock.now() < turn.until + LONGEST_SILENCE
  }

  const isOurs = (state: State, id: number) => state.turn?.owner === owner && state.turn.id === id

  /** Where this does not arrive, the turn passes on by our silence. */
  function release(id: number): void {
    register
      .update((state) => (isOurs(state, id) ? { ...state, turn: undefined } : undefined))
      .catch(() => {})
  }

  /** Says that we are still there, and changes something. Resolves with false where the turn was lost. */
  async function beat(id: number, until: number, more: (state: State) => State = (state) => state) {
    const state = await register.update(({ turn, ...state }) =>
      turn && isOurs({ turn }, id)
        ? more({ ...state, turn: { ...turn, beat: turn.beat + 1, until } })
        : undefined,
    )
    return isOurs(state, id)
  }

  async function acquire(id: number, signal: AbortSignal | undefined) {
    for (let delay = FIRST; ; delay = Math.min(delay * 2, LONGEST)) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const left = { lease: countdown(clock, lease), ttl: countdown(clock, ttl) }
      const turn = { owner, id, beat: 0, until: clock.now() + ttl, ttl }
      const asking = register.update((state) =>
        isOurs(state, id) || isTaken(state.turn) ? undefined : { ...state, turn },
      )
      try {
        const state = await orAborted(asking, signal)
        if (isOurs(state, id)) return { state, left }
        tell(state)
        const timer = clock.setTimeout(() => wake(), delay * (0.5 + clock.random()))
        await orAborted(woken, signal).finally(() => clock.clearTimeout(timer))
      } catch (reason) {
        // It may be ours all the same.
        asking.catch(() => {}).then(() => release(id))
        throw reason
      }
    }
  }

  return {
    wake: () => wake(),
    said: () => said,
    async run(work, signal) {
      throwIfAborted(signal)
      const pass = await queue(signal)
      const id = ++turns
      let left = false
      const leave = () => {
        if (left) return
        left = true
        pass()
        release(id)
      }
      let taken: Awaited<ReturnType<typeof acquire>>
      try {
        taken = await acquire(id, signal)
      } catch (reason) {
        pass()
        throw reason
      }
      let own: number | undefined
      const turn = createTurn(
        clock,
        { lease, ttl, left: taken.left },
        {
          renew: (until) =>
            beat(id, until, ({ record, ...state }) => ({
              ...state,
              record:
                record?.pending && record.pending.generation === own
                  ? { ...record, pending: { generation: own, until } }
                  : record,
            })),
          async begin(until) {
            let generation = -2
            const ours = await beat(id, until, ({ record, ...state }) => {
              if (!record) return state
              generation = Math.max(record.version.generation, record.pending?.generation ?? 0) + 1
              return { ...state, record: { ...record, pending: { generation, until } } }
            })
            if (!ours) return -1
            own = generation
            return generation
          },
          async clear(generation) {
            await register.update(({ record, ...state }) =>
              // It has lapsed, but its number is not given out again: whoever had it before may still come.
              record?.pending?.generation === generation && generation === own && record.pending.until
                ? { ...state, record: { ...record, pending: { generation, until: 0 } } }
                : undefined,
            )
          },
        },
        leave,
      )
      try {
        said = taken.state
        const working = work(turn)
        said = undefined
        return await working
      } finally {
        said = undefined
        turn.stop()
        leave()
      }
    },
  }
}
