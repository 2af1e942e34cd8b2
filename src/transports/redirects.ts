import type { Credentials } from '../core/request.ts'
import { parse } from '../core/url.ts'
import { isOneShot, letGo } from './replay.ts'

/** Only in workerd (Cloudflare Workers). */
interface Workerd {
  Cloudflare?: { compatibilityFlags?: Record<string, boolean> }
}

/**
 * Whether fetch would carry these credentials to another origin after a redirect: only of Authorization it
 * knows that it is nobody else's. Workers with a compatibility date before September 2025 do not even know that.
 */
export function travels({ headers }: Credentials): boolean {
  const flags = (globalThis as Workerd).Cloudflare?.compatibilityFlags
  const all = flags?.strip_authorization_on_cross_origin_redirect === false
  for (const name in headers) {
    if (headers?.[name] !== undefined && (all || !/^authorization$/i.test(name))) return true
  }
  return false
}

/** How fetch is told to follow no redirect. workerd has no 'error': the caller gets the redirect itself. */
export function unfollowed(): 'error' | 'manual' {
  return 'Cloudflare' in globalThis ? 'manual' : 'error'
}

/** Where a redirect leads; of any other answer undefined, or nothing. */
export function locationOf({ status, headers }: Response): string | null | undefined {
  return [301, 302, 303, 307, 308].includes(status) ? headers.get('location') : undefined
}

/**
 * Follows a redirect where a fetch of the app's own stands in for that of the platform: node-fetch would take the
 * token to another port, and to subdomains. As the standard has it; another origin gets no credentials, nor does
 * any that comes after it.
 *
 * @param set the headers that hold credentials
 * @param hops how many were followed
 */
export function follow(
  send: (url: string, init: RequestInit) => Promise<Response>,
  response: Response,
  url: string,
  init: RequestInit,
  set: NonNullable<Credentials['headers']>,
  hops = 0,
): Response | Promise<Response> {
  const location = locationOf(response)
  if (!location) return response
  letGo(response.body)
  const next = parse(location, url)
  const { status } = response
  const { method = 'GET' } = init
  const getsIt = status === 303 ? !/^(GET|HEAD)$/i.test(method) : status <= 302 && /^POST$/i.test(method)
  if (!next || hops > 19 || (!getsIt && isOneShot(init.body))) throw new TypeError('redirect')
  const given = init.headers as Iterable<[string, string]> | Record<string, string>
  const secret = ['authorization', 'cookie', ...Object.keys(set).map((name) => name.toLowerCase())]
  const leaves = next.origin !== parse(url)?.origin
  // As they are written: some keep the capitals of names.
  const headers = (Symbol.iterator in given ? Array.from(given) : Object.entries(given)).filter(
    ([name]) => !(getsIt && /^content-/i.test(name)) && !(leaves && secret.includes(name.toLowerCase())),
  )
  const sent = { ...init, ...(getsIt && { method: 'GET', body: null }), headers }
  return send(next.href, sent).then((answer) => {
    Object.defineProperty(answer, 'redirected', { value: true })
    return follow(send, answer, next.href, sent, set, hops + 1)
  })
}
