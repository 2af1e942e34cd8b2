import { isSessionError } from 'refresh-once'
import { up } from 'up-fetch'

export function createApi(authFetch: typeof fetch, url: string): typeof upfetch {
  return up(authFetch, () => ({
    baseUrl: url,
    retry: {
      attempts: 2,
      delay: 100,
      when: ({ response, error }) => response?.ok !== true && !isSessionError(error ?? response),
    },
  }))
}

declare const upfetch: ReturnType<typeof up<typeof fetch>>
