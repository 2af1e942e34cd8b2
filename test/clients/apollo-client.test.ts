import { gql, ServerError } from '@apollo/client'
import { createApi } from '../../examples/clients/apollo-client.ts'
import { ITEM, type ItemData, KEEP, serveGraphql } from './graphql-server.ts'
import { prove } from './suite.ts'

prove({
  name: '@apollo/client',
  path: '/graphql',
  serve: serveGraphql,
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const context = { fetchOptions: { signal } }
        const { data } = await api.query<ItemData>({ query: gql(ITEM), variables: { id }, context })
        return data?.item.id
      },
      mutate: (text) => api.mutate({ mutation: gql(KEEP), variables: { text } }),
    }
  },
  unauthorized: (error) => ServerError.is(error) && error.statusCode === 401,
})
