import type { Clock } from './clock.ts'
import { type SessionEvent, type SessionNews, type SessionState, transition } from './machine.ts'

/** The session's state, and those who want to hear of it. */
export interface Events {
  readonly state: SessionState
  /** Whether anybody observes; events of requests are built only then. */
  readonly observed: boolean
  emit(news: SessionNews): void
  subscribe(listener: (state: SessionState) => void): () => void
  observe(listener: (event: SessionEvent) => void): () => void
}

/** Applies what happens to the state, and tells subscribers of states and observers of events. */
export function createEvents(clock: Clock, initial: SessionState): Events {
  let state = initial
  const subscribers = new Set<(state: SessionState) => void>()
  const observers = new Set<(event: SessionEvent) => void>()

  return {
    get state() {
      return state
    },
    get observed() {
      return observers.size > 0
    },
    emit(news) {
      const before = state
      state = transition(state, news)
      if (observers.size) tell(observers, { ...news, at: clock.now() })
      if (state !== before) tell(subscribers, state)
    },
    subscribe: (listener) => listen(subscribers, listener),
    observe: (listener) => listen(observers, listener),
  }
}

function listen<T>(listeners: Set<(value: T) => void>, listener: (value: T) => void): () => void {
  const entry = (value: T) => listener(value)
  listeners.add(entry)
  return () => void listeners.delete(entry)
}

/** A listener's fault is its own: the others hear all the same, and the session goes on. */
function tell<T>(listeners: Set<(value: T) => void>, value: T): void {
  for (const listener of [...listeners]) {
    try {
      listener(value)
    } catch (error) {
      console.error(error)
    }
  }
}
