import type { Credentials } from '../core/request.ts'

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
  for (const name in headers) {
    if (headers[name] !== undefined && (all || (name !== 'Authorization' && !/^authorization$/i.test(name))))
      return true
  }
  return false
}

/** How fetch is told to follow no redirect. workerd has no 'error': the caller gets the redirect itself. */
export function unfollowed(): 'error' | 'manual' {
  return 'Cloudflare' in globalThis ? 'manual' : 'error'
}
