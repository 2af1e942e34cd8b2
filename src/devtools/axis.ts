import { fill } from './dom.ts'
import { durationOf } from './explain.ts'
import type { Lane, TokenWindow } from './timeline.ts'

/** A stretch of time, in epoch milliseconds. */
export interface Range {
  readonly from: number
  readonly to: number
}

/** What is drawn of the time, and where on it a moment is. */
export interface Scale extends Range {
  readonly now: number
  /** In percent of the width. */
  place(at: number): number
}

/** Milliseconds: what takes less is not stretched over the whole width. */
const SHORTEST = 50

export function scaleOf({ from, to }: Range, now: number): Scale {
  return {
    from,
    to,
    now,
    place: (at) => 100 * Math.min(1, Math.max(0, at - from) / (to - from)) || 0,
  }
}

/** The time of the rows in sight, and a little more. */
export function rangeOf(lanes: readonly Lane[], span: Range | undefined, now: number): Range {
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const lane of lanes) {
    from = Math.min(from, lane.from)
    to = Math.max(to, lane.to ?? now)
  }
  if (lanes.length === 0) {
    from = span?.from ?? 0
    to = span ? now : 0
  }
  return { from, to: Math.max(from + SHORTEST, to + (to - from) / 50) }
}

export function drawTicks(ticks: HTMLElement, { from, to }: Range): void {
  const duration = to - from
  const most = Math.max(2, Math.floor(ticks.clientWidth / 70))
  let step = 1
  for (let turn = 0; duration / step > most; turn++) step *= turn % 3 === 1 ? 2.5 : 2
  const count = Number.isFinite(duration) ? Math.ceil(duration / step) : 0
  for (const [index, tick] of fill(ticks, 'span', count).entries()) {
    const text = durationOf(index * step)
    if (tick.textContent !== text) tick.textContent = text
    tick.style.left = `${((100 * index * step) / duration).toFixed(3)}%`
  }
}

/** The life of the tokens of one source, behind the rows. */
export function drawSky(
  sky: HTMLElement,
  windows: readonly TokenWindow[],
  { from, to, now, place }: Scale,
): void {
  const parts = windows
    .filter((window) => window.from <= to && (window.to ?? now) >= from)
    .flatMap((window) => partsOf(window, Math.max(to, now)))
    .filter((part) => part.to > from && part.from < to)
  for (const [index, element] of fill(sky, 'i', parts.length).entries()) {
    const part = parts[index]
    if (!part) continue
    element.className = part.name
    element.style.left = `${place(part.from)}%`
    element.style.right = `${100 - place(part.to)}%`
  }
}

/** The phases of a token set, in the words of the style. */
function partsOf(
  { from, to, softAt, hardAt, expiresAt, refusedAt }: TokenWindow,
  now: number,
): { name: string; from: number; to: number }[] {
  const end = to ?? now
  const limits: [string, number][] = [
    ['fresh', from],
    ['ending', softAt ?? end],
    ['waits', hardAt ?? end],
    ['dead', Math.min(expiresAt ?? end, refusedAt ?? end)],
  ]
  const dead = limits[3]?.[1] ?? end
  return limits.flatMap(([name, start], index) => {
    const next = index < 3 ? Math.min(limits[index + 1]?.[1] ?? end, dead, end) : end
    return start < next ? { name, from: start, to: next } : []
  })
}
