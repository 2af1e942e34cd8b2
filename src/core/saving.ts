import { type Clock, sleep } from './clock.ts'
import type { Events } from './events.ts'
import { keepTrying } from './keep-trying.ts'
import type { Known } from './known.ts'
import { say } from './messages.ts'
import type { SessionStore, Stored } from './store.ts'

/** A save is tried again after these milliseconds; then the tokens are served from memory. */
const AFTER = [0, 50, 500]

/** Then again and again: the first time after so many milliseconds. */
const LATER = 1000

/** Those of a session's parts that it needs to know. */
interface Concerned {
  readonly store: SessionStore
  readonly settings: { readonly clock: Clock }
  readonly known: Known
  readonly events: Events
}

/**
 * Saves what a refresh has brought. Where the store has failed for good, the tokens are served from memory, and saved
 * when it works again: others who share it would spend the former refresh token once more.
 */
export class Saving {
  readonly #parts: Concerned
  /** New tokens that the store has not taken yet. */
  #unsaved: Stored | undefined
  /** Somebody tries again and again. */
  #trying = false
  #closed = false
  /** Ends the waiting between two tries. */
  #waiting: AbortController | undefined

  constructor(parts: Concerned) {
    this.#parts = parts
  }

  /** Whether something is not saved. */
  get pending(): boolean {
    return this.#unsaved !== undefined
  }

  /** Resolves with what is stored now, or with `next` where that cannot be stored yet. */
  async save(next: Stored): Promise<Stored> {
    const { store, events, settings } = this.#parts
    const since = settings.clock.monotonic()
    for (const delay of AFTER) {
      // Everybody waits for these tokens: a store that has hung is not waited for again.
      if (settings.clock.monotonic() - since > LATER) break
      if (delay) await this.#pause(delay)
      try {
        const saved = await store.save(next)
        this.#unsaved = undefined
        return saved
      } catch {}
    }
    events.emit({ type: 'degraded', reason: say('unsaved') })
    this.#unsaved = next
    if (!this.#trying) void this.#keepTrying()
    return next
  }

  #keepTrying(): Promise<void> {
    const { store, known } = this.#parts
    this.#trying = true
    return keepTrying(
      (ms) => this.#pause(ms),
      LATER,
      async () => {
        // Closing has saved them a last time.
        if (this.#closed) return false
        const unsaved = this.#unsaved
        const saved = unsaved && (await store.save(unsaved).catch(() => undefined))
        if (saved) {
          if (this.#unsaved === unsaved) this.#unsaved = undefined
          known.become(saved, 'refresh-adopted')
        }
        // Known before anything is awaited: what is refused from then on is tried anew.
        this.#trying = this.#unsaved !== undefined
        return this.#trying
      },
    )
  }

  #pause(ms: number): Promise<void> {
    // Who is closed tries a last time, at once.
    if (this.#closed) return Promise.resolve()
    this.#waiting ??= new AbortController()
    return sleep(this.#parts.settings.clock, ms, this.#waiting.signal)
  }

  /** Saves what is not saved, a last time, and closes the store. */
  close(): void {
    const { store } = this.#parts
    this.#closed = true
    this.#waiting?.abort()
    const close = () => store.close()
    if (!this.#unsaved) close()
    else
      void store
        .save(this.#unsaved)
        .catch(() => {})
        .then(close)
  }
}
