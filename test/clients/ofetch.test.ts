import { FetchError } from 'ofetch'
import { createApi } from '../../examples/clients/ofetch.ts'
import { prove } from './suite.ts'

prove({
  name: 'ofetch',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      query: async (id, signal) => (await api('/api/items', { query: { id }, signal: signal ?? null })).id,
      mutate: (text) => api('/api/echo', { method: 'POST', body: { text } }),
    }
  },
  unauthorized: (error) => error instanceof FetchError && error.status === 401,
})
