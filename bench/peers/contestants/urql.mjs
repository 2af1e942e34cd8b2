import { Client, fetchExchange } from '@urql/core'
import { authExchange } from '@urql/exchange-auth'
import { exchange } from '../tokens.mjs'

export const name = "urql's authExchange"
export const packages = ['@urql/exchange-auth', '@urql/core']

/** The API is the same, as operations; a refused token is told by a code, as GraphQL servers do. */
export function open({ url, tokenEndpoint, tokens, expiresAt }) {
  const mine = { ...tokens }
  let until = expiresAt
  const client = new Client({
    url: `${url}/graphql`,
    preferGetMethod: false,
    requestPolicy: 'network-only',
    exchanges: [
      authExchange(async ({ appendHeaders }) => ({
        addAuthToOperation: (operation) =>
          appendHeaders(operation, { Authorization: `Bearer ${mine.access_token}` }),
        willAuthError: () => until <= Date.now(),
        didAuthError: (error) =>
          error.graphQLErrors.some(({ extensions }) => extensions.code === 'UNAUTHENTICATED'),
        async refreshAuth() {
          Object.assign(mine, await exchange(tokenEndpoint, mine.refresh_token))
          until = Date.now() + mine.expires_in * 1000
        },
      })),
      fetchExchange,
    ],
  })
  const variables = '($path: String!, $method: String!, $body: JSON)'
  const call = '{ call(path: $path, method: $method, body: $body) }'
  return {
    async request(path, { method = 'GET', body, signal } = {}) {
      const kind = method === 'GET' ? 'query' : 'mutation'
      const { data, error } = await client[kind](
        `${kind} ${variables} ${call}`,
        { path, method, body },
        {
          fetchOptions: { signal },
        },
      ).toPromise()
      if (error) throw error
      return { status: 200, data: data.call }
    },
  }
}
