import type { Session } from 'refresh-once'

/** `AppState` of react-native, as far as it is used here. */
interface AppState {
  addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
}

/**
 * An app that comes back to the front asks at once where it has no good token: the cooldown of a refresh that found no
 * network would keep it back. Returns the function that ends it.
 */
export function askWhenActive(session: Session, appState: AppState): () => void {
  const subscription = appState.addEventListener('change', (state) => {
    const { status, expiresAt = Number.POSITIVE_INFINITY } = session.state
    const wanting = status === 'unknown' || (status === 'signed-in' && expiresAt <= Date.now())
    if (state === 'active' && wanting) session.refresh().catch(() => {})
  })
  return () => subscription.remove()
}
