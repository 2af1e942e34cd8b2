import { say } from './messages.ts'
import { checkListener } from './mistakes.ts'

/** So many events that listeners bring about one after the other are a loop. */
const ECHOES = 999

const NOBODY: readonly never[] = []

/** Who listens to one kind of news. */
export class Listeners<T> {
  /** A copy for each change: whoever is told now may come and go. */
  #listeners: readonly ((value: T) => void)[] = NOBODY
  /** What is being told, and what has happened meanwhile. */
  #due: { readonly value: T; readonly stands: (() => boolean) | undefined }[] = []

  get size(): number {
    return this.#listeners.length
  }

  add(listener: (value: T) => void): () => void {
    checkListener(listener)
    // One of its own, so that whoever listens twice can leave once.
    const own = (value: T) => listener(value)
    this.#listeners = this.#listeners.concat(own)
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== own)
    }
  }

  /**
   * A listener's fault is its own: the others hear all the same, and the session goes on. What a listener brings about
   * is told when everybody has heard of what brought it about: all hear the same order.
   */
  tell(value: T, stands?: () => boolean): void {
    const due = this.#due
    if (due.length > ECHOES) return
    if (due.push({ value, stands }) > 1) return
    for (const { value, stands } of due) {
      for (const listener of this.#listeners) {
        if (stands?.() === false) break
        try {
          listener(value)
        } catch (error) {
          console.error(error)
        }
      }
    }
    if (due.length > ECHOES) console.error(say('echo'))
    this.#due = []
  }
}
