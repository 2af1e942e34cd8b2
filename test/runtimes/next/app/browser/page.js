'use client'
import { createSession } from 'refresh-once'
import { useSession } from 'refresh-once/react'

const session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

export default function Page() {
  const { signedIn } = useSession(session)
  return <b>{signedIn === undefined ? 'one moment' : `signed in: ${signedIn}`}</b>
}
