import { setImmediate as macrotask } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'

export interface TestClockOptions {
  /**
   * Where the wall clock starts, in milliseconds since the epoch.
   * @default Date.UTC(2030, 0, 1)
   */
  now?: number
  /**
   * Seed of `clock.random()`: the same seed gives the same sequence.
   * @default 1
   */
  seed?: number
}

export interface TestClock {
  /** Hand this to what you test. Its methods need no `this`. */
  readonly clock: Clock
  /**
   * Lets `ms` milliseconds pass: wall and monotonic time move, and the timers that fall due run in order,
   * each at its own time. Promises settle before, between and after them. Calls queue up.
   */
  advance(ms: number): Promise<void>
  /** Somebody sets the wall clock: it moves by `ms` (negative: back), monotonic time and timers do not. */
  jump(ms: number): void
  /** The machine sleeps for `ms`: the wall clock has moved when it wakes, monotonic time and timers stood still. */
  sleep(ms: number): void
  /** How many timers are set. Zero at the end of a test means that none was left behind. */
  readonly pending: number
}

interface Timer {
  readonly due: number
  readonly run: () => void
}

/** Engines cannot wait longer; the runtime's own clock ends longer waits here, too. */
const LONGEST_DELAY = 2 ** 31 - 1

/** A timer that sets itself again without any delay would keep `advance` busy for ever. */
const MOST_TIMERS_IN_ONE_ADVANCE = 100_000

/**
 * A clock that moves only when a test says so: time, timers and chance without waiting and without luck.
 *
 * Between two timers a whole macrotask passes, so that chains of promises come to rest before the next
 * timer fires. Answers of a real socket take longer than that: await those before you go on.
 *
 * @example
 * const time = createTestClock()
 * time.clock.setTimeout(() => console.log('a minute later'), 60_000)
 * await time.advance(60_000)
 */
export function createTestClock(options: TestClockOptions = {}): TestClock {
  const { now = Date.UTC(2030, 0, 1), seed = 1 } = options
  // A Map keeps its order of insertion: timers that fall due together run in the order they were set.
  const timers = new Map<number, Timer>()
  let wall = now
  let elapsed = 0
  let timersSet = 0
  let advances = Promise.resolve()

  const pass = (ms: number): void => {
    wall += ms
    elapsed += ms
  }

  const nextDue = (limit: number): [number, Timer] | undefined => {
    let next: [number, Timer] | undefined
    for (const entry of timers) {
      if (entry[1].due <= limit && (!next || entry[1].due < next[1].due)) next = entry
    }
    return next
  }

  async function runUntil(limit: number): Promise<void> {
    await macrotask()
    for (let fired = 0, next = nextDue(limit); next; next = nextDue(limit)) {
      if (++fired > MOST_TIMERS_IN_ONE_ADVANCE) {
        throw new Error(
          `advance(): more than ${MOST_TIMERS_IN_ONE_ADVANCE} timers ran; one keeps setting itself again`,
        )
      }
      const [id, timer] = next
      timers.delete(id)
      pass(Math.max(0, timer.due - elapsed))
      timer.run()
      await macrotask()
    }
    pass(limit - elapsed)
  }

  return {
    clock: {
      now: () => wall,
      monotonic: () => elapsed,
      setTimeout: (run, ms) => {
        const delay = Number.isFinite(ms)
          ? Math.min(Math.max(ms, 0), LONGEST_DELAY)
          : ms > 0
            ? LONGEST_DELAY
            : 0
        timers.set(++timersSet, { due: elapsed + delay, run })
        return timersSet
      },
      clearTimeout: (timer) => {
        timers.delete(timer as number)
      },
      random: mulberry32(seed),
    },
    advance(ms) {
      assertDuration('advance', ms)
      const advance = advances.then(() => runUntil(elapsed + ms))
      advances = advance.catch(() => {})
      return advance
    },
    jump(ms) {
      wall += ms
    },
    sleep(ms) {
      assertDuration('sleep', ms)
      wall += ms
    },
    get pending() {
      return timers.size
    },
  }
}

function assertDuration(name: string, ms: number): void {
  if (!(ms >= 0 && Number.isFinite(ms))) {
    throw new TypeError(`${name}(ms): expected a number of milliseconds, zero or more; got ${ms}`)
  }
}

/** Mulberry32 by Tommy Ettinger (public domain): 32 bits of state are plenty for jitter in tests. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
