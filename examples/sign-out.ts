import type { Session } from 'refresh-once'

/** Ends the session here and, once no refresh is running any more, on the server. */
export async function signOut(session: Session): Promise<void> {
  await session.signOut({
    // It outlives a page that the user closes meanwhile.
    server: () => fetch('/logout', { method: 'POST', credentials: 'include', keepalive: true }),
  })
}

/**
 * Shows the login when the session has ended, whoever ended it. It may lead to another page, by `location.href`: here the
 * server has been told by then.
 */
export function followSignOut(session: Session, showLogin: (reason: string) => void): () => void {
  return session.observe((event) => {
    if (event.type === 'signed-out') showLogin(event.reason)
  })
}
