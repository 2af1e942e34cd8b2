import { createApi } from '../../examples/clients/alova.ts'
import { prove } from './suite.ts'

/** It rejects with what it was answered; the tests want an error. */
class Unauthorized extends Error {}

const told = (answer: { status?: number; error?: string }): never => {
  if (answer.status === 401 || answer.error === 'invalid_token') throw new Unauthorized()
  throw answer
}

prove({
  name: 'alova',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      async query(id, signal) {
        const asked = api.Get<{ id: string }>('/api/items', { params: { id } })
        signal?.addEventListener('abort', () => asked.abort())
        return (await asked.send().catch(told)).id
      },
      mutate: async (text) => api.Post('/api/echo', { text }),
    }
  },
  unauthorized: (error) => error instanceof Unauthorized,
})
