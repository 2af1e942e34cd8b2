import { useFetch } from '../../examples/clients/orval.ts'
import { echo, getItem } from '../../examples/clients/orval-items.ts'
import { prove } from './suite.ts'

/** It rejects with what it was answered; the tests want an error. */
class Unauthorized extends Error {}

const told = (answer: { status?: number; error?: string }): never => {
  if (answer.status === 401 || answer.error === 'invalid_token') throw new Unauthorized()
  throw answer
}

prove({
  name: 'orval, client fetch',
  path: '/api/*',
  create({ fetch, url }) {
    useFetch(fetch, url)
    return {
      query: async (id, signal) => (await getItem({ id }, signal && { signal }).catch(told)).data.id,
      mutate: (text) => echo({ text }),
    }
  },
  unauthorized: (error) => error instanceof Unauthorized,
})
