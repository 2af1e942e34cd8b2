import axios, {
  type AxiosAdapter,
  AxiosError,
  AxiosHeaders,
  type AxiosInstance,
  type AxiosResponse,
  CanceledError,
  getAdapter,
  type InternalAxiosRequestConfig,
} from 'axios'
import type { SessionError } from '../core/errors.ts'
import type { IgnoreReason } from '../core/events.ts'
import { allowList, type Origins } from '../core/origins.ts'
import { type Credentials, SessionRequest, type SessionResponse } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import { parse, withQuery } from '../core/url.ts'
import { travels, unfollowed } from './redirects.ts'
import { bodyFrom, isOneShot, isSafe, type RequestSession } from './replay.ts'

export type { RequestSession }

declare module 'axios' {
  interface AxiosRequestConfig<D> {
    /** `false`: the session leaves this request alone. */
    session?: false | RequestSession
  }
}

/** Options of {@link attachSession}. */
export interface AttachOptions {
  /**
   * Origins that may get the token besides that of the instance's relative URLs: https, or loopback.
   * @default none
   */
  origins?: Origins
  /**
   * Puts a request on the wire, each time that it is sent: for what has to be made anew for a replay. It may send
   * a copy of the config.
   * @default (config, adapter) => adapter(config)
   */
  transmit?: (config: InternalAxiosRequestConfig, adapter: AxiosAdapter) => Promise<AxiosResponse>
}

/** The adapter that stands in front of the instance's own, or of the request's. */
interface Guard extends AxiosAdapter {
  session?: Session
  /** What it stands in front of. */
  own?: unknown
}

/** What all requests of one attachment share. */
interface Attachment {
  instance: AxiosInstance
  /** Whether a URL, or a base URL, leads to an origin that may get the token. */
  trusts(url: string): boolean
  /** Whether requests may be recalled. */
  recalls: boolean
  /** Node's adapter, which follows redirects by itself. */
  node: AxiosAdapter | undefined
  transmit: NonNullable<AttachOptions['transmit']>
}

/**
 * Puts an axios instance under the care of a session: its requests carry the access token, wait for a
 * refresh where one is needed, and are replayed once after a 401. Interceptors, transforms and retries of the
 * instance run as without it, once per request.
 *
 * The token goes to the origin of the instance's `baseURL` (in browsers, without one, to the page's own) and
 * to `origins`, nowhere else.
 *
 * @returns the function that detaches it; requests on their way are served to their end
 * @throws TypeError where nothing says which origin may get the token
 *
 * @example
 * const api = axios.create({ baseURL: 'https://api.example.com' })
 * attachSession(api, session)
 */
export function attachSession(
  instance: AxiosInstance,
  session: Session,
  { origins = [], transmit = (config, adapter) => adapter(config) }: AttachOptions = {},
): () => void {
  const allows = allowList(
    origins,
    () => parse(instance.defaults.baseURL ?? '/', globalThis.location?.href)?.origin,
    session.transport.mode,
  )
  let known: string | undefined
  const attachment: Attachment = {
    instance,
    recalls: session.transport.recalls,
    node: adapterOf('http', instance.defaults),
    transmit,
    trusts(url) {
      if (url === known && url === instance.defaults.baseURL) return true
      if (!allows(url)) return false
      known = url
      return true
    },
  }
  /** One for all requests with the same adapter: a guard holds nothing of the request. */
  let guard: Guard | undefined
  const guardOf = (own: unknown): Guard => {
    if (guard && guard.own === own) return guard
    const made: Guard = (final) => {
      // The config in a response or an error is the caller's again: retry layers send it once more.
      final.adapter = own as AxiosAdapter
      const adapter =
        typeof own === 'function'
          ? (own as AxiosAdapter)
          : (getAdapter as (adapters: unknown, config: unknown) => AxiosAdapter)(own, final)
      return session.transport.send(new AxiosRequest(final, adapter, attachment))
    }
    guard = Object.assign(made, { own, session })
    return guard
  }
  const interceptor = instance.interceptors.request.use(
    (config) => {
      const own = config.adapter ?? instance.defaults.adapter
      // What has been cancelled already never comes to its adapter.
      if ((own as Guard).session === session || config.signal?.aborted || config.cancelToken?.reason)
        return config
      config.adapter = guardOf(own)
      return config
    },
    null,
    { synchronous: true },
  )
  return () => instance.interceptors.request.eject(interceptor)
}

/** The adapter of that name, where this runtime has it. */
function adapterOf(name: string, config: unknown): AxiosAdapter | undefined {
  try {
    return (getAdapter as (name: string, config: unknown) => AxiosAdapter)(name, config)
  } catch {
    return undefined
  }
}

/** As axios decides it: everything else is appended to the base URL behind a slash, and cannot change the host. */
const ABSOLUTE = /^([a-z][a-z\d+\-.]*:)?\/\//i

/** The URL standard takes a backslash for a slash. */
const USERINFO = /^[^/\\?#]*[/\\]{2}[^/\\?#]*@/

type Config = InternalAxiosRequestConfig

/** What every CancelToken has, and its type does not tell. */
interface Subscribable {
  subscribe(listener: (reason: { message?: string }) => void): void
  unsubscribe(listener: (reason: { message?: string }) => void): void
}

/** One axios request, between the instance and its adapter. */
class AxiosRequest extends SessionRequest<AxiosResponse> {
  begun = false
  readonly method: string
  readonly recallable: boolean
  readonly #config: Config
  readonly #adapter: AxiosAdapter
  readonly #attachment: Attachment
  readonly #options: false | RequestSession
  /** Read once: what was checked is what is sent. */
  readonly #url: string
  /** When it started, where it has a timeout. */
  readonly #since: number
  /** What the caller's config held where something of ours stands while it is on the wire. */
  #callers: Record<string, unknown> | undefined = undefined
  #headers: Config['headers'] | undefined = undefined
  #cancel: (() => void) | undefined = undefined
  #release: (() => void) | undefined = undefined

  constructor(config: Config, adapter: AxiosAdapter, attachment: Attachment) {
    super()
    const { session = {}, timeout, url = '', method = 'get' } = config
    this.#config = config
    this.#adapter = adapter
    this.#attachment = attachment
    this.#options = session
    this.#since = timeout ? performance.now() : 0
    this.#url = String(url)
    this.method = method.toUpperCase()
    const { recall = attachment.recalls && isSafe(this.method) } = session || {}
    this.recallable = recall
  }

  get url(): string {
    return this.#attachment.instance.getUri(this.#config)
  }

  get signal(): AbortSignal | undefined {
    return this.#config.signal as AbortSignal | undefined
  }

  get abandoned(): boolean {
    const { signal, cancelToken } = this.#config
    return signal?.aborted || cancelToken?.reason !== undefined
  }

  get exempt(): IgnoreReason | undefined {
    const { baseURL } = this.#config
    const url = this.#url
    if (!this.#options) return 'opted-out'
    const absolute = !baseURL || ABSOLUTE.test(url)
    // `allowAbsoluteUrls: false` is obeyed by some versions of axios only: both readings must be trusted.
    const trusted =
      (!absolute || this.trusts(url)) &&
      (!baseURL || (absolute && this.#config.allowAbsoluteUrls !== false) || this.trusts(baseURL))
    return trusted ? undefined : 'foreign-origin'
  }

  get conflict(): boolean {
    const { auth, baseURL } = this.#config
    return Boolean(auth) || hasUserinfo(this.#url) || hasUserinfo(baseURL)
  }

  get replayable(): boolean {
    const { replay, body } = this.#options || {}
    return replay !== false && (body !== undefined || !isOneShot(this.#config.data))
  }

  trusts(url: string): boolean {
    return this.#attachment.trusts(url)
  }

  header(name: string): string | undefined {
    const { headers } = this.#config
    for (const key in headers) {
      if (key.length === name.length && key.toLowerCase() === name) return headers[key]?.toString()
    }
    return undefined
  }

  transmit(credentials: Credentials | undefined): Promise<AxiosResponse> {
    const config = this.#config
    try {
      if (credentials) this.#dress(config, credentials)
      return this.#attachment.transmit(config, this.#adapter)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Puts into the config what this send needs. The headers are a copy each time: adapters write into them, and
   * a multipart boundary of the first send must not meet the body of the second.
   */
  #dress(config: Config, credentials: Credentials): void {
    const { headers: set, query } = credentials
    const { body } = this.#options || {}
    const url = this.#url
    const headers: AxiosHeaders = Object.assign(new AxiosHeaders(), config.headers)
    for (const name in set) {
      if (this.header(name.toLowerCase()) !== undefined) headers.delete(name)
      headers[name] = set[name]
    }
    this.#headers = config.headers
    config.headers = headers
    const ours: Partial<Config> = {}
    if (config.url && config.url !== url) ours.url = url
    if (query) ours.url = withQuery(url, query)
    if (body) ours.data = bodyFrom(body)
    const spent = Math.floor(this.#since && performance.now() - this.#since)
    if (spent) ours.timeout = Math.max(1, Number(config.timeout) - spent)
    // Node follows redirects itself: with the token to subdomains, and with custom headers anywhere.
    if (set && this.#adapter === this.#attachment.node) {
      const { beforeRedirect } = config
      ours.beforeRedirect = (options, ...details) => {
        if (parse(options.href)?.origin !== parse(this.url)?.origin) {
          const sent = AxiosHeaders.from(options.headers)
          sent.delete(Object.keys(set))
          options.headers = sent.toJSON()
        }
        beforeRedirect?.(options, ...details)
      }
    } else if (travels(credentials)) {
      ours.fetchOptions = { redirect: unfollowed(), ...config.fetchOptions }
    }
    if (this.recallable) {
      const { token, cancel } = axios.CancelToken.source()
      const follow = (reason: { message?: string }) => cancel(reason.message)
      const callers = config.cancelToken as Subscribable | undefined
      callers?.subscribe(follow)
      const { onDownloadProgress } = config
      this.#release = () => callers?.unsubscribe(follow)
      this.begun = false
      this.#cancel = cancel
      // The fetch adapter of axios 1.7.0 takes the token for a signal.
      ours.cancelToken = Object.assign(token, {
        addEventListener: (_: string, listener: () => void) =>
          (token as unknown as Subscribable).subscribe(listener),
      })
      // The fetch adapter would wrap the response for it, also one that cannot have a body.
      if (onDownloadProgress || this.#adapter !== adapterOf('fetch', config)) {
        ours.onDownloadProgress = (event) => {
          this.begun = true
          onDownloadProgress?.(event)
        }
      }
    }
    for (const key in ours) {
      this.#callers = { ...this.#callers, [key]: config[key as keyof Config] }
      Object.assign(config, { [key]: ours[key as keyof Config] })
    }
  }

  land(outcome: unknown): void {
    const config = this.#config as Partial<Config>
    const left = config.timeout
    this.#release?.()
    if (this.#headers) config.headers = this.#headers
    const callers = this.#callers
    this.#callers = undefined
    for (const key in callers) {
      // Whoever stands before the adapter may have sent a copy.
      for (const sent of [config, Object(Object(outcome).config)]) {
        if (callers[key] === undefined) delete sent[key]
        else sent[key] = callers[key]
      }
    }
    // The caller knows the whole timeout, not what was left of it.
    if (
      left !== config.timeout &&
      outcome instanceof AxiosError &&
      /^E(TIMEDOUT|CONNABORTED)$/.test(String(outcome.code))
    ) {
      outcome.message = outcome.message.replace(String(left), String(config.timeout))
    }
  }

  recall(): void {
    this.#cancel?.()
  }

  statusOf(outcome: unknown): number {
    return answerOf(outcome).status ?? 0
  }

  responseOf(outcome: unknown): SessionResponse {
    const { status = 0, headers, data, request } = answerOf(outcome)
    return {
      status,
      headers: AxiosHeaders.from(headers as AxiosHeaders) as SessionResponse['headers'],
      url: [request?.res?.responseUrl, request?.responseURL].find((url) => ABSOLUTE.test(url)),
      async json() {
        try {
          return typeof data === 'string' ? JSON.parse(data) : data
        } catch {
          return undefined
        }
      },
    }
  }

  blame(outcome: unknown, cause: SessionError): void {
    // The last in the chain of causes: old fetch adapters wrap their errors.
    let last = outcome
    while (last instanceof Error && last.cause instanceof Error) last = last.cause
    if (last instanceof Error) last.cause = cause
  }

  discard(outcome: unknown): void {
    const { data } = answerOf(outcome)
    const end = data?.destroy ?? data?.cancel
    // A parsed body may have members of these names.
    if (typeof end === 'function') Promise.resolve(end.call(data)).catch(() => {})
  }

  refusal(cause: SessionError): AxiosError {
    // Without a config, so that retry layers do not try again and no query or body is told.
    return Object.assign(new AxiosError(cause.message, cause.code), { cause })
  }

  get #timedOut(): string {
    const { timeoutErrorMessage, timeout } = this.#config
    return timeoutErrorMessage ?? `timeout of ${timeout}ms exceeded`
  }

  onLeave(leave: (reason: unknown) => void): (() => void) | undefined {
    const config = this.#config
    const since = this.#since
    const { signal, cancelToken, timeout = 0, transitional } = config
    if (!signal && !cancelToken && !since) return undefined
    const abort = () => leave(cancelToken?.reason ?? new CanceledError(undefined, config as never))
    const expire = () =>
      leave(
        new AxiosError(
          this.#timedOut,
          transitional?.clarifyTimeoutError ? 'ETIMEDOUT' : 'ECONNABORTED',
          config,
        ),
      )
    const timer = since ? setTimeout(expire, timeout - (performance.now() - since)) : undefined
    const token = cancelToken as Subscribable | undefined
    token?.subscribe(abort)
    signal?.addEventListener?.('abort', abort)
    if (signal?.aborted) abort()
    return () => {
      clearTimeout(timer)
      token?.unsubscribe(abort)
      signal?.removeEventListener?.('abort', abort)
    }
  }
}

function hasUserinfo(url = ''): boolean {
  return url.includes('@') && USERINFO.test(url)
}

/** The response that an outcome is, or holds. */
function answerOf(outcome: unknown): Partial<AxiosResponse> {
  const { response = outcome } = Object(outcome)
  return Object(response)
}
