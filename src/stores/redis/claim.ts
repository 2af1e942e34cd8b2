import { orAborted } from '../../core/abortable.ts'
import type { Stored } from '../../core/store.ts'
import type { Claim } from '../shared/exclusive.ts'
import type { Home } from './home.ts'
import { ACQUIRE, BEGIN, CLEAR, RELEASE, RENEW } from './scripts.ts'

/** What waiting for a turn needs of the store. */
export interface Surroundings {
  /** Resolves once no message is missed any more, or that cannot be had. */
  listen(): Promise<unknown>
  /** The record in the fields of a reply. */
  recordIn(fields: unknown): Stored | undefined
  /** Somebody else has the turn, and this is the record now. */
  tell(stored: Stored | undefined): void
}

/** Not all ask again at once: milliseconds. */
const SPREAD = 100

/**
 * A turn that the server keeps. Whoever finds it taken sleeps until a message says that it is free. Messages get lost;
 * so nobody sleeps longer than the server keeps the turn of a holder that is silent.
 */
export function createClaim(
  number: number,
  { clock, run, context, key, ttl, keep }: Home,
  { listen, recordIn, tell }: Surroundings,
): Claim<Stored | undefined> {
  const name = String(number)
  return {
    async ask(signal) {
      // Subscribed first: what is freed after the question was answered is not missed.
      await orAborted(listen(), signal)
      const [wait, fields] = (await run(ACQUIRE, [context, name, ttl])) as [number, unknown]
      const state = recordIn(fields)
      if (!Number(wait)) return { state }
      tell(state)
      return Number(wait) + clock.random() * SPREAD
    },
    release: () => void run(RELEASE, [context, name, key, context]).catch(() => {}),
    renew: async (until) => Number(await run(RENEW, [context, name, ttl, until])) === 1,
    begin: async (until) => Number(await run(BEGIN, [context, name, ttl, until, keep])),
    clear: async (generation) => void (await run(CLEAR, [context, name, generation])),
  }
}
