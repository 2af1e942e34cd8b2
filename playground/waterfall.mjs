/**
 * From what happened in a lane to what there is to see. Nothing here touches a clock, a screen or a page.
 */

/**
 * The calls of a lane and its refreshes, each with the stretches of time that it went through:
 *
 * - `held`: not on the wire; before the first send, or between a 401 and the replay
 * - `wire`: sent for the first time, without an answer yet
 * - `replay`: sent again
 *
 * A stretch ends with the status of its answer, with `recalled`, or not at all yet (`to` is undefined).
 */
export function readTrace(events) {
  const calls = new Map()
  const refreshes = []

  for (const event of events) {
    const { type, at } = event
    if (type === 'refresh-begun') {
      refreshes.push({ id: event.refresh, from: at, to: undefined, ok: undefined })
    } else if (type === 'refresh-ended') {
      const refresh = refreshes.find(({ id, to }) => id === event.refresh && to === undefined)
      if (refresh) Object.assign(refresh, { to: at, ok: event.ok })
    } else if (type === 'called') {
      calls.set(event.call, {
        call: event.call,
        label: `${event.method} ${event.path.slice(1)}/${event.call}${event.late ? ' late' : ''}`,
        from: at,
        to: undefined,
        outcome: undefined,
        status: undefined,
        stretches: [{ kind: 'held', from: at, to: undefined, end: undefined }],
      })
    } else {
      const call = calls.get(event.call)
      // A lane is cleared while something of it is still on its way.
      if (call && call.to === undefined) follow(call, event)
    }
  }
  return { calls: [...calls.values()], refreshes }
}

function follow(call, { type, at, status, ok }) {
  const { stretches } = call
  const begin = (kind) => stretches.push({ kind, from: at, to: undefined, end: undefined })
  const end = (how) => {
    const last = stretches.at(-1)
    if (last.to !== undefined) return
    last.to = at
    last.end = how
    // The moment between two events of the same instant is no stretch of time.
    if (last.kind === 'held' && last.from === at) stretches.pop()
  }
  if (type === 'sent') {
    const again = stretches.some(({ kind }) => kind !== 'held')
    end()
    begin(again ? 'replay' : 'wire')
  } else if (type === 'answered') {
    end(status)
    if (status === 401) begin('held')
  } else if (type === 'recalled') {
    end('recalled')
    begin('held')
  } else if (type === 'settled') {
    end(status)
    Object.assign(call, { to: at, status, outcome: ok ? 'done' : 'failed' })
  }
}

/** From the first thing that happened to the last; `now` stands in for what is not over. */
export function spanOf(events, now) {
  if (events.length === 0) return { from: now, to: now }
  const open = readTrace(events)
  const running =
    open.calls.some(({ to }) => to === undefined) || open.refreshes.some(({ to }) => to === undefined)
  const times = events.map(({ at }) => at)
  return { from: Math.min(...times), to: running ? now : Math.max(...times) }
}

const UNICODE = {
  held: '░',
  wire: '─',
  replay: '━',
  401: '×',
  recalled: '«',
  done: '●',
  failed: '✖',
  many: '+',
  line: '─',
  tick: '┬',
}
const ASCII = {
  held: '.',
  wire: '-',
  replay: '=',
  401: 'x',
  recalled: '<',
  done: 'o',
  failed: '!',
  many: '+',
  line: '-',
  tick: '+',
}

const COLOURS = {
  held: 90,
  wire: 36,
  replay: 32,
  401: 33,
  recalled: 35,
  done: 32,
  failed: 31,
  refresh: 35,
  faint: 90,
  strong: 1,
}

const LABEL = 18
const RESULT = 9

/** How a picture is drawn: `width` in characters, `colour` and `unicode` where the terminal has them. */
function pens({ colour, unicode }) {
  const glyphs = unicode ? UNICODE : ASCII
  const paint = (name, text) => (colour && text ? `\u001b[${COLOURS[name]}m${text}\u001b[0m` : text)
  return { glyphs, paint }
}

/** What the signs mean, as many in a line as fit. */
export function drawLegend(style) {
  const { glyphs, paint } = pens(style)
  const signs = [
    ['held', glyphs.held.repeat(2), 'held, or waiting for a refresh'],
    ['wire', glyphs.wire.repeat(2), 'on the wire'],
    ['401', glyphs[401], '401'],
    ['replay', glyphs.replay.repeat(2), 'sent again'],
    ['done', glyphs.done, 'answered'],
    ['failed', glyphs.failed, 'failed'],
    ['refresh', '1-9', 'refreshes at a time'],
  ]
  const lines = []
  let length = Number.POSITIVE_INFINITY
  for (const [name, sign, text] of signs) {
    const added = sign.length + text.length + 4
    length += added
    if (length > style.width) {
      lines.push([])
      length = added
    }
    lines.at(-1).push(`${paint(name, sign)} ${text}`)
  }
  return lines.map((parts) => parts.join('   '))
}

/**
 * One lane as lines of text, `duration` milliseconds wide: the refreshes that were running at each moment,
 * then one line per call.
 */
export function drawLane(events, duration, style) {
  const { glyphs, paint } = pens(style)
  const cells = Math.max(10, style.width - LABEL - RESULT)
  const { from: start } = spanOf(events, 0)
  const { calls, refreshes } = readTrace(events)
  const cellOf = (at) => Math.min(cells - 1, Math.max(0, Math.floor(((at - start) / duration) * cells)))
  const line = (label, row, result) => `${label.padEnd(LABEL)}${drawRow(row, paint)} ${result}`.trimEnd()

  const running = new Array(cells).fill(0)
  for (const { from, to } of refreshes) {
    for (let cell = cellOf(from); cell <= cellOf(to ?? start + duration); cell++) running[cell]++
  }
  const refreshRow = running.map((count) =>
    count ? { name: 'refresh', sign: count > 9 ? glyphs.many : String(count) } : undefined,
  )
  const lines = [line('refresh', refreshRow, '')]
  for (const call of calls) {
    const row = new Array(cells).fill(undefined)
    for (const { kind, from, to } of call.stretches) {
      for (let cell = cellOf(from); cell <= cellOf(to ?? start + duration); cell++) {
        row[cell] = { name: kind, sign: glyphs[kind] }
      }
    }
    for (const { to, end } of call.stretches) {
      const name = end === 401 ? '401' : end
      if (name === '401' || name === 'recalled') row[cellOf(to)] = { name, sign: glyphs[name] }
    }
    if (call.to !== undefined) row[cellOf(call.to)] = { name: call.outcome, sign: glyphs[call.outcome] }
    const took =
      call.to === undefined
        ? 'no answer'
        : `${call.status || 'none'} ${String(call.to - call.from).padStart(4)}`
    lines.push(line(call.label, row, call.outcome === 'done' ? took : paint('failed', took)))
  }
  return lines
}

function drawRow(row, paint) {
  let text = ''
  for (let begin = 0; begin < row.length; ) {
    const name = row[begin]?.name
    let end = begin
    let signs = ''
    while (end < row.length && row[end]?.name === name) signs += row[end++]?.sign ?? ' '
    text += name ? paint(name, signs) : signs
    begin = end
  }
  return text
}

/** The time axis above the lanes, in milliseconds. */
export function drawAxis(duration, style) {
  const { glyphs, paint } = pens(style)
  const cells = Math.max(10, style.width - LABEL - RESULT)
  const step =
    [50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000].find((ms) => (ms / duration) * cells >= 9) ?? 20_000
  let numbers = ''
  const rule = new Array(cells).fill(glyphs.line)
  for (let at = 0; at < duration; at += step) {
    const cell = Math.floor((at / duration) * cells)
    rule[cell] = glyphs.tick
    numbers = numbers.padEnd(cell) + (at === 0 ? '0 ms' : String(at))
  }
  return [numbers, rule.join('')].map((text) => ' '.repeat(LABEL) + paint('faint', text))
}

const SIGNED_OUT = { reuse: 'yes: reuse', refused: 'yes: refused', 'sign-out': 'yes' }

/** The head of each column, a shorter one for narrow terminals, its value, and whether that is bad. */
const COLUMNS = [
  {
    head: 'refreshes',
    value: ({ refreshes }) => refreshes,
    // To try once more after a 503 is right; to refresh twice is not.
    bad: ({ refreshes, unavailable }) => refreshes - unavailable > 1,
  },
  { head: 'on the wire', short: 'on wire', value: ({ wire }) => wire },
  { head: 'failed', value: ({ failed }) => failed, bad: ({ failed }) => failed > 0 },
  {
    head: 'executed twice',
    short: 'twice',
    value: ({ twice }) => twice,
    bad: ({ twice }) => twice > 0,
  },
  {
    head: 'signed out',
    value: ({ signedOut }) => SIGNED_OUT[signedOut] ?? 'no',
    bad: ({ signedOut }) => signedOut !== null,
  },
  { head: 'last answer', short: 'last', value: ({ took }) => `${took} ms` },
]

/** The numbers of each way beside each other. */
export function drawTable(lanes, style) {
  const { paint, glyphs } = pens(style)
  const names = Math.max(...lanes.map(({ way }) => way.title.length))
  const table = (heads) => {
    const widths = COLUMNS.map(({ value }, index) =>
      Math.max(heads[index].length, ...lanes.map(({ numbers }) => String(value(numbers)).length)),
    )
    return { heads, widths, width: widths.reduce((sum, width) => sum + 2 + width, names) }
  }
  const wide = table(COLUMNS.map(({ head }) => head))
  const { heads, widths, width } =
    wide.width <= style.width ? wide : table(COLUMNS.map(({ head, short = head }) => short))
  const head = heads.map((text, index) => text.padStart(widths[index])).join('  ')
  const rows = lanes.map(({ way, numbers }) => {
    const values = COLUMNS.map(({ value, bad }, index) => {
      const text = String(value(numbers)).padStart(widths[index])
      return bad?.(numbers) ? paint('failed', text) : text
    })
    return `${way.title.padEnd(names)}  ${values.join('  ')}`
  })
  return [
    `${' '.repeat(names)}  ${paint('strong', head)}`,
    paint('faint', glyphs.line.repeat(width)),
    ...rows,
  ]
}
