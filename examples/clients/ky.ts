import ky, { type KyInstance } from 'ky'
import { isSessionError } from 'refresh-once'

export function createApi(authFetch: typeof fetch): KyInstance {
  return ky.create({
    fetch: authFetch,
    retry: { shouldRetry: ({ error }) => (isSessionError(error) ? false : undefined) },
  })
}
