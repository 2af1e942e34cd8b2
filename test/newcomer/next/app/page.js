'use client'
import { useState } from 'react'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { useSession } from 'refresh-once/react'
import { live } from '../life.js'

const session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})

const post = (path, body) =>
  fetch(path, {
    method: 'POST',
    credentials: 'include',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

export default function Page() {
  const { signedIn } = useSession(session)
  const [result, setResult] = useState()
  async function start() {
    const authFetch = withSession(session)
    const get = async (path) => {
      const response = await authFetch(path)
      if (!response.ok) throw new Error(String(response.status))
      return response.json()
    }
    setResult(await live({ session, get, post }).catch(String))
  }
  if (signedIn === undefined) return 'one moment'
  return (
    <>
      <button type="button" onClick={start}>
        start
      </button>
      <p>{signedIn ? 'signed in' : 'signed out'}</p>
      {result && <pre>{JSON.stringify(result)}</pre>}
    </>
  )
}
