import type { Session, SessionState } from 'refresh-once'

/**
 * Calls `forget` when what was loaded is not for whoever is signed in now: another user, in this tab or another one, or
 * nobody any more. Returns the function that ends it.
 */
export function onOtherUser(session: Session, forget: () => void): () => void {
  let loadedFor = nameOf(session.state)
  return session.subscribe((state) => {
    const name = nameOf(state)
    if (name === undefined || name === loadedFor) return
    // What waits for the first refresh was loaded for nobody yet.
    if (loadedFor !== undefined) forget()
    loadedFor = name
  })
}

function nameOf({ signIn, status }: SessionState): string | undefined {
  return signIn ?? (status === 'signed-out' ? 'nobody' : undefined)
}
