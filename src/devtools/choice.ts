import type { Lane, Refresh, Timeline } from './timeline.ts'

/** What is chosen, by keys or a click, and what is pointed at. */
export class Choice {
  /** 0 is the row of the refreshes, and the requests follow. */
  row = 0
  refresh: Refresh | undefined
  pointed: Lane | Refresh | undefined

  clear(): void {
    this.row = 0
    this.refresh = undefined
    this.pointed = undefined
  }

  lane({ lanes }: Timeline): Lane | undefined {
    return lanes[this.row - 1]
  }

  pick(what: Lane | Refresh, { lanes }: Timeline): void {
    this.row = 'number' in what ? 0 : lanes.indexOf(what) + 1
    if ('number' in what) this.refresh = what
  }

  /**
   * Takes a key.
   *
   * @param page how many rows are a page
   * @returns what it has done: another row, another refresh, or nothing, as it is no key of ours
   */
  press(key: string, { lanes, refreshes }: Timeline, page: number): 'row' | 'refresh' | undefined {
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: this.row + 1,
      ArrowUp: this.row - 1,
      PageDown: this.row + page,
      PageUp: this.row - page,
      Home: 0,
      End: lanes.length,
    }
    const move = moves[key]
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key]
    if (move === undefined && !(step && this.row === 0 && refreshes.length > 0)) return undefined
    this.pointed = undefined
    if (move !== undefined) {
      this.row = Math.min(lanes.length, Math.max(0, move))
      return 'row'
    }
    const at = this.refresh ? refreshes.indexOf(this.refresh) : refreshes.length - 1
    this.refresh = refreshes[Math.min(refreshes.length - 1, Math.max(0, at + (step ?? 0)))]
    return 'refresh'
  }
}
