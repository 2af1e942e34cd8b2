import {
  type AxiosAdapter,
  AxiosHeaders,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios'
import type { Group } from './group.ts'
import { intercepted } from './interceptors.ts'
import { madeOf } from './made.ts'
import { send } from './network.ts'
import type { AxiosAuthRefreshOptions } from './options.ts'
import { standing } from './registration.ts'
import { renewed } from './replaced.ts'

type Config = InternalAxiosRequestConfig

/** What the interceptors of a retry instance have made of its responses. */
export const unwrapped: WeakMap<object, { value: unknown }> = new WeakMap()

/**
 * How the requests of an instance get onto the wire. What is sent again, or has waited for a refresh, is made anew of
 * what its caller has made: `onRetry`, the app's interceptors and the retry instance get to see it.
 *
 * @param own the request interceptor that is ours
 */
export function transmitterOf(
  instance: AxiosInstance,
  group: Group,
  own: unknown,
): (config: Config, adapter: AxiosAdapter) => Promise<AxiosResponse> {
  return async (config, adapter) => {
    const made = madeOf(config)
    if (!made || config.session === false) return adapter(config)
    const [options = {}] = standing(made.registrations).map((registration) => registration.options)
    const again = made.transmissions++ > 0
    if (!again && made.refreshes === group.refreshes) {
      config.headers = renewed(config.headers, group.replaced)
      return send(config, adapter, options)
    }

    const { url, baseURL, params, body } = made
    const headers = AxiosHeaders.concat(made.headers)
    const type = AxiosHeaders.from(config.headers).get('Content-Type')
    if (type) headers.set('Content-Type', type)
    // Itself is the default.
    const retryInstance = again && options.retryInstance !== instance ? options.retryInstance : undefined
    const waited = await retried({ ...config, url, baseURL, params, headers, ...body } as Config, options)
    const ready = retryInstance ? waited : await intercepted(waited, instance.interceptors.request, own)
    ready.headers = renewed(ready.headers, group.replaced)
    if (body || ready.data !== config.data) {
      for (const transform of [ready.transformRequest ?? []].flat())
        ready.data = transform.call(ready, ready.data, ready.headers)
    }
    if (!retryInstance) return send(ready, adapter, options)
    // Its answer has come through transforms already.
    config.transformResponse = []
    const answer = await (retryInstance as AxiosInstance).request({
      ...ready,
      skipAuthRefresh: true,
      session: false,
    })
    if (Object(answer).config) return answer
    const whole: AxiosResponse = { status: 200, statusText: '', headers: {}, config, data: answer }
    unwrapped.set(whole, { value: answer })
    return whole
  }
}

/** What `onRetry` makes of a request. */
async function retried(config: Config, { onRetry }: AxiosAuthRefreshOptions): Promise<Config> {
  try {
    const { headers, ...changed } = (await onRetry?.({ ...config })) ?? config
    return { ...changed, headers: AxiosHeaders.from(headers as Config['headers']) }
  } catch (thrown) {
    console.error('onRetry has thrown', thrown)
    return config
  }
}
