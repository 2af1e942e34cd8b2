import { EventSource } from 'eventsource'
import { findSessionError } from 'refresh-once'

export function openEvents(authFetch: typeof fetch, url: string): EventSource {
  return new EventSource(url, {
    async fetch(input, init) {
      const answer = await authFetch(input, init).catch((error: unknown) => error)
      const problem = findSessionError(answer)
      // After a 401 it gives up. After anything that is thrown here it comes back, in a while.
      if (problem?.code === 'session_expired') return new Response(null, { status: 401 })
      if (problem || !(answer instanceof Response)) throw problem ?? answer
      return answer
    },
  })
}
