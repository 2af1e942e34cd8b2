import { orAborted, throwIfAborted } from '../../core/abortable.ts'
import { countdown } from '../../core/clock.ts'
import { createLine } from '../../core/line.ts'
import type { SessionStore, Stored } from '../../core/store.ts'
import type { Home } from './home.ts'
import { ACQUIRE, BEGIN, CLEAR, RELEASE, RENEW } from './scripts.ts'
import { createTurn, type TurnTimes } from './turn.ts'

/** What waiting for a turn needs of the store. */
export interface Surroundings {
  /** Resolves once no message is missed any more, or that cannot be had. */
  listen(): Promise<unknown>
  /** The record in the fields of a reply. */
  recordIn(fields: unknown): Stored | undefined
  /** Somebody else has the turn, and this is the record now. */
  tell(stored: Stored | undefined): void
}

export interface Exclusive {
  run: SessionStore['exclusive']
  /** The turn may be free: whoever waits asks again. */
  wake(): void
  /**
   * The record as the server has just given it with the turn, while the work makes its first step: to ask once
   * more would bring the same.
   */
  said(): { readonly record: Stored | undefined } | undefined
}

/**
 * One turn at a time: first among those who use this store object, then among all contexts.
 *
 * Whoever finds the turn taken sleeps until a message says that it is free. Messages get lost; so nobody sleeps
 * longer than the server keeps the turn of a holder that is silent.
 */
export function createExclusive(home: Home, { listen, recordIn, tell }: Surroundings): Exclusive {
  const { clock, run, context, key, lease, ttl, keep } = home
  /** Of those who use this store object. */
  const queue = createLine()
  let turns = 0
  let wake = () => {}
  let said: { record: Stored | undefined } | undefined

  /** Where this does not arrive, the server lets go of the turn by itself. */
  function release(name: string): void {
    run(RELEASE, [context, name, key, context]).catch(() => {})
  }

  async function acquire(
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<{ left: TurnTimes['left']; record: Stored | undefined }> {
    // Subscribed first: what is freed after the question was answered is not missed.
    await orAborted(listen(), signal)
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const left = { lease: countdown(clock, lease), ttl: countdown(clock, ttl) }
      let answer: unknown
      try {
        answer = await orAborted(run(ACQUIRE, [context, name, ttl]), signal)
      } catch (reason) {
        // It may be ours all the same.
        release(name)
        throw reason
      }
      const [wait, fields] = answer as [number, unknown]
      const record = recordIn(fields)
      if (!Number(wait)) return { left, record }
      tell(record)
      try {
        // Not all at once.
        await orAborted(orAfter(woken, Number(wait) + clock.random() * 100), signal)
      } finally {
        wake()
      }
    }
  }

  async function orAfter(woken: Promise<void>, ms: number): Promise<void> {
    const timer = clock.setTimeout(() => wake(), ms)
    await woken
    clock.clearTimeout(timer)
  }

  return {
    wake: () => wake(),
    said: () => said,
    async run(work, signal) {
      throwIfAborted(signal)
      const pass = await queue(signal)
      const name = String(++turns)
      let left = false
      const leave = () => {
        if (left) return
        left = true
        pass()
        release(name)
      }
      let taken: Awaited<ReturnType<typeof acquire>>
      try {
        taken = await acquire(name, signal)
      } catch (reason) {
        pass()
        throw reason
      }
      const turn = createTurn(
        clock,
        { lease, ttl, left: taken.left },
        {
          renew: async (until) => Number(await run(RENEW, [context, name, ttl, until])) === 1,
          begin: async (until) => Number(await run(BEGIN, [context, name, ttl, until, keep])),
          clear: async (generation) => void (await run(CLEAR, [context, name, generation])),
        },
        leave,
      )
      try {
        said = { record: taken.record }
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
