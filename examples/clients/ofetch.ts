import { type $Fetch, createFetch } from 'ofetch'
import { isSessionError } from 'refresh-once'

export function createApi(authFetch: typeof fetch, url: string): $Fetch {
  return createFetch({
    fetch: authFetch,
    defaults: {
      baseURL: url,
      onRequestError({ error, options }) {
        if (isSessionError(error)) options.retry = false
      },
    },
  })
}
