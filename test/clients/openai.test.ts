import { AuthenticationError } from 'openai'
import { createApi } from '../../examples/clients/openai.ts'
import { prove } from './suite.ts'

prove({
  name: 'openai',
  path: '/v1/*',
  serve(server) {
    server.api('/v1/models/*', ({ request }) => ({
      body: { id: request.url?.split('/').at(-1), object: 'model', created: 1, owned_by: 'alice' },
    }))
    server.api('/v1/chat/completions', ({ body }) => {
      const { content } = JSON.parse(body.toString()).messages[0]
      const message = { role: 'assistant', content }
      return { body: { id: '1', object: 'chat.completion', choices: [{ index: 0, message }] } }
    })
  },
  create({ session, fetch, url }) {
    const api = createApi(session, fetch, url)
    return {
      query: async (id, signal) => (await api.models.retrieve(id, { signal })).id,
      mutate: (content) =>
        api.chat.completions.create({ model: 'any', messages: [{ role: 'user', content }] }),
    }
  },
  unauthorized: (error) => error instanceof AuthenticationError,
  waitsForRefresh: true,
  remarks: { abort: 'yes; while it waits for a refresh, told when that is over' },
})
