import { rename } from 'node:fs/promises'
import { join as pathTo } from 'node:path'
import type { Clock } from '../../core/clock.ts'
import { isNews } from '../../core/store.ts'
import type { Claim } from '../shared/exclusive.ts'
import { createSilence } from '../shared/silence.ts'
import { givenName, namesOfTurn } from './names.ts'
import { isDead, type Owner, self } from './owner.ts'
import { type Change, type Manner, newId, newName, type Register, textOf } from './register.ts'
import type { Kept, Secrets, Soon } from './secrets.ts'
import { type State, stateOf, type Turn } from './state.ts'

/** What taking turns needs of the store. Times are in milliseconds. */
export interface Surroundings {
  readonly path: string
  readonly clock: Clock
  readonly lease: number
  readonly ttl: number
  readonly register: Register
  readonly soon: Soon
  readonly secrets: Secrets
  /** Changes the state, and tells those who listen what it has become. */
  change(change: Change, manner?: Manner): Promise<State>
  /** Those who wait hear of changes. */
  listen(): void
}

/** A turn of this store object. */
interface OwnTurn {
  readonly id: string
  generation: number
  /** Its generation is reserved, and nothing has come of that yet. */
  open: boolean
  /** It was certainly not sent. */
  cleared: boolean
}

export interface Claims {
  /** One turn. */
  claim(): Claim<State>
  /** The one that this store object has. */
  own(): OwnTurn | undefined
  /** The record in a state. A turn that is under way is a reservation. */
  shown(state: State): Kept | undefined
}

/** Whoever waits looks after so many milliseconds, at first, and never later than after so many: the killed give no hint. */
const [FIRST, LONGEST] = [5, 100]

/** Turns that are part of the state: one is taken by replacing it. In the same step the next generation is reserved. */
export function createClaims(surroundings: Surroundings): Claims {
  const { path, clock, lease, ttl, register, soon, secrets, change, listen } = surroundings
  const silence = createSilence(clock)
  let process: Owner | undefined
  let present: OwnTurn | undefined

  /**
   * Whether somebody may still be at work. The end of a process shows at once, where it runs here. Else a turn lasts
   * until the time that is written in it, but no longer than we have watched its holder be silent: a clock may be hours
   * ahead. One who is here and lives gets some time to say so although his time is over: the machine may have slept.
   */
  function isTaken(turn: Turn | undefined): boolean {
    if (!turn) return false
    process ??= self()
    // Whoever may not look where he is does not know who else is there.
    const here = turn.place === process.place && process.place.trim() !== ''
    if (here && isDead(turn)) return false
    const silent = silence(`${turn.id} ${turn.until}`)
    // Whatever is written: nobody is waited for any longer than one of us.
    const kept = Math.min(turn.ttl, lease)
    return clock.now() < turn.until ? silent < kept : here && silent < kept / 2
  }

  /** What somebody has left who had this turn, and was hit before it counted. */
  async function inherit(turn: Turn, state: State, names: readonly string[]): Promise<State> {
    let inherited = state
    for (const name of namesOfTurn(turn.id, names)) {
      const { record, secrets } = stateOf(await textOf(pathTo(path, name))) ?? {}
      if (record && isNews(record, inherited.record)) inherited = { ...state, record, secrets }
    }
    return inherited
  }

  function shown({ record, turn }: State, own: OwnTurn | undefined = present): Kept | undefined {
    const ours = own?.id === turn?.id ? own : undefined
    if (!record || !turn || turn.generation <= record.version.generation || ours?.open === false)
      return record
    return { ...record, pending: { generation: turn.generation, until: ours?.cleared ? 0 : turn.until } }
  }

  function claim(): Claim<State> {
    const id = newId()
    const name = newName(id)
    const own: OwnTurn = { id, generation: 0, open: false, cleared: false }
    let delay = FIRST

    const isOurs = ({ turn }: State) => turn?.id === id

    /** Changes the turn as long as it is ours. */
    const renewed = (make: (turn: Turn, state: State) => Turn) =>
      change((state) => (state.turn?.id === id ? { turn: make(state.turn, state) } : undefined))

    return {
      async ask() {
        listen()
        process ??= self()
        const turn = { ...process, id, until: clock.now() + ttl, ttl }
        const state = await change(
          async (state, names) => {
            if (isOurs(state) || isTaken(state.turn)) return undefined
            const former = state.turn ? await inherit(state.turn, state, names) : state
            return { ...former, turn: { ...turn, generation: next(former) } }
          },
          { name, keep: true },
        )
        if (state.turn?.id === id) {
          own.generation = state.turn.generation
          present = own
          return { state }
        }
        const wait = delay * (0.5 + clock.random())
        delay = Math.min(delay * 2, LONGEST)
        return wait
      },

      async release() {
        try {
          // One step, where nothing is left to say.
          if (!own.open)
            return await soon('the turn', () => rename(pathTo(path, name), pathTo(path, givenName(id))))
        } catch {
        } finally {
          if (present === own) present = undefined
        }
        await change(
          (state) => (isOurs(state) ? { record: shown(state, own), turn: undefined } : undefined),
          {
            guess: true,
          },
        ).catch(() => {})
      },

      async renew(until) {
        return isOurs(await renewed((turn) => ({ ...turn, until })))
      },

      async begin() {
        await secrets.probe()
        let { state } = await register.look()
        if (own.open || Number(state.record?.version.generation) >= own.generation)
          state = await renewed((turn, state) => ({ ...turn, generation: next(state) }))
        if (state.turn?.id !== id) return -1
        if (!state.record) return -2
        own.generation = state.turn.generation
        own.open = true
        return own.generation
      },

      async clear(generation) {
        if (own.open && generation === own.generation) own.cleared = true
      },
    }
  }

  return { claim, own: () => present, shown }
}

/** The first generation that nobody has, or may have. */
function next({ record, turn }: State): number {
  return (
    Math.max(record?.version.generation ?? 0, record?.pending?.generation ?? 0, turn?.generation ?? 0) + 1
  )
}
