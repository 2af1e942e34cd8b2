import type { Session } from 'refresh-once'

/** Tells on the console what a session does. */
export function narrate(session: Session): () => void {
  return session.observe((event) => {
    const about = 'request' in event ? `${event.request.method} ${event.request.url}` : ''
    const why = ('reason' in event && event.reason) || ('code' in event && event.code) || ''
    console.debug(event.type, about, why)
  })
}
