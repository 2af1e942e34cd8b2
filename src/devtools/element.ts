import type { SessionEvent } from '../core/events.ts'
import { durationOf, explainLane, explainRefresh, explainWindow } from './explain.ts'
import { readTimeline, writeTimeline } from './file.ts'
import { PLAIN_ROW, ROW, STYLE } from './style.ts'
import {
  createTimeline,
  type Lane,
  type Refresh,
  type Timeline,
  type TimelineOptions,
  type TokenWindow,
} from './timeline.ts'

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
  range: { readonly from: number; readonly to: number } | undefined
  /** From the first thing that happened to the last; undefined while nothing has. */
  readonly span: { readonly from: number; readonly to: number } | undefined
  /** How many requests are kept, and where the token windows are. `limit` may be an attribute, too. */
  configure(options: TimelineOptions): void
}

declare global {
  interface HTMLElementTagNameMap {
    'refresh-once-timeline': TimelineElement
  }
}

const NAME = 'refresh-once-timeline'

const RESULTS: Readonly<Record<Lane['result'], string>> = {
  open: 'open',
  done: '',
  failed: 'failed',
  ignored: 'left alone',
}

/** Rows beyond those in sight, above and below: scrolling shows them before they are drawn anew. */
const SPARE = 4

/** Milliseconds: what takes less is not stretched over the whole width. */
const SHORTEST = 50

/** Rows of a plain timeline: it is as high as it has to be, up to so many. */
const MOST_PLAIN = 24

/** Refreshes at the same time lie above each other; more than so many are drawn over each other. */
const LEVELS = 12

/** One row in the page: of the requests, only those in sight have one. */
interface Slot {
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
    #range: { readonly from: number; readonly to: number } | undefined
    #live = new Set<() => void>()
    /** When the last event came, by a clock that never goes back. */
    #heard = 0
    #frame = 0
    /** 0 is the row of the refreshes, and the requests follow. */
    #chosen = 0
    #chosenRefresh: Refresh | undefined
    #hovered: Lane | Refresh | undefined
    #names = new Map<string, string>()
    readonly #id = `rot-${++ids}`
    readonly #slots: Slot[] = []
    readonly #whole = make('section')
    readonly #panel = make('div', 'panel')
    readonly #counts = make('div', 'counts')
    readonly #ticks = make('div', 'ticks')
    readonly #view = make('div', 'view')
    readonly #sky = make('div')
    readonly #pinned = makeSlot('pinned row')
    readonly #rows = make('div', 'rows')
    readonly #detail = make('div', 'detail')
    readonly #toggle = make('button', 'toggle')
    readonly #resized = new ResizeObserver(() => this.#later())
    /** Where the page scrolled to its end, it stays there. */
    #following = true

    constructor() {
      super()
      const root = this.attachShadow({ mode: 'open' })
      sheet ??= styleSheet()
      root.adoptedStyleSheets = [sheet]
      const head = make('div', 'head')
      const file = make('input') as HTMLInputElement
      file.type = 'file'
      file.accept = 'application/json,.json'
      file.multiple = true
      file.hidden = true
      file.addEventListener('change', () => this.#open(file))
      head.append(
        this.#counts,
        button('Clear', () => this.clear()),
        button('Export', () => this.#save()),
        button('Open a file', () => file.click()),
        file,
      )
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
      this.#toggle.addEventListener('click', () => this.toggleAttribute('open'))
      this.#panel.append(head, axis, view, this.#detail, legend())
      this.#whole.append(this.#panel, this.#toggle)
      root.append(this.#whole)
      view.addEventListener('scroll', () => {
        this.#following = view.scrollTop + view.clientHeight >= view.scrollHeight - this.#row
        this.#later()
      })
      view.addEventListener('keydown', (event) => this.#press(event))
      view.addEventListener('focus', () => this.#later())
      view.addEventListener('blur', () => this.#later())
      view.addEventListener('pointermove', (event) => this.#hover(event))
      view.addEventListener('pointerleave', () => this.#show(undefined))
      view.addEventListener('click', (event) => this.#pick(event))
      root.addEventListener('keydown', (event) => {
        if ((event as KeyboardEvent).key !== 'Escape' || !this.hasAttribute('docked')) return
        this.removeAttribute('open')
        this.#toggle.focus()
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

    get range(): { readonly from: number; readonly to: number } | undefined {
      return this.#range
    }

    set range(range: { readonly from: number; readonly to: number } | undefined) {
      this.#range = range
      this.#later()
    }

    get span(): { readonly from: number; readonly to: number } | undefined {
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
      this.#chosen = 0
      this.#chosenRefresh = undefined
      this.#hovered = undefined
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
      const { lanes, refreshes, span } = this.#timeline
      const view = this.#view
      const docked = this.hasAttribute('docked')
      // Beside the page's own content, it is a part of the page by itself.
      if (docked) this.#whole.setAttribute('aria-label', 'refresh-once timeline')
      this.#count(docked)
      if (docked && !this.hasAttribute('open')) return
      view.setAttribute('aria-label', this.getAttribute('label') || 'Requests and refreshes')
      const plain = this.hasAttribute('plain')
      this.#row = plain ? PLAIN_ROW : ROW
      view.style.setProperty('--row', `${this.#row}px`)
      const height = lanes.length * this.#row
      const now = this.#now()
      this.#rows.style.height = `${height}px`
      if (this.#following && view.scrollHeight > view.clientHeight + 1) view.scrollTop = view.scrollHeight
      const pinned = this.#pinned.root.offsetHeight
      const seen = plain ? MOST_PLAIN * this.#row : Math.max(0, view.clientHeight - pinned)
      const top = view.scrollTop
      const first = Math.max(0, Math.floor(top / this.#row) - SPARE)
      const last = Math.min(lanes.length, Math.ceil((top + seen) / this.#row) + SPARE)
      const inSight = lanes.slice(Math.floor(top / this.#row), Math.ceil((top + seen) / this.#row))
      const range = this.#range ?? rangeOf(inSight, span, now)
      const place = (at: number): number =>
        100 * Math.min(1, Math.max(0, at - range.from) / (range.to - range.from)) || 0
      drawTicks(this.#ticks, range)
      this.#drawRefreshes(refreshes, range, place, now)
      if (plain)
        view.style.height = `${this.#pinned.root.offsetHeight + Math.min(lanes.length, MOST_PLAIN) * this.#row + 1}px`
      else view.style.height = ''
      this.#drawSky(range, place, now, Math.max(0, view.clientHeight - this.#pinned.root.offsetHeight))
      const many = this.#timeline.sources.length > 1
      while (this.#slots.length < last - first) {
        const slot = makeSlot('row')
        this.#slots.push(slot)
        this.#rows.append(slot.root)
      }
      for (const extra of this.#slots.splice(last - first)) extra.root.remove()
      for (let index = first; index < last; index++) {
        // A row keeps its element while it is in sight.
        const slot = this.#slots[index % this.#slots.length]
        const lane = lanes[index]
        if (slot && lane) this.#drawLane(slot, lane, index, { place, now, many, range })
      }
      view.setAttribute('aria-activedescendant', this.#chosenSlot()?.root.id ?? this.#pinned.root.id)
      this.#pinned.root.setAttribute('aria-selected', String(this.#chosen === 0))
      this.#tellDetail(now)
    }

    #drawLane(
      slot: Slot,
      lane: Lane,
      index: number,
      {
        place,
        now,
        many,
        range,
      }: { place: (at: number) => number; now: number; many: boolean; range: { from: number; to: number } },
    ): void {
      const { root } = slot
      if (slot.index !== index) {
        slot.index = index
        root.id = `${this.#id}-${index + 1}`
        root.style.transform = `translateY(${index * this.#row}px)`
        root.setAttribute('aria-posinset', String(index + 2))
      }
      root.setAttribute('aria-setsize', String(this.#timeline.lanes.length + 1))
      const chosen = this.#chosen === index + 1
      root.setAttribute('aria-selected', String(chosen))
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
      for (const { kind, from, to, end } of lane.stretches) {
        const until = to ?? lane.to ?? now
        if (until < range.from || from > range.to) continue
        bars.push({ name: kind, left: place(from), right: place(until) })
        if (end) bars.push({ name: end, left: place(until) })
      }
      if (lane.result === 'failed' && lane.to !== undefined) bars.push({ name: 'lost', left: place(lane.to) })
      paint(slot, bars)
    }

    #drawRefreshes(
      refreshes: readonly Refresh[],
      range: { from: number; to: number },
      place: (at: number) => number,
      now: number,
    ): void {
      const levels: number[] = []
      const shown: { refresh: Refresh; level: number }[] = []
      for (let index = refreshes.length - 1; index >= 0 && shown.length < 200; index--) {
        const refresh = refreshes[index]
        if (refresh && refresh.from <= range.to && (refresh.to ?? now) >= range.from)
          shown.unshift({ refresh, level: 0 })
      }
      for (const one of shown) {
        let level = levels.findIndex((end) => end <= one.refresh.from)
        if (level < 0) level = Math.min(levels.length, LEVELS - 1)
        levels[level] = Math.max(levels[level] ?? 0, one.refresh.to ?? now)
        one.level = level
      }
      const depth = Math.max(1, levels.length)
      const height = Math.max(this.#row, depth * 4 + 8)
      const bars = shown.map(({ refresh, level }): Bar => {
        const bad = refresh.result === 'failed' || refresh.result === 'refused'
        const name = `refresh${bad ? ' bad' : /^(adopted|ended)$/.test(refresh.result) ? ' elsewhere' : ''}`
        const top = 4 + (level * (height - 8)) / depth
        const bottom = height - 4 - ((level + 1) * (height - 8)) / depth + (depth > 1 ? 1 : 0)
        return { name, left: place(refresh.from), right: place(refresh.to ?? now), top, bottom }
      })
      const { root, label, result } = this.#pinned
      root.style.height = `${height}px`
      label.textContent = refreshes.length === 1 ? 'refresh' : 'refreshes'
      result.textContent = String(refreshes.length)
      paint(this.#pinned, bars)
      const told = this.#chosenRefresh ?? refreshes.at(-1)
      const words = told
        ? `${nameOf(told, this.#timeline.sources.length > 1)}${explainRefresh(told).join('. ')}`
        : 'none yet'
      root.setAttribute('aria-posinset', '1')
      root.setAttribute('aria-setsize', String(this.#timeline.lanes.length + 1))
      root.setAttribute('aria-label', `${root.textContent}. ${words}`)
    }

    /** The life of the tokens of one source: that of the chosen request, or the first. */
    #drawSky(
      range: { from: number; to: number },
      place: (at: number) => number,
      now: number,
      height: number,
    ): void {
      const source = this.#chosenLane()?.source ?? this.#timeline.windows[0]?.source
      this.#sky.style.height = `${height}px`
      const parts: { name: string; from: number; to: number }[] = []
      for (const window of this.#timeline.windows) {
        if (window.source !== source || window.from > range.to || (window.to ?? now) < range.from) continue
        parts.push(...partsOf(window, Math.max(range.to, now)))
      }
      const shown = parts.filter(({ from, to }) => to > range.from && from < range.to)
      const { children } = this.#sky
      while (children.length > shown.length) this.#sky.lastChild?.remove()
      while (children.length < shown.length) this.#sky.append(make('i'))
      for (const [index, { name, from, to }] of shown.entries()) {
        const part = children[index] as HTMLElement
        part.className = name
        part.style.left = `${place(from)}%`
        part.style.right = `${100 - place(to)}%`
      }
    }

    #count(docked: boolean): void {
      const { lanes, refreshes, strange } = this.#timeline
      let failed = 0
      for (const { result } of lanes) if (result === 'failed') failed++
      const text = [
        `${lanes.length} ${lanes.length === 1 ? 'request' : 'requests'}`,
        `${refreshes.length} ${refreshes.length === 1 ? 'refresh' : 'refreshes'}`,
        `${failed} failed`,
        ...(strange ? [`${strange} not understood`] : []),
      ].join(' · ')
      if (this.#counts.textContent !== text) this.#counts.textContent = text
      if (!docked) return
      const title = `refresh-once: ${text}`
      if (this.#toggle.textContent !== title) this.#toggle.textContent = title
      this.#toggle.setAttribute('aria-expanded', String(this.hasAttribute('open')))
    }

    /** While somebody is observed, what is open goes on; the time of a file is over. */
    #now(): number {
      const { span } = this.#timeline
      if (!span) return 0
      const passed = this.#live.size > 0 ? performance.now() - this.#heard : 0
      return span.to + Math.max(0, passed)
    }

    #chosenLane(): Lane | undefined {
      return this.#timeline.lanes[this.#chosen - 1]
    }

    #chosenSlot(): Slot | undefined {
      const lane = this.#chosenLane()
      return lane && this.#slots.find((slot) => slot.lane === lane)
    }

    #press(event: KeyboardEvent): void {
      const { lanes, refreshes } = this.#timeline
      const page = Math.max(1, Math.floor(this.#view.clientHeight / this.#row) - 2)
      const moves: Record<string, number> = {
        ArrowDown: this.#chosen + 1,
        ArrowUp: this.#chosen - 1,
        PageDown: this.#chosen + page,
        PageUp: this.#chosen - page,
        Home: 0,
        End: lanes.length,
      }
      const move = moves[event.key]
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
      if (move !== undefined) this.#choose(Math.min(lanes.length, Math.max(0, move)))
      else if (step && this.#chosen === 0 && refreshes.length > 0) {
        const at = this.#chosenRefresh ? refreshes.indexOf(this.#chosenRefresh) : refreshes.length - 1
        this.#chosenRefresh = refreshes[Math.min(refreshes.length - 1, Math.max(0, at + step))]
      } else return
      event.preventDefault()
      this.#hovered = undefined
      this.#later()
    }

    #choose(index: number): void {
      this.#chosen = index
      const view = this.#view
      const top = (index - 1) * this.#row
      const seen = view.clientHeight - this.#pinned.root.offsetHeight
      if (index > 0 && top < view.scrollTop) view.scrollTop = top
      else if (index > 0 && top + this.#row > view.scrollTop + seen) view.scrollTop = top + this.#row - seen
      this.#following = false
    }

    #hover(event: PointerEvent): void {
      this.#show(this.#at(event))
    }

    #pick(event: MouseEvent): void {
      const what = this.#at(event)
      if (!what) return
      if ('number' in what) {
        this.#chosen = 0
        this.#chosenRefresh = what
      } else this.#chosen = this.#timeline.lanes.indexOf(what) + 1
      this.#later()
    }

    #at({ clientX, clientY }: MouseEvent): Lane | Refresh | undefined {
      const pinned = this.#pinned.root.getBoundingClientRect()
      if (clientY < pinned.bottom) {
        const index = this.#pinned.bars.findIndex((bar) => {
          const { left, right, top, bottom } = bar.getBoundingClientRect()
          return clientX >= left - 3 && clientX <= right + 3 && clientY >= top - 2 && clientY <= bottom + 2
        })
        return this.#shownRefresh(index)
      }
      const y = clientY - this.#rows.getBoundingClientRect().top
      return this.#timeline.lanes[Math.floor(y / this.#row)]
    }

    #shownRefresh(index: number): Refresh | undefined {
      if (index < 0) return undefined
      const now = this.#now()
      const { refreshes, span } = this.#timeline
      const range =
        this.#range ??
        rangeOf(
          this.#slots.flatMap(({ lane }) => lane ?? []),
          span,
          now,
        )
      return refreshes.filter(({ from, to }) => from <= range.to && (to ?? now) >= range.from)[index]
    }

    #show(what: Lane | Refresh | undefined): void {
      if (this.#hovered === what) return
      this.#hovered = what
      this.#later()
    }

    #tellDetail(now: number): void {
      const chosen = this.#chosen === 0 ? (this.#chosenRefresh ?? undefined) : this.#chosenLane()
      const what = this.#hovered ?? chosen
      const many = this.#timeline.sources.length > 1
      let lines: string[]
      this.#detail.classList.toggle(
        'told',
        Boolean(what && (this.#hovered || this.shadowRoot?.activeElement === this.#view)),
      )
      if (!what) {
        const { lanes } = this.#timeline
        const window = this.#timeline.windows.at(-1)
        lines = [
          lanes.length === 0 ? 'Nothing yet.' : 'Point at a row, or choose one with the arrow keys.',
          ...(window && window.to === undefined ? [explainWindow(window, now)] : []),
        ]
      } else if ('number' in what)
        lines = [`${nameOf(what, many)}refresh ${what.number}`, ...explainRefresh(what)]
      else lines = [titleOf(what, many), ...explainLane(what).slice(0, 12)]
      if (lines.join('\n') === [...this.#detail.children].map((line) => line.textContent).join('\n')) return
      this.#detail.replaceChildren(...lines.map((line) => make('p', '', line)))
    }

    #save(): void {
      const link = make('a') as HTMLAnchorElement
      link.href = URL.createObjectURL(new Blob([this.exported()], { type: 'application/json' }))
      link.download = 'refresh-once-timeline.json'
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
    }

    async #open(input: HTMLInputElement): Promise<void> {
      try {
        for (const file of input.files ?? []) this.load(await file.text())
      } catch (error) {
        this.#detail.replaceChildren(make('p', 'complaint', (error as Error).message))
      }
      input.value = ''
    }
  }
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

function rangeOf(
  lanes: readonly Lane[],
  span: { readonly from: number; readonly to: number } | undefined,
  now: number,
): { from: number; to: number } {
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

function drawTicks(ticks: HTMLElement, { from, to }: { from: number; to: number }): void {
  const duration = to - from
  const most = Math.max(2, Math.floor(ticks.clientWidth / 70))
  let step = 1
  for (let turn = 0; duration / step > most; turn++) step *= turn % 3 === 1 ? 2.5 : 2
  const count = Number.isFinite(duration) ? Math.ceil(duration / step) : 0
  const { children } = ticks
  while (children.length > count) ticks.lastChild?.remove()
  while (children.length < count) ticks.append(make('span'))
  for (let index = 0; index < count; index++) {
    const tick = children[index] as HTMLElement
    const text = durationOf(index * step)
    if (tick.textContent !== text) tick.textContent = text
    tick.style.left = `${((100 * index * step) / duration).toFixed(3)}%`
  }
}

function titleOf({ source, id, method, url, status, result, from, to }: Lane, many: boolean): string {
  const took = to === undefined ? 'open' : `${status || 'no answer'} after ${durationOf(to - from)}`
  const words = RESULTS[result] && result !== 'open' ? `, ${RESULTS[result]}` : ''
  return `${many ? `${source}: ` : ''}#${id} ${method} ${url}: ${took}${words}`
}

function nameOf({ source }: Refresh, many: boolean): string {
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

function legend(): HTMLElement {
  const signs = [
    ['s', 'held', 'held'],
    ['s', 'sent', 'on the wire'],
    ['s', 'refused', 'refused'],
    ['s', 'recalled', 'called back'],
    ['s', 'refresh', 'refresh'],
    ['s', 'refresh elsewhere', 'of another tab'],
    ['s', 'replay', 'sent again'],
    ['i', 'fresh', 'token fresh'],
    ['i', 'ending', 'refreshed in the background'],
    ['i', 'waits', 'requests wait'],
    ['i', 'dead', 'expired or refused'],
  ]
  const list = make('ul', 'legend')
  list.setAttribute('aria-label', 'Legend')
  list.append(
    ...signs.map(([tag = '', name = '', text = '']) => {
      const item = make('li')
      item.append(make(tag, name), text)
      return item
    }),
  )
  return list
}

function makeSlot(name: string): Slot {
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

function button(text: string, run: () => void): HTMLElement {
  const made = make('button', '', text)
  made.addEventListener('click', run)
  return made
}

function make(tag: string, name = '', text = ''): HTMLElement {
  const made = document.createElement(tag)
  if (name) made.className = name
  if (text) made.textContent = text
  if (made instanceof HTMLButtonElement) made.type = 'button'
  return made
}

/** Not as an element: pages may forbid inline styles. */
function styleSheet(): CSSStyleSheet {
  const made = new CSSStyleSheet()
  made.replaceSync(STYLE)
  return made
}
