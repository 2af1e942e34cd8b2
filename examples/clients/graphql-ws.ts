import { type Client, type ClientOptions, createClient } from 'graphql-ws'
import { isSessionError, type Session, tokenSource } from 'refresh-once'

/** What a server closes a socket with where its `onConnect` says `false`. After 4401 graphql-ws gives up. */
const FORBIDDEN = 4403

export function createSubscriptions(session: Session, options: ClientOptions): Client {
  const { token, refused } = tokenSource(session, { minValidity: 30_000 })
  let refusals = 0
  return createClient({
    ...options,
    connectionParams: async () => ({ token: await token() }),
    on: {
      connected: () => {
        refusals = 0
      },
      closed: (event) => {
        if (Object(event).code === FORBIDDEN && ++refusals === 1) void refused()
      },
    },
    // Not for ever where new tokens are refused, too, and not where nobody is signed in any more.
    shouldRetry: (problem) =>
      refusals < 2 && (!isSessionError(problem) || isSessionError(problem, 'refresh_failed')),
  })
}
