import { createSession, type Session } from 'refresh-once'

/** Cookies for both tokens, and a CSRF token that each refresh replaces: its answer is `{ csrf }`. */
export function openSession(url: string): Session {
  return createSession({
    mode: 'cookie',
    refresh: ({ signal }) => fetch(`${url}/refresh`, { method: 'POST', credentials: 'include', signal }),
    // Called for each send: a replay carries the token that its refresh has brought.
    applyToken: ({ csrf }) => ({ headers: { 'X-CSRF-Token': String(csrf) } }),
  })
}
