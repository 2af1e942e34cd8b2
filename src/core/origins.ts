const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/

/**
 * The origin that a developer wrote down as one that may get the token.
 *
 * @throws TypeError where it is no URL, or plain http to another machine
 */
export function trustedOrigin(written: string | URL): string {
  const url = parse(String(written))
  if (!url || (url.protocol === 'http:' && !LOOPBACK.test(url.hostname))) {
    throw new TypeError(`origins: expected https or loopback, got ${JSON.stringify(String(written))}`)
  }
  return url.origin
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

/** Scheme, host and path of a URL: what may be told about a request. Queries and fragments hold secrets. */
export function withoutQuery(url: string): string {
  const parsed = parse(url)
  return parsed ? parsed.origin + parsed.pathname : String(url.split(/[?#]/, 1)[0])
}
