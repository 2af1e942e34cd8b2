import { type BetterFetch, createFetch } from '@better-fetch/fetch'
import { isSessionError } from 'refresh-once'

export function createApi(authFetch: typeof fetch, url: string): BetterFetch {
  return createFetch({
    baseURL: url,
    customFetchImpl: authFetch,
    // Without `shouldRetry` it would try again whatever has no `ok`.
    retry: {
      type: 'linear',
      attempts: 2,
      delay: 100,
      shouldRetry: (response) => !isSessionError(response),
    },
  })
}
