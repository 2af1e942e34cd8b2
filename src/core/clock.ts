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

/**
 * Milliseconds left of a time that begins now, by the clock that has come further: the wall clock sees the machine
 * sleep, the monotonic one sees through a wall clock that was set back.
 *
 * @param end when it ends by the wall clock
 */
export function countdown(clock: Clock, ms: number, end: number = clock.now() + ms): () => number {
  const until = clock.monotonic() + ms
  return () => Math.min(end - clock.now(), until - clock.monotonic())
}

/** Resolves after `ms`, or as soon as the signal aborts. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clock.clearTimeout(timer)
      signal?.removeEventListener('abort', wake)
      resolve()
    }
    const timer = clock.setTimeout(wake, Math.max(ms, 0))
    signal?.addEventListener('abort', wake)
    if (signal?.aborted) wake()
  })
}

/** A timer that keeps no process alive. */
export function idly(clock: Clock, run: () => void, ms: number): unknown {
  const timer = clock.setTimeout(run, ms)
  ;(timer as { unref?(): void }).unref?.()
  return timer
}
