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
  const sent = String(url.split('#')[0])
  return `${sent}${sent.includes('?') ? '&' : '?'}${new URLSearchParams(query)}`
}

/** Scheme, host and path of a URL: what may be told about a request. Queries and fragments hold secrets. */
export function withoutQuery(url: string): string {
  const parsed = parse(url)
  return parsed ? parsed.origin + parsed.pathname : String(url.split(/[?#]/)[0])
}
