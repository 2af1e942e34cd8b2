import type { Session, SessionEvent } from 'refresh-once'

/** Shows what a session does, while one develops. */
export function watch(session: Session): void {
  if (process.env.NODE_ENV !== 'production')
    import('refresh-once/devtools').then((it) => it.mountTimeline(session))
}

/** The same as text: for a terminal, and for what a test prints when it fails. */
export async function record(session: Session): Promise<() => string> {
  const { formatEvents } = await import('refresh-once/devtools')
  const events: SessionEvent[] = []
  session.observe((event) => events.push(event))
  return () => formatEvents(events)
}
