import type { AxiosInstance, InternalAxiosRequestConfig } from 'axios'
import { allowList, type OriginOptions } from '../../core/origins.ts'
import { parse } from '../../core/url.ts'

/** As axios decides it: everything else is appended to the base URL behind a slash, and cannot change the host. */
export const ABSOLUTE: RegExp = /^([a-z][a-z\d+\-.]*:)?\/\//i

/** The URL standard takes a backslash for a slash. */
const USERINFO = /^[^/\\?#]*[/\\]{2}[^/\\?#]*@/

/** Whether a URL, or a base URL, leads to an origin that may get the token. */
export type Trusts = (url: string) => boolean

/** What an instance trusts: the origins of the options, and that of its own base URL, whatever that is by then. */
export function trustOf(instance: AxiosInstance, options: OriginOptions, mode: 'token' | 'cookie'): Trusts {
  const allows = allowList(
    options,
    () => parse(instance.defaults.baseURL ?? '/', globalThis.location?.href)?.origin,
    mode,
  )
  let known: string | undefined
  return (url) => {
    if (url === known && url === instance.defaults.baseURL) return true
    // In Node, old versions read `http:/host` as a path of localhost: both readings must be trusted.
    if (!allows(url) || !(globalThis.location || allows(parse(url, 'http://localhost') ?? url))) return false
    known = url
    return true
  }
}

/**
 * Whether a request may get the token, wherever it leads.
 *
 * @param url its own, as it was when it was made
 */
export function isTrusted(config: InternalAxiosRequestConfig, url: string, trusts: Trusts): boolean {
  const { baseURL } = config
  const absolute = !baseURL || ABSOLUTE.test(url)
  // `allowAbsoluteUrls: false` is obeyed by some versions of axios only: both readings must be trusted.
  return (
    (!absolute || trusts(url)) &&
    (!baseURL || (absolute && config.allowAbsoluteUrls !== false) || trusts(baseURL))
  )
}

/** Whether a URL brings a name and a password: a client would make Basic credentials of them, in the place of ours. */
export function hasUserinfo(url = ''): boolean {
  return url.includes('@') && USERINFO.test(url)
}
