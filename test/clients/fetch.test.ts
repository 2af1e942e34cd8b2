import { prove } from './suite.ts'

/** fetch tells of a 401 by a value; the tests want an error. */
class Unauthorized extends Error {}

prove({
  name: 'fetch',
  path: '/api/*',
  create: ({ fetch, url }) => ({
    async query(id, signal) {
      const response = await fetch(`${url}/api/items?id=${id}`, { signal: signal ?? null })
      if (response.status === 401) throw new Unauthorized()
      return (await response.json()).id
    },
    mutate: (text) => fetch(`${url}/api/echo`, { method: 'POST', body: JSON.stringify({ text }) }),
  }),
  unauthorized: (error) => error instanceof Unauthorized,
})
