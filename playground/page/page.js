import { createLane, WAYS } from '../lanes.mjs'
import { ONE_CALL, run, STORM } from '../storm.mjs'
import { spanOf } from '../waterfall.mjs'
import { createLaneView } from './lane-view.js'

/** The picture is never narrower than this, in milliseconds: else the first one would stretch and stretch. */
const SHORTEST = 1000

const board = document.querySelector('#lanes')
const said = document.querySelector('#said')
/** What everybody else sees at the counters. */
const summary = document.querySelector('#summary')
const signInButton = document.querySelector('[data-do="sign-in"]')

const setup = await (await fetch('/control/lanes')).json()
document.querySelector('#lifetime').textContent = String(setup.lifetime)
document.querySelector(`[name="fault"][value="${setup.fault}"]`).checked = true

const lanes = WAYS.map((way) => {
  const { origin } = setup.lanes.find(({ id }) => id === way.id)
  const view = createLaneView(way)
  const shown = { view, events: [], numbers: undefined, lane: undefined }
  const trace = (event) => {
    shown.events.push(event)
    draw()
  }
  const { issuer, client } = setup
  shown.lane = createLane(way, { origin, issuer, client, trace, fetch: (...all) => fetch(...all) })
  board.append(view.root)
  return shown
})

/** What is running now; the picture moves on for as long as anything does. */
let running = 0
let frame = 0
draw()

new EventSource('/control/numbers').addEventListener('message', ({ data }) => showNumbers(JSON.parse(data)))

const actions = {
  fetch: () => fetchAll(ONE_CALL),
  'fetch-many': () => fetchAll(STORM),

  async invalidate() {
    await control('invalidate')
    say('The API refuses the access tokens of all three from now on. Nobody told the clients.')
  },

  async 'sign-out'() {
    await Promise.all(lanes.map(({ lane }) => lane.signOut()))
    say('All three are signed out.')
  },

  async 'sign-in'() {
    await signIn(lanes.filter(({ numbers }) => !numbers?.signedIn))
    say('All three are signed in.')
  },
}

for (const button of document.querySelectorAll('[data-do]')) {
  button.addEventListener('click', () => {
    actions[button.dataset.do]().catch((error) => say(`That went wrong: ${error.message}`))
  })
}
for (const radio of document.querySelectorAll('[name="fault"]')) {
  radio.addEventListener('change', async () => {
    await control('fault', { fault: radio.value })
    say(`From now on the refresh of all three: ${radio.parentElement.textContent.trim()}.`)
  })
}

await signIn(lanes)
board.setAttribute('aria-busy', 'false')
say('All three are signed in. Fetch many, wait until the tokens have expired, and fetch many again.')

async function signIn(some) {
  await Promise.all(some.map(({ lane }) => lane.signIn()))
}

/** The same calls in all three lanes, at the same moment. */
async function fetchAll(calls) {
  const size = calls.length
  // While something runs, more of it goes into the same picture.
  if (running++ === 0) {
    board.setAttribute('aria-busy', 'true')
    await control('clear')
    for (const shown of lanes) shown.events = []
  }
  try {
    const firsts = await Promise.all(lanes.map(({ lane }) => control('run', { lane: lane.way.id, size })))
    say(`${size} ${size === 1 ? 'request' : 'requests'} in each lane …`)
    await Promise.all(
      lanes.map(async ({ lane }, index) => {
        const { first } = firsts[index]
        await run(lane, calls, first)
        showNumbers(await control('run-ended', { lane: lane.way.id, first, size }))
      }),
    )
  } finally {
    if (--running === 0) board.setAttribute('aria-busy', 'false')
  }
  if (running > 0) return
  say('All settled.')
  summary.textContent = lanes.map(sumUp).join(' ')
}

function sumUp({ lane, numbers: { asked, answered, failed, refreshes, signedOut } }) {
  const out = signedOut ? ', signed out' : ''
  const times = refreshes === 1 ? '1 refresh' : `${refreshes} refreshes`
  return `${lane.way.title}: ${answered} of ${asked} answered, ${failed} failed, ${times}${out}.`
}

function showNumbers(all) {
  for (const shown of lanes) {
    shown.numbers = all[shown.lane.way.id]
    shown.view.showNumbers(shown.numbers)
  }
  signInButton.disabled = lanes.every(({ numbers }) => numbers.signedIn)
}

/** Draws all lanes on one time axis, in the next frame and for as long as something runs. */
function draw() {
  if (frame) return
  frame = requestAnimationFrame(() => {
    frame = 0
    const now = Date.now()
    const spans = lanes.filter(({ events }) => events.length > 0).map(({ events }) => spanOf(events, now))
    const from = Math.min(now, ...spans.map((span) => span.from))
    const to = Math.max(from + SHORTEST, ...spans.map((span) => span.to))
    for (const { view, events } of lanes) view.draw(events, from, to)
    if (running > 0) draw()
  })
}

async function control(name, body = {}) {
  const response = await fetch(`/control/${name}`, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}

function say(text) {
  said.textContent = text
}
