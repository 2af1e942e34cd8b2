import type { SessionStore } from '../core/store.ts'
import { news } from './contract/news.ts'
import type { Place } from './contract/place.ts'
import { records } from './contract/records.ts'
import { reservations } from './contract/reservations.ts'
import { turns } from './contract/turns.ts'

export interface StoreContractOptions {
  /**
   * Whether stores that are opened at the same place share their record, as tabs or processes do. If not, what
   * takes several contexts is left out.
   * @default true
   */
  shared?: boolean
  /**
   * Whether a turn passes on at the end of its lease although the holder is alive and its work goes on. If not,
   * what takes that is left out.
   * @default true
   */
  passesOn?: boolean
  /**
   * How long a lease lasts where its end is waited for, in milliseconds.
   * @default 250
   */
  briefLease?: number
  /**
   * How long a lease lasts where its end must not come, in milliseconds.
   * @default 60_000
   */
  lease?: number
}

/** One rule of the contract, ready to run in any test runner, or in a page. */
export interface StoreCheck {
  /** What must hold, as a sentence. */
  readonly name: string
  /** Rejects with an Error that says what does not hold. */
  run(): Promise<void>
}

/** Opens a store at `place`, whose lease lasts `lease` milliseconds. A store opened there again is another context. */
export type OpenStore = (place: string, lease: number) => SessionStore | Promise<SessionStore>

/**
 * Checks that a store keeps the contract of {@link SessionStore}: what a session relies on so that a refresh
 * token is never spent twice, and a token set never lost.
 *
 * Each check has a place of its own, and closes the stores that it has opened. It takes time as it is: a check
 * of the end of a lease waits for it.
 *
 * @example
 * for (const { name, run } of storeContract((place, lease) => myStore({ key: place, lease }))) test(name, run)
 */
export function storeContract(open: OpenStore, options: StoreContractOptions = {}): StoreCheck[] {
  const { shared = true, passesOn = true, briefLease = 250, lease = 60_000 } = options
  return [...records, ...turns, ...reservations, ...news]
    .filter((rule) => (shared || !rule.shared) && (passesOn || !rule.passesOn))
    .map(({ name, check }) => ({
      name,
      async run() {
        const stores: SessionStore[] = []
        try {
          await check(newPlace(open, { briefLease, lease }, stores))
        } finally {
          for (const store of stores) store.close()
        }
      },
    }))
}

function newPlace(
  open: OpenStore,
  { briefLease, lease }: { briefLease: number; lease: number },
  stores: SessionStore[],
): Place {
  const place = `contract-${String(Math.random()).slice(2)}`
  const opener = (time: number) => async () => {
    const store = await open(place, time)
    stores.push(store)
    return store
  }
  return {
    open: opener(lease),
    openBrief: opener(briefLease),
    elsewhere: () => newPlace(open, { briefLease, lease }, stores),
  }
}
