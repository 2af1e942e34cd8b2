import { addressOf } from './address.ts'

/** Where tokens come from. It is kept beside them: a process that begins with expired ones sees no answer that would tell. */
interface Origin {
  /** Where the server has said last that its metadata is. */
  resource_metadata?: string | undefined
  /** The origin of the token endpoint that has given them. */
  token_origin?: unknown
}

/** An MCP server, with the authorization server that it has named. */
export interface Server {
  readonly url: URL
  /** What all answers to `send` have told. */
  readonly told: Origin
  readonly send: typeof fetch
}

/** Where the server's metadata is, in its challenge (RFC 9728 §5.1). */
const METADATA = /resource_metadata *= *"?([^",\s]+)/

export const asksForTokens = (init: RequestInit | undefined): boolean =>
  /grant_type=/.test(String(init?.body))

/** @param own sends the requests; undefined: the global fetch, looked up at each call */
export function createServer(url: URL, own: typeof fetch | undefined): Server {
  const told: Origin = {}
  return {
    url,
    told,
    async send(input, init) {
      const response = await (own ?? fetch)(input, init)
      const from = addressOf(input)?.origin
      if (response.ok && asksForTokens(init)) told.token_origin = from
      const where = METADATA.exec(String(response.headers.get('www-authenticate')))?.[1]
      if (from === url.origin) told.resource_metadata = addressOf(where)?.href ?? told.resource_metadata
      return response
    },
  }
}
