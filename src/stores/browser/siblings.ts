import type { Clock } from '../../core/clock.ts'
import { patience } from '../../core/patience.ts'
import { newNonce, type Stored } from '../../core/store.ts'

/** What contexts of one session say to each other. Everything is a hint: whoever hears it looks for himself. */
export interface Message {
  /** The record has changed. */
  readonly saved?: true
  /** A token set that is about to be saved, or that was asked for. */
  readonly offer?: Stored | undefined
  /** Whoever has tokens is asked for them. */
  readonly ask?: true
  /** Whoever has the turn is asked whether he lives. */
  readonly ping?: unknown
  /** He does. */
  readonly pong?: unknown
  /** Who says it. */
  readonly from?: string
}

export interface SiblingsOptions {
  readonly name: string
  readonly clock: Clock
  /** Given where this context can be asked for tokens: they tell who is there. */
  readonly locks: LockManager | undefined
  /** Whether there can be anybody to talk with. */
  readonly shared: boolean
  /** Anybody in this origin may have sent it. */
  hear(message: Partial<Record<keyof Message, unknown>>): void
  /** Messages may have been missed. */
  look(): void
}

/** The other contexts of a session: tabs, frames, workers, and other stores in this one. */
export interface Siblings {
  post(message: Message): void
  /** Asks for something, which is `found` now or within `ms` milliseconds; an only tab does not wait. */
  ask<T>(question: Message, ms: number, found: () => T): Promise<T>
  /** Whether somebody is there who has said nothing since tokens were asked for: a tab that is frozen. */
  isSilent(): Promise<boolean>
  close(): void
}

/**
 * Talks with the other contexts over a BroadcastChannel. Who is there is told by a lock that everybody has of
 * his own, and that ends with its tab: so an only tab waits for nobody.
 *
 * Both are given back while the page is in the back/forward cache: it would not get there otherwise.
 */
export function createSiblings({ name, clock, locks, shared, hear, look }: SiblingsOptions): Siblings {
  const here = `${name}/here:`
  const own = here + newNonce(clock)
  const life = new AbortController()
  /** Who has said something since tokens were asked for. */
  const heard = new Set<unknown>()
  let stay: AbortController | undefined
  let channel: BroadcastChannel | undefined

  function enter(): void {
    stay = new AbortController()
    const { signal } = stay
    try {
      channel = new BroadcastChannel(name)
      channel.onmessage = ({ data }) => {
        heard.add(Object(data).from)
        hear(Object(data))
      }
    } catch {
      // Nobody is heard: whoever needs to know looks.
    }
    locks
      ?.request(own, { signal }, () => new Promise((done) => signal.addEventListener('abort', done)))
      .catch(() => {})
  }

  function leave(): void {
    stay?.abort()
    channel?.close()
    channel = undefined
  }

  function on(type: string, listener: (event: PageTransitionEvent) => void): void {
    globalThis.addEventListener?.(type, listener as EventListener, life)
  }

  function post(message: Message): void {
    if (!shared) return
    try {
      // A turn that ends after the store was closed still says what it has saved.
      const through = channel ?? new BroadcastChannel(name)
      through.postMessage({ ...message, from: own })
      if (!channel) through.close()
    } catch {
      // Nobody is told.
    }
  }

  /** Who else is there; undefined where nobody can know. */
  async function others(): Promise<LockInfo[] | undefined> {
    const { held } = (await locks?.query().catch(() => undefined)) || {}
    return held?.filter(({ name }) => name !== own && name?.startsWith(here))
  }

  async function ask<T>(question: Message, ms: number, found: () => T): Promise<T> {
    const answers = channel
    if (!found() && answers && (await others())?.length !== 0) {
      const answered = new AbortController()
      if (question.ask) heard.clear()
      let done = () => {}
      await new Promise<void>((resolve) => {
        done = patience(clock, ms, resolve)
        answers.addEventListener('message', () => found() && resolve(), answered)
        post(question)
      })
      answered.abort()
      done()
    }
    return found()
  }

  if (shared) enter()
  on('pagehide', leave)
  on('pageshow', ({ persisted }) => {
    if (!persisted) return
    enter()
    look()
  })
  // Not when it is hidden: it may be frozen in the middle of that, and everybody would wait for its transaction.
  on('visibilitychange', () => {
    if (!document.hidden) look()
  })
  on('online', look)

  return {
    post,
    ask,
    isSilent: async () => Boolean((await others())?.some(({ name }) => !heard.has(name))),
    close() {
      life.abort()
      leave()
    },
  }
}
