import type { TimelineEntry } from './clean.ts'
import { createTimeline, type Timeline } from './timeline.ts'

/** What says that a file is one of ours. */
const MARK = 'refresh-once timeline'

/** Characters: a file of 5,000 requests has some three million. */
const LONGEST = 100_000_000

/** Makes JSON of what a timeline keeps. No token is in it. */
export function writeTimeline(timeline: Timeline): string {
  const entries = timeline.entries().map((entry) => JSON.stringify(entry))
  return `{"is":"${MARK}","version":1,"entries":[\n${entries.join(',\n')}\n]}\n`
}

/**
 * Reads what `writeTimeline` has made. It may come from anywhere: what is no event is left out, and secrets are, too.
 *
 * @throws TypeError where it is no such file
 */
export function readTimeline(text: string): TimelineEntry[] {
  let file: unknown
  try {
    if (text.length <= LONGEST) file = JSON.parse(text)
  } catch {
    // It is said below.
  }
  const { is, version, entries } = Object(file) as Record<string, unknown>
  if (is !== MARK || version !== 1 || !Array.isArray(entries))
    throw new TypeError('This is no file of a refresh-once timeline: expected JSON that "Export" has made.')
  const timeline = createTimeline({ limit: Number.MAX_SAFE_INTEGER })
  for (const entry of entries as unknown[]) {
    const { source, event } = Object(entry) as Record<string, unknown>
    timeline.add(String(source ?? ''), event)
  }
  return timeline.entries()
}
