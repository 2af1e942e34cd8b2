import { orAborted, throwIfAborted } from '../../core/abortable.ts'
import { type Clock, countdown } from '../../core/clock.ts'
import { createLine } from '../../core/line.ts'
import type { SessionStore } from '../../core/store.ts'
import { createTurn, type TurnCommands } from './turn.ts'

/** One turn, as the engine of a store keeps it. */
export interface Claim<State> extends TurnCommands {
  /** Asks for the turn: what is stored, as it was taken with it; or for how many milliseconds to wait, at most. */
  ask(signal: AbortSignal | undefined): Promise<{ readonly state: State } | number>
  /**
   * Gives it back. Where this does not arrive, the turn passes on by our silence. The next of those who use this store
   * object waits for what is returned.
   */
  release(): unknown
}

export interface Exclusive<State> {
  run: SessionStore['exclusive']
  /** The turn may be free: whoever waits asks again. */
  wake(): void
  /** What was taken with the turn, while the work makes its first step: to look again would bring the same. */
  said(): { readonly state: State } | undefined
}

/**
 * One turn at a time: first among those who use this store object, then among all contexts. Whoever finds the turn
 * taken sleeps until somebody says that it may be free, and no longer than the claim allows: the dead say nothing.
 *
 * @param lease how long a turn lasts at most, in milliseconds
 * @param ttl how long the turn of one who is silent is kept, in milliseconds
 * @param claim the turn of this number, among those of this store object
 */
export function createExclusive<State>(
  clock: Clock,
  lease: number,
  ttl: number,
  claim: (number: number) => Claim<State>,
): Exclusive<State> {
  /** Of those who use this store object. */
  const queue = createLine()
  let turns = 0
  let wake = () => {}
  let said: { readonly state: State } | undefined

  async function acquire({ ask, release }: Claim<State>, signal: AbortSignal | undefined) {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      const left = { lease: countdown(clock, lease), ttl: countdown(clock, ttl) }
      const asking = ask(signal)
      const answer = await orAborted(asking, signal).catch((reason: unknown) => {
        // It may be ours all the same.
        void asking.catch(() => {}).then(release)
        throw reason
      })
      if (typeof answer === 'object') return { ...answer, left }
      const timer = clock.setTimeout(wake, answer)
      await orAborted(woken, signal).finally(() => clock.clearTimeout(timer))
    }
  }

  return {
    wake: () => wake(),
    said: () => said,
    async run(work, signal) {
      throwIfAborted(signal)
      const pass = await queue(signal)
      const ours = claim(++turns)
      const { state, left } = await acquire(ours, signal).catch((reason: unknown) => {
        pass()
        throw reason
      })
      let over = false
      const leave = async () => {
        if (over) return
        over = true
        await ours.release()
        pass()
      }
      const turn = createTurn(clock, { lease, ttl, left }, ours, () => void leave())
      try {
        said = { state }
        const working = work(turn)
        said = undefined
        return await working
      } finally {
        said = undefined
        turn.stop()
        await leave()
      }
    },
  }
}
