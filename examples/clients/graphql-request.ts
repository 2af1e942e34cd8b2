import { GraphQLClient } from 'graphql-request'

export function createApi(authFetch: typeof fetch, url: string): GraphQLClient {
  return new GraphQLClient(`${url}/graphql`, { fetch: authFetch })
}
