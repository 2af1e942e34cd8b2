import type { SessionEvent } from '../core/events.ts'
import { lineOf } from '../log.ts'
import { cleanEvent, cleanName, type TimelineEntry } from './clean.ts'

/** Options of {@link formatEvents}. */
export interface FormatOptions {
  /** Whether each line begins with the milliseconds since the first event. @default true */
  times?: boolean | undefined
}

/**
 * The text form of a timeline, for a terminal and for tests: one line per event, in the words of `logTo`, with the
 * milliseconds since the first. Where several tabs or processes are told of, each line names its own.
 *
 * No token is in it, no header and no body; of a URL neither query nor fragment. What is no event is left out.
 *
 * @param events what `session.observe` has told, or the entries of a timeline
 *
 * @example
 * const events: SessionEvent[] = []
 * session.observe((event) => events.push(event))
 * console.log(formatEvents(events))
 * //    0 ms  request-sent #1 GET https://api.example.com/items
 * //   41 ms  request-rejected #1 GET https://api.example.com/items, 401, Bearer error="invalid_token"
 */
export function formatEvents(
  events: Iterable<SessionEvent | TimelineEntry>,
  { times = true }: FormatOptions = {},
): string {
  const told = [...events].flatMap((one) => {
    const entry: Partial<TimelineEntry> = Object(one)
    const event = cleanEvent(entry.event ?? one)
    return event ? { source: entry.event ? cleanName(entry.source) : '', event } : []
  })
  const sources = [...new Set(told.map(({ source }) => source))]
  const first = Math.min(...told.slice(0, 1).map(({ event }) => event.at))
  const since = told.map(({ event }) => `${Math.round(event.at - first)} ms`)
  const width = since.reduce((most, { length }) => Math.max(most, length), 0)
  const name = sources.reduce((most, { length }) => Math.max(most, length), 0)
  return told
    .map(({ source, event }, index) =>
      [
        ...(times ? [since[index]?.padStart(width)] : []),
        ...(sources.length > 1 ? [source.padEnd(name)] : []),
        lineOf(event),
      ].join('  '),
    )
    .join('\n')
}
