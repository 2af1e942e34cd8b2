import type { Scale } from './axis.ts'
import { make } from './dom.ts'
import { durationOf, explainLane, explainRefresh } from './explain.ts'
import type { Lane, Refresh } from './timeline.ts'

/** Refreshes at the same time lie above each other; more than so many are drawn over each other. */
const LEVELS = 12

/** More of them are not told apart. */
const MOST_REFRESHES = 200

const RESULTS: Readonly<Record<Lane['result'], string>> = {
  open: 'open',
  done: '',
  failed: 'failed',
  ignored: 'left alone',
}

/** One row in the page: of the requests, only those in sight have one. */
export interface Slot {
  readonly root: HTMLElement
  readonly label: HTMLElement
  readonly track: HTMLElement
  readonly result: HTMLElement
  readonly bars: HTMLElement[]
  /** What it shows. */
  lane: Lane | undefined
  steps: number
  many: boolean
  index: number
}

interface Bar {
  readonly name: string
  /** Percent of the width. */
  readonly left: number
  readonly right?: number
  /** Pixels. */
  readonly top?: number
  readonly bottom?: number
}

export function makeSlot(name: string): Slot {
  const slot: Slot = {
    root: make('div', name),
    label: make('span', 'label'),
    track: make('span', 'track'),
    result: make('span', 'result'),
    bars: [],
    lane: undefined,
    steps: 0,
    many: false,
    index: -1,
  }
  slot.root.setAttribute('role', 'option')
  // As it is read, too.
  slot.root.append(slot.label, ' ', slot.track, slot.result)
  return slot
}

/** @param many whether there are several sources, so that each request says whose it is */
export function drawLane(slot: Slot, lane: Lane, many: boolean, { from, to, now, place }: Scale): void {
  const { root } = slot
  if (slot.lane !== lane || slot.steps !== lane.steps.length || slot.many !== many) {
    slot.many = many
    slot.lane = lane
    slot.steps = lane.steps.length
    root.className = `row ${lane.result}`
    slot.label.replaceChildren(
      ...(many ? [make('em', '', lane.source), ' '] : []),
      make('b', '', lane.method),
      ` ${pathOf(lane.url)}`,
    )
    slot.result.textContent = resultOf(lane)
    root.setAttribute('aria-label', `${root.textContent}. ${explainLane(lane).join('. ')}`)
  }
  const bars: Bar[] = []
  for (const { kind, from: begun, to: ended, end } of lane.stretches) {
    const until = ended ?? lane.to ?? now
    if (until < from || begun > to) continue
    bars.push({ name: kind, left: place(begun), right: place(until) })
    if (end) bars.push({ name: end, left: place(until) })
  }
  if (lane.result === 'failed' && lane.to !== undefined) bars.push({ name: 'lost', left: place(lane.to) })
  paint(slot, bars)
}

/**
 * The first row, which is as high as there are refreshes at the same time.
 *
 * @param told the one that it speaks of
 * @param row how high a row is, in pixels
 */
export function drawRefreshes(
  slot: Slot,
  refreshes: readonly Refresh[],
  told: Refresh | undefined,
  row: number,
  many: boolean,
  scale: Scale,
): void {
  const { place, now } = scale
  const levels: number[] = []
  const shown = refreshesIn(refreshes, scale).map((refresh) => {
    let level = levels.findIndex((end) => end <= refresh.from)
    if (level < 0) level = Math.min(levels.length, LEVELS - 1)
    levels[level] = Math.max(levels[level] ?? 0, refresh.to ?? now)
    return { refresh, level }
  })
  const depth = Math.max(1, levels.length)
  const height = Math.max(row, depth * 4 + 8)
  const bars = shown.map(({ refresh, level }): Bar => {
    const bad = refresh.result === 'failed' || refresh.result === 'refused'
    const name = `refresh${bad ? ' bad' : /^(adopted|ended)$/.test(refresh.result) ? ' elsewhere' : ''}`
    const top = 4 + (level * (height - 8)) / depth
    const bottom = height - 4 - ((level + 1) * (height - 8)) / depth + (depth > 1 ? 1 : 0)
    return { name, left: place(refresh.from), right: place(refresh.to ?? now), top, bottom }
  })
  const { root, label, result } = slot
  root.style.height = `${height}px`
  label.textContent = refreshes.length === 1 ? 'refresh' : 'refreshes'
  result.textContent = String(refreshes.length)
  paint(slot, bars)
  const words = told ? `${sourceOf(told, many)}${explainRefresh(told).join('. ')}` : 'none yet'
  root.setAttribute('aria-label', `${root.textContent}. ${words}`)
}

/** Those that have a bar, in the order of their bars. */
export function refreshesIn(refreshes: readonly Refresh[], { from, to, now }: Scale): Refresh[] {
  return refreshes
    .filter((refresh) => refresh.from <= to && (refresh.to ?? now) >= from)
    .slice(-MOST_REFRESHES)
}

/** What is said of the request or the refresh that is chosen or pointed at. */
export function tellOf(what: Lane | Refresh, many: boolean): string[] {
  if ('number' in what) return [`${sourceOf(what, many)}refresh ${what.number}`, ...explainRefresh(what)]
  const { id, method, url, status, result, from, to } = what
  const took = to === undefined ? 'open' : `${status || 'no answer'} after ${durationOf(to - from)}`
  const words = RESULTS[result] && result !== 'open' ? `, ${RESULTS[result]}` : ''
  const title = `${sourceOf(what, many)}#${id} ${method} ${url}: ${took}${words}`
  return [title, ...explainLane(what).slice(0, 12)]
}

/** Elements are kept from one frame to the next. */
function paint(slot: Slot, bars: readonly Bar[]): void {
  for (const [index, { name, left, right, top, bottom }] of bars.entries()) {
    let bar = slot.bars[index]
    if (!bar) {
      bar = make('s')
      slot.bars.push(bar)
      slot.track.append(bar)
    }
    if (bar.className !== name) bar.className = name
    const { style } = bar
    style.left = `${left.toFixed(3)}%`
    style.right = right === undefined ? '' : `${(100 - right).toFixed(3)}%`
    style.top = top === undefined ? '' : `${top}px`
    style.bottom = bottom === undefined ? '' : `${bottom}px`
  }
  for (const extra of slot.bars.splice(bars.length)) extra.remove()
}

function sourceOf({ source }: Lane | Refresh, many: boolean): string {
  return many ? `${source}: ` : ''
}

function resultOf({ status, result, from, to }: Lane): string {
  if (to === undefined) return '…'
  if (result === 'ignored') return 'left alone'
  return `${status || 'none'} · ${durationOf(to - from)}`
}

/** What tells requests of one API apart. */
function pathOf(url: string): string {
  return url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/]*/i, '') || url
}
