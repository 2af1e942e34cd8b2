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
  const { state, signedIn, failure, signOut } = useSession(session)
  if (failure) return <Trouble />
  if (signedIn === undefined) return <Splash />
  // Another user begins anew: nothing that the former one was shown, or has typed, is left.
  return signedIn ? <Home key={state.signIn} onLeave={signOut} /> : <Login />
}
