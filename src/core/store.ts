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
  /** Names the context that made the token set. */
  nonce: string
}

/** The record of one session, as a store keeps it. */
export interface Stored {
  version: Version
  /** Absent before the first refresh has answered, and once the session has ended. */
  tokens?: TokenSet | undefined
  /** A tombstone: `signed-out` by the user, or `rejected` by the authorization server. */
  ended?: 'signed-out' | 'rejected' | undefined
  /** No refresh before this time, in epoch milliseconds: the cooldown or Retry-After that all contexts share. */
  notBefore?: number | undefined
  /** Somebody has sent, or is about to send, the refresh for this generation. */
  pending?: { generation: number; until: number } | undefined
}

/** The right to refresh, for a while. */
export interface Lease {
  /** Aborts when the lease ends. It never takes back the result of the work. */
  readonly signal: AbortSignal
  /** Milliseconds left, counted from before the lease was asked for. */
  remaining(): number
  /** Reserves the next generation, durably, before the refresh is sent. Rejects once the lease is lost. */
  begin(): Promise<number>
  /**
   * Drops this holder's own reservation: the refresh token was certainly not spent. Nobody waits for it any
   * more (its `until` has passed), but its number is never given out again.
   */
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
   * Tells of newer records that others have saved, eventually and in rising order; `degraded` hears what the
   * store cannot do any more (full disk, garbage found). Returns the function that ends it.
   */
  watch(listener: (stored: Stored) => void, degraded?: (reason: string) => void): () => void
  close(): void
}

const order = (a: string, b: string): number => (a < b ? -1 : Number(a > b))

/** Negative when `a` is older than `b`, zero when they are one. */
export function compareVersions(a: Version, b: Version): number {
  return order(a.epoch, b.epoch) || a.generation - b.generation || order(a.nonce, b.nonce)
}

/**
 * The one record that two records of a session amount to, whichever came first: the greater version; of
 * equal ones the rejected one, with the latest cooldown; and the greatest reservation as long as it is ahead.
 */
export function join(a: Stored, b: Stored): Stored {
  const difference = compareVersions(a.version, b.version)
  const [low, high] = difference < 0 ? [a, b] : [b, a]
  if (low.version.epoch !== high.version.epoch) return high
  const [p, q] = [low.pending, high.pending]
  const pending = !q || (p && (p.generation - q.generation || p.until - q.until) > 0) ? p : q
  // Not a spread: V8 would give each copy a hidden class of its own.
  return Object.assign({}, !difference && low.ended && high.ended !== 'rejected' ? low : high, {
    notBefore: difference ? high.notBefore : Math.max(low.notBefore ?? 0, high.notBefore ?? 0),
    pending: pending && pending.generation > high.version.generation ? pending : undefined,
  })
}

/** Decimal digits of an epoch's time, so that later epochs are greater strings. */
const TIME_DIGITS = 15

/** When a sign-in has begun, in epoch milliseconds of the clock of whoever has begun it. */
export const timeOf = (epoch: string): number => Number(epoch.slice(0, TIME_DIGITS))

/** No time, generation or reservation of ours comes to this: numbers are exact below it, and have a next one. */
const LIMIT = 1e15

/**
 * Names a new sign-in, greater than any that was seen and shared with nobody who signs in at the same time.
 *
 * A clock that was ahead is followed. Where its time has no next one, what was seen is made longer: greater, too.
 */
export function newEpoch(
  clock: Clock,
  seen = '',
  now: number = clock.now(),
  name: string | number = newNonce(clock),
): string {
  const time = Math.ceil(Math.max(now, timeOf(seen) + 1))
  return (time < LIMIT - 1 ? String(time).padStart(TIME_DIGITS, '0') : seen) + name
}

/** Some 100 random bits. */
export function newNonce({ random }: Clock): string {
  return `${random()}${random()}`
}

/** Whether somebody who knows `known` should hear of `stored`: it is newer, or has ended. */
export function isNews(stored: Stored, known: Stored | undefined): boolean {
  const difference = known ? compareVersions(stored.version, known.version) : 1
  return difference > 0 || (!difference && stored.ended !== known?.ended)
}

/**
 * Whether two records hold one access token: then only the rest has changed, for example the refresh token, because
 * another audience's access token was renewed. Servers may give the same one again: that was received at another time.
 */
export function hasSameAccess({ version, tokens }: Stored, other: Stored | undefined): boolean {
  const { accessToken, receivedAt } = tokens ?? {}
  return (
    version.epoch === other?.version.epoch &&
    accessToken === other.tokens?.accessToken &&
    receivedAt === other.tokens?.receivedAt &&
    // In cookie mode nobody knows it.
    (accessToken ? true : accessToken === '' && !receivedAt)
  )
}

/** As {@link newEpoch} makes them: a time that has a next one, and what `newNonce` adds. */
const EPOCH = /^(?!9{15})\d{15}[\d.e-]*$/

const isText = (value: unknown): value is string => typeof value === 'string'
const isEnd = (value: unknown) => value === undefined || value === null || Number.isFinite(value)

/** Whether it can be a generation. */
export const isCount = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) < LIMIT && Number(value) >= 0

/** Whether it can be reserved after this generation. Nobody comes so far ahead of what is saved; and it has a next one. */
export const isReservation = (value: unknown, generation = 0): value is number =>
  isCount(value) && value - generation < 1e6

/**
 * The record that was found somewhere, where it has the form of ours. Anything else may be greater than all that we
 * ever write: no sign-out would come after it. A cooldown or a reservation that nobody can have made is left out.
 */
export function storedOf(found: unknown): Stored | undefined {
  const { version, tokens, ended, notBefore, pending } = Object(found)
  const { epoch, generation, nonce } = Object(version)
  if (
    isText(epoch) &&
    EPOCH.test(epoch) &&
    isCount(generation) &&
    isText(nonce) &&
    (tokens === undefined ||
      (isText(tokens?.accessToken) && isEnd(tokens.expiresAt) && isEnd(tokens.receivedAt))) &&
    [undefined, 'signed-out', 'rejected'].includes(ended)
  )
    return {
      ...Object(found),
      notBefore: Number.isFinite(notBefore) ? notBefore : undefined,
      pending:
        isReservation(pending?.generation, generation) && Number.isFinite(pending.until)
          ? pending
          : undefined,
    }
  return undefined
}
