import { MutationObserver } from '@tanstack/query-core'
import { createQueries, getJson } from '../../examples/clients/tanstack-query.ts'
import { isUnauthorized, type Json, overAxios } from './json.ts'
import { type Ground, prove } from './suite.ts'

const overFetch = ({ fetch, url }: Ground): Json => ({
  get: (path, signal) => getJson(fetch, url + path, signal),
  post: (path, body) => fetch(url + path, { method: 'POST', body: JSON.stringify(body) }),
})

const bases = [
  ['fetch', overFetch],
  ['axios', overAxios],
] as const

for (const [base, over] of bases) {
  prove({
    name: `TanStack Query over ${base}`,
    path: '/api/*',
    create(ground) {
      const json = over(ground)
      const queries = createQueries()
      return {
        async query(id, abort) {
          const queryKey = ['items', id]
          abort?.addEventListener('abort', () => queries.cancelQueries({ queryKey }))
          const item = await queries.fetchQuery({
            queryKey,
            queryFn: ({ signal }) => json.get(`/api/items?id=${id}`, signal),
            gcTime: 0,
            retryDelay: 0,
          })
          return Object(item).id
        },
        mutate: (text) =>
          new MutationObserver(queries, {
            mutationFn: () => json.post('/api/echo', { text }),
            gcTime: 0,
          }).mutate(),
      }
    },
    unauthorized: isUnauthorized,
  })
}
