import axios, { type AxiosError, type AxiosInstance, type CreateAxiosDefaults } from 'axios'
import type { Session, SessionOptions } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import type { AuthServer, AuthServerOptions, ReceivedRequest, TokenResponse } from 'refresh-once/testing'
import { expired, failureOf, open, refreshAt, startServer } from '../../setup.ts'

export interface StageOptions {
  server?: AuthServerOptions
  session?: Partial<SessionOptions>
  /** Defaults of both axios instances. */
  client?: CreateAxiosDefaults
  /** Whether the session knows from the start that its access token has expired: requests are held. */
  expired?: boolean
}

export interface Stage {
  server: AuthServer
  session: Session
  /** In the care of the session. */
  api: AxiosInstance
  /** The same client without the session. */
  bare: AxiosInstance
  /** What arrived whole at guarded routes, byte for byte. */
  received: ReceivedRequest[]
  /** The first token set of the session. */
  tokens: TokenResponse
}

/** A server, a session that is signed in there, and an axios instance in its care. */
export async function stage(options: StageOptions = {}): Promise<Stage> {
  const received: ReceivedRequest[] = []
  const server = await startServer({ ...options.server, onRequest: (request) => received.push(request) })
  const tokens = server.mint()
  const session = open({
    tokens: options.expired ? expired(tokens) : tokens,
    refresh: refreshAt(server),
    ...options.session,
  })
  const api = axios.create({ baseURL: server.url, ...options.client })
  const bare = axios.create({ baseURL: server.url, ...options.client })
  attachSession(api, session)
  return { server, session, api, bare, received, tokens }
}

/** The error that a request rejects with. Call it at once: it also takes care of the rejection. */
export async function errorOf(request: Promise<unknown>): Promise<AxiosError> {
  const error = await failureOf(request)
  if (axios.isAxiosError(error)) return error
  throw new Error('expected an AxiosError', { cause: error })
}
