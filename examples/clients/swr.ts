import { isSessionError } from 'refresh-once'
import type { SWRConfiguration } from 'swr'

/** For `SWRConfig`. */
export const swrOptions: SWRConfiguration = {
  shouldRetryOnError: (error) => !isSessionError(error),
}

/** fetch resolves with a 401, and a fetcher is to throw. Its cause tells whether that is a session error. */
export function fetcher(authFetch: typeof fetch): (url: string) => Promise<unknown> {
  return async (url) => {
    const response = await authFetch(url)
    if (!response.ok) throw new Error(`${response.status}`, { cause: response })
    return response.json()
  }
}
