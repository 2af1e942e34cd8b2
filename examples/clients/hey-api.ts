import { type Client, createClient } from '@hey-api/client-fetch'

/** What its generated functions take as `client`, or use by themselves. */
export function createApi(authFetch: typeof fetch, url: string): Client {
  return createClient({ baseUrl: url, fetch: authFetch, throwOnError: true })
}
