import { say } from '../../core/messages.ts'
import { isCount, isReservation, storedOf } from '../../core/store.ts'
import { hasTime } from './names.ts'
import type { Owner } from './owner.ts'
import type { Kept } from './secrets.ts'

/** Who may refresh. */
export interface Turn extends Owner {
  readonly id: string
  /** Reserved with the turn. */
  readonly generation: number
  /** In epoch milliseconds, by the holder's clock. */
  readonly until: number
  /** So many milliseconds a holder that is silent keeps it. */
  readonly ttl: number
}

/** All that there is to know of a login, as it is on the disk. Members that another version of this package adds stay. */
export interface State {
  /** Says whose file it is, and in which format. */
  'refresh-once'?: number
  record?: Kept | undefined
  turn?: Turn | undefined
  /** In the first state of a folder: the number that comes next. */
  since?: number
  /** Numbers that hold no state. They are to be set aside, not removed: something else is in them. */
  skipped?: number[] | undefined
  /** Names of tokens that are kept elsewhere, the newest first, until they are certainly removed. */
  secrets?: string[] | undefined
}

/** What this version writes. What a later one has written in another way is not written over. */
export const FORMAT = 1

/**
 * The state in the text of a file, where it is one.
 *
 * @throws Error where a later version of this package has written it in a way that this one cannot read
 */
export function stateOf(text: string): State | undefined {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return undefined
  }
  const { 'refresh-once': format, record, turn, since, skipped, secrets } = Object(found)
  if (!isCount(format)) return undefined
  if (format > FORMAT) throw new Error(say('file-format'))
  const known = storedOf(record)
  if ((record !== undefined && !known) || (since !== undefined && !hasTime(since))) return undefined
  const { id, generation, until, ttl } = Object(turn)
  const whole =
    /^\w+$/.test(id) &&
    isReservation(generation, known?.version.generation) &&
    Number.isFinite(until) &&
    ttl > 0
  return {
    ...Object(found),
    record: known,
    turn: whole ? turn : undefined,
    skipped: Array.isArray(skipped) ? skipped : undefined,
    secrets: Array.isArray(secrets) ? secrets.filter((name) => typeof name === 'string') : undefined,
  }
}
