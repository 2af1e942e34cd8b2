import type { Clock } from './clock.ts'
import type { RequestInfo, RequestNews, SessionEvent, SessionNews, SessionState } from './machine.ts'

type News = SessionNews | (RequestNews & { request: RequestInfo })

/** The session's state, and those who want to hear of it. */
export interface Events {
  readonly state: SessionState
  /** Who gets every event; those of requests are built only where there is somebody. */
  readonly observers: Set<(event: SessionEvent) => void>
  /** Who gets every new state. */
  readonly subscribers: Set<(state: SessionState) => void>
  emit(news: News): void
}

/** @param current works the state out of what is known */
export function createEvents(clock: Clock, initial: SessionState, current: () => SessionState): Events {
  const events = {
    state: initial,
    observers: new Set<(event: SessionEvent) => void>(),
    subscribers: new Set<(state: SessionState) => void>(),
    emit(news: News) {
      const state = current()
      const changed = JSON.stringify(state) !== JSON.stringify(events.state)
      if (changed) events.state = state
      tell(events.observers, { ...news, at: clock.now(), state: events.state })
      if (changed) tell(events.subscribers, state)
    },
  }
  return events
}

/** Adds a listener, and returns the function that takes it away. */
export function listen<T>(listeners: Set<(value: T) => void>, listener: (value: T) => void): () => void {
  const own = (value: T) => listener(value)
  listeners.add(own)
  return () => void listeners.delete(own)
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
