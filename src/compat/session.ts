import axios, { type AxiosError } from 'axios'
import type { SessionOptions } from '../core/options.ts'
import { createSession, type Session } from '../core/session.ts'

/** What the options of the drop-ins say, in our words. */
export interface UntoldOptions
  extends Pick<SessionOptions, 'deadline' | 'replays' | 'recall' | 'recallAfter'> {
  /** Obtains new tokens, and puts them where the app's own code finds them. What it returns is ignored. */
  refresh(): unknown
  /** Whether an answer leads to a refresh; `undefined` for a 401 leaves it to the session. */
  shouldRefresh(error: AxiosError): boolean | undefined
}

/** A session that is told of no login and holds no tokens: the app's own code does both. */
export function openUntold({ refresh, shouldRefresh, ...options }: UntoldOptions): Session {
  const session = createSession({
    mode: 'cookie',
    refresh: async () => void (await refresh()),
    // An error that is neither an answer nor of the network is the handler's own word.
    isTerminal: ({ status, cause }) =>
      !(status ?? Object(cause).code ?? cause instanceof TypeError) || undefined,
    shouldRefresh: (_, error) => axios.isAxiosError(error) && shouldRefresh(error),
    ...options,
  })
  // Nobody tells us of a login: whatever is sent after the end of one may belong to the next.
  session.subscribe(({ status }) => status === 'signed-out' && queueMicrotask(() => session.signIn()))
  void session.signIn()
  return session
}

/** Whether one of these status codes leads to a refresh. What a challenge says about a 401 goes before. */
export function byStatus(codes: readonly number[] | undefined, error: AxiosError): boolean | undefined {
  const status = Number(error.response?.status)
  return [codes ?? 401].flat().includes(status) && (status !== 401 || undefined)
}

/** How often a request is sent again; whatever is no count is none. */
export function countOf(retries: unknown): number {
  return Math.max(Number(retries ?? 1) || 0, 0)
}
