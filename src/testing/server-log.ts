import { createConditions } from './condition.ts'
import type { FaultKind } from './faults.ts'

interface LoggedEvent {
  /** Position in the log, from 1. */
  readonly n: number
  /** When, by the server's clock, in milliseconds since the epoch. */
  readonly at: number
  /** The same for people: one sentence, never a token. */
  readonly explanation: string
}

/** Whose token it was. `'none'`: no token came; `'foreign'`: one came that this server never issued. */
export interface Presented {
  readonly family: string
  readonly generation?: number
  readonly user?: string
  /** Short hash of the token. */
  readonly token?: string
}

interface WhereItCame {
  readonly method: string
  /** Without the query, which may hold a token. */
  readonly path: string
}

/** A refresh that was answered with tokens: new ones, or within the grace the same ones again. */
export interface RefreshEntry extends LoggedEvent, WhereItCame {
  readonly kind: 'refresh' | 'grace'
  readonly user: string
  readonly family: string
  /** The generation that the answer carries. */
  readonly generation: number
  /** Short hash of the refresh token that was presented. */
  readonly token: string
  /** Whether the client got the answer, as far as the server can see. Changes while the answer is on its way. */
  answer: 'outstanding' | 'delivered' | 'lost'
  /** Why the answer was lost. */
  loss?: string
}

/** A refresh token came that had been exchanged before. */
export interface ReuseEntry extends LoggedEvent, WhereItCame {
  readonly kind: 'reuse'
  readonly user: string
  readonly family: string
  /** The generation whose refresh token was used again. */
  readonly generation: number
  readonly token: string
  /**
   * What became of the answer to the first use. `'lost-answer'`: the client cannot have known.
   * `'delivered'`: the client had been told. `'outstanding'`: the client did not wait for it.
   */
  readonly cause: 'lost-answer' | 'delivered' | 'outstanding'
  /** The `n` of the refresh that consumed the token. */
  readonly rotation: number
  /** Whether this reuse revoked the family. */
  readonly revoked: boolean
}

/** A request to the token endpoint that got an error, other than for reuse. */
export interface RefusedEntry extends LoggedEvent, WhereItCame {
  readonly kind: 'refused'
  readonly reason: 'unknown' | 'revoked' | 'missing' | 'unsupported'
  readonly user?: string
  readonly family?: string
  readonly generation?: number
  readonly token?: string
}

/** A request that was made to fail. */
export interface FaultEntry extends LoggedEvent, WhereItCame, Partial<Presented> {
  readonly kind: 'fault'
  readonly fault: FaultKind
}

/** A request that arrived at a guarded route, whatever became of it. */
export interface ApiEntry extends LoggedEvent, WhereItCame, Presented {
  readonly kind: 'api'
  /** The query parameter `id`. */
  readonly id?: string
  /** The status it was answered with; absent as long as it was not answered. */
  status?: number
  /** The connection ended before the answer: the client hung up, or a fault cut it. */
  aborted?: true
}

/** The API answered 401. */
export interface RejectedEntry extends LoggedEvent, WhereItCame, Presented {
  readonly kind: 'rejected'
  readonly status: 401
  readonly reason: 'none' | 'foreign' | 'expired' | 'revoked' | 'never'
  /** The `n` of the request. */
  readonly request: number
}

/** A side effect was executed. */
export interface EffectEntry extends LoggedEvent, WhereItCame {
  readonly kind: 'effect'
  readonly id: string
  readonly user: string
  readonly family: string
  readonly generation: number
  /** The `n` of the request. */
  readonly request: number
}

/** A family began or ended, or access tokens were expired by the test. */
export interface SessionEntry extends LoggedEvent {
  readonly kind: 'login' | 'logout' | 'revoked' | 'expired'
  readonly user?: string
  readonly family?: string
  readonly status?: number
}

export type LogEntry =
  | RefreshEntry
  | ReuseEntry
  | RefusedEntry
  | FaultEntry
  | ApiEntry
  | RejectedEntry
  | EffectEntry
  | SessionEntry

export interface ServerCount {
  /** Exchanges of a refresh token for new tokens. */
  readonly refreshes: number
  /** Requests that arrived at `/token` and `/refresh`, whatever became of them. */
  readonly refreshRequests: number
  /** Refresh tokens that were presented again, outside the grace. */
  readonly reuses: number
  /** Requests that arrived at guarded routes. */
  readonly api: number
  /** 401 answers of guarded routes. */
  readonly rejected: number
  /** Side effects that were executed. */
  readonly effects: number
}

export interface ServerLog {
  readonly entries: readonly LogEntry[]
  readonly count: { -readonly [Name in keyof ServerCount]: number }
  append<Entry extends LogEntry>(entry: Omit<Entry, 'n' | 'at'>): Entry
  /** Something about an entry became known later. */
  changed(): void
  until(condition: LogEntry['kind'] | ((log: readonly LogEntry[]) => boolean), count?: number): Promise<void>
  explain(): string
  close(reason: Error): void
}

export function createServerLog(now: () => number): ServerLog {
  const entries: LogEntry[] = []
  const count = { refreshes: 0, refreshRequests: 0, reuses: 0, api: 0, rejected: 0, effects: 0 }
  const conditions = createConditions()

  function tally(kind: LogEntry['kind']): void {
    if (kind === 'refresh') count.refreshes += 1
    if (kind === 'reuse') count.reuses += 1
    if (kind === 'api') count.api += 1
    if (kind === 'rejected') count.rejected += 1
    if (kind === 'effect') count.effects += 1
  }

  return {
    entries,
    count,
    append<Entry extends LogEntry>(fields: Omit<Entry, 'n' | 'at'>): Entry {
      const entry = { n: entries.length + 1, at: now(), ...fields } as unknown as Entry
      entries.push(entry)
      tally(entry.kind)
      conditions.check()
      return entry
    },
    changed: () => conditions.check(),
    until(condition, least = 1) {
      if (typeof condition === 'function') return conditions.until(() => condition(entries))
      return conditions.until(() => entries.filter((entry) => entry.kind === condition).length >= least)
    },
    explain() {
      const start = entries[0]?.at ?? 0
      return entries.map((entry) => line(entry, start)).join('\n')
    },
    close: (reason) => conditions.close(reason),
  }
}

function line(entry: LogEntry, start: number): string {
  const columns = [`#${entry.n}`.padEnd(5), `+${entry.at - start} ms`.padEnd(10), entry.kind.padEnd(9)]
  return `${columns.join('')}${entry.explanation}${outcome(entry)}`
}

/** What became known after the entry was written. */
function outcome(entry: LogEntry): string {
  if (entry.kind === 'api')
    return entry.status === undefined ? ' (not answered)' : ` (answered ${entry.status})`
  if (entry.kind !== 'refresh' && entry.kind !== 'grace') return ''
  return ` (answer ${entry.answer}${entry.loss === undefined ? '' : `: ${entry.loss}`})`
}
