/**
 * The picture at the top of the README, drawn from one run of the storm: each call of each way is in it, and each
 * refresh, at the time when it took place.
 *
 * `npm start -- --once --picture docs/waterfall.svg` makes it anew.
 */
import { readTrace, spanOf } from './waterfall.mjs'

const WIDTH = 880
const MARGIN = 16
const SCALE = WIDTH - 2 * MARGIN
/** From one call to the next, and from one refresh to the next. */
const ROW = 8
const REFRESH = 3

/** By paper of its own it can be read on any page; where the reader's is dark, so is the picture's. */
const STYLE = `
  svg { --paper: #fbfbfa; --ink: #1d2129; --soft: #5d6572; --line: #dfe2e7;
    --held: #c3cad5; --wire: #3f86cc; --replay: #23824f; --refresh: #9a5bc7; --warn: #c96f06; --bad: #c9302c }
  @media (prefers-color-scheme: dark) { svg { --paper: #14171c; --ink: #e6e9ee; --soft: #9aa3b1; --line: #2f353f;
    --held: #4a5361; --wire: #5b9fe0; --replay: #3fb377; --refresh: #b17fdc; --warn: #f0a13c; --bad: #f0706b } }
  text { font: 12px system-ui, sans-serif; fill: var(--soft) }
  .title { font-weight: 600; font-size: 14px; fill: var(--ink) }
  path { fill: none; stroke-width: 5 }
  .grid { stroke: var(--line); stroke-width: 1 }
  .held { stroke: var(--held); stroke-width: 2 }
  .wire { stroke: var(--wire) }
  .replay { stroke: var(--replay) }
  .refresh { stroke: var(--refresh); stroke-width: 2 }
  .refused { stroke: var(--warn); stroke-width: 2 }
  .failed { stroke: var(--bad); stroke-width: 2 }
`

/** The runs of several ways as one SVG; `numbers` are those that the servers have counted. */
export function drawPicture(lanes) {
  const duration = Math.max(...lanes.map(({ events }) => lengthOf(events)))
  const xOf = (ms) => round(MARGIN + (ms / duration) * SCALE)
  const parts = [drawLegend(MARGIN, 22)]
  let y = 52
  for (const { way, events, numbers } of lanes) {
    parts.push(
      `<text class="title" x="${MARGIN}" y="${y}">${way.title}</text>`,
      `<text x="${WIDTH - MARGIN}" y="${y}" text-anchor="end">${tell(numbers)}</text>`,
    )
    const { height, marks } = drawLane(events, xOf, y + 12)
    parts.push(...drawGrid(duration, xOf, y + 6, height + 6), ...marks)
    y += height + 44
  }
  for (const at of ticks(duration))
    parts.push(`<text x="${xOf(at)}" y="${y - 20}">${at === 0 ? '0 ms' : at}</text>`)
  const height = y - 8
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${describe(lanes)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${WIDTH}" height="${height}" rx="8" style="fill: var(--paper)"/>`,
    ...parts,
    '</svg>\n',
  ].join('\n')
}

/** What there is to see, for those who do not see it. */
function describe(lanes) {
  return lanes.map(({ way, numbers }) => `${way.title}: ${tell(numbers)}.`).join(' ')
}

function tell({ refreshes, wire, failed, signedOut }) {
  const parts = [
    `${refreshes} ${refreshes === 1 ? 'refresh' : 'refreshes'}`,
    `${wire} requests`,
    `${failed} failed`,
  ]
  return [...parts, signedOut === null ? 'signed in' : 'signed out'].join(', ')
}

/** The refreshes, and below them the calls: a path for each kind of line. */
function drawLane(events, xOf, top) {
  const { from: start } = spanOf(events, 0)
  const { calls, refreshes } = readTrace(events)
  const paths = { refresh: '', held: '', wire: '', replay: '', refused: '', failed: '' }
  const line = (kind, from, to, y) => {
    paths[kind] += `M${xOf(from - start)} ${y}H${xOf(to - start)}`
  }
  const cross = (kind, at, y) => {
    paths[kind] += `M${round(xOf(at - start) - 3)} ${y - 3}l6 6m0-6l-6 6`
  }
  for (const [index, { from, to }] of refreshes.entries()) line('refresh', from, to, top + index * REFRESH)
  const first = top + refreshes.length * REFRESH + ROW / 2
  for (const [index, { to, outcome, stretches }] of calls.entries()) {
    const y = first + index * ROW
    for (const stretch of stretches) line(stretch.kind, stretch.from, stretch.to, y)
    for (const stretch of stretches) if (stretch.end === 401) cross('refused', stretch.to, y)
    if (outcome === 'failed') cross('failed', to, y)
  }
  return {
    height: first + calls.length * ROW - top,
    marks: Object.entries(paths).flatMap(([kind, d]) => (d ? `<path class="${kind}" d="${d}"/>` : [])),
  }
}

function drawGrid(duration, xOf, top, height) {
  const lines = ticks(duration).map((at) => `M${xOf(at)} ${top}v${height}`)
  return [`<path class="grid" d="${lines.join('')}"/>`]
}

function drawLegend(left, y) {
  const signs = [
    ['refresh', 'M0 0h18', 'a refresh'],
    ['held', 'M0 0h18', 'a request that waits'],
    ['wire', 'M0 0h18', 'on the wire'],
    ['refused', 'M6-3l6 6m0-6l-6 6', '401'],
    ['replay', 'M0 0h18', 'sent again'],
    ['failed', 'M6-3l6 6m0-6l-6 6', 'failed'],
  ]
  let x = left
  return signs
    .map(([kind, d, text]) => {
      const sign = `<g transform="translate(${x} ${y})"><path class="${kind}" d="${d}"/><text x="24" y="4">${text}</text></g>`
      x += 50 + text.length * 7
      return sign
    })
    .join('\n')
}

function ticks(duration) {
  return Array.from({ length: Math.ceil(duration / 500) }, (_, index) => index * 500)
}

function lengthOf(events) {
  const { from, to } = spanOf(events, 0)
  return to - from + 1
}

function round(x) {
  return Math.round(x * 10) / 10
}
