import { HTTPError } from 'ky'
import { createApi } from '../../examples/clients/ky.ts'
import { prove } from './suite.ts'

prove({
  name: 'ky',
  path: '/api/*',
  create({ fetch, url }) {
    const api = createApi(fetch)
    return {
      async query(id, signal) {
        const options = { searchParams: { id }, signal: signal ?? null }
        return (await api.get<{ id: string }>(`${url}/api/items`, options).json()).id
      },
      mutate: (text) => api.post(`${url}/api/echo`, { json: { text } }).json(),
    }
  },
  unauthorized: (error) => error instanceof HTTPError && error.response.status === 401,
})
