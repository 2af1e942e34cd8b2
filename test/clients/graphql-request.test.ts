import { ClientError } from 'graphql-request'
import { createApi } from '../../examples/clients/graphql-request.ts'
import { ITEM, type ItemData, KEEP, serveGraphql } from './graphql-server.ts'
import { prove } from './suite.ts'

prove({
  name: 'graphql-request',
  path: '/graphql',
  serve: serveGraphql,
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const { item } = await api.request<ItemData>({
          document: ITEM,
          variables: { id },
          ...(signal && { signal }),
        })
        return item.id
      },
      mutate: (text) => api.request(KEEP, { text }),
    }
  },
  unauthorized: (error) => error instanceof ClientError && error.response.status === 401,
})
