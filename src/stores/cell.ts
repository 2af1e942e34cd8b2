import { type Clock, systemClock } from '../core/clock.ts'
import { say } from '../core/messages.ts'
import type { SessionStore } from '../core/store.ts'
import type { Cell } from './cell/cell.ts'
import { createCellStore } from './cell/store.ts'

export type { Cell }

/** Options of {@link cellStore}. Times are in milliseconds. */
export interface CellStoreOptions {
  /** How long a refresh may stay unanswered until it loses its turn. @default 60_000 */
  lease?: number | undefined
  /**
   * How long the turn of a context lasts that is silent, because it has died or lost contact; a living one renews it.
   * At least 2_000.
   * @default 5_000
   */
  ttl?: number | undefined
  /** How long the cell may take for an answer, before it counts as not available. @default 2_000 */
  timeout?: number | undefined
  /**
   * How often the cell is read for news while a session is open: for a cell without `watch`, or one whose hints may
   * stop unnoticed. Without either, what others have saved is seen when a refresh is needed, and not before.
   * @default it is not
   */
  poll?: number | undefined
  /** @default the runtime's */
  clock?: Clock | undefined
}

/** Milliseconds. A session sends nothing in the last second of a turn. */
const SHORTEST_TTL = 2_000

/**
 * Keeps one session in a {@link Cell} of somebody else's engine, for all contexts that share it: one refresh at a time,
 * and one token set. Clocks of several machines need not agree: whether a holder is silent is seen by watching it.
 *
 * A request with a usable token does not touch the cell; a refresh replaces the text four times. It holds tokens as they
 * are: who can read the cell can use them. One store object is for one session object.
 *
 * @throws TypeError where an option is missing or cannot be used
 *
 * @example
 * createSession({ refresh, store: cellStore(postgresCells(pool)(userId)) })
 */
export function cellStore(cell: Cell, options: CellStoreOptions = {}): SessionStore {
  const { lease = 60_000, ttl = 5_000, timeout = 2_000, poll, clock = systemClock } = options
  const wrong = Object.entries({
    'cell.read': typeof cell?.read === 'function',
    'cell.replace': typeof cell?.replace === 'function',
    'cell.watch': !cell?.watch || typeof cell.watch === 'function',
    lease: typeof lease === 'number' && lease > 0,
    // It is written down.
    ttl: Number.isFinite(ttl) && ttl >= SHORTEST_TTL,
    timeout: typeof timeout === 'number' && timeout > 0,
    poll: poll === undefined || (typeof poll === 'number' && poll > 0),
  }).find(([, right]) => !right)
  if (wrong) throw new TypeError(say('cell', wrong[0]))
  return createCellStore({ cell, clock, lease, ttl: Math.min(ttl, lease), timeout, poll })
}
