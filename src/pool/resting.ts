/** What can rest: it knows its neighbours while it does. */
export interface Resting {
  /** Came to rest before it. */
  older?: this | undefined
  /** Came to rest after it. */
  newer?: this | undefined
}

/**
 * Those at rest, in the order in which they came to it.
 *
 * A Map has that order, too, and keeps a hole for each that is gone, until it is made anew: whoever looks for its first
 * entry passes by all of them. Where each new session takes the place of the oldest, that is thousands each time.
 */
export class RestingPlace<Each extends Resting> {
  #oldest: Each | undefined
  #newest: Each | undefined

  get oldest(): Each | undefined {
    return this.#oldest
  }

  /** The newest from now on. */
  add(each: Each): void {
    const last = this.#newest
    each.older = last
    if (last) last.newer = each
    else this.#oldest = each
    this.#newest = each
  }

  remove(each: Each): void {
    const { older, newer } = each
    if (older) older.newer = newer
    else this.#oldest = newer
    if (newer) newer.older = older
    else this.#newest = older
    // Who is in use holds nobody who is let go meanwhile.
    each.older = undefined
    each.newer = undefined
  }
}
