import axios from 'axios'
import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { useSession } from 'refresh-once/react'
import { live } from './life.js'

const session = createSession({
  refresh: ({ signal }) => fetch('/refresh', { method: 'POST', credentials: 'include', signal }),
})
const api = axios.create({ baseURL: '/' })
attachSession(api, session)

const get = async (path) => (await api.get(path)).data
const post = (path, body) =>
  fetch(path, {
    method: 'POST',
    credentials: 'include',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

function App() {
  const { signedIn } = useSession(session)
  const [result, setResult] = useState()
  const start = async () => setResult(await live({ session, get, post }).catch(String))
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

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
