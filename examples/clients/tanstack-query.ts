import { QueryClient } from '@tanstack/query-core'
import { isSessionError } from 'refresh-once'

export function createQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: { retry: (failures, error) => !isSessionError(error) && failures < 3 },
    },
  })
}

/** fetch resolves with a 401, and a query function is to throw. Its cause tells whether that is a session error. */
export async function getJson(authFetch: typeof fetch, url: string, signal?: AbortSignal): Promise<unknown> {
  const response = await authFetch(url, { signal: signal ?? null })
  if (!response.ok) throw new Error(`${response.status}`, { cause: response })
  return response.json()
}
