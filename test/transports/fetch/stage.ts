import type { Session, SessionOptions } from 'refresh-once'
import { type FetchOptions, type SessionFetch, withSession } from 'refresh-once/fetch'
import type { AuthServer, AuthServerOptions, ReceivedRequest, TokenResponse } from 'refresh-once/testing'
import { expired, open, refreshAt, startServer } from '../../setup.ts'

export interface StageOptions {
  server?: AuthServerOptions
  session?: Partial<SessionOptions>
  fetch?: FetchOptions
  /** Whether the session knows from the start that its access token has expired: requests are held. */
  expired?: boolean
}

export interface Stage {
  server: AuthServer
  session: Session
  /** In the care of the session; takes a path at the server, or a whole URL, or a Request. */
  api: SessionFetch
  /** Where a path is at the server. */
  at(path: string): string
  /** What arrived whole at guarded routes, byte for byte. */
  received: ReceivedRequest[]
  /** The first token set of the session. */
  tokens: TokenResponse
}

/** A server, a session that is signed in there, and a fetch in its care. */
export async function stage(options: StageOptions = {}): Promise<Stage> {
  const received: ReceivedRequest[] = []
  const server = await startServer({ ...options.server, onRequest: (request) => received.push(request) })
  const tokens = server.mint()
  const session = open({
    tokens: options.expired ? expired(tokens) : tokens,
    refresh: refreshAt(server),
    ...options.session,
  })
  const api = withSession(session, { origins: [server.url], ...options.fetch })
  return { server, session, api, at: (path) => server.url + path, received, tokens }
}

/** A fetch whose answers nobody else lets go of: garbage that is collected would free their connections, too. */
export function keeping(send: typeof fetch): typeof fetch {
  const kept: Response[] = []
  return async (input, init) => {
    const answer = await send(input, init)
    kept.push(answer)
    return answer
  }
}
