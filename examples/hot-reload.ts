import { createSession, type Session, type SessionOptions } from 'refresh-once'

/** The session of a module that a development server may replace. `hot` is `import.meta.hot`. */
export function openSession(options: SessionOptions, hot?: { dispose(run: () => void): void }): Session {
  const session = createSession(options)
  hot?.dispose(() => session.close())
  return session
}
