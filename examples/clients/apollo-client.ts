import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { RetryLink } from '@apollo/client/link/retry'
import { isSessionError } from 'refresh-once'

export function createApi(authFetch: typeof fetch, url: string): ApolloClient {
  return new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.from([
      new RetryLink({
        attempts: { retryIf: (error) => !isSessionError(error) && error.name !== 'AbortError' },
      }),
      new HttpLink({ uri: `${url}/graphql`, fetch: authFetch }),
    ]),
  })
}
