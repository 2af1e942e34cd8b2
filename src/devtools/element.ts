import type { SessionEvent } from '../core/events.ts'
import { drawSky, drawTicks, type Range, rangeOf, type Scale, scaleOf } from './axis.ts'
import { Choice } from './choice.ts'
import { make } from './dom.ts'
import { explainWindow } from './explain.ts'
import { readTimeline, writeTimeline } from './file.ts'
import { Panel } from './panel.ts'
import { drawLane, drawRefreshes, makeSlot, refreshesIn, type Slot, tellOf } from './rows.ts'
import { PLAIN_ROW, ROW, STYLE } from './style.ts'
import { createTimeline, type Lane, type Refresh, type Timeline, type TimelineOptions } from './timeline.ts'

/** Whatever tells events: a session, or something that hands on those of several. */
export interface Observable {
  observe(listener: (event: SessionEvent) => void): () => void
}

/** `<refresh-once-timeline>`: shows what sessions do. */
export interface TimelineElement extends HTMLElement {
  /**
   * Shows a session from now on. Several may be shown at once, each under a name of its own.
   *
   * @param name of the tab, the process or the session. @default 'session'
   * @returns the function that ends it; what was shown stays
   */
  observe(session: Observable, name?: string): () => void
  /** Shows one event. What is no event is left out. */
  tell(source: string, event: unknown): void
  /**
   * Adds what a file of `exported()` holds. Its sources are marked as read from a file.
   *
   * @throws TypeError where it is no such file
   */
  load(text: string): void
  /** All that is shown, as JSON for `load`. No token is in it. */
  exported(): string
  /** Forgets what was. */
  clear(): void
  /**
   * The stretch of time that is shown, in epoch milliseconds, for several timelines on one axis; otherwise it is that
   * of the rows in sight.
   */
  range: Range | undefined
  /** From the first thing that happened to the last; undefined while nothing has. */
  readonly span: Range | undefined
  /** How many requests are kept, and where the token windows are. `limit` may be an attribute, too. */
  configure(options: TimelineOptions): void
}

declare global {
  interface HTMLElementTagNameMap {
    'refresh-once-timeline': TimelineElement
  }
}

const NAME = 'refresh-once-timeline'

/** Rows beyond those in sight, above and below: scrolling shows them before they are drawn anew. */
const SPARE = 4

/** Rows of a plain timeline: it is as high as it has to be, up to so many. */
const MOST_PLAIN = 24

/** Defines `<refresh-once-timeline>`, where that has not been done, and there is a page. */
export function defineTimeline(): void {
  if (typeof customElements === 'undefined' || customElements.get(NAME)) return
  customElements.define(NAME, elementClass())
}

/** Made only where there is a page: in Node there is nothing to extend. */
function elementClass(): CustomElementConstructor {
  /** One for all elements. */
  let sheet: CSSStyleSheet | undefined
  let ids = 0

  return class extends HTMLElement implements TimelineElement {
    #options: TimelineOptions = {}
    #timeline: Timeline = createTimeline()
    /** Pixels. */
    #row = ROW
    #range: Range | undefined
    /** What was drawn last. */
    #scale: Scale = scaleOf({ from: 0, to: 1 }, 0)
    #live = new Set<() => void>()
    /** When the last event came, by a clock that never goes back. */
    #heard = 0
    #frame = 0
    #names = new Map<string, string>()
    readonly #choice = new Choice()
    readonly #id = `rot-${++ids}`
    readonly #slots: Slot[] = []
    readonly #ticks = make('div', 'ticks')
    readonly #view = make('div', 'view')
    readonly #sky = make('div')
    readonly #pinned = makeSlot('pinned row')
    readonly #rows = make('div', 'rows')
    readonly #panel: Panel
    readonly #resized = new ResizeObserver(() => this.#later())
    /** Where the page scrolled to its end, it stays there. */
    #following = true

    constructor() {
      super()
      const root = this.attachShadow({ mode: 'open' })
      sheet ??= styleSheet()
      root.adoptedStyleSheets = [sheet]
      const axis = make('div', 'axis')
      axis.setAttribute('aria-hidden', 'true')
      axis.append(this.#ticks)
      const view = this.#view
      view.tabIndex = 0
      view.setAttribute('role', 'listbox')
      const sky = make('div', 'sky')
      sky.setAttribute('aria-hidden', 'true')
      sky.append(this.#sky)
      this.#pinned.root.id = `${this.#id}-0`
      view.append(this.#pinned.root, sky, this.#rows)
      const deeds = {
        clear: () => this.clear(),
        exported: () => this.exported(),
        load: (text: string) => this.load(text),
        toggle: () => this.toggleAttribute('open'),
      }
      this.#panel = new Panel(deeds, [axis, view])
      root.append(this.#panel.root)
      view.addEventListener('scroll', () => {
        this.#following = view.scrollTop + view.clientHeight >= view.scrollHeight - this.#row
        this.#later()
      })
      view.addEventListener('keydown', (event) => this.#press(event))
      view.addEventListener('focus', () => this.#later())
      view.addEventListener('blur', () => this.#later())
      view.addEventListener('pointermove', (event) => this.#point(this.#at(event)))
      view.addEventListener('pointerleave', () => this.#point(undefined))
      view.addEventListener('click', (event) => this.#pick(event))
      root.addEventListener('keydown', (event) => {
        if ((event as KeyboardEvent).key !== 'Escape' || !this.hasAttribute('docked')) return
        this.removeAttribute('open')
        this.#panel.toggle.focus()
      })
    }

    static get observedAttributes(): string[] {
      return ['limit', 'open', 'label', 'docked', 'plain']
    }

    connectedCallback(): void {
      this.#resized.observe(this.#view)
      this.#later()
    }

    disconnectedCallback(): void {
      this.#resized.disconnect()
      cancelAnimationFrame(this.#frame)
      this.#frame = 0
    }

    attributeChangedCallback(name: string, _before: string | null, value: string | null): void {
      if (name === 'limit' && value !== null) this.configure({ limit: Number(value) })
      this.#later()
    }

    configure(options: TimelineOptions): void {
      this.#options = { ...this.#options, ...options }
      const before = this.#timeline
      this.#timeline = createTimeline(this.#options)
      for (const { source, event } of before.entries()) this.#timeline.add(source, event)
      this.#later()
    }

    get range(): Range | undefined {
      return this.#range
    }

    set range(range: Range | undefined) {
      this.#range = range
      this.#later()
    }

    get span(): Range | undefined {
      return this.#timeline.span
    }

    observe(session: Observable, name = 'session'): () => void {
      const own = this.#nameOf(name)
      const silence = session.observe((event) => this.tell(own, event))
      const end = (): void => {
        silence()
        this.#live.delete(end)
        this.#later()
      }
      this.#live.add(end)
      return end
    }

    tell(source: string, event: unknown): void {
      this.#timeline.add(source, event)
      this.#heard = performance.now()
      this.#later()
    }

    load(text: string): void {
      const entries = readTimeline(text)
      const names = new Map<string, string>()
      const requests = new Set(entries.flatMap(({ event }) => ('request' in event ? event.request.id : [])))
        .size
      if (requests > (this.#options.limit ?? 5_000)) this.configure({ limit: requests })
      for (const { source, event } of entries) {
        let own = names.get(source)
        if (own === undefined) {
          own = this.#nameOf(`${source} (file)`)
          names.set(source, own)
        }
        this.#timeline.add(own, event)
      }
      this.#later()
    }

    exported(): string {
      return writeTimeline(this.#timeline)
    }

    clear(): void {
      this.#timeline.clear()
      this.#choice.clear()
      this.#following = true
      this.#later()
    }

    /** Two sessions of one name are still two. */
    #nameOf(name: string): string {
      for (let number = 1; ; number++) {
        const own = number === 1 ? name : `${name} ${number}`
        if (this.#names.has(own)) continue
        this.#names.set(own, name)
        return own
      }
    }

    #later(): void {
      if (this.#frame || !this.isConnected) return
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0
        this.#draw()
        if (this.#isMoving()) this.#later()
      })
    }

    /** Whether bars grow while nothing is heard. */
    #isMoving(): boolean {
      if (this.#live.size === 0 || this.#range || performance.now() - this.#heard > 60_000) return false
      const { lanes, refreshes } = this.#timeline
      return refreshes.at(-1)?.to === undefined && refreshes.length > 0
        ? true
        : lanes.slice(-50).some(({ to }) => to === undefined)
    }

    #draw(): void {
      const timeline = this.#timeline
      const { lanes, refreshes } = timeline
      const view = this.#view
      const docked = this.hasAttribute('docked')
      const open = this.hasAttribute('open')
      this.#panel.count(timeline, docked ? open : undefined)
      if (docked && !open) return
      view.setAttribute('aria-label', this.getAttribute('label') || 'Requests and refreshes')
      const plain = this.hasAttribute('plain')
      this.#row = plain ? PLAIN_ROW : ROW
      const row = this.#row
      view.style.setProperty('--row', `${row}px`)
      this.#rows.style.height = `${lanes.length * row}px`
      if (this.#following && view.scrollHeight > view.clientHeight + 1) view.scrollTop = view.scrollHeight
      const seen = plain ? MOST_PLAIN * row : Math.max(0, view.clientHeight - this.#pinned.root.offsetHeight)
      const top = view.scrollTop
      const [begin, end] = [Math.floor(top / row), Math.ceil((top + seen) / row)]
      const now = this.#now()
      const scale = scaleOf(this.#range ?? rangeOf(lanes.slice(begin, end), timeline.span, now), now)
      this.#scale = scale
      const many = timeline.sources.length > 1
      drawTicks(this.#ticks, scale)
      drawRefreshes(this.#pinned, refreshes, this.#choice.refresh ?? refreshes.at(-1), row, many, scale)
      const pinned = this.#pinned.root.offsetHeight
      view.style.height = plain ? `${pinned + Math.min(lanes.length, MOST_PLAIN) * row + 1}px` : ''
      this.#sky.style.height = `${Math.max(0, view.clientHeight - pinned)}px`
      // That of the chosen request, or the first.
      const source = this.#choice.lane(timeline)?.source ?? timeline.windows[0]?.source
      drawSky(
        this.#sky,
        timeline.windows.filter((window) => window.source === source),
        scale,
      )
      this.#drawLanes(Math.max(0, begin - SPARE), Math.min(lanes.length, end + SPARE), many, scale)
      this.#mark(this.#pinned.root, 0)
      view.setAttribute('aria-activedescendant', this.#chosenSlot()?.root.id ?? this.#pinned.root.id)
      this.#say(now, many)
    }

    #drawLanes(first: number, last: number, many: boolean, scale: Scale): void {
      while (this.#slots.length < last - first) {
        const slot = makeSlot('row')
        this.#slots.push(slot)
        this.#rows.append(slot.root)
      }
      for (const extra of this.#slots.splice(last - first)) extra.root.remove()
      for (let index = first; index < last; index++) {
        // A row keeps its element while it is in sight.
        const slot = this.#slots[index % this.#slots.length]
        const lane = this.#timeline.lanes[index]
        if (!slot || !lane) continue
        if (slot.index !== index) {
          slot.index = index
          slot.root.id = `${this.#id}-${index + 1}`
          slot.root.style.transform = `translateY(${index * this.#row}px)`
        }
        this.#mark(slot.root, index + 1)
        drawLane(slot, lane, many, scale)
      }
    }

    /** Which of how many it is, and whether it is the chosen one. */
    #mark(root: HTMLElement, row: number): void {
      root.setAttribute('aria-posinset', String(row + 1))
      root.setAttribute('aria-setsize', String(this.#timeline.lanes.length + 1))
      root.setAttribute('aria-selected', String(this.#choice.row === row))
    }

    /** While somebody is observed, what is open goes on; the time of a file is over. */
    #now(): number {
      const { span } = this.#timeline
      if (!span) return 0
      const passed = this.#live.size > 0 ? performance.now() - this.#heard : 0
      return span.to + Math.max(0, passed)
    }

    #chosenSlot(): Slot | undefined {
      const lane = this.#choice.lane(this.#timeline)
      return lane && this.#slots.find((slot) => slot.lane === lane)
    }

    #press(event: KeyboardEvent): void {
      const page = Math.max(1, Math.floor(this.#view.clientHeight / this.#row) - 2)
      const done = this.#choice.press(event.key, this.#timeline, page)
      if (!done) return
      if (done === 'row') this.#scrollTo(this.#choice.row)
      event.preventDefault()
      this.#later()
    }

    #scrollTo(row: number): void {
      const view = this.#view
      const top = (row - 1) * this.#row
      const seen = view.clientHeight - this.#pinned.root.offsetHeight
      if (row > 0 && top < view.scrollTop) view.scrollTop = top
      else if (row > 0 && top + this.#row > view.scrollTop + seen) view.scrollTop = top + this.#row - seen
      this.#following = false
    }

    #pick(event: MouseEvent): void {
      const what = this.#at(event)
      if (!what) return
      this.#choice.pick(what, this.#timeline)
      this.#later()
    }

    #point(what: Lane | Refresh | undefined): void {
      if (this.#choice.pointed === what) return
      this.#choice.pointed = what
      this.#later()
    }

    #at({ clientX, clientY }: MouseEvent): Lane | Refresh | undefined {
      const { lanes, refreshes } = this.#timeline
      if (clientY >= this.#pinned.root.getBoundingClientRect().bottom) {
        const y = clientY - this.#rows.getBoundingClientRect().top
        return lanes[Math.floor(y / this.#row)]
      }
      const index = this.#pinned.bars.findIndex((bar) => {
        const { left, right, top, bottom } = bar.getBoundingClientRect()
        return clientX >= left - 3 && clientX <= right + 3 && clientY >= top - 2 && clientY <= bottom + 2
      })
      return refreshesIn(refreshes, this.#scale)[index]
    }

    #say(now: number, many: boolean): void {
      const { row, refresh, pointed } = this.#choice
      const what = pointed ?? (row === 0 ? refresh : this.#choice.lane(this.#timeline))
      const told = pointed || this.shadowRoot?.activeElement === this.#view
      this.#panel.say(what ? tellOf(what, many) : this.#hint(now), Boolean(what && told))
    }

    /** Where nothing is chosen. */
    #hint(now: number): string[] {
      const { lanes, windows } = this.#timeline
      const window = windows.at(-1)
      return [
        lanes.length === 0 ? 'Nothing yet.' : 'Point at a row, or choose one with the arrow keys.',
        ...(window && window.to === undefined ? [explainWindow(window, now)] : []),
      ]
    }
  }
}

/** Not as an element: pages may forbid inline styles. */
function styleSheet(): CSSStyleSheet {
  const made = new CSSStyleSheet()
  made.replaceSync(STYLE)
  return made
}
