/**
 * The clients that sessions take care of, behind one small interface: what holds for all of them is written once,
 * and runs for each.
 */
import axios, { AxiosError, type AxiosRequestConfig, type CreateAxiosDefaults, getAdapter } from 'axios'
import { findSessionError, type Session, SessionError, type SessionErrorCode } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { type RequestSession, withSession } from 'refresh-once/fetch'

/** A request, as far as all clients can say it. */
export interface Call {
  method?: string
  headers?: Record<string, string>
  body?: string
  signal?: AbortSignal
  session?: false | RequestSession
}

/** What became of a call. Calls never reject: what a client rejects with is in here. */
export interface Outcome {
  /** Zero where nothing was answered. */
  status: number
  /** The body of the answer, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: each route has its own
  data: any
  header(name: string): string | undefined
  /** Why the session could not do better. */
  why: SessionError | undefined
  /** The code of that. */
  code: SessionErrorCode | undefined
  /** Whether it is what this client gives where a session refuses to send: its own kind of error, with no answer. */
  refused: boolean
  /** Whether it is what this client gives where its caller aborts. */
  aborted: boolean
  /** What the caller got: an answer, or an error. */
  settled: unknown
}

/** Sends to a path at the server, or to a whole URL. */
export type Api = (path: string, call?: Call) => Promise<Outcome>

export interface Client {
  name: string
  /**
   * A client of the server at `url`, in the care of a session.
   *
   * @param cookie what the Cookie header says at each send: a browser adds it below the client
   */
  attach(server: { url: string }, session: Session, cookie?: () => string): Api
}

function axiosClient(name: string, config: CreateAxiosDefaults): Client {
  return {
    name,
    attach({ url }, session, cookie) {
      const api = axios.create({ baseURL: url, proxy: false, ...config })
      if (cookie) {
        api.defaults.adapter = (config) => {
          config.headers.set('Cookie', cookie())
          return getAdapter('http')(config)
        }
      }
      attachSession(api, session)
      return async (path, { body, method = 'GET', ...call } = {}) => {
        const request = { url: path, method, data: body, ...call } as AxiosRequestConfig
        const settled = await api.request(request).catch((error) => error)
        const { response = settled } = settled
        const refused = settled instanceof AxiosError && !settled.response && Boolean(settled.config)
        return {
          status: response.config ? (response.status ?? 0) : 0,
          data: response.data,
          header: (name) => response.headers?.[name],
          why: findSessionError(settled),
          code: findSessionError(settled)?.code,
          refused: refused && settled.cause instanceof SessionError,
          aborted: axios.isCancel(settled) && settled.code === 'ERR_CANCELED',
          settled,
        }
      }
    },
  }
}

const fetchClient: Client = {
  name: 'fetch',
  attach({ url }, session, cookie) {
    const withCookie: typeof fetch = (input, init) => {
      const headers = new Headers(init?.headers)
      headers.set('cookie', cookie?.() ?? '')
      return fetch(input, { ...init, headers })
    }
    const api = withSession(session, { origins: [url], ...(cookie && { fetch: withCookie }) })
    return async (path, call) => {
      const settled = await api(/^https?:/.test(path) ? path : url + path, call).catch(
        (error: Error) => error,
      )
      const answer = settled instanceof Response ? settled : undefined
      const text = await answer?.text()
      return {
        status: answer?.status ?? 0,
        data: parsed(text),
        header: (name) => answer?.headers.get(name) ?? undefined,
        why: findSessionError(settled),
        code: findSessionError(settled)?.code,
        refused: settled instanceof SessionError,
        aborted: settled instanceof DOMException && settled.name === 'AbortError',
        settled,
      }
    }
  },
}

function parsed(text: string | undefined): unknown {
  try {
    return text ? JSON.parse(text) : text
  } catch {
    return text
  }
}

/** Each of them. */
export const CLIENTS: Client[] = [axiosClient('axios', {}), fetchClient]

/** Each of them, and by each adapter. */
export const ALL_CLIENTS: Client[] = [
  axiosClient('axios (http adapter)', { adapter: 'http' }),
  axiosClient('axios (fetch adapter)', { adapter: 'fetch' }),
  fetchClient,
]
