/** What the pages of the grant's tests load: a session of one user, for all tabs, at another origin's server. */
import { type Clock, createSession, type TokenInput } from 'refresh-once'
import { browserStore } from 'refresh-once/browser'
import { withSession } from 'refresh-once/fetch'
import { createDpop, refreshTokenGrant, storedKey } from 'refresh-once/oauth'

let ahead = 0
const clock: Clock = {
  now: () => Date.now() + ahead,
  monotonic: () => performance.now() + ahead,
  setTimeout: (run, ms) => setTimeout(run, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
  random: Math.random,
}
const issuer = new URLSearchParams(location.search).get('issuer') ?? ''
const dpop = location.search.includes('dpop') ? createDpop({ key: storedKey() }) : undefined
const grant = refreshTokenGrant({ issuer, clientId: 'app', dpop })
const session = createSession({ ...grant, clock, store: browserStore({ name: 'app', clock }) })
const api = withSession(session, { origins: [issuer] })

/** The clock of this page goes ahead. */
export function pass(ms: number): void {
  ahead += ms
}

/** To which key the tokens must be bound. */
export async function thumbprint(): Promise<string | undefined> {
  return (await dpop?.handle())?.calculateThumbprint()
}

export const signIn = (tokens: TokenInput): Promise<void> => session.signIn(tokens)
export const refresh = (): Promise<void> => session.refresh()
export const accessToken = (): Promise<string> => session.getAccessToken()

/** Statuses of so many requests at once, or what became of them. */
export function request(count: number): Promise<(number | string)[]> {
  const one = () =>
    api(`${issuer}/me`).then(
      ({ status }) => status,
      (error) => String(error),
    )
  return Promise.all(Array.from({ length: count }, one))
}
