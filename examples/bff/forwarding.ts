/** What passes between the browser and the API, and what does not. */

/** Where the browser finds the API. */
const MOUNT = '/api'

/** Bodies up to this many bytes are read before they are sent, so that they can be sent again. */
const SMALL = 65_536

const METHODS = /^(GET|HEAD|POST|PUT|PATCH|DELETE)$/

/**
 * `.`, `/`, `\` and NUL in disguise, however often encoded, empty segments, and backslashes. A server behind us might
 * decode them, and find a path that climbs out of the prefix.
 */
const CLIMBS = /%(25)*(2e|2f|5c|00)|\/\/|\\/i

/** Those of one connection (RFC 9110 §7.6.1), and those that `fetch` makes by itself. */
const HOPS =
  'connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|content-length|content-encoding|accept-encoding|expect|host'

/** The browser's secrets, what tells the API whose page it was, and what only a proxy in front may say. */
const NOT_TO_API = new RegExp(
  `^(${HOPS}|cookie|authorization|dpop|origin|referer|sec-.*|forwarded|x-forwarded-.*|x-csrf)$`,
)

/** What would act on the whole origin of the page, or open it to others. */
const NOT_TO_BROWSER = new RegExp(
  `^(${HOPS}|set-cookie|www-authenticate|access-control-.*|alt-svc|clear-site-data|strict-transport-security|` +
    'service-worker-allowed|location|refresh|cache-control|expires|vary)$',
)

/** The URL at the API for one of the page, below the prefix or not at all. */
export function targetOf(url: string, api: URL): URL | undefined {
  const { pathname, search } = new URL(url)
  const path = pathname.slice(MOUNT.length)
  if (!pathname.startsWith(`${MOUNT}/`) || CLIMBS.test(path)) return undefined
  const base = api.href.replace(/\/$/, '')
  const target = new URL(base + path + search)
  return target.href.startsWith(`${base}/`) ? target : undefined
}

/** The request that the API gets. `undefined`: none, by this method. */
export async function outgoing(request: Request): Promise<(RequestInit & { duplex: 'half' }) | undefined> {
  const { method, headers, signal } = request
  if (!METHODS.test(method)) return undefined
  const sent = without(headers, NOT_TO_API)
  // Else `fetch` would ask for a compressed answer and unpack it, chunk by chunk as it likes.
  sent.set('accept-encoding', 'identity')
  return {
    method,
    headers: sent,
    body: await bodyOf(request),
    duplex: 'half',
    // Wherever an API sends us, it is not the API that was configured.
    redirect: 'manual',
    signal,
  }
}

/** A stream passes as it comes, and can be sent once. */
async function bodyOf(request: Request): Promise<BodyInit | null> {
  const length = request.headers.get('content-length')
  const chunked = request.headers.has('transfer-encoding')
  if (request.method === 'GET' || request.method === 'HEAD' || !(chunked || Number(length))) return null
  return !chunked && Number(length) <= SMALL ? request.arrayBuffer() : request.body
}

/** The response that the browser gets; its body passes as it comes. */
export function incoming({ status, headers, body }: Response): Response {
  const told = without(headers, NOT_TO_BROWSER)
  // It was made for one user: no cache may keep it for the next.
  told.set('cache-control', 'no-store')
  told.set('x-content-type-options', 'nosniff')
  return new Response(body, { status, headers: told })
}

function without(headers: Headers, names: RegExp): Headers {
  const named = (headers.get('connection') ?? '').toLowerCase().split(/ *, */)
  return new Headers([...headers].filter(([name]) => !names.test(name) && !named.includes(name)))
}
