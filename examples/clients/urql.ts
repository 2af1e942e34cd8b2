import { Client, cacheExchange, fetchExchange } from '@urql/core'

export function createApi(authFetch: typeof fetch, url: string): Client {
  return new Client({ url: `${url}/graphql`, fetch: authFetch, exchanges: [cacheExchange, fetchExchange] })
}
