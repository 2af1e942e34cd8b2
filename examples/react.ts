import type { Session, SessionState } from 'refresh-once'

/** The two functions that `useSyncExternalStore` wants. */
export interface ExternalStore {
  subscribe(onChange: () => void): () => void
  getSnapshot(): SessionState
}

/** A session as an external store. Make it once, outside of components. */
export function sessionStore(session: Session): ExternalStore {
  return {
    subscribe: (onChange) => session.subscribe(onChange),
    getSnapshot: () => session.state,
  }
}
