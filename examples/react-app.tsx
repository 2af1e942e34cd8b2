import { useSyncExternalStore } from 'react'
import { session } from './axios.ts'
import { sessionStore } from './react.ts'

const Splash = () => 'one moment'
const Home = () => 'home'
const Login = () => 'login'

const store = sessionStore(session)

/** What an app shows, as the session has it. */
export function App() {
  const { status } = useSyncExternalStore(store.subscribe, store.getSnapshot)
  if (status === 'unknown' || status === 'restoring') return <Splash />
  return status === 'signed-in' ? <Home /> : <Login />
}
