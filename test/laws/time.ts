import type { Clock } from 'refresh-once'
import { createTestClock } from 'refresh-once/testing'
import type { Plan } from './plan.ts'

/** Puts something on the list of what may happen next. */
export type Schedule = (label: string, run: () => void) => void

/** A clock whose timers compete with everything else that may happen next; among themselves they keep their order. */
export interface Time {
  readonly clock: Clock
  /** Milliseconds as the server counts them: it neither sleeps nor has its clock set. */
  now(): number
  /** Makes sure that `ms` milliseconds pass. */
  pass(ms: number): void
  /** Somebody sets the wall clock. */
  jump(ms: number): void
  /** The machine sleeps: its timers and its monotonic clock stand still. */
  sleep(ms: number): void
  /** From now on time passes only when nothing else can happen. */
  calm(): void
  readonly timers: number
}

interface Timer {
  readonly due: number
  readonly run: () => void
}

/**
 * @param idle whether nothing else can happen
 * @param plan `pace`: how often time must get its turn before the next timer fires, when something else can happen: the
 * greater, the faster are the answers
 */
export function createTime(
  schedule: Schedule,
  idle: () => boolean,
  { pace, tick, seed }: Pick<Plan, 'pace' | 'tick' | 'seed'>,
): Time {
  const timers = new Map<number, Timer>()
  let wall = Date.UTC(2030, 0, 1)
  let elapsed = 0
  let slept = 0
  let set = 0
  let turns = 0
  let calm = false
  let waiting = false

  function wait(): void {
    if (waiting || timers.size === 0) return
    waiting = true
    schedule('time', () => {
      waiting = false
      if (idle() || (!calm && ++turns % pace === 0)) fire()
      wait()
    })
  }

  function fire(): void {
    let next: [number, Timer] | undefined
    for (const entry of timers) if (!next || entry[1].due < next[1].due) next = entry
    if (!next) return
    const [id, { due, run }] = next
    timers.delete(id)
    wall += due - elapsed
    elapsed = due
    run()
  }

  function setTimer(run: () => void, ms: number): number {
    timers.set(++set, { due: elapsed + Math.max(ms, 0), run })
    wait()
    return set
  }

  return {
    clock: {
      now: () => wall - (wall % tick),
      monotonic: () => elapsed,
      setTimeout: setTimer,
      clearTimeout: (timer) => void timers.delete(timer as number),
      random: createTestClock({ seed }).clock.random,
    },
    now: () => elapsed + slept,
    pass: (ms) => void setTimer(() => {}, ms),
    jump(ms) {
      wall += ms
    },
    sleep(ms) {
      wall += ms
      slept += ms
    },
    calm() {
      calm = true
    },
    get timers() {
      return timers.size
    },
  }
}
