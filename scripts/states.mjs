/**
 * The states of a session and what leads from one to the next, as the code has them: a real session is taken through
 * every state that it comes to, and in each one everything is tried that can happen to it. Time is simulated.
 *
 * `npm run states` writes the table and the picture of docs/guide.md; a test compares them with what the code does.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'

const GUIDE = new URL('../docs/guide.md', import.meta.url)
const PICTURE = new URL('../docs/states.svg', import.meta.url)
const TABLE = /(<!-- made by npm run states -->\n\n).*?(\n\n<!-- end -->)/s

/** How often each state is taken up again, each time after another past. */
const PASTS = 6

/** Steps after which it is no longer told upon what something happened: whoever has waited goes on by himself then. */
const TOLD = { 'refresh-started': 1 }
const TOLD_OF_OTHERS = 2

/** An hour: whatever is to come by itself has come. */
const LONG = 3_600_000

/** Where each state is in the picture; where it begins there is none. */
const PLACES = {
  '': undefined,
  restoring: [440, 40],
  unknown: [140, 140],
  'unknown, refreshing': [140, 300],
  'signed-in': [740, 140],
  'signed-in, refreshing': [740, 300],
  'signed-out': [440, 420],
}
const [WIDTH, HEIGHT, BOX, TALL] = [880, 460, 190, 44]

/** What is there when a session begins. */
const BEGINNINGS = {
  'nothing is known': {},
  'it is given tokens': { tokens: { accessToken: 'first', refreshToken: 'first', expiresIn: 600 } },
  'it is told that nobody is signed in': { tokens: null },
  'its store is empty': { store: () => {} },
  'its store has tokens': { store: (other) => other.signIn(tokensOf('kept')) },
  'its store has a sign-out': {
    store: async (other) => {
      await other.signIn(tokensOf('kept'))
      await other.signOut()
    },
  },
}

/** What can happen to it. */
const HAPPENINGS = {
  'somebody needs a token': ({ session }) => session.getAccessToken(),
  'a request is sent': ({ send }) => send(false),
  'the API refuses its token': ({ send }) => send(true),
  'the refresh brings tokens': ({ answer }) => answer(tokensOf('next')),
  'the refresh is refused': ({ answer }) => answer(answerOf(400, { error: 'invalid_grant' })),
  'the refresh fails for now': ({ answer }) => answer(answerOf(503, '', { 'retry-after': '60' })),
  '`signIn(tokens)`': ({ session }) => session.signIn(tokensOf('login')),
  '`signIn()`': ({ session }) => session.signIn(),
  '`update(tokens)`': ({ session }) => session.update(tokensOf('other organisation')),
  '`refresh()`': ({ session }) => session.refresh(),
  '`signOut()`': ({ session }) => session.signOut(),
  'the token expires': ({ pass }) => pass(LONG),
  'another tab signs in': ({ other }) => other?.signIn(tokensOf('elsewhere')),
  'another tab signs out': ({ other }) => other?.signOut(),
}

/**
 * Takes sessions through all states. Returns what leads from one to another, each once: `from` and `to` are states with
 * `, refreshing` where a refresh runs, `event` is what observers hear of it, and `when` what had happened.
 */
export async function explore(product) {
  const found = new Map()
  const pasts = Object.keys(BEGINNINGS).map((beginning) => [beginning])
  const taken = new Map()
  for (let past = pasts.shift(); past; past = pasts.shift()) {
    const [beginning, ...steps] = past
    const life = await live(product, beginning, steps)
    for (const { when, ...change } of life.changes) {
      const key = Object.values(change).join('\n')
      const known = found.get(key) ?? { ...change, when: [] }
      if (steps.length <= (TOLD[change.event] ?? TOLD_OF_OTHERS) && !known.when.includes(when))
        known.when.push(when)
      found.set(key, known)
    }
    const place = `${life.state} ${typeof BEGINNINGS[beginning].store}`
    const known = taken.get(place) ?? 0
    taken.set(place, known + 1)
    if (known < PASTS) pasts.push(...Object.keys(HAPPENINGS).map((step) => [...past, step]))
  }
  const order = Object.keys(PLACES)
  return [...found.values()].sort(
    (a, b) => order.indexOf(a.from) - order.indexOf(b.from) || order.indexOf(a.to) - order.indexOf(b.to),
  )
}

/** One life: its beginning and what happened then. What changed last is told. */
async function live({ createSession, memoryStore, withSession, createTestClock }, beginning, steps) {
  const time = createTestClock()
  const { clock } = time
  const { store: fill, ...given } = BEGINNINGS[beginning]
  const calls = []
  const refresh = () => new Promise((resolve) => calls.push(resolve))
  const shared = fill && shareStore(memoryStore({ clock }))
  const other = shared && createSession({ refresh, store: shared.open(), clock, tokens: null })
  const settle = (promise) => Promise.resolve(promise).catch(() => {})
  if (fill) {
    await settle(fill(other))
    await time.advance(0)
  }

  const changes = []
  let when = beginning
  const session = createSession({ refresh, clock, ...given, ...(shared && { store: shared.open() }) })
  let before = nameOf(session.state)
  changes.push({ from: '', event: '', to: before, when })
  const note = (event, state) => {
    const to = nameOf(state)
    if (to !== before) changes.push({ from: before, event, to, when })
    before = to
  }
  session.observe((event) => note(event.type, event.state))
  session.subscribe((state) => note('', state))

  const refused = new Set()
  const fetch = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async (_url, { headers }) => {
      const token = new Headers(headers).get('authorization')
      if (refusing) refused.add(token)
      refusing = false
      return new Response('', { status: refused.has(token) ? 401 : 200 })
    },
  })
  let refusing = false
  const world = {
    session,
    other,
    pass: (ms) => time.advance(ms),
    send(refuse) {
      refusing = refuse
      return fetch('https://api.example.com/items')
    },
    answer: (what) => calls.pop()?.(what),
  }
  await time.advance(0)
  for (const step of steps) {
    when = step
    // Who waits for a refresh does so for longer than this step.
    const done = settle(HAPPENINGS[step](world))
    if (step === 'the token expires') await done
    for (let turn = 0; turn < 4; turn++) await time.advance(1)
  }
  const state = before
  const { length } = changes
  session.close()
  other?.close()
  await time.advance(LONG)
  return { state, changes: changes.slice(0, length) }
}

function tokensOf(name) {
  return { accessToken: name, refreshToken: name, expiresIn: 600 }
}

function nameOf({ status, refreshing }) {
  return refreshing ? `${status}, refreshing` : status
}

/** As axios has it: there is nothing to be read, which would take time of the machine's. */
function answerOf(status, data, headers = {}) {
  return { status, data, headers }
}

/** One record, and a store for each who shares it: the others hear of what one saves. */
function shareStore(memory) {
  const listeners = new Map()
  return {
    open() {
      const own = {}
      const tell = (record) => {
        for (const [who, listener] of listeners) if (who !== own) listener(record)
      }
      return {
        ...memory,
        async save(next) {
          const saved = await memory.save(next)
          tell(saved)
          return saved
        },
        watch(listener) {
          listeners.set(own, listener)
          return () => listeners.delete(own)
        },
      }
    },
  }
}

/** A row for each way from one state to another, under the number that it has in the picture. */
export function tableOf(changes) {
  const rows = numbered(changes).map(
    ({ number, from, to, event, when }) =>
      `| ${number} | ${from || '*the beginning*'} | ${to} | ${event && `\`${event}\``} | ${when.join('; ')} |`,
  )
  return ['| | from | to | event | when |', '|---:|---|---|---|---|', ...rows].join('\n')
}

export function pictureOf(changes) {
  const lines = []
  const badges = []
  for (const { number, from, to } of numbered(changes)) {
    if (!from) continue
    const [start, bend, end] = curve(placeOf(from), placeOf(to))
    const known = lines.find((line) => line.from === from && line.to === to)
    if (known) {
      known.numbers.push(number)
      continue
    }
    lines.push({ from, to, numbers: [number], d: `M${start}Q${bend} ${end}`, at: middle(start, bend, end) })
  }
  for (const {
    numbers,
    at: [x, y],
  } of lines) {
    const text = numbers.join(' ')
    const wide = 12 + text.length * 7
    badges.push(
      `<rect class="badge" x="${x - wide / 2}" y="${y - 9}" width="${wide}" height="18" rx="9"/>`,
      `<text class="number" x="${x}" y="${y + 4}">${text}</text>`,
    )
  }
  const boxes = Object.entries(PLACES).flatMap(([name, place]) =>
    place
      ? [
          `<rect class="${name.includes(',') ? 'busy' : 'state'}" x="${place[0] - BOX / 2}" y="${place[1] - TALL / 2}" width="${BOX}" height="${TALL}" rx="8"/>`,
          `<text class="name" x="${place[0]}" y="${place[1] + 5}">${name}</text>`,
        ]
      : [],
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    '<title>The states of a session, and what leads from one to the next; the table below says the same.</title>',
    `<style>${STYLE}</style>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
    `<rect class="paper" width="${WIDTH}" height="${HEIGHT}" rx="8"/>`,
    ...lines.map(({ d }) => `<path class="way" d="${d}" marker-end="url(#tip)"/>`),
    ...boxes,
    ...badges,
    '</svg>\n',
  ].join('\n')
}

/** By paper of its own it can be read on any page; where the reader's is dark, so is the picture's. */
const STYLE = `
  svg { --paper: #fbfbfa; --card: #fff; --ink: #1d2129; --soft: #5d6572; --line: #b9c1cd; --refresh: #9a5bc7 }
  @media (prefers-color-scheme: dark) { svg { --paper: #14171c; --card: #1b1f26; --ink: #e6e9ee; --soft: #9aa3b1; --line: #4a5361; --refresh: #b17fdc } }
  text { font: 12px system-ui, sans-serif; fill: var(--soft); text-anchor: middle }
  .name { font-size: 14px; font-weight: 600; fill: var(--ink) }
  .paper { fill: var(--paper) } .state, .busy { fill: var(--card); stroke: var(--line) } .busy { stroke: var(--refresh); stroke-width: 2 }
  .way { fill: none; stroke: var(--soft) } .tip { fill: var(--soft) } .badge { fill: var(--paper); stroke: var(--line) }
`

function numbered(changes) {
  return changes.map((change, index) => ({ ...change, number: index + 1 }))
}

function placeOf(state) {
  const place = PLACES[state]
  if (!place) throw new Error(`A new state: ${state}. Give it a place in the picture.`)
  return place
}

/** From the edge of one box to that of another, bent to the right: who goes the other way bends away. */
function curve([x1, y1], [x2, y2]) {
  const [dx, dy] = [x2 - x1, y2 - y1]
  const far = Math.hypot(dx, dy)
  const bend = [(x1 + x2) / 2 - (dy / far) * 46, (y1 + y2) / 2 + (dx / far) * 46]
  return [edge([x1, y1], bend), bend.map(round), edge([x2, y2], bend)]
}

/** Where the way from the middle of a box to a point leaves the box. */
function edge([x, y], [px, py]) {
  const part = Math.min(BOX / 2 / Math.abs(px - x || 1e-9), TALL / 2 / Math.abs(py - y || 1e-9))
  return [round(x + (px - x) * part), round(y + (py - y) * part)]
}

/** Nearer to the beginning: there the lines are not as many. */
function middle(a, b, c, t = 0.33) {
  return [0, 1].map((i) => round((1 - t) ** 2 * a[i] + 2 * t * (1 - t) * b[i] + t * t * c[i]))
}

function round(x) {
  return Math.round(x * 10) / 10
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const { ensureBuilt, ensurePackages } = await import('./setup.mjs')
  ensurePackages()
  ensureBuilt()
  const product = await Promise.all(
    ['index', 'transports/fetch', 'testing/index'].map((file) => import(`../dist/${file}.js`)),
  )
  const changes = await explore(Object.assign({}, ...product))
  writeFileSync(PICTURE, pictureOf(changes))
  const guide = readFileSync(GUIDE, 'utf8')
  writeFileSync(
    GUIDE,
    guide.replace(TABLE, (_, before, after) => before + tableOf(changes) + after),
  )
}
