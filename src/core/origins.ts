import { say } from './messages.ts'
import { parse } from './url.ts'

/** This machine, by its addresses and by the names that no other has (RFC 6761 §6.3). */
export const LOOPBACK: RegExp = /^((.+\.)?localhost\.?|127(\.\d+){3}|\[::1\])$/

/** Origins, one, or `'*'` for all of them: only where the session holds no token that could go astray (cookie mode). */
type Origins = readonly (string | URL)[] | string | URL

/** Who may get the token, as the options of every client say it. */
export interface OriginOptions {
  /**
   * Origins that may get the token, besides that of relative URLs: the instance's `baseURL`, in browsers the page's own.
   * Https, or loopback.
   * @default none
   */
  origins?: Origins
  /**
   * The same for plain http, where the network is yours: a service of Docker or Kubernetes, a phone that is tried on the
   * LAN. Whoever is in between reads the token. A base URL with http is named here, too.
   * @default none
   */
  insecureOrigins?: readonly (string | URL)[] | string | URL
}

/**
 * Decides who may get the token: the origins that a developer wrote down, and one at `home` (a base URL, or the page).
 *
 * This is the one rule about http, for all clients: a token goes to https; to this machine; to the page's own origin,
 * since who reads on that wire has the page's script as well; and to http origins that were named as insecure. A session
 * without a token (cookie mode) has nothing to lose.
 *
 * @throws TypeError where an origin is no URL, or plain http to another machine; where the runtime has no URL that could
 * tell. What is returned throws where nobody may get the token: a server that renders knows its base URL by then, or
 * sends nothing.
 */
export function allowList(
  { origins = [], insecureOrigins = [] }: OriginOptions,
  home: () => string | undefined,
  mode: 'token' | 'cookie',
): (url: string | URL) => boolean {
  if (origins === '*') {
    if (mode === 'token') throw new TypeError(say('origins'))
    return () => true
  }
  if (parse('HTTPS://A:443/')?.origin !== 'https://a') {
    throw new TypeError(say('url'))
  }
  const insecure = new Set([insecureOrigins].flat().map((written) => originOf(written, () => true)))
  const safe = (url: URL) =>
    url.protocol === 'https:' || LOOPBACK.test(url.hostname) || mode === 'cookie' || insecure.has(url.origin)
  const trusted = new Set([...insecure, ...[origins].flat().map((written) => originOf(written, safe))])
  const atHome = () => {
    const origin = home()
    return origin && origin !== globalThis.location?.origin ? originOf(origin, safe) : origin
  }
  atHome()
  return (url) => {
    if (!trusted.size && !home()) throw new TypeError(say('nowhere'))
    const origin = (typeof url === 'string' ? parse(url) : url)?.origin
    return origin !== undefined && (trusted.has(origin) || (origin === home() && origin === atHome()))
  }
}

function originOf(written: string | URL, safe: (url: URL) => boolean): string {
  const url = parse(String(written))
  if (!url || !safe(url)) throw new TypeError(say('origin', String(written)))
  return url.origin
}
