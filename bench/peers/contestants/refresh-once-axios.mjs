import axios from 'axios'
import { createSession } from '../../../dist/index.js'
import { attachSession } from '../../../dist/transports/axios.js'
import { exchange, viaAxios } from '../tokens.mjs'

export const name = 'refresh-once, axios'
export const packages = ['axios']
export const ours = true

export function open({ url, tokenEndpoint, tokens, deadline, connections }) {
  const session = createSession({
    refresh: ({ tokens, signal }) => exchange(tokenEndpoint, tokens.refreshToken, { signal }),
    tokens,
    deadline,
    // As in browsers, which have few.
    recall: connections ? 'safe' : undefined,
  })
  const instance = axios.create({ baseURL: url })
  attachSession(instance, session)
  return { ...viaAxios(instance), close: () => session.close() }
}
