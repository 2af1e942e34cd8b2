/**
 * `<refresh-once-simulation>`: the three ways in simulated time, which can be dragged. What was done at which moment is all
 * that is kept: the rest follows from it, and is worked out anew when something is added.
 */
import { defineTimeline } from 'refresh-once/devtools'
import { countUntil, DEEDS, START, simulate, WAYS } from './world.mjs'

/** Milliseconds. */
const SHOWN = 3_500
const SHORTEST = 20_000
const AFTERWARDS = 4_000
const STEP = 20

/** What is to be seen first: a good token, then fifteen requests when it has expired. */
const BEGINNING = [
  { at: 2_000, deed: 'one' },
  { at: 11_000, deed: 'fifteen' },
]
const BEGINS_AT = 13_400

const STYLE = `
:host { --paper: #fbfbfa; --ink: #1d2129; --soft: #555d6b; --line: #b9c1cd; --accent: #1f5fbf; --bad: #c9302c; display: block; margin: 20px 0; color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
@media (prefers-color-scheme: dark) { :host { --paper: #14171c; --ink: #e6e9ee; --soft: #a3acba; --line: #4a5361; --accent: #7fb0f5; --bad: #f47a75 } }
.deeds, .time { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 0 0 10px }
button { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 7px; padding: 4px 11px; cursor: pointer }
button:hover { border-color: var(--accent) } :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.time input { flex: 1 1 12em; accent-color: var(--accent) } .time output { min-width: 5em; font-variant-numeric: tabular-nums }
section { margin: 0 0 12px } h2 { margin: 0; font-size: 15px; line-height: 1.4 } .head { display: flex; flex-wrap: wrap; gap: 0 12px; justify-content: space-between }
.head p { margin: 0; color: var(--soft); font-variant-numeric: tabular-nums } .bad { color: var(--bad); font-weight: 600 }
`

class Simulation extends HTMLElement {
  #deeds = [...BEGINNING]
  #lanes = []
  #outcomes = []
  #end = SHORTEST
  #time = BEGINS_AT
  #frame = 0
  /** Only the newest run counts. */
  #run = 0
  #slider = make('input', { type: 'range', min: '0', step: String(STEP), 'aria-label': 'Time' })
  #clock = make('output')
  #play = make('button', { type: 'button' }, 'Play')

  connectedCallback() {
    if (this.shadowRoot) return
    defineTimeline()
    const root = this.attachShadow({ mode: 'open' })
    const deeds = make('div', { class: 'deeds', role: 'group', 'aria-label': 'What happens now' })
    for (const [deed, { label }] of Object.entries(DEEDS)) deeds.append(button(label, () => this.#do(deed)))
    deeds.append(button('Start over', () => this.#startOver()))
    const time = make('div', { class: 'time' })
    this.#play.addEventListener('click', () => (this.#frame ? this.#pause() : this.#start()))
    this.#slider.addEventListener('input', () => {
      this.#pause()
      this.#show(Number(this.#slider.value))
    })
    time.append(this.#play, this.#slider, this.#clock)
    root.append(make('style', {}, STYLE), deeds, time)
    this.#lanes = WAYS.map(({ title }) => {
      const section = make('section')
      const head = make('div', { class: 'head' })
      const numbers = make('p')
      head.append(make('h2', {}, title), numbers)
      section.append(head)
      root.append(section)
      return { title, section, numbers, timeline: undefined, told: 0 }
    })
    this.#again()
  }

  disconnectedCallback() {
    this.#pause()
  }

  #do(deed) {
    this.#deeds.push({ at: this.#time, deed })
    this.#again()
    this.#start()
  }

  #startOver() {
    this.#pause()
    this.#deeds = []
    this.#time = 0
    this.#again()
  }

  /** What has been done has changed: everything that follows, too. */
  async #again() {
    const run = ++this.#run
    const end = Math.max(SHORTEST, ...this.#deeds.map(({ at }) => at + AFTERWARDS))
    const outcomes = await simulate(this.#deeds, end)
    if (run !== this.#run) return
    this.#end = end
    this.#outcomes = outcomes
    this.#slider.max = String(end)
    for (const lane of this.#lanes) {
      lane.timeline?.remove()
      lane.timeline = undefined
    }
    this.#show(this.#time)
  }

  #start() {
    this.#pause()
    if (this.#time >= this.#end) this.#time = 0
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      this.#show(Math.min(this.#end, this.#time + AFTERWARDS))
      return
    }
    this.#play.textContent = 'Pause'
    const began = performance.now() - this.#time
    const tick = () => {
      const time = performance.now() - began
      this.#show(Math.min(this.#end, time))
      if (time < this.#end) this.#frame = requestAnimationFrame(tick)
      else this.#pause()
    }
    this.#frame = requestAnimationFrame(tick)
  }

  #pause() {
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    this.#play.textContent = 'Play'
  }

  #show(time) {
    this.#time = time
    const seconds = `${(time / 1000).toFixed(2)} s`
    this.#slider.value = String(time)
    this.#slider.setAttribute('aria-valuetext', seconds)
    this.#clock.textContent = seconds
    for (const [index, lane] of this.#lanes.entries()) {
      const outcome = this.#outcomes[index]
      if (outcome) this.#showLane(lane, outcome, time)
    }
  }

  #showLane(lane, { events, log }, time) {
    const until = events.findIndex(({ event }) => event.at - START > time)
    const count = until < 0 ? events.length : until
    // What has been told cannot be taken back: who goes back begins anew.
    if (!lane.timeline || count < lane.told) {
      lane.timeline?.remove()
      lane.timeline = make('refresh-once-timeline', {
        plain: '',
        limit: '16',
        label: `Requests: ${lane.title}`,
      })
      lane.section.append(lane.timeline)
      lane.told = 0
    }
    for (const { source, event } of events.slice(lane.told, count)) lane.timeline.tell(source, event)
    lane.told = count
    lane.timeline.range = { from: START + time - SHOWN, to: START + time }
    const { refreshes, wire, failed, open, signedIn } = countUntil(log, time)
    const words = [
      `${refreshes} ${refreshes === 1 ? 'refresh' : 'refreshes'}`,
      `${wire} sent`,
      `${failed} lost`,
      ...(open ? [`${open} open`] : []),
    ]
    lane.numbers.replaceChildren(
      `${words.join(' · ')} · `,
      make('span', signedIn ? {} : { class: 'bad' }, signedIn ? 'signed in' : 'signed out'),
    )
  }
}

function button(label, run) {
  const made = make('button', { type: 'button' }, label)
  made.addEventListener('click', run)
  return made
}

function make(tag, attributes = {}, text = '') {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  if (text) made.textContent = text
  return made
}

customElements.define('refresh-once-simulation', Simulation)
