import type { Credentials } from './request.ts'

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** Origins, or `'*'` for all of them: only where the session holds no token that could go astray (cookie mode). */
export type Origins = readonly (string | URL)[] | '*'

/**
 * Decides who may get the token: the origins that a developer wrote down, and one at `home` (a base URL, or
 * the page).
 *
 * @throws TypeError where an origin is no URL, or plain http to another machine; where nobody may get it; where
 * the runtime has no URL that could tell
 */
export function allowList(
  origins: Origins,
  home: () => string | undefined,
  mode: 'token' | 'cookie',
): (url: string) => boolean {
  if (origins === '*') {
    if (mode === 'token') throw new TypeError("origins: '*' is for sessions without a token (cookie mode)")
    return () => true
  }
  if (parse('HTTPS://A:443/')?.origin !== 'https://a') {
    throw new TypeError(
      'origins: URL is incomplete here; on React Native import react-native-url-polyfill/auto',
    )
  }
  const trusted = new Set(origins.map(trustedOrigin))
  if (!trusted.size && !home())
    throw new TypeError('origins: who may get the token? There is no base URL, and no page')
  return (url) => {
    const origin = parse(url)?.origin
    return origin !== undefined && (trusted.has(origin) || origin === home())
  }
}

function trustedOrigin(written: string | URL): string {
  const url = parse(String(written))
  if (!url || (url.protocol === 'http:' && !LOOPBACK.test(url.hostname))) {
    throw new TypeError(`origins: expected https or loopback, got ${JSON.stringify(String(written))}`)
  }
  return url.origin
}

/** Only in workerd (Cloudflare Workers). */
interface Workerd {
  Cloudflare?: { compatibilityFlags?: Record<string, boolean> }
}

/**
 * Whether fetch would carry these credentials to another origin after a redirect: only of Authorization it
 * knows that it is nobody else's. Workers with a compatibility date before September 2025 do not even know that.
 */
export function travels({ headers = {} }: Credentials): boolean {
  const flags = (globalThis as Workerd).Cloudflare?.compatibilityFlags
  const all = flags?.strip_authorization_on_cross_origin_redirect === false
  return Object.entries(headers).some(
    ([name, value]) => value !== undefined && (all || !/^authorization$/i.test(name)),
  )
}

/** How fetch is told to follow no redirect. workerd has no 'error': the caller gets the redirect itself. */
export function unfollowed(): 'error' | 'manual' {
  return 'Cloudflare' in globalThis ? 'manual' : 'error'
}

/**
 * A web URL, parsed as fetch and XMLHttpRequest do; undefined for anything that is not http or https.
 * (A `blob:` URL reports the origin of the page that made it.)
 */
export function parse(url: string, base: string | undefined = globalThis.document?.baseURI): URL | undefined {
  try {
    const parsed = new URL(url, base ?? globalThis.location?.href)
    return /^https?:$/.test(parsed.protocol) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** Adds parameters to a URL. A fragment is never sent, and would swallow them. */
export function withQuery(url: string, query: Record<string, string>): string {
  return `${url.split('#')[0]}${url.includes('?') ? '&' : '?'}${new URLSearchParams(query)}`
}

/** Scheme, host and path of a URL: what may be told about a request. Queries and fragments hold secrets. */
export function withoutQuery(url: string): string {
  const parsed = parse(url)
  return parsed ? parsed.origin + parsed.pathname : String(url.split(/[?#]/, 1)[0])
}
