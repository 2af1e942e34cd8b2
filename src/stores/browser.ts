import { type Clock, systemClock } from '../core/clock.ts'
import { say } from '../core/messages.ts'
import { ensureName } from '../core/name.ts'
import type { SessionStore } from '../core/store.ts'
import { createBrowserStore } from './browser/store.ts'

/** Options of {@link browserStore}. Times are in milliseconds. */
export interface BrowserStoreOptions {
  /** Names the session within its origin: all tabs, frames and workers that use the name share one session. */
  name: string
  /**
   * Where tokens are kept. `memory`: in the tabs only, which hand them to each other; when the last one is closed they
   * are gone. `disk`: in IndexedDB, as they are. The rest of the record, which is no secret, is in IndexedDB anyway.
   * @default 'memory'
   */
  persist?: 'memory' | 'disk' | undefined
  /** How long a refresh may stay unanswered until it loses its turn. @default 60_000 */
  lease?: number | undefined
  /** @default the runtime's */
  clock?: Clock | undefined
}

/**
 * Keeps one session for all tabs, frames and workers of an origin: one refresh at a time, and one token set.
 *
 * The truth is one record in IndexedDB, the turn to refresh is a Web Lock, and messages between tabs are hints. Where
 * one of these is missing, full or broken, the session goes on in memory, and observers get a `degraded` event that
 * says what no longer holds. One store object is for one session object.
 *
 * @throws TypeError where an option is missing or cannot be used
 *
 * @example
 * createSession({ refresh, store: browserStore({ name: 'my-app' }) })
 */
export function browserStore(options: BrowserStoreOptions): SessionStore {
  const { name, persist = 'memory', lease = 60_000, clock = systemClock } = Object(options)
  if (!/^(memory|disk)$/.test(persist) || typeof lease !== 'number' || !(lease > 0))
    throw new TypeError(say('browser', JSON.stringify(options)))
  ensureName(name, 'browserStore: expected a name')
  return createBrowserStore({ name: `refresh-once:${name}`, persist, lease, clock })
}
