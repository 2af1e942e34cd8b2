import type { AxiosError } from 'axios'
import { byStatus } from '../session.ts'
import type { AxiosAuthRefreshOptions } from './options.ts'

/** Of what it is given programs write down what they expect, or nothing at all: it is as loose as there. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type RefreshAuthCall = (failedRequest: any) => Promise<unknown>

/** One call of `createAuthRefresh`. */
export interface Registration {
  refreshAuthCall: RefreshAuthCall
  options: AxiosAuthRefreshOptions
  /** Whether its interceptor is still there. */
  stands(): boolean
}

/** Those that have not been ejected. */
export function standing(registrations: Registration[] = []): Registration[] {
  return registrations.filter(({ stands }) => stands())
}

/** Whether an error is one that this registration refreshes for. */
export function isFor(
  error: AxiosError,
  isUnread: boolean,
  { shouldRefresh, statusCodes, interceptNetworkError, maxRetries }: AxiosAuthRefreshOptions,
): boolean | undefined {
  if (error.config?.skipAuthRefresh || maxRetries === 0) return false
  if (isUnread) return interceptNetworkError === true
  try {
    return shouldRefresh ? Boolean(shouldRefresh(error)) : byStatus(statusCodes, error)
  } catch (thrown) {
    console.error('shouldRefresh has thrown', thrown)
    return false
  }
}
