import { createApi } from '../../examples/clients/openapi-fetch.ts'
import { prove } from './suite.ts'

/** It tells of a 401 by a value; the tests want an error. */
class Unauthorized extends Error {}

prove({
  name: 'openapi-fetch',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const { data, response } = await api.GET('/api/items', {
          params: { query: { id } },
          signal: signal ?? null,
        })
        if (response.status === 401) throw new Unauthorized()
        return data?.id
      },
      mutate: (text) => api.POST('/api/echo', { body: { text } }),
    }
  },
  unauthorized: (error) => error instanceof Unauthorized,
})
