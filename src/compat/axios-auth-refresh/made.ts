import { AxiosHeaders, type AxiosInstance, type InternalAxiosRequestConfig } from 'axios'
import type { Registration } from './registration.ts'

type Config = InternalAxiosRequestConfig

/** A request as its caller made it, before any interceptor. */
export interface Made extends Pick<Config, 'url' | 'baseURL' | 'params' | 'headers'> {
  /** What the refresh has put in the place of its body. */
  body?: Pick<Config, 'data'>
  registrations: Registration[]
  /** The headers that its instance puts there now. */
  defaults(): Config['headers']
  /** How many refreshes there had been. */
  refreshes: number
  transmissions: number
}

const MADE = Symbol('made')

/** Notes down how a request was made, in its own config. */
export function noteMade(
  config: Config,
  instance: AxiosInstance,
  about: Pick<Made, 'registrations' | 'refreshes'>,
): void {
  const { url, baseURL, params } = config
  const headers = AxiosHeaders.concat(config.headers)
  const defaults = () => defaultsOf(instance, config.method)
  Object.assign(config, { [MADE]: { ...about, url, baseURL, params, headers, defaults, transmissions: 0 } })
}

export function madeOf(config: Config | undefined): Made | undefined {
  return (config as { [MADE]?: Made } | undefined)?.[MADE]
}

/** The headers that an instance puts into each request. */
function defaultsOf({ defaults: { headers: defaults } }: AxiosInstance, method = 'get'): Config['headers'] {
  const all = defaults as unknown as Record<string, unknown>
  const headers = new AxiosHeaders()
  for (const values of [all, all.common, all[method.toLowerCase()]])
    for (const [name, value] of Object.entries(Object(values)))
      if (typeof value === 'string') headers.set(name, value)
  return headers
}
