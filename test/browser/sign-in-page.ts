/** What the page of the sign-in's test loads: the example as it is published, and requests to an API. */
import { withSession } from 'refresh-once/fetch'
import { comeBack, session } from '../../examples/sign-in.ts'

export { signIn, signOut } from '../../examples/sign-in.ts'

const isBack = location.pathname === '/back'
const arriving = isBack ? comeBack() : undefined
// As React's StrictMode does it: nothing is left to redeem.
if (isBack) comeBack().catch(() => {})

/** How the sign-in has ended, on the page to which it leads back. */
export const back = async (): Promise<void> => arriving
export const accessToken = (): Promise<string> => session.getAccessToken()
export const status = (): string => session.state.status

/** Statuses of so many requests at once. */
export function request(issuer: string, count: number): Promise<number[]> {
  const api = withSession(session, { origins: [issuer] })
  const one = async () => (await api(`${issuer}/me`)).status
  return Promise.all(Array.from({ length: count }, one))
}

/** Resolves once the session is in such a state. */
export function until(wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (session.state.status === wanted) resolve()
    }
    session.subscribe(look)
    look()
  })
}
