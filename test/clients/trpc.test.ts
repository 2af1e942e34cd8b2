import { TRPCClientError } from '@trpc/client'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { createApi, createStreamingApi, type Fetch } from '../../examples/clients/trpc.ts'
import { appRouter } from '../../examples/clients/trpc-router.ts'
import { times } from '../setup.ts'
import { prove } from './suite.ts'
import { answeredBy } from './web-handler.ts'

const links = [
  ['tRPC, httpBatchLink', createApi],
  ['tRPC, httpBatchStreamLink', createStreamingApi],
] as const

for (const [name, create] of links) {
  prove({
    name,
    path: '/trpc/*',
    serve: (server) =>
      server.api(
        '/trpc/*',
        answeredBy((req) => fetchRequestHandler({ endpoint: '/trpc', req, router: appRouter })),
      ),
    create({ fetch, url }) {
      // What one client is asked for at once is one request: five clients send five.
      const apis = times(5, () => create(fetch as Fetch, url))
      return {
        query: async (id, signal) => {
          const answer = await apis[Number(id) % 5]?.item.query({ id }, signal ? { signal } : {})
          return answer?.id
        },
        mutate: async (text) => apis[0]?.keep.mutate({ text }),
      }
    },
    requests: 5,
    unauthorized: (error) => error instanceof TRPCClientError && Object(error.meta?.response).status === 401,
    remarks: { storm: 'yes, in five batches' },
  })
}
