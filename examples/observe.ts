import { logTo, type Session } from 'refresh-once'

/** Tells on the console what a session does. */
export function narrate(session: Session): () => void {
  return session.observe(logTo(console))
}
