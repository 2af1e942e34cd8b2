import type {
  AxiosAdapter,
  AxiosError,
  AxiosInstance,
  AxiosRequestConfig,
  AxiosResponse,
  InternalAxiosRequestConfig,
} from 'axios'
import { AxiosHeaders } from 'axios'
import { findSessionError, isSessionError } from '../core/errors.ts'
import { say } from '../core/messages.ts'
import type { Session } from '../core/session.ts'
import { type AttachableInstance, attachSession } from '../transports/axios.ts'
import { byStatus, countOf, openUntold } from './session.ts'

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

type Config = InternalAxiosRequestConfig
/** Of what it is given programs write down what they expect, or nothing at all: it is as loose as there. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type RefreshAuthCall = (failedRequest: any) => Promise<unknown>

/** One call of `createAuthRefresh`. */
interface Registration {
  refreshAuthCall: RefreshAuthCall
  options: AxiosAuthRefreshOptions
  /** Whether its interceptor is still there. */
  stands(): boolean
}

/** What shares one refresh: the instances that were given the same function, and the calls for one instance. */
interface Group {
  session: Session
  /** What led to the refresh that is made now, or next. */
  failed: { error: AxiosError; by: Registration } | undefined
  /** What the last refresh has failed with. */
  failure: { error: unknown } | undefined
  /** How many refreshes have succeeded. */
  refreshes: number
  /** By name, what the last refresh has put into a header, and what has stood there before. */
  replaced: Map<string, { by: string; former: Set<unknown> }>
}

/** A request as its caller made it, before any interceptor. */
interface Made extends Pick<Config, 'url' | 'baseURL' | 'params' | 'headers'> {
  /** What the refresh has put in the place of its body. */
  body?: Pick<Config, 'data'>
  registrations: Registration[]
  /** The headers that its instance puts there now. */
  defaults(): Config['headers']
  /** How many refreshes there had been. */
  refreshes: number
  transmissions: number
}

/** Interceptors, as all versions of axios have them, and their types do not tell. */
interface Handler {
  fulfilled?: ((value: never) => unknown) | null
  rejected?: ((error: unknown) => unknown) | null
  runWhen?: ((config: Config) => boolean) | null
}

const MADE = Symbol('made')

/** Values of one header that are remembered as replaced. */
const FORMER = 16

const groups = new WeakMap<object, Group>()
const registered = new WeakMap<AxiosInstance, Registration[]>()
/** Errors of the network that lead to a refresh. */
const unread = new WeakSet<object>()
/** What the interceptors of a retry instance have made of its responses. */
const unwrapped = new WeakMap<object, { value: unknown }>()

/**
 * Refreshes with `refreshAuthCall` when a request of the instance fails for want of authorisation, once for all that
 * fail or come meanwhile, and sends them again. Instances that are given the same function share the refresh.
 *
 * `refreshAuthCall` gets the error of the request that led to it. What it puts into the headers of that error's config
 * is put into the other requests that carry the former values, too.
 *
 * @returns the id of a response interceptor: to eject it ends this
 * @throws TypeError where `refreshAuthCall` is no function
 *
 * @example
 * createAuthRefresh(api, async (failedRequest) => {
 *   const { data } = await axios.post('/auth/token/refresh')
 *   failedRequest.response.config.headers.Authorization = `Bearer ${data.token}`
 * })
 */
export function createAuthRefresh(
  instance: AttachableInstance,
  refreshAuthCall: RefreshAuthCall,
  given: AxiosAuthRefreshOptions = {},
): number {
  const axiosInstance = instance as AxiosInstance
  if (typeof refreshAuthCall !== 'function') throw new TypeError(say('refresh-call'))
  const options = { ...given, maxRetries: countOf(given?.maxRetries) }
  const registrations = registered.get(axiosInstance) ?? []
  // An app that registers anew with each render, or hot reload, would pile them up.
  registrations.splice(0, registrations.length, ...registrations.filter((one) => one.stands()))
  const group = groups.get(axiosInstance) ?? groups.get(refreshAuthCall) ?? openGroup(options)
  groups.set(refreshAuthCall, group)
  // Once; and anew where an app has cleared its interceptors.
  if (
    !handlersOf(axiosInstance.interceptors.request).some(
      ({ fulfilled }) => sessionOf(fulfilled) === group.session,
    )
  )
    guard(axiosInstance, group, registrations)

  const pass = (answer: AxiosResponse) => (unwrapped.get(answer) ?? { value: answer }).value as AxiosResponse
  const id = axiosInstance.interceptors.response.use(pass, (error) => Promise.reject(reasonOf(error, group)))
  const stands = () =>
    handlersOf(axiosInstance.interceptors.response).some(({ fulfilled }) => fulfilled === pass)
  registrations.push({ refreshAuthCall, options, stands })
  return id
}

/**
 * @deprecated Use {@link createAuthRefresh}.
 * @alias
 */
export const createAuthRefreshInterceptor: typeof createAuthRefresh = createAuthRefresh
/** @alias */
export default createAuthRefresh

function openGroup({ maxRetries: replays, deadline }: AxiosAuthRefreshOptions): Group {
  const group: Group = {
    failed: undefined,
    failure: undefined,
    refreshes: 0,
    replaced: new Map(),
    session: openUntold({
      refresh: () => refresh(group),
      shouldRefresh(error) {
        const read = transformed(error)
        for (const by of standing(madeOf(error.config))) {
          const leads = isFor(read, unread.has(error), by.options)
          if (leads === false) continue
          if (!group.session.state.refreshing) group.failed = { error: read, by }
          return leads
        }
        return false
      },
      replays,
      deadline,
    }),
  }
  return group
}

async function refresh(group: Group): Promise<void> {
  const { error, by } = group.failed as NonNullable<Group['failed']>
  const config = (error.response ?? error).config as Config
  const made = madeOf(config)
  const before = { ...config, headers: { ...AxiosHeaders.from(config.headers) } }
  const defaults = { ...made?.defaults() }
  group.failure = undefined
  try {
    await by.refreshAuthCall(error)
  } catch (failure) {
    group.failure = { error: failure }
    throw failure
  }
  // Some put another config in its place.
  for (const { config: now } of [error, Object(error.response)])
    if (now !== config) Object.assign(config, now)
  const after = AxiosHeaders.from(config.headers)
  if (made) {
    for (const key of ['url', 'baseURL', 'params'] as const)
      if (config[key] !== before[key]) made[key] = config[key]
    if (config.data !== before.data) made.body = { data: config.data }
    // Some put it into the defaults of the instance, and take it away here.
    const fresh = made.defaults()
    learn(group, undefined, defaults, fresh)
    for (const name in before.headers) {
      if (after.has(name)) continue
      made.headers.delete(name)
      if (fresh.has(name)) made.headers.set(name, fresh.get(name))
    }
  }
  learn(group, made, before.headers, after)
  group.failed = undefined
  group.refreshes++
}

/** Takes over what the refresh has put into the headers of the request that led to it. */
function learn(
  { replaced }: Group,
  made: Made | undefined,
  before: Record<string, unknown>,
  after: Config['headers'],
): void {
  for (const [name, value] of Object.entries({ ...after }) as [string, string][]) {
    if (value === before[name]) continue
    made?.headers.set(name, value)
    const { by, former } = replaced.get(name.toLowerCase()) ?? { by: value, former: new Set() }
    for (const old of [by, before[name]]) if (old !== undefined) former.add(old)
    former.delete(value)
    for (const old of former) if (former.size > FORMER) former.delete(old)
    replaced.set(name.toLowerCase(), { by: value, former })
  }
}

/** Headers without values that a refresh has replaced. */
function renewed(headers: Config['headers'], { replaced }: Group): Config['headers'] {
  if (!replaced.size) return headers
  const renewed = AxiosHeaders.concat(headers)
  for (const [name, { by, former }] of replaced) if (former.has(renewed.get(name))) renewed.set(name, by)
  return renewed
}

/** An error as the app sees it: until now its answer has come through no transform. */
function transformed(error: AxiosError): AxiosError {
  const { config, response } = error
  if (!config || !response) return error
  const read = { ...response }
  try {
    for (const transform of [config.transformResponse ?? []].flat())
      read.data = transform.call(config, read.data, response.headers as never, response.status)
  } catch {
    // Its caller will hear of it.
  }
  return Object.assign(Object.create(error), { response: read })
}

/** Whether an error is one that this registration refreshes for. */
function isFor(
  error: AxiosError,
  isUnread: boolean,
  { shouldRefresh, statusCodes, interceptNetworkError, maxRetries }: AxiosAuthRefreshOptions,
): boolean | undefined {
  if (error.config?.skipAuthRefresh || maxRetries === 0) return false
  if (isUnread) return interceptNetworkError === true
  try {
    return shouldRefresh ? Boolean(shouldRefresh(error)) : byStatus(statusCodes, error)
  } catch (thrown) {
    console.error('shouldRefresh has thrown', thrown)
    return false
  }
}

/** What the caller gets: what the refresh has failed with, as if nothing stood between. */
function reasonOf(error: unknown, { session, failure }: Group): unknown {
  if (unread.has(Object(error))) delete (error as AxiosError).response
  // The refresh hangs, and is not made again while it does. Whoever has logged in anew need not wait for it.
  if (session.state.refreshing && isSessionError(error, 'refresh_timeout')) void session.signIn()
  const code = findSessionError(error)?.code
  return failure && (code === 'session_expired' || code === 'refresh_failed') ? failure.error : error
}

function guard(instance: AxiosInstance, group: Group, registrations: Registration[]): void {
  const { request } = instance.interceptors

  const leaveAlone = (config: Config): Config => {
    const none = config.skipAuthRefresh || !registrations.some(({ stands }) => stands())
    return none ? Object.assign(config, { session: false }) : config
  }
  request.use(leaveAlone, null, {
    synchronous: true,
    // Called at once, before any interceptor: this is the request as its caller has made it.
    runWhen(config) {
      const { url, baseURL, params } = config
      const headers = AxiosHeaders.concat(config.headers)
      const { refreshes } = group
      const defaults = () => defaultsOf(instance, config.method)
      Object.assign(leaveAlone(config), {
        [MADE]: { url, baseURL, params, headers, registrations, defaults, refreshes, transmissions: 0 },
      })
      return true
    },
  })
  attachSession(instance, group.session, {
    origins: '*',
    async transmit(config, adapter) {
      const made = madeOf(config)
      if (!made || config.session === false) return adapter(config)
      const [options = {}] = standing(made).map((registration) => registration.options)
      const again = made.transmissions++ > 0
      if (!again && made.refreshes === group.refreshes) {
        config.headers = renewed(config.headers, group)
        return send(config, adapter, options)
      }

      const { url, baseURL, params, body } = made
      const headers = AxiosHeaders.concat(made.headers)
      const type = AxiosHeaders.from(config.headers).get('Content-Type')
      if (type) headers.set('Content-Type', type)
      // Itself is the default.
      const retryInstance = again && options.retryInstance !== instance ? options.retryInstance : undefined
      const waited = await retried({ ...config, url, baseURL, params, headers, ...body } as Config, options)
      const ready = retryInstance ? waited : await intercepted(waited, request, leaveAlone)
      ready.headers = renewed(ready.headers, group)
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
    },
  })
  registered.set(instance, registrations)
  groups.set(instance, group)
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

/** What the request interceptors of the app make of a request, in the order of axios: the last comes first. */
function intercepted(config: Config, manager: object, own: unknown): Promise<Config> {
  return handlersOf(manager)
    .filter(({ fulfilled, runWhen }) => {
      const ours = fulfilled === own || sessionOf(fulfilled)
      return !ours && runWhen?.(config) !== false
    })
    .reduceRight<Promise<Config>>(
      (before, { fulfilled, rejected }) => before.then(fulfilled as never, rejected) as Promise<Config>,
      Promise.resolve(config),
    )
}

async function send(
  config: Config,
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

/** The headers that an instance puts into each request. */
function defaultsOf({ defaults: { headers: defaults } }: AxiosInstance, method = 'get'): Config['headers'] {
  const all = defaults as unknown as Record<string, unknown>
  const headers = new AxiosHeaders()
  for (const values of [all, all.common, all[method.toLowerCase()]])
    for (const [name, value] of Object.entries(Object(values)))
      if (typeof value === 'string') headers.set(name, value)
  return headers
}

function madeOf(config: Config | undefined): Made | undefined {
  return (config as { [MADE]?: Made } | undefined)?.[MADE]
}

function standing(made: Made | undefined): Registration[] {
  return made?.registrations.filter(({ stands }) => stands()) ?? []
}

/** Of what `attachSession` has put there. */
const sessionOf = (fulfilled: unknown): unknown => Object(fulfilled).session

function handlersOf(manager: object): Handler[] {
  const handlers: Handler[] = []
  ;(manager as { forEach(look: (handler: Handler) => void): void }).forEach((handler) => {
    handlers.push(handler)
  })
  return handlers
}
