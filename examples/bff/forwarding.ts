/** What passes between the browser and the API, and what does not. */

/** Where the browser finds the API. */
const MOUNT = '/api'

/** Bodies up to this many bytes are read before they are sent, so that they can be sent again. */
const SMALL = 65_536

const METHODS = /^(GET|HEAD|POST|PUT|PATCH|DELETE)$/

/**
 * What passes to the API. All else stays here, known or not: the browser's secrets, what tells whose page it was, and
 * what servers believe of a proxy in front (`X-Forwarded-For`, `X-Real-IP`, `X-Original-URL`, `X-HTTP-Method-Override`,
 * in as many spellings as there are servers).
 */
const TO_API = [
  ...['accept', 'accept-language', 'content-type', 'content-language', 'content-disposition'],
  ...['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range', 'range'],
  ...['idempotency-key', 'last-event-id', 'prefer'],
]

/**
 * What passes to the page. All else stays here: what acts on our whole origin or opens it to others, cookies, caching
 * rules, and what a server in front takes for an order (`X-Accel-Redirect`, `X-Sendfile`).
 */
const TO_PAGE = [
  ...['content-type', 'content-language', 'content-disposition', 'content-range', 'accept-ranges'],
  ...['etag', 'last-modified', 'retry-after', 'preference-applied', 'deprecation', 'sunset'],
  ...['ratelimit', 'ratelimit-policy', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'],
]

/** Further headers that your API and your pages have between them, in lower case. */
export interface FurtherHeaders {
  /** @default none */
  toApi?: readonly string[] | undefined
  /** @default none */
  toPage?: readonly string[] | undefined
}

/** The URL at the API for one of the page, below the prefix or not at all. */
export function targetOf(url: string, api: URL): URL | undefined {
  const { pathname, search } = new URL(url)
  const path = pathname.slice(MOUNT.length)
  if (!pathname.startsWith(`${MOUNT}/`) || !path.slice(1).split('/').every(isPlain)) return undefined
  const base = api.href.replace(/\/$/, '')
  // Only the last segment may be empty: a path that ends with a slash.
  if (path.includes('//')) return undefined
  const target = new URL(base + path + search)
  return target.href === base + path + search ? target : undefined
}

/** Delimiters of paths, what servers cut off with a parameter, and what some of them decode once more. */
const DELIMITERS = /[\\/;\p{Cc}]|%[\da-f]{2}|%u[\da-f]{4}/iu

/** What is nothing but dots, where spaces and characters without a shape do not count. */
const DOTS = /^[.\s\p{C}]*\.[.\s\p{C}]*$/u

/**
 * Whether servers of all kinds see one name in this segment of a path. A server behind us may decode it, once or twice,
 * cut parameters off, fold characters that look alike, or forgive bytes that are no UTF-8; what it finds must be
 * neither a step upwards nor more than one segment.
 */
function isPlain(segment: string): boolean {
  if (/%2e/i.test(segment)) return false
  try {
    const name = decodeURIComponent(segment)
    return [name, name.normalize('NFKC')].every((read) => !DELIMITERS.test(read) && !DOTS.test(read))
  } catch {
    return false
  }
}

/** The request that the API gets. `undefined`: none, by this method. */
export async function outgoing(
  request: Request,
  { toApi = [] }: FurtherHeaders = {},
): Promise<(RequestInit & { duplex: 'half' }) | undefined> {
  const { method, headers, signal } = request
  if (!METHODS.test(method)) return undefined
  const sent = only(headers, [...TO_API, ...toApi])
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
export function incoming(
  { status, headers, body }: Response,
  { toPage = [] }: FurtherHeaders = {},
): Response {
  const told = only(headers, [...TO_PAGE, ...toPage])
  // It was made for one user: no cache may keep it for the next.
  told.set('cache-control', 'no-store')
  told.set('x-content-type-options', 'nosniff')
  return new Response(body, { status, headers: told })
}

/** Those that `Connection` names end here, whatever they are (RFC 9110 §7.6.1). */
function only(headers: Headers, names: readonly string[]): Headers {
  const named = (headers.get('connection') ?? '').toLowerCase().split(/ *, */)
  return new Headers([...headers].filter(([name]) => names.includes(name) && !named.includes(name)))
}
