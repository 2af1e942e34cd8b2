import { createSession, type Session } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'

/** The session of this tab: all tabs of the app share it, and its one refresh. */
export function openSession(): Session {
  return createSession({
    store: browserStore({ name: 'my-app' }),
    refresh: ({ signal }) => fetch('/auth/refresh', { method: 'POST', credentials: 'include', signal }),
  })
}
