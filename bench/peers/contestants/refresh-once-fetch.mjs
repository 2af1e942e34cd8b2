import { createSession } from '../../../dist/index.js'
import { withSession } from '../../../dist/transports/fetch.js'
import { exchange, viaFetch } from '../tokens.mjs'

export const name = 'refresh-once, fetch'
export const packages = []
export const ours = true

export function open({ url, tokenEndpoint, tokens, deadline, connections }) {
  const session = createSession({
    refresh: ({ tokens, signal }) => exchange(tokenEndpoint, tokens.refreshToken, { signal }),
    tokens,
    deadline,
    // As in browsers, which have few.
    recall: connections ? 'safe' : undefined,
  })
  return { ...viaFetch(withSession(session, { origins: [url] }), url), close: () => session.close() }
}
