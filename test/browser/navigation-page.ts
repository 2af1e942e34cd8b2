/** An app whose refresh token is an HttpOnly cookie, and whose login is another page. */
import { createSession } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'

const session = createSession({
  ...(location.search === '?store' && { store: browserStore({ name: 'app' }) }),
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

// Whoever has signed out is signed out, whatever cookie there is, until it is said that this is another login.
const arriving = location.pathname === '/back' && session.signIn()

export async function ask(): Promise<string> {
  await arriving
  return session.getAccessToken().then(
    () => 'signed in',
    ({ code }) => code,
  )
}

const signOut = (): Promise<void> =>
  session.signOut({ server: () => fetch('/logout', { method: 'POST', credentials: 'include' }) })

const leave = (): void => {
  location.href = `/login-page${location.search}`
}

/** The page leaves when the verb has resolved. */
export async function leaveAfterwards(): Promise<void> {
  await signOut()
  leave()
}

/** The page leaves when it hears of it. */
export function leaveWhenHeard(): void {
  session.observe(({ type }) => {
    if (type === 'signed-out') leave()
  })
  void signOut()
}
