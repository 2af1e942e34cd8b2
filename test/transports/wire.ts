/** What the tests of transports ask the server about the requests that came over the wire. */
import type { ApiEntry, AuthServer, ReceivedRequest, TokenResponse } from 'refresh-once/testing'

/** The requests that came over the wire for a path and, if given, with the query parameter `id`. */
export function onWire({ requests }: AuthServer, path: string, id?: string): ApiEntry[] {
  return requests.filter((entry) => entry.path === path && (id === undefined || entry.id === id))
}

/** The same, once each of them has been answered or has lost its connection: the server learns it last. */
export async function landed(server: AuthServer, path: string, id?: string): Promise<ApiEntry[]> {
  const all = () => onWire(server, path, id)
  await server.until(() => all().every(({ status, aborted }) => status !== undefined || aborted))
  return all()
}

/** The Authorization header of a token set. */
export function bearer({ access_token }: TokenResponse): { Authorization: string } {
  return { Authorization: `Bearer ${access_token}` }
}

/** All that the server saw of a request, but for the token. */
export function seenOf({ method, url, headers, body }: ReceivedRequest): {
  method: string
  url: string
  headers: ReceivedRequest['headers']
  body: string
} {
  const { authorization, ...others } = headers
  return { method, url, headers: others, body: body.toString('latin1') }
}

/** The boundary that a multipart body was written with, and the rest of what the server saw, without it. */
export function multipart(request: ReceivedRequest | undefined): {
  boundary: string
  type: string | undefined
  declared: number | undefined
  length: number | undefined
  body: string
} {
  const text = request?.body.toString('latin1') ?? ''
  const boundary = /^--([^\r\n]+)\r\n/.exec(text)?.[1] ?? ''
  const { 'content-type': type, 'content-length': length } = request?.headers ?? {}
  return {
    boundary,
    type,
    declared: length === undefined ? undefined : Number(length),
    length: request?.body.length,
    body: text.replaceAll(boundary, 'BOUNDARY'),
  }
}
