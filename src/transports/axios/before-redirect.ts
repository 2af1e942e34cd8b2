import { AxiosHeaders, type InternalAxiosRequestConfig } from 'axios'
import type { Credentials } from '../../core/request.ts'
import { parse } from '../../core/url.ts'

/**
 * Takes the credentials off where a redirect leads to another origin: Node's adapter follows redirects by itself, with
 * the token to subdomains, and with custom headers anywhere.
 *
 * @param request whose URL takes time to work out: it is asked for only then
 */
export function beforeRedirect(
  request: { readonly url: string },
  set: NonNullable<Credentials['headers']>,
  callers: InternalAxiosRequestConfig['beforeRedirect'],
): NonNullable<InternalAxiosRequestConfig['beforeRedirect']> {
  return (options, ...details) => {
    if (parse(options.href)?.origin !== parse(request.url)?.origin) {
      const sent = AxiosHeaders.from(options.headers)
      sent.delete(Object.keys(set))
      options.headers = sent.toJSON()
    }
    callers?.(options, ...details)
  }
}
