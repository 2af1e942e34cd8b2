import { CombinedError } from '@urql/core'
import { createApi } from '../../examples/clients/urql.ts'
import { ITEM, type ItemData, KEEP, serveGraphql } from './graphql-server.ts'
import { prove } from './suite.ts'

prove({
  name: '@urql/core',
  path: '/graphql',
  serve: serveGraphql,
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      // Whoever does not want the answer of urql any more unsubscribes.
      query: (id, signal) =>
        new Promise((resolve, reject) => {
          const { unsubscribe } = api.query<ItemData>(ITEM, { id }).subscribe(({ data, error }) => {
            if (error) reject(error)
            else resolve(data?.item.id)
          })
          signal?.addEventListener('abort', () => {
            unsubscribe()
            reject(signal.reason)
          })
        }),
      mutate: (text) => api.mutation(KEEP, { text }).toPromise(),
    }
  },
  unauthorized: (error) => error instanceof CombinedError && error.response?.status === 401,
  reasonOf: (error) => error instanceof CombinedError && error.networkError,
})
