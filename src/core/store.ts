import type { Clock } from './clock.ts'
import type { TokenSet } from './tokens.ts'

/**
 * Orders everything that happens to a session: by epoch (one sign-in), then by generation (one token set),
 * then by nonce (only where two contexts without an arbiter chose the same generation).
 */
export interface Version {
  /** Names one sign-in: its time in fixed width, so that later ones are greater, and random digits. */
  epoch: string
  generation: number
  nonce: string
}

/** The record of one session, as a store keeps it. */
export interface Stored {
  version: Version
  /** Absent before the first refresh has answered, and once the session has ended. */
  tokens?: TokenSet
  /** A tombstone: `signed-out` by the user, or `rejected` by the authorization server. */
  ended?: 'signed-out' | 'rejected'
  /** No refresh before this time, in epoch milliseconds: the cooldown or Retry-After that all contexts share. */
  notBefore?: number
  /** Somebody has sent, or is about to send, the refresh for this generation. */
  pending?: { generation: number; until: number }
}

/** The right to refresh, for a while. */
export interface Lease {
  /** Aborts when the lease ends. It never takes back the result of the work. */
  readonly signal: AbortSignal
  /** Milliseconds left, counted from before the lease was asked for. */
  remaining(): number
  /** Reserves the next generation, durably, before the refresh is sent. Rejects once the lease is lost. */
  begin(): Promise<number>
  /** Drops this holder's own reservation: the refresh token was certainly not spent. */
  clear(generation: number): Promise<void>
}

/**
 * Where a session's record lives, and who may refresh it now.
 *
 * - `save` joins (see {@link join}): linearizable, idempotent, commutative, and it never lowers a version.
 * - `load` inside `exclusive` sees every `save` that has completed.
 * - `begin` is durable, unique and increasing.
 */
export interface SessionStore {
  load(): Promise<Stored | undefined>
  /** Joins `next` into the record and resolves with what is stored now. */
  save(next: Stored): Promise<Stored>
  /** Runs `work` while no other context does. `signal` ends the waiting for the turn only. */
  exclusive<T>(work: (lease: Lease) => Promise<T>, signal?: AbortSignal): Promise<T>
  /**
   * Tells of newer records, eventually and in rising order; `degraded` hears what the store cannot do any
   * more (full disk, garbage found). Returns the function that ends it.
   */
  watch(listener: (stored: Stored) => void, degraded?: (reason: string, cause?: unknown) => void): () => void
  close(): void
}

/** Negative when `a` is older than `b`, zero when they are one. */
export function compareVersions(a: Version, b: Version): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1
  if (a.generation !== b.generation) return a.generation - b.generation
  return a.nonce < b.nonce ? -1 : Number(a.nonce > b.nonce)
}

/**
 * The one record that two records of a session amount to, whichever came first: the greater version; of
 * equal ones the ended one, with the latest cooldown; and a reservation as long as it is still ahead.
 */
export function join(a: Stored, b: Stored): Stored {
  const order = compareVersions(a.version, b.version)
  const [high, low] = order < 0 ? [b, a] : [a, b]
  if (high.version.epoch !== low.version.epoch) return high
  const { pending: _, ...joined } = order === 0 && low.ended && !high.ended ? low : high
  if (order === 0 && (high.notBefore ?? low.notBefore) !== undefined) {
    joined.notBefore = Math.max(high.notBefore ?? 0, low.notBefore ?? 0)
  }
  const pending =
    (low.pending?.generation ?? 0) > (high.pending?.generation ?? 0) ? low.pending : high.pending
  return pending && pending.generation > high.version.generation ? { ...joined, pending } : joined
}

/** Base 36 digits of an epoch's time: enough until the year 5188. */
const TIME_DIGITS = 9

/** Names a new sign-in, greater than any that was seen and shared with nobody who signs in at the same time. */
export function newEpoch(clock: Clock, seen?: string): string {
  const after = seen === undefined ? 0 : Number.parseInt(seen.slice(0, TIME_DIGITS), 36) + 1
  return Math.max(clock.now(), after).toString(36).padStart(TIME_DIGITS, '0') + newNonce(clock)
}

/** 64 random bits. */
export function newNonce(clock: Clock): string {
  const half = () =>
    Math.floor(clock.random() * 2 ** 32)
      .toString(36)
      .padStart(7, '0')
  return half() + half()
}
