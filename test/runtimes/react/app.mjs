import { createElement as element } from 'react'
import { createSession } from 'refresh-once'
import { useSession } from 'refresh-once/react'

// At the top of a module, as in the README: the server renders with one, too.
const session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

export function App() {
  const { signedIn, signOut } = useSession(session)
  if (signedIn === undefined) return element('i', null, 'one moment')
  return signedIn
    ? element('button', { type: 'button', onClick: () => signOut() }, 'leave')
    : element('b', null, 'login')
}
