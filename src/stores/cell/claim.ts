import type { Clock } from '../../core/clock.ts'
import type { Claim } from '../shared/exclusive.ts'
import { createSilence } from '../shared/silence.ts'
import type { Register } from './register.ts'
import type { State, Turn } from './state.ts'

/** What taking turns needs of the store. Times are in milliseconds. */
export interface Surroundings {
  readonly clock: Clock
  readonly ttl: number
  /** Names this context. */
  readonly owner: string
  readonly register: Register
  /** Somebody else has the turn, and this is the state now. */
  tell(state: State): void
}

/** Whoever waits looks after so many milliseconds, at first, and never later than after so many: the dead give no hint. */
const [FIRST, LONGEST] = [10, 500]

/** Nobody is waited for any longer while he is silent, whatever is written. */
const LONGEST_SILENCE = 60_000

/** Nor any longer than half of this, where he has been gone for more than a minute. */
const SHORT_SILENCE = 10_000

/** Turns that are part of the state: one is taken by replacing it. The next claim, by its number among ours. */
export function createClaims(surroundings: Surroundings): (id: number) => Claim<State> {
  const { clock, ttl, owner, register, tell } = surroundings
  const silence = createSilence(clock)

  /**
   * Whether somebody may still be at work: until he was seen to be silent for as long as he keeps his turn. Clocks of two
   * machines are not compared for that. But where nobody stays long enough to see it, what is long past is over, once he
   * has not said so at the time at which the living do: their clocks may be hours behind.
   */
  function isTaken(turn: Turn | undefined, id: number): boolean {
    if (!turn) return false
    // One whose waiting has ended may still be asking when the next one of ours is at work.
    if (turn.owner === owner) return turn.id > id
    const silent = silence(`${turn.owner} ${turn.id} ${turn.beat}`)
    const past = clock.now() >= turn.until + LONGEST_SILENCE
    return silent < (past ? Math.min(turn.ttl, SHORT_SILENCE) / 2 : Math.min(turn.ttl, LONGEST_SILENCE))
  }

  return (id) => {
    let delay = FIRST
    /** The generation that was reserved in this turn. */
    let own: number | undefined

    const isOurs = (state: State) => state.turn?.owner === owner && state.turn.id === id

    /** Says that we are still there, and changes something. Resolves with false where the turn was lost. */
    async function beat(until: number, more: (state: State) => State) {
      const state = await register.update(({ turn, ...state }) =>
        turn && isOurs({ turn })
          ? more({ ...state, turn: { ...turn, beat: turn.beat + 1, until } })
          : undefined,
      )
      return isOurs(state)
    }

    return {
      async ask() {
        const turn = { owner, id, beat: 0, until: clock.now() + ttl, ttl }
        const state = await register.update((state) =>
          isOurs(state) || isTaken(state.turn, id) ? undefined : { ...state, turn },
        )
        if (isOurs(state)) return { state }
        tell(state)
        const wait = delay * (0.5 + clock.random())
        delay = Math.min(delay * 2, LONGEST)
        return wait
      },

      release() {
        register
          .update((state) => (isOurs(state) ? { ...state, turn: undefined } : undefined))
          .catch(() => {})
      },

      renew: (until) =>
        beat(until, ({ record, ...state }) => ({
          ...state,
          record:
            record?.pending && record.pending.generation === own
              ? { ...record, pending: { generation: own, until } }
              : record,
        })),

      async begin(until) {
        let generation = -1
        const ours = await beat(until, ({ record, ...state }) => {
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
    }
  }
}
