import { WretchError } from 'wretch/resolver'
import { createApi } from '../../examples/clients/wretch.ts'
import { prove } from './suite.ts'

prove({
  name: 'wretch',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      query: async (id, signal) => {
        const { id: own } = await api
          .options({ signal: signal ?? null })
          .get(`/api/items?id=${id}`)
          .json<{ id: string }>()
        return own
      },
      mutate: (text) => api.post({ text }, '/api/echo').json(),
    }
  },
  unauthorized: (error) => error instanceof WretchError && error.status === 401,
})
