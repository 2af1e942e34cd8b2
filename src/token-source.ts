import type { Session } from './core/session.ts'

/** Access tokens for a client that asks for them by a callback, and a way to say that one was refused. */
export interface TokenSource {
  /** A token that is good now, as {@link Session.getAccessToken}. Remembers which one it was. */
  token(): Promise<string>
  /**
   * Call it where the server refused the token, before the client asks for the next one. It refreshes, unless the
   * session has another token by now: ten sockets that are closed late cost one refresh. Rejects as
   * {@link Session.refresh} does, and may be left alone: `token` waits for it, and tells of the same.
   *
   * `token`: which one was refused, where several are on their way. @default the last one
   */
  refused(token?: string): Promise<void>
}

/**
 * Serves a client that takes a function for its token: `accessTokenFactory`, `connectionParams`, `transformRequest`,
 * `auth`, `tokenProvider`. Such a function cannot say that a token was refused, so `session.getAccessToken()` alone
 * gives the same one again, for as long as it has not expired.
 *
 * The source knows what it has handed out last: make one for each connection. Before that, nothing was refused. It
 * does not count: a client that comes back by itself for ever needs a limit where the server refuses new tokens, too.
 *
 * `options` are those of `getAccessToken`: a `minValidity` for sockets, which keep the token that they were opened with.
 *
 * @example
 * const { token, refused } = tokenSource(session, { minValidity: 30_000 })
 * const client = createClient({
 *   url,
 *   connectionParams: async () => ({ token: await token() }),
 *   on: { closed: (event) => { if (event.code === 4403) void refused() } },
 * })
 */
export function tokenSource(
  session: Pick<Session, 'getAccessToken' | 'refresh'>,
  options: { signal?: AbortSignal | undefined; minValidity?: number } = {},
): TokenSource {
  let last: string | undefined
  return {
    async token() {
      last = await session.getAccessToken(options)
      return last
    },
    refused(token = last) {
      const { signal } = options
      // Without a token this would force a refresh.
      const done = token === undefined ? Promise.resolve() : session.refresh({ signal, unless: token })
      done.catch(() => {})
      return done
    },
  }
}
