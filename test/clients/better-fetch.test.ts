import { BetterFetchError } from '@better-fetch/fetch'
import { createApi } from '../../examples/clients/better-fetch.ts'
import { prove } from './suite.ts'

prove({
  name: 'better-fetch',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const { id: own } = (await api<{ id: string }>('/api/items', {
          query: { id },
          throw: true,
          signal: signal ?? null,
        })) as unknown as { id: string }
        return own
      },
      mutate: (text) => api('/api/echo', { method: 'POST', body: { text }, throw: true }),
    }
  },
  unauthorized: (error) => error instanceof BetterFetchError && error.status === 401,
})
