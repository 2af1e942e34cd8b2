import { readTrace } from '../waterfall.mjs'

const COUNTERS = [
  ['refreshes', 'Refreshes'],
  ['wire', 'On the wire'],
  ['failed', 'Failed'],
  ['twice', 'Executed twice'],
  ['took', 'Last answer'],
]

const ENDINGS = {
  reuse: 'signed out: a refresh token came twice',
  refused: 'signed out: the refresh was refused',
  'sign-out': 'signed out',
}

/** A lane on the page: its heading, the server's numbers, and the waterfall. */
export function createLaneView({ id, title, hint }) {
  const root = element('section', { class: 'lane', 'data-lane': id, 'aria-labelledby': `${id}-title` })
  const status = element('span', { class: 'status' })
  const values = new Map()
  const counters = element('dl', { class: 'counters' })
  for (const [name, label] of COUNTERS) {
    const value = element('dd', { 'data-number': name }, '0')
    values.set(name, value)
    const pair = element('div')
    pair.append(element('dt', {}, label), value)
    counters.append(pair)
  }
  const heading = element('h2', { id: `${id}-title` }, title)
  const axis = element('div', { class: 'axis', 'aria-hidden': 'true' })
  const refreshes = createRow('refresh')
  refreshes.root.classList.add('refreshes')
  const list = element('ol', { class: 'calls', 'aria-label': `Requests: ${title}` })
  const rows = new Map()
  const empty = element('p', { class: 'empty' }, 'Nothing yet. Fetch something.')
  const waterfall = element('div', { class: 'waterfall' })
  waterfall.append(axis, refreshes.root, list, empty)
  root.append(heading, element('p', { class: 'hint' }, hint), status, counters, waterfall)

  return {
    root,

    /** What the server has counted. */
    showNumbers(numbers) {
      for (const [name, value] of values) {
        value.textContent = name === 'took' ? `${numbers.took} ms` : String(numbers[name])
      }
      // To try once more after a 503 is right; to refresh twice is not.
      mark('refreshes', numbers.refreshes - numbers.unavailable > 1)
      mark('failed', numbers.failed > 0)
      mark('twice', numbers.twice > 0)
      status.textContent = ENDINGS[numbers.signedOut] ?? (numbers.signedIn ? 'signed in' : 'not signed in')
      status.dataset.state = numbers.signedIn ? 'in' : numbers.signedOut === 'sign-out' ? 'left' : 'out'
    },

    /** Draws what happened between two moments; what is not over reaches to the second. */
    draw(events, from, to) {
      const trace = readTrace(events)
      const place = (at) => `${(100 * Math.min(1, Math.max(0, (at - from) / (to - from)))).toFixed(2)}%`
      const stretch = (one) => ({ left: place(one.from), right: place(one.to ?? to) })
      drawAxis(axis, to - from)
      drawRefreshes(refreshes, trace.refreshes, stretch)
      for (const call of trace.calls) {
        let row = rows.get(call.call)
        if (!row) {
          row = createRow(call.label, 'li')
          rows.set(call.call, row)
          list.append(row.root)
        }
        drawCall(row, call, stretch, place)
      }
      const alive = new Set(trace.calls.map(({ call }) => call))
      for (const [call, { root }] of rows) {
        if (alive.has(call)) continue
        root.remove()
        rows.delete(call)
      }
      empty.hidden = trace.calls.length > 0
    },
  }

  function mark(name, bad) {
    values.get(name).classList.toggle('bad', bad)
  }
}

function createRow(label, tag = 'div') {
  const root = element(tag, { class: 'row' })
  const track = element('div', { class: 'track' })
  const result = element('span', { class: 'result' })
  root.append(element('span', { class: 'label' }, label), track, result)
  return { root, track, result, bars: [] }
}

/** Refreshes that run at the same time lie above each other: that is the storm at the token endpoint. */
function drawRefreshes(row, refreshes, stretch) {
  const levels = []
  const bars = refreshes.map((refresh) => {
    let level = levels.findIndex((end) => end <= refresh.from)
    if (level < 0) level = levels.length
    levels[level] = refresh.to ?? Number.POSITIVE_INFINITY
    return { class: `bar refresh${refresh.ok === false ? ' refused' : ''}`, ...stretch(refresh), level }
  })
  row.track.style.setProperty('--levels', String(Math.max(1, levels.length)))
  paint(row, bars)
}

function drawCall(row, call, stretch, place) {
  const bars = []
  for (const one of call.stretches) {
    bars.push({ class: `bar ${one.kind}`, ...stretch(one) })
    if (one.end === 401) bars.push({ class: 'mark unauthorized', left: place(one.to) })
    if (one.end === 'recalled') bars.push({ class: 'mark recalled', left: place(one.to) })
  }
  if (call.to !== undefined) bars.push({ class: `mark ${call.outcome}`, left: place(call.to) })
  paint(row, bars)
  row.root.dataset.outcome = call.outcome ?? 'open'
  row.result.textContent =
    call.to === undefined ? '' : `${call.status || 'none'} · ${String(call.to - call.from)} ms`
}

/** Elements are kept from one frame to the next. */
function paint(row, bars) {
  for (const [index, bar] of bars.entries()) {
    if (!row.bars[index]) {
      row.bars[index] = element('span')
      row.track.append(row.bars[index])
    }
    const { style } = row.bars[index]
    if (row.bars[index].className !== bar.class) row.bars[index].className = bar.class
    style.left = bar.left
    style.right = bar.right === undefined ? '' : `calc(100% - ${bar.right})`
    if (bar.level !== undefined) style.setProperty('--level', String(bar.level))
  }
  for (const extra of row.bars.splice(bars.length)) extra.remove()
}

function drawAxis(axis, duration) {
  const step = [100, 250, 500, 1000, 2000, 5000, 10_000].find((ms) => duration / ms <= 4) ?? 20_000
  const ticks = []
  for (let at = 0; at < duration; at += step) {
    const tick = element('span', {}, at < 1000 && step < 1000 ? `${at} ms` : `${at / 1000} s`)
    tick.style.left = `${((100 * at) / duration).toFixed(2)}%`
    ticks.push(tick)
  }
  axis.replaceChildren(...ticks)
}

function element(tag, attributes = {}, text = '') {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  if (text) made.textContent = text
  return made
}
