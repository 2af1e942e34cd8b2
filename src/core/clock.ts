/**
 * Time, timers and chance, as the core takes them in. Tests hand in a clock that they turn themselves.
 */
export interface Clock {
  /** Wall clock, in milliseconds since the epoch. It may jump. */
  now(): number
  /** Milliseconds that never go back. It may stand still while the machine sleeps. */
  monotonic(): number
  setTimeout(run: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
  /** A number in [0, 1). */
  random(): number
}

/** Longer delays overflow the timers of every engine and fire at once. */
const LONGEST_DELAY = 2 ** 31 - 1

/** The clock of the runtime. The globals are looked up at each call, so that fake timers work. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, ms) => setTimeout(run, Math.min(ms, LONGEST_DELAY)),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
  random: () => Math.random(),
}
