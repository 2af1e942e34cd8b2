import { AxiosHeaders, type InternalAxiosRequestConfig } from 'axios'
import type { Credentials } from '../../core/request.ts'

type Headers = InternalAxiosRequestConfig['headers']

/** The caller's value of a header, by its name in small letters, however it is written. */
export function headerOf(headers: Headers, name: string): string | undefined {
  for (const key in headers) {
    if (key.length === name.length && key.toLowerCase() === name) return headers[key]?.toString()
  }
  return undefined
}

/**
 * The headers of a send with its credentials. They are a copy each time: adapters write into them, and a multipart
 * boundary of the first send must not meet the body of the second.
 */
export function withHeaders(callers: Headers, set: Credentials['headers']): AxiosHeaders {
  const headers: AxiosHeaders = Object.assign(new AxiosHeaders(), callers)
  for (const name in set) {
    if (headerOf(callers, name.toLowerCase()) !== undefined) headers.delete(name)
    headers[name] = set[name]
  }
  return headers
}

/** Headers of a copy, as they would be without us. */
export function withoutHeaders(sent: Headers, set: Credentials['headers'], callers: Headers): Headers {
  const left = AxiosHeaders.from({ ...sent } as AxiosHeaders)
  for (const name in set) {
    left.delete(name)
    const own = headerOf(callers, name.toLowerCase())
    if (own !== undefined) left.set(name, own)
  }
  return left
}
