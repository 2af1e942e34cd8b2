import { say } from './messages.ts'
import { parse } from './url.ts'

export const LOOPBACK: RegExp = /^(localhost|127(\.\d+){3}|\[::1\])$/

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
): (url: string | URL) => boolean {
  if (origins === '*') {
    if (mode === 'token') throw new TypeError(say('origins'))
    return () => true
  }
  if (parse('HTTPS://A:443/')?.origin !== 'https://a') {
    throw new TypeError(say('url'))
  }
  const trusted = new Set(origins.map(trustedOrigin))
  if (!trusted.size && !home()) throw new TypeError(say('nowhere'))
  return (url) => {
    const origin = (typeof url === 'string' ? parse(url) : url)?.origin
    return origin !== undefined && (trusted.has(origin) || origin === home())
  }
}

function trustedOrigin(written: string | URL): string {
  const url = parse(String(written))
  if (!url || (url.protocol === 'http:' && !LOOPBACK.test(url.hostname))) {
    throw new TypeError(say('origin', String(written)))
  }
  return url.origin
}
