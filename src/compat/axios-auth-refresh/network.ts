import type { AxiosAdapter, AxiosError, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import type { AxiosAuthRefreshOptions } from './options.ts'

/** Errors of the network that lead to a refresh. */
export const unread: WeakSet<object> = new WeakSet()

/** Sends a request; where the options say so, an error of the network is a 401 that nobody could read. */
export async function send(
  config: InternalAxiosRequestConfig,
  adapter: AxiosAdapter,
  { interceptNetworkError }: AxiosAuthRefreshOptions,
): Promise<AxiosResponse> {
  if (!interceptNetworkError || !/^(get|head|options)$/i.test(config.method ?? 'get')) return adapter(config)
  try {
    return await adapter(config)
  } catch (error) {
    const { response, code, request } = error as AxiosError
    if (!response && (code === 'ERR_NETWORK' || request?.status === 0)) {
      unread.add(error as object)
      Object.assign(error as object, { response: { status: 401, headers: {}, config } })
    }
    throw error
  }
}
