import type { AxiosError, AxiosInstance, AxiosResponse, InternalAxiosRequestConfig } from 'axios'
import axios, { Axios, AxiosHeaders, type CreateAxiosDefaults } from 'axios'
import { isSessionError } from '../core/errors.ts'
import { say } from '../core/messages.ts'
import type { Session } from '../core/session.ts'
import { attachSession } from '../transports/axios.ts'
import { byStatus, countOf, openUntold } from './session.ts'

/** What a request handler gets; `_retryCount` says how often the request was sent before. */
export type CustomConfig = InternalAxiosRequestConfig & { _retryCount?: number }

/** Options of `use`. */
export interface RequestObserverOptions {
  /** Obtains new tokens, and puts them where the request handler finds them. What it returns is ignored. */
  refreshHandler: () => unknown
  /** Status codes that lead to a refresh. @default [401] */
  statusCodes?: readonly number[] | undefined
  /** How often a request is sent again after a refresh. @default 1 */
  retryCount?: number | undefined
  /** Without meaning: signals are always honoured. */
  combineAbortSignals?: boolean | undefined
  /** Whether an answer leads to a refresh; goes before `statusCodes`. */
  shouldRefresh?: ((error: AxiosError) => boolean) | undefined
  /** How long a request waits for `refreshHandler`, in milliseconds. @default 10_000 */
  deadline?: number | undefined
}

interface On<Value, Result> {
  onFulfilled?: ((value: Value) => Result) | undefined
  onRejected?: ((error: AxiosError) => unknown) | undefined
}

/** What runs for each request and each answer. A request handler runs before every send, replays included. */
export interface AxiosClientInterceptors {
  request?: On<CustomConfig, CustomConfig | Promise<CustomConfig>>
  response?: On<AxiosResponse, unknown>
}

/** Defaults of an instance. Its `interceptors` replace the shared ones: `request`, `response`, or both. */
export type AxiosClientContructor = CreateAxiosDefaults & { interceptors?: AxiosClientInterceptors }

type Fail = On<unknown, unknown>['onRejected']
type Handlers = Required<AxiosClientInterceptors>
type Use<Side extends keyof Handlers> = (on: Handlers[Side]['onFulfilled'], onRejected?: Fail) => void

/** Makes axios instances that share one refresh. */
export interface AxiosInstanceFactory {
  /** Sets the options. @throws TypeError once there is an instance */
  use(options: RequestObserverOptions): void
  /** @throws TypeError before the first `use` */
  getInstance(config?: AxiosClientContructor): AxiosInstance
  /** Handlers for all instances that have none of their own. A second call replaces the first. */
  interceptor: { request: { use: Use<'request'> }; response: { use: Use<'response'> } }
}

/** A factory of its own, for servers and tests: factories share nothing. */
export function createFactory(): AxiosInstanceFactory {
  const shared: Handlers = { request: {}, response: {} }
  let options: RequestObserverOptions | undefined
  let session: Session | undefined
  const useFor =
    <Side extends keyof Handlers>(side: Side): Use<Side> =>
    (onFulfilled, onRejected = shared[side].onRejected) =>
      void Object.assign(shared[side], { onFulfilled, onRejected })
  return {
    use(given) {
      if (session) throw new TypeError(say('use'))
      if (typeof given?.refreshHandler !== 'function') throw new TypeError(say('handler'))
      options = given
    },
    getInstance({ interceptors, ...config } = {}) {
      if (!options) throw new TypeError(say('unused'))
      session ??= openSession(options)
      return guard(axios.create(config), session, { ...shared, ...interceptors })
    },
    interceptor: { request: { use: useFor('request') }, response: { use: useFor('response') } },
  }
}

function openSession(options: RequestObserverOptions): Session {
  const { refreshHandler, statusCodes, retryCount, shouldRefresh, deadline } = options
  return openUntold({
    refresh: refreshHandler,
    shouldRefresh: (error) => (shouldRefresh ? Boolean(shouldRefresh(error)) : byStatus(statusCodes, error)),
    replays: countOf(retryCount),
    deadline,
    recall: 'safe',
    recallAfter: 0,
  })
}

function guard(instance: AxiosInstance, session: Session, on: AxiosClientInterceptors): AxiosInstance {
  const { request = {}, response = {} } = on
  // Without defaults and interceptors: it runs the transforms and the adapter, for one send.
  const wire = new Axios({})
  const ownOf = (config: unknown) => Object(Object(config).transformResponse).own as Required<CustomConfig>

  attachSession(instance, session, {
    origins: '*',
    async transmit(config) {
      const own = ownOf(config)
      const sent = { ...config, ...own, headers: AxiosHeaders.concat(own.headers) }
      own._retryCount++
      return wire.request(request.onFulfilled ? await request.onFulfilled(sent) : sent)
    },
  })
  instance.interceptors.request.use(
    (config) => {
      const { headers, transformRequest, transformResponse } = config
      const own = {
        headers: AxiosHeaders.concat(headers),
        transformRequest,
        transformResponse,
        _retryCount: 0,
      }
      // The transforms are part of each send: the handler sees the body before them.
      const deferred = Object.assign((data: unknown) => data, { own })
      return Object.assign(config, { transformRequest: deferred, transformResponse: deferred })
    },
    (error) => (request.onRejected ? request.onRejected(error) : Promise.reject(error)),
    // Or a refresh through this instance would not be known as one.
    { synchronous: true },
  )
  instance.interceptors.response.use(
    (answer) => (response.onFulfilled ? response.onFulfilled(answer) : answer) as AxiosResponse,
    (error) => {
      // What was never sent is given back as it was.
      Object.assign(Object(error?.config), ownOf(error?.config))
      // The refresh hangs, and is not made again while it does. Whoever has logged in anew need not wait for it.
      if (session.state.refreshing && isSessionError(error, 'refresh_timeout')) void session.signIn()
      return response.onRejected ? response.onRejected(error) : Promise.reject(error)
    },
  )
  return instance
}

const factory: AxiosInstanceFactory = createFactory()
export default factory
