import type { Clock } from '../../core/clock.ts'
import { newNonce, type Stored } from '../../core/store.ts'

/** What contexts of one session say to each other. Everything is a hint: whoever hears it looks for himself. */
export type Message =
  /** The record has changed. */
  | { readonly saved: true }
  /** A token set that is about to be saved. */
  | { readonly offer: Stored }
  /** Whoever has tokens is asked for them; whoever has the turn is asked whether he lives. */
  | { readonly ask: 'tokens' | 'turn'; readonly id: string }
  | { readonly to: string; readonly offer?: Stored | undefined }

/** A message that came. Anybody in this origin may have sent it. */
export type Heard = Partial<Record<'saved' | 'offer' | 'ask' | 'id' | 'to', unknown>>

/** Milliseconds for an answer. A tab in the background gives one, one that is frozen cannot. */
const PATIENCE = 2_000

/** Milliseconds where nobody knows how many there are to answer. */
const SHORT_PATIENCE = 300

export interface SiblingsOptions {
  readonly name: string
  readonly clock: Clock
  readonly locks: LockManager | undefined
  /** Whether this context can be asked for tokens. */
  readonly present: boolean
  hear(message: Heard): void
  /** Messages may have been missed. */
  look(): void
}

/** The other contexts of a session: tabs, workers, frames, and other stores in this one. */
export interface Siblings {
  post(message: Message): void
  /**
   * Asks, and resolves when `enough()` holds, when everybody who is there has answered, or after a while: with how many
   * have answered.
   */
  ask(question: 'tokens' | 'turn', enough: () => boolean): Promise<number>
  open(): void
  close(): void
}

/**
 * Talks with the other contexts over a BroadcastChannel. Who is there is told by a lock that everybody shares and
 * that ends with its tab: so an only tab waits for nobody.
 *
 * Both are given back while the page is in the back/forward cache: it would not get there otherwise.
 */
export function createSiblings({ name, clock, locks, present, hear, look }: SiblingsOptions): Siblings {
  const here = `${name}:here`
  let channel: BroadcastChannel | undefined
  let away: AbortController | undefined
  let arrived: Promise<unknown> | undefined
  let questions: { id: string; answered: () => void }[] = []

  function enter(): void {
    leave()
    away = new AbortController()
    const { signal } = away
    try {
      channel = new BroadcastChannel(name)
      channel.onmessage = ({ data }) => {
        const message: Heard = Object(data)
        hear(message)
        for (const { id, answered } of questions) if (id === message.to) answered()
      }
    } catch {
      // Sandboxed, or of another time: nobody is heard.
    }
    if (present && locks)
      arrived = new Promise((resolve) => {
        const stay = () => {
          resolve(true)
          return new Promise((end) => signal.addEventListener('abort', end))
        }
        locks.request(here, { mode: 'shared', signal }, stay).catch(resolve)
      })
  }

  function leave(): void {
    away?.abort()
    channel?.close()
    channel = undefined
  }

  function post(message: Message): void {
    try {
      const through = channel ?? new BroadcastChannel(name)
      through.postMessage(message)
      if (!channel) through.close()
    } catch {
      // Nobody is told: whoever needs it looks.
    }
  }

  /** How many others are there, where that can be known. */
  async function others(): Promise<number | undefined> {
    if (!(await arrived)) return undefined
    const { held = [] } = (await locks?.query()) ?? {}
    return held.filter((lock) => lock.name === here).length - 1
  }

  const reopen = ({ persisted }: PageTransitionEvent) => {
    if (!persisted) return
    enter()
    look()
  }
  const seen = () => {
    if (document.visibilityState === 'visible') look()
  }
  const listening: [EventTarget | undefined, string, (event: never) => void][] = [
    [globalThis as never, 'pagehide', leave],
    [globalThis as never, 'pageshow', reopen],
    [globalThis as never, 'online', look],
    [globalThis.document, 'visibilitychange', seen],
  ]

  return {
    post,
    async ask(question, enough) {
      if (enough()) return 0
      const known = question === 'turn' ? 1 : await others().catch(() => undefined)
      if (known === 0 || enough()) return 0
      const id = newNonce(clock)
      let answers = 0
      await new Promise<void>((resolve) => {
        const timer = clock.setTimeout(resolve, known ? PATIENCE : SHORT_PATIENCE)
        const answered = () => {
          if (++answers !== known && !enough()) return
          clock.clearTimeout(timer)
          resolve()
        }
        questions.push({ id, answered })
        post({ ask: question, id })
      })
      questions = questions.filter((other) => other.id !== id)
      return answers
    },
    open() {
      enter()
      for (const [target, type, listener] of listening)
        target?.addEventListener?.(type, listener as EventListener)
    },
    close() {
      leave()
      for (const [target, type, listener] of listening)
        target?.removeEventListener?.(type, listener as EventListener)
    },
  }
}
