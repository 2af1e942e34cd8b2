import { rename } from 'node:fs/promises'
import { join as pathTo } from 'node:path'
import { orAborted, throwIfAborted } from '../../core/abortable.ts'
import { type Clock, countdown } from '../../core/clock.ts'
import { createLine } from '../../core/line.ts'
import { say } from '../../core/messages.ts'
import { patience } from '../../core/patience.ts'
import type { Lease, SessionStore } from '../../core/store.ts'
import { givenName } from './names.ts'
import { isDead, type Owner, self } from './owner.ts'
import { type Change, type Manner, newId, newName, type Register } from './register.ts'
import type { Soon } from './soon.ts'
import type { State, Turn } from './state.ts'

/** What taking turns needs of the store. Times are in milliseconds. */
export interface Surroundings {
  readonly path: string
  readonly clock: Clock
  readonly lease: number
  readonly ttl: number
  readonly register: Register
  readonly soon: Soon
  /** Changes the state, and tells those who listen what it has become. */
  change(change: Change, manner?: Manner): Promise<State>
  /** Those who wait hear of changes. */
  listen(): void
  /** What somebody has left who had this turn, and was hit before it counted. */
  inherit(turn: Turn, state: State, names: readonly string[]): Promise<State>
}

export interface Exclusive {
  run: SessionStore['exclusive']
  /** The turn may be free: whoever waits looks again. */
  wake(): void
  /** The record as it was taken with the turn, while the work makes its first step: to look again would bring the same. */
  said(): { readonly state: State } | undefined
  own(): OwnTurn | undefined
}

/** The turn that this store object has. */
interface OwnTurn {
  readonly id: string
  generation: number
  /** Its generation is reserved: it may have been sent. */
  begun: boolean
  /** It was certainly not sent. */
  cleared: boolean
  /** What came of it was saved. */
  saved: boolean
}

/** Whoever waits looks after so many milliseconds, at first, and never later than after so many: the killed give no hint. */
const [FIRST, LONGEST] = [5, 100]

/**
 * One turn at a time: first among those who use this store object, then among all processes. A turn is part of the
 * state, and is taken by replacing it; in the same step the next generation is reserved.
 */
export function createExclusive(surroundings: Surroundings): Exclusive {
  const { path, clock, lease, ttl, register, soon, change, listen, inherit } = surroundings
  /** Of those who use this store object. */
  const queue = createLine()
  let wake = () => {}
  let said: { state: State } | undefined
  let own: OwnTurn | undefined
  let process: Owner | undefined
  /** The turn that we wait for, and since when by our own clock. */
  let sighting = { key: '', since: 0 }

  /**
   * Whether somebody may still be at work. The end of a process shows at once, where it runs here. Else a turn lasts
   * until the time that is written in it, but no longer than we have watched its holder be silent: a clock may be hours
   * ahead. One who is here and lives gets some time to say so although his time is over: the machine may have slept.
   */
  function isTaken(turn: Turn | undefined): turn is Turn {
    if (!turn) return false
    process ??= self()
    // Whoever may not look where he is does not know who else is there.
    const here = turn.place === process.place && process.place.trim() !== ''
    if (here && isDead(turn)) return false
    const key = `${turn.id} ${turn.until}`
    if (sighting.key !== key) sighting = { key, since: clock.monotonic() }
    const seen = clock.monotonic() - sighting.since
    return clock.now() < turn.until ? seen < turn.ttl : here && seen < turn.ttl / 2
  }

  async function acquire(
    id: string,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<[State, () => number, () => number]> {
    for (let delay = FIRST; ; delay = Math.min(delay * 2, LONGEST)) {
      listen()
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const left = [countdown(clock, lease), countdown(clock, ttl)] as const
      const until = clock.now() + ttl
      process ??= self()
      const owner = process
      const asking = change(
        async (state, names) => {
          const { turn } = state
          if (turn?.id === id || isTaken(turn)) return undefined
          const former = turn ? await inherit(turn, state, names) : state
          return { ...former, turn: { ...owner, id, generation: next(former), until, ttl } }
        },
        { name, keep: true },
      )
      let state: State
      try {
        state = await orAborted(asking, signal)
        if (state.turn?.id === id) return [state, ...left]
        const timer = clock.setTimeout(wake, delay * (0.5 + clock.random()))
        await orAborted(woken, signal).finally(() => clock.clearTimeout(timer))
      } catch (reason) {
        // It may be ours all the same.
        void asking.then(
          (state) => (state.turn?.id === id ? giveBack(id, name) : undefined),
          () => {},
        )
        throw reason
      }
    }
  }

  /** One step, where nothing is left to say. */
  async function giveBack(id: string, name: string, last?: Change): Promise<void> {
    try {
      if (!last) return await soon('the turn', () => rename(pathTo(path, name), pathTo(path, givenName(id))))
    } catch {}
    await change(
      async (state, names) =>
        state.turn?.id === id ? { ...(await last?.(state, names)), turn: undefined } : undefined,
      { guess: true },
    ).catch(() => {})
  }

  async function run<T>(work: (lease: Lease) => Promise<T>, signal?: AbortSignal): Promise<T> {
    throwIfAborted(signal)
    const pass = await queue(signal)
    const id = newId()
    const name = newName(id)
    let taken: Awaited<ReturnType<typeof acquire>>
    try {
      taken = await acquire(id, name, signal)
    } catch (reason) {
      pass()
      throw reason
    }
    const [first, left] = taken
    let [, , kept] = taken
    const turn: OwnTurn = {
      id,
      generation: first.turn?.generation ?? 0,
      begun: false,
      cleared: false,
      saved: false,
    }
    const epoch = first.record?.version.epoch
    own = turn
    const ended = new AbortController()
    let given = false
    let timer: unknown

    const remaining = () => (ended.signal.aborted ? 0 : Math.min(left(), kept()))
    /** Changes the state as long as the turn is ours. */
    const mine = async (make: (state: State, turn: Turn) => Partial<State> | undefined, manner?: Manner) => {
      const state = await change(
        ({ ...state }) => (state.turn?.id === id && !given ? make(state, state.turn) : undefined),
        manner,
      )
      return state.turn?.id === id ? state : undefined
    }

    function leave(): Promise<void> {
      if (given) return Promise.resolve()
      given = true
      clock.clearTimeout(timer)
      done()
      if (own === turn) own = undefined
      const pending = { generation: turn.generation, until: turn.cleared ? 0 : clock.now() + left() }
      const open = ({ record }: State) =>
        record?.version.epoch === epoch && record && turn.generation > record.version.generation
          ? { record: { ...record, pending } }
          : {}
      return giveBack(id, name, turn.begun && !turn.saved ? open : undefined).then(pass)
    }

    function end(): void {
      ended.abort()
      void leave()
    }

    /** Says from time to time that we are there. Whoever has slept may find that the turn is still his. */
    function renew(): void {
      timer = clock.setTimeout(async () => {
        const anew = countdown(clock, ttl)
        const until = clock.now() + ttl
        try {
          if (!(await mine((_, turn) => ({ turn: { ...turn, until } })))) return end()
          kept = anew
        } catch {
          if (kept() <= 0) return end()
        }
        if (!given) renew()
      }, ttl / 3)
    }

    // Counted in parts: whoever was stopped is given the answer that has come meanwhile, before his time is over.
    const done = patience(clock, lease, end)
    renew()
    try {
      said = { state: first }
      const working = work({
        signal: ended.signal,
        remaining,
        async begin() {
          let state: State | undefined = (await register.look()).state
          if (turn.begun || Number(state.record?.version.generation) >= turn.generation) {
            state = await mine((state, turn) => ({ turn: { ...turn, generation: next(state) } }))
            turn.generation = state?.turn?.generation ?? 0
          }
          if (state?.turn?.id !== id || !state.record || remaining() <= 0) throw new Error(say('lease'))
          turn.begun = true
          return turn.generation
        },
        async clear(generation) {
          if (turn.begun && generation === turn.generation) turn.cleared = true
        },
      })
      said = undefined
      return await working
    } finally {
      said = undefined
      await leave()
    }
  }

  return { run, wake: () => wake(), said: () => said, own: () => own }
}

/** The first generation that nobody has, or may have. */
function next({ record, turn }: State): number {
  return (
    Math.max(record?.version.generation ?? 0, record?.pending?.generation ?? 0, turn?.generation ?? 0) + 1
  )
}
