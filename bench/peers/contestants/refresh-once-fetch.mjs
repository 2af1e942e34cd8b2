import { createSession } from '../../../dist/index.js'
import { withSession } from '../../../dist/transports/fetch.js'
import { exchange, viaFetch } from '../tokens.mjs'

export const name = 'refresh-once, fetch'
export const packages = []
export const ours = true

export function open({ url, tokenEndpoint, tokens, deadline }) {
  const session = createSession({
    refresh: ({ tokens, signal }) => exchange(tokenEndpoint, tokens.refreshToken, { signal }),
    tokens,
    deadline,
  })
  return { ...viaFetch(withSession(session, { origins: [url] }), url), close: () => session.close() }
}
