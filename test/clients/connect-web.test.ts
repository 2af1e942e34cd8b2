import { Code, ConnectError, createConnectRouter } from '@connectrpc/connect'
import { createFetchHandler } from '@connectrpc/connect/protocol'
import { createApi } from '../../examples/clients/connect-web.ts'
import { Items } from '../../examples/clients/items_pb.ts'
import { prove } from './suite.ts'
import { answeredBy } from './web-handler.ts'

prove({
  name: '@connectrpc/connect-web',
  path: '/items.v1.Items/*',
  serve(server) {
    const { handlers } = createConnectRouter().service(Items, {
      get: ({ value }) => ({ value }),
      keep: ({ value }) => ({ value }),
    })
    for (const handler of handlers) {
      server.api(handler.requestPath, answeredBy(createFetchHandler(handler)))
    }
  },
  create({ fetch, url }) {
    const api = createApi(fetch, url)
    return {
      query: async (value, signal) => (await api.get({ value }, signal ? { signal } : {})).value,
      mutate: (value) => api.keep({ value }),
    }
  },
  unauthorized: (error) => error instanceof ConnectError && error.code === Code.Unauthenticated,
})
