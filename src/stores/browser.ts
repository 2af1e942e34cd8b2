import { type Clock, systemClock } from '../core/clock.ts'
import { inProcessStore } from '../core/in-process-store.ts'
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
  if (typeof name !== 'string' || !name)
    throw new TypeError(`browserStore: expected the name of a session, got ${String(name)}`)
  if (persist !== 'memory' && persist !== 'disk')
    throw new TypeError(`browserStore: persist cannot be ${String(persist)}`)
  if (!(lease > 0)) throw new TypeError(`browserStore: lease cannot be ${String(lease)}`)
  return available()
    ? createBrowserStore({ name: `refresh-once:${name}`, persist, lease, clock })
    : forItself(inProcessStore(clock, lease))
}

function available(): boolean {
  try {
    return Boolean(globalThis.indexedDB)
  } catch {
    // A sandboxed frame.
    return false
  }
}

/** On a server, for example, where others who use the name are other users: nobody is listened to. */
function forItself(store: SessionStore): SessionStore {
  let report = (_: string) => {}
  return {
    ...store,
    load() {
      report('no IndexedDB here: other tabs neither share this session, nor a refresh')
      report = () => {}
      return store.load()
    },
    watch(_, degraded) {
      // The session is still being made: nobody can hear of it before the first look.
      if (degraded) report = (reason) => void Promise.resolve(reason).then(degraded)
      return () => {
        report = () => {}
      }
    },
  }
}
