import { isResponseError } from 'up-fetch'
import { createApi } from '../../examples/clients/up-fetch.ts'
import { prove } from './suite.ts'

prove({
  name: 'up-fetch',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const { id: own } = await api('/api/items', { params: { id }, ...(signal && { signal }) })
        return own
      },
      mutate: (text) => api('/api/echo', { method: 'POST', body: { text } }),
    }
  },
  unauthorized: (error) => isResponseError(error) && error.status === 401,
})
