import axiosRetry from 'axios-retry'
import { createAxios, isUnauthorized } from './json.ts'
import { prove } from './suite.ts'

prove({
  name: 'axios, with axios-retry',
  path: '/api/*',
  create(ground) {
    const api = createAxios(ground)
    axiosRetry(api, { retries: 3 })
    return {
      query: async (id, signal) =>
        (await api.get('/api/items', { params: { id }, ...(signal && { signal }) })).data.id,
      mutate: (text) => api.post('/api/echo', { text }),
    }
  },
  unauthorized: isUnauthorized,
})
