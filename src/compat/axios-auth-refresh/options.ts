import type { AxiosError, AxiosRequestConfig, InternalAxiosRequestConfig } from 'axios'
import type { AttachableInstance } from '../../transports/axios.ts'

/** Options of `createAuthRefresh`. */
export interface AxiosAuthRefreshOptions {
  /** Status codes that lead to a refresh. @default [401] */
  statusCodes?: number[]
  /** Whether a failed request leads to a refresh; goes before `statusCodes`. One that throws says no. */
  shouldRefresh?(error: AxiosError): boolean
  /** Sends what is replayed. @default the instance itself, with its request interceptors and none for responses */
  retryInstance?: AttachableInstance
  /**
   * Whether an error of the network leads to a refresh: for an API whose 401 lacks its CORS headers. Only for GET,
   * HEAD and OPTIONS: nobody can know whether anything else was executed. @default false
   */
  interceptNetworkError?: boolean
  /** Without meaning: there is one refresh at a time. */
  deduplicateRefresh?: boolean
  /** Without meaning, as in version 5: what fails during the refresh waits for it. */
  pauseInstanceWhileRefreshing?: boolean
  /** Without meaning, as since version 3. */
  skipWhileRefreshing?: boolean
  /** Changes a request before it is replayed, or sent after it has waited. One that throws changes nothing. */
  onRetry?: (requestConfig: InternalAxiosRequestConfig) => AxiosRequestConfig | Promise<AxiosRequestConfig>
  /** How often a request is sent again after a refresh; 0 never refreshes. @default 1 */
  maxRetries?: number
  /** How long a request waits for the refresh, in milliseconds. @default 10_000 */
  deadline?: number
}

/** The config of a request that may be left alone. */
export interface AxiosAuthRefreshRequestConfig extends AxiosRequestConfig {
  /** `true`: an error of this request leads to no refresh, and it waits for none. */
  skipAuthRefresh?: boolean
}

declare module 'axios' {
  interface AxiosRequestConfig<D> {
    /** `true`: an error of this request leads to no refresh, and it waits for none. */
    skipAuthRefresh?: boolean
  }
}
