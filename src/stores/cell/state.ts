import { say } from '../../core/messages.ts'
import { type Stored, storedOf } from '../../core/store.ts'

/** Who may refresh. */
export interface Turn {
  /** The context. */
  readonly owner: string
  /** Counts its turns. */
  readonly id: number
  /** Counts what it has said in it. Who is silent is taken to be gone. */
  readonly beat: number
  /** Until when it counts on it, in epoch milliseconds of its own clock. */
  readonly until: number
  /** So many milliseconds a holder that is silent keeps it. */
  readonly ttl: number
}

/** All that there is to know of a session, as it is in the cell. Members that another version of this package adds stay. */
export interface State {
  readonly record?: Stored | undefined
  readonly turn?: Turn | undefined
}

/** Says whose text it is. What a later version has written in another way is not written over. */
const FORMAT = 1

export function textOf(state: State): string {
  return JSON.stringify({ 'refresh-once': FORMAT, ...state })
}

/**
 * The state in a text, or undefined where it is none of ours.
 *
 * @throws Error where a later version of this package has written it in a way that this one cannot read
 */
export function stateOf(text: string | undefined): State | undefined {
  if (text === undefined) return {}
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return undefined
  }
  const { 'refresh-once': format, record, turn } = Object(found)
  if (!Number.isInteger(format)) return undefined
  if (format > FORMAT) throw new Error(say('cell-format'))
  const known = storedOf(record)
  if (record !== undefined && !known) return undefined
  const { owner, id, beat, until, ttl } = Object(turn)
  const whole = typeof owner === 'string' && [id, beat, until].every(Number.isFinite) && ttl > 0
  return { ...Object(found), record: known, turn: whole ? turn : undefined }
}
