import type { Session } from 'refresh-once'
import { useSession } from 'refresh-once/react'
import { session } from './axios.ts'

const Splash = () => 'one moment'
const Trouble = () => 'the server cannot be reached'
const Home = ({ onLeave }: { onLeave: Session['signOut'] }) => (
  <button type="button" onClick={() => onLeave()}>
    leave
  </button>
)
const Login = () => 'login'

/** What an app shows, as the session has it. */
export function App() {
  const { signedIn, failure, signOut } = useSession(session)
  if (failure) return <Trouble />
  if (signedIn === undefined) return <Splash />
  return signedIn ? <Home onLeave={signOut} /> : <Login />
}
