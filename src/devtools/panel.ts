import { make } from './dom.ts'
import type { Timeline } from './timeline.ts'

/** What the buttons of the panel do. */
export interface PanelDeeds {
  clear(): void
  exported(): string
  load(text: string): void
  /** The panel of a docked timeline is opened or closed. */
  toggle(): void
}

/** What is around the rows: numbers, files, the words below, the legend, and the button that opens it where it is docked. */
export class Panel {
  readonly root: HTMLElement = make('section')
  readonly toggle: HTMLElement = make('button', 'toggle')
  readonly #counts = make('div', 'counts')
  readonly #detail = make('div', 'detail')

  /** @param rows what stands in its middle */
  constructor(deeds: PanelDeeds, rows: readonly HTMLElement[]) {
    const head = make('div', 'head')
    const file = make('input') as HTMLInputElement
    file.type = 'file'
    file.accept = 'application/json,.json'
    file.multiple = true
    file.hidden = true
    file.addEventListener('change', () => this.#open(file, deeds))
    head.append(
      this.#counts,
      button('Clear', () => deeds.clear()),
      button('Export', () => save(deeds.exported())),
      button('Open a file', () => file.click()),
      file,
    )
    this.toggle.addEventListener('click', () => deeds.toggle())
    const panel = make('div', 'panel')
    panel.append(head, ...rows, this.#detail, legend())
    this.root.append(panel, this.toggle)
  }

  /** @param open whether it is, where it is docked */
  count({ lanes, refreshes, strange }: Timeline, open: boolean | undefined): void {
    let failed = 0
    for (const { result } of lanes) if (result === 'failed') failed++
    const text = [
      `${lanes.length} ${lanes.length === 1 ? 'request' : 'requests'}`,
      `${refreshes.length} ${refreshes.length === 1 ? 'refresh' : 'refreshes'}`,
      `${failed} failed`,
      ...(strange ? [`${strange} not understood`] : []),
    ].join(' · ')
    if (this.#counts.textContent !== text) this.#counts.textContent = text
    if (open === undefined) return
    // Beside the page's own content, it is a part of the page by itself.
    this.root.setAttribute('aria-label', 'refresh-once timeline')
    const title = `refresh-once: ${text}`
    if (this.toggle.textContent !== title) this.toggle.textContent = title
    this.toggle.setAttribute('aria-expanded', String(open))
  }

  /** @param told whether it is about something that somebody looks at */
  say(lines: readonly string[], told: boolean): void {
    this.#detail.classList.toggle('told', told)
    if (lines.join('\n') === [...this.#detail.children].map((line) => line.textContent).join('\n')) return
    this.#detail.replaceChildren(...lines.map((line) => make('p', '', line)))
  }

  async #open(input: HTMLInputElement, deeds: PanelDeeds): Promise<void> {
    try {
      for (const file of input.files ?? []) deeds.load(await file.text())
    } catch (error) {
      this.#detail.replaceChildren(make('p', 'complaint', (error as Error).message))
    }
    input.value = ''
  }
}

function save(text: string): void {
  const link = make('a') as HTMLAnchorElement
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  link.download = 'refresh-once-timeline.json'
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

function button(text: string, run: () => void): HTMLElement {
  const made = make('button', '', text)
  made.addEventListener('click', run)
  return made
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
