import { createApi } from '../../examples/clients/hey-api.ts'
import { prove } from './suite.ts'

/** It rejects with what it was answered; the tests want an error. */
class Unauthorized extends Error {}

const told = (answer: { status?: number; error?: string }): never => {
  if (answer.status === 401 || answer.error === 'invalid_token') throw new Unauthorized()
  throw answer
}

prove({
  name: '@hey-api/client-fetch',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const { data } = await api
          .get<{ id: string }, unknown, true>({
            url: '/api/items',
            query: { id },
            ...(signal && { signal }),
          })
          .catch(told)
        return (data as unknown as { id: string }).id
      },
      mutate: (text) => api.post({ url: '/api/echo', body: { text } }),
    }
  },
  unauthorized: (error) => error instanceof Unauthorized,
})
