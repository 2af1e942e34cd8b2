import { defineTimeline, shareEvents } from 'refresh-once/devtools'
import { createDpop, storedKey } from 'refresh-once/oauth'
import { createLane, WAYS } from '../lanes.mjs'
import { ONE_CALL, POSTS, run, STORM, THREE_CALLS } from '../storm.mjs'
import { asEvents } from './as-events.js'
import { AXIOS_REFRESH_ME } from './axios-refresh-me.js'
import { createLaneView, element } from './lane-view.js'
import { STEPS } from './steps.js'

/** The picture is never narrower than this, in milliseconds: else the first one would stretch and stretch. */
const SHORTEST = 600

/** Milliseconds: who has no answer then is counted as failed. */
const PATIENCE = 8000

/** Milliseconds: who has no answer then makes whoever watches wonder. */
const UNUSUAL = 3000

/** What an API that checks late adds, in milliseconds. */
const LATE = 600

const HOUR = 3_600_000

const find = (selector) => document.querySelector(selector)
const board = find('#lanes')
const said = find('#said')
/** What everybody else sees at the counters. */
const summary = find('#summary')
const signInButton = find('[data-do="sign-in"]')

defineTimeline()
const setup = await (await fetch('/control/lanes')).json()
find('#lifetime').textContent = String(setup.lifetime)
find(`[name="fault"][value="${setup.fault}"]`).checked = true

const [every401, queue, refreshOnce] = WAYS
const lanes = [every401, queue, AXIOS_REFRESH_ME, refreshOnce].map((way) => {
  const { origin } = setup.lanes.find(({ id }) => id === way.id)
  const view = createLaneView(way)
  const { timeline } = view
  const shown = { id: way.id, origin, view, numbers: undefined, lane: undefined }
  const show = (source, event) => {
    timeline.tell(source, event)
    if (event.type === 'refresh-started') for (const hear of refreshBegun) hear()
    draw()
  }
  const own = way === refreshOnce
  const trace = own ? () => {} : asEvents(way.id, show)
  const tell = own ? (event) => show(way.id, event) : undefined
  const { issuer, client } = setup
  const about = { origin, issuer, client, trace, tell }
  shown.open = (dpop) => {
    shown.lane?.close()
    shown.lane = createLane(way, { ...about, dpop, fetch: (...all) => fetch(...all) })
  }
  shown.open()
  board.append(view.root)
  return shown
})
const refreshBegun = new Set()

/** One sign-in of several tabs: what they tell comes from them. */
const tabs = {
  id: 'tabs',
  origin: setup.lanes.find(({ id }) => id === 'tabs').origin,
  view: createLaneView({
    id: 'tabs',
    title: 'refresh-once in tabs',
    hint: 'createSession({ store: browserStore({ name }) })',
  }),
  numbers: undefined,
}
board.append(tabs.view.root)
shareEvents(undefined, 'page', (source, event) => {
  tabs.view.timeline.tell(source, event)
  draw()
})
const everything = [...lanes, tabs]

/** What is running now; the picture moves on for as long as anything does. */
let running = 0
let frame = 0
let step = 0

new EventSource('/control/numbers').addEventListener('message', ({ data }) => showNumbers(JSON.parse(data)))

const invalidate = () => control('invalidate')

const actions = {
  fetch: () => fetchAll(ONE_CALL),
  'fetch-many': () => fetchAll(STORM),
  post: () => fetchAll(POSTS),

  async 'fetch-meanwhile'() {
    await invalidate()
    const begun = new Promise((resolve) => refreshBegun.add(resolve))
    const first = fetchAll(ONE_CALL)
    await Promise.race([begun, first])
    refreshBegun.clear()
    await Promise.all([first, fetchAll(THREE_CALLS)])
  },

  async invalidate() {
    await invalidate()
    say('The API refuses the access tokens of all of them from now on. Nobody told the clients.')
  },

  async busy() {
    // A browser opens six connections to an origin; the seventh request waits for one of them.
    const busy = lanes.flatMap(({ origin }) =>
      // One URL asked for six times at once would be one request after the other.
      Array.from({ length: 6 }, (_, index) => fetch(`${origin}/busy?${index}`).catch(() => {})),
    )
    say('Six connections of each are busy for four seconds: a refresh waits for one, too.')
    await Promise.all(busy)
  },

  async 'sign-out'() {
    await Promise.all(lanes.map(({ lane }) => lane.signOut()))
    say('All of them are signed out.')
  },

  async 'sign-in'() {
    await signIn(lanes.filter(({ numbers }) => !numbers?.signedIn))
    say('All of them are signed in.')
  },
}

for (const button of document.querySelectorAll('[data-do]')) {
  button.addEventListener('click', () => {
    showLanes(lanes.map(({ id }) => id))
    actions[button.dataset.do]().catch((error) => say(`That went wrong: ${error.message}`))
  })
}
for (const radio of document.querySelectorAll('[name="fault"]')) {
  radio.addEventListener('change', async () => {
    await control('fault', { fault: radio.value })
    say(`From now on the refresh of all of them: ${radio.parentElement.textContent.trim()}.`)
  })
}
const latency = find('#latency')
latency.addEventListener('input', () => {
  find('#latency-shown').textContent = `${latency.value} ms`
})
const late = find('#late')
const systemNow = Date.now
find('#clock').addEventListener('change', ({ target }) => {
  const wrong = target.checked ? HOUR : 0
  Date.now = () => systemNow() + wrong
  // What was drawn was at another time.
  for (const { view } of everything) view.timeline.clear()
  say(target.checked ? 'The clock of this page is an hour ahead.' : 'The clock of this page is right.')
})

find('#dpop').addEventListener('change', async ({ target }) => {
  const own = lanes.find(({ id }) => id === refreshOnce.id)
  target.disabled = true
  // Tokens are bound to a key or to none: it takes a sign-in.
  await own.lane.signOut()
  own.open(target.checked ? createDpop({ key: storedKey({ name: 'playground' }) }) : undefined)
  own.view.timeline.clear()
  await signIn([own])
  target.disabled = false
  say(
    target.checked
      ? 'The tokens of refresh-once are bound to a key that does not leave this browser; each send has a proof of its own.'
      : 'The tokens of refresh-once are good with whoever has them.',
  )
})

const steps = find('#steps')
STEPS.forEach(({ name, about }, index) => {
  const choice = element('button', { type: 'button' })
  choice.append(element('b', {}, index < 6 ? `${index + 1} ${name}` : name), ' ', element('span', {}, about))
  choice.addEventListener('click', () => openStep(index))
  const item = element('li')
  item.append(choice)
  steps.append(item)
})
find('#go').addEventListener('click', () =>
  takeStep().catch((error) => say(`That went wrong: ${error.message}`)),
)
find('#back').addEventListener('click', () => openStep(step - 1))
find('#next').addEventListener('click', () => openStep(step + 1))
const pick = find('#pick')

openStep(0)
await signIn(lanes)
await post(tabs.origin, '/auth/login')
board.setAttribute('aria-busy', 'false')
find('#go').disabled = false
say('You are signed in, four times over. Begin with the first step.')

/** Shows what a step is about. Nothing happens yet. */
function openStep(index) {
  step = index
  const { title, text, button, look, lanes: ids } = STEPS[index]
  find('#step-title').textContent = title
  find('#step-text').textContent = text
  find('#go').textContent = button
  find('#look').textContent = look
  find('#verdict').textContent = ''
  find('#back').disabled = index === 0
  find('#next').disabled = index === STEPS.length - 1
  find('#next').textContent = index < STEPS.length - 1 ? `${STEPS[index + 1].name} →` : 'That was all'
  for (const [at, { firstChild }] of [...steps.children].entries()) {
    if (at === index) firstChild.setAttribute('aria-current', 'step')
    else firstChild.removeAttribute('aria-current')
  }
  find('#frames').hidden = !STEPS[index].tabs
  // On a narrow screen there is not room for all of them.
  steps.scrollLeft = steps.children[index].offsetLeft - steps.offsetLeft - 40
  showLanes(ids)
  for (const { view } of everything) view.timeline.clear()
  draw()
}

/** On a narrow screen one of them at a time. */
function showLanes(ids) {
  const shown = everything.filter(({ id }) => ids.includes(id))
  for (const { id, view } of everything) view.root.hidden = !ids.includes(id)
  pick.hidden = shown.length < 2
  pick.replaceChildren(
    ...shown.map(({ id, view }) => {
      const choice = element('button', { type: 'button' }, view.root.querySelector('h2').textContent)
      choice.addEventListener('click', () => choose(id))
      choice.dataset.pick = id
      return choice
    }),
  )
  choose(shown.at(-1).id)
}

function choose(id) {
  for (const { id: other, view } of everything) view.root.classList.toggle('chosen', other === id)
  for (const choice of pick.children) choice.setAttribute('aria-pressed', String(choice.dataset.pick === id))
}

/** Makes it happen. */
async function takeStep() {
  const { lanes: ids, calls, expired, fault, tabs: frames, verdict } = STEPS[step]
  find('#go').disabled = true
  find('#verdict').textContent = ''
  const notice = setTimeout(() => {
    find('#verdict').textContent = 'Some have no answer yet; they are given up after eight seconds.'
  }, UNUSUAL)
  try {
    showLanes(ids)
    const some = lanes.filter(({ id }) => ids.includes(id))
    await setFault('works')
    // With a token that is as young as in the story.
    await signIn(some)
    if (expired) await invalidate()
    if (fault) await control('fault', { fault })
    if (frames) await sendFromTabs(frames)
    else await fetchAll(calls, some)
    showNumbers(await control('numbers'))
    find('#verdict').textContent = verdict(
      Object.fromEntries(everything.map(({ id, numbers }) => [id, numbers])),
    )
    steps.children[step].classList.add('done')
  } finally {
    clearTimeout(notice)
    await setFault('works')
    find('#go').disabled = false
  }
}

async function setFault(fault) {
  await control('fault', { fault })
  find(`[name="fault"][value="${fault}"]`).checked = true
}

const channel = new BroadcastChannel('playground')

/** Resolves when as many tabs have said so. */
function heard(what, count) {
  return new Promise((resolve) => {
    const names = new Set()
    const hear = ({ data }) => {
      if (data[what]) names.add(data[what])
      if (names.size < count) return
      channel.removeEventListener('message', hear)
      resolve()
    }
    channel.addEventListener('message', hear)
  })
}

async function sendFromTabs(count) {
  board.setAttribute('aria-busy', 'true')
  running++
  try {
    const frames = find('#frames')
    if (frames.children.length === 0) {
      const ready = heard('ready', count)
      for (let index = 1; index <= count; index++)
        frames.append(
          element('iframe', { src: `/playground/page/tab.html?name=tab%20${index}`, title: `Tab ${index}` }),
        )
      await ready
    }
    await control('clear')
    tabs.view.timeline.clear()
    await invalidate()
    const sent = heard('sent', count)
    channel.postMessage({ ask: 'send' })
    await sent
  } finally {
    if (--running === 0) board.setAttribute('aria-busy', 'false')
  }
}

async function signIn(some) {
  await Promise.all(some.map(({ lane }) => lane.signIn()))
}

/** The same calls in all of these lanes, at the same moment. */
async function fetchAll(calls, some = lanes) {
  const size = calls.length
  // While something runs, more of it goes into the same picture.
  if (running++ === 0) {
    board.setAttribute('aria-busy', 'true')
    await control('clear')
    for (const { view, lane } of some) {
      lane.renew()
      view.timeline.clear()
    }
  }
  const added = Number(latency.value) + (late.checked ? LATE : 0)
  const made = calls.map((call) => ({ ...call, late: (call.late ?? 0) + added }))
  try {
    const firsts = await Promise.all(some.map(({ id }) => control('run', { lane: id, size })))
    say(`${size} ${size === 1 ? 'request' : 'requests'} in each lane …`)
    draw()
    await Promise.all(
      some.map(async ({ lane, id }, index) => {
        const { first } = firsts[index]
        await run(lane, made, first, PATIENCE)
        showNumbers(await control('run-ended', { lane: id, first, size }))
      }),
    )
  } finally {
    if (--running === 0) board.setAttribute('aria-busy', 'false')
  }
  if (running > 0) return
  say('All settled.')
  summary.textContent = some.map(sumUp).join(' ')
}

function sumUp({ view, numbers: { asked, answered, failed, refreshes, signedOut } }) {
  const out = signedOut ? ', signed out' : ''
  const times = refreshes === 1 ? '1 refresh' : `${refreshes} refreshes`
  const title = view.root.querySelector('h2').textContent
  return `${title}: ${answered} of ${asked} answered, ${failed} failed, ${times}${out}.`
}

function showNumbers(all) {
  for (const shown of everything) {
    shown.numbers = all[shown.id]
    shown.view.showNumbers(shown.numbers)
  }
  signInButton.disabled = lanes.every(({ numbers }) => numbers.signedIn)
}

/** Puts all timelines on one axis, in the next frame and for as long as something runs. */
function draw() {
  if (frame) return
  frame = requestAnimationFrame(() => {
    frame = 0
    const timelines = everything.filter(({ view }) => !view.root.hidden).map(({ view }) => view.timeline)
    const spans = timelines.flatMap(({ span }) => span ?? [])
    const now = Date.now()
    const from = Math.min(...(spans.length ? spans.map((span) => span.from) : [now]))
    const last = Math.max(
      from,
      ...spans.map((span) => span.to),
      ...(running > 0 && spans.length ? [now] : []),
    )
    const to = Math.max(from + SHORTEST, last + (last - from) / 40)
    for (const timeline of timelines) timeline.range = { from, to }
    if (running > 0) draw()
  })
}

function post(origin, path) {
  return fetch(`${origin}${path}`, { method: 'POST', credentials: 'include' })
}

async function control(name, body = {}) {
  const response = await fetch(`/control/${name}`, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(await response.text())
  return response.json()
}

function say(text) {
  said.textContent = text
}
