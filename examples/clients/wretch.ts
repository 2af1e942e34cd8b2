import { isSessionError } from 'refresh-once'
import wretch, { type Wretch } from 'wretch'
import { retry } from 'wretch/middlewares'

export function createApi(authFetch: typeof fetch, url: string): Wretch {
  return wretch(url).middlewares([
    // Without `until` this would try ten times more, whatever the status.
    retry({ until: (response) => response?.ok === true || isSessionError(response) }),
    () => authFetch,
  ])
}
