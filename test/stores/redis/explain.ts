import type { LogEntry, ReuseEntry } from 'refresh-once/testing'
import type { Blow, JournalEntry } from './fleet.ts'

/** A reuse in the server's log that nothing explains which a client cannot repair. */
export interface Unexplained {
  readonly reuse: string
  readonly history: readonly string[]
}

/** Milliseconds that a signal may take. */
const DELIVERY = 100

/**
 * What no client can repair (PROTOCOL, last section): whoever had sent the token was killed or stopped before its
 * successor was saved, or was stopped between the check and the wire.
 */
export function unexplained(
  log: readonly LogEntry[],
  journal: readonly JournalEntry[],
  blows: readonly Blow[],
): Unexplained[] {
  const pauses = [...blows, ...journal.filter(({ what }) => what === 'stalled')]
  return log
    .filter((entry): entry is ReuseEntry => entry.kind === 'reuse')
    .filter((reuse) => !isExplained(reuse, journal, pauses))
    .map((reuse) => ({
      reuse: `${reuse.at} ${reuse.explanation}`,
      history: [
        ...journal
          .filter(({ id }) => id === reuse.user)
          .map(({ at, what, process, token }) => `${at} process ${process} ${what} ${token}`),
        ...pauses.map(({ at, until, process }) => `${at} process ${process} was paused until ${until}`),
      ].sort(),
    }))
}

function isExplained(reuse: ReuseEntry, journal: readonly JournalEntry[], pauses: readonly Blow[]): boolean {
  const senders = journal.filter(({ what, token }) => what === 'sent' && token === reuse.token)
  return senders.some((sent) => {
    const saved = journal.find(
      ({ what, id, process, at }) =>
        what === 'saved' && id === sent.id && process === sent.process && at >= sent.at,
    )
    const done = Math.min(saved?.at ?? Number.POSITIVE_INFINITY, reuse.at)
    return pauses.some(
      ({ process, at, until }) => process === sent.process && until + DELIVERY >= sent.at && at <= done,
    )
  })
}
