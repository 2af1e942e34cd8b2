import {
  type AxiosAdapter,
  AxiosError,
  AxiosHeaders,
  type AxiosInstance,
  type AxiosResponse,
  CanceledError,
  type CancelToken,
  getAdapter,
  type InternalAxiosRequestConfig,
} from 'axios'
import type { SessionError } from '../core/errors.ts'
import type { IgnoreReason } from '../core/machine.ts'
import { parse, trustedOrigin } from '../core/origins.ts'
import { type Credentials, SessionRequest, type SessionResponse } from '../core/request.ts'
import type { Session } from '../core/session.ts'
import { isOneShot } from './replay.ts'

/** What a single request may say about the session's care. */
export interface RequestSession {
  /** `false`: the caller gets the 401; the refresh takes place all the same. @default true where the body can be sent again */
  replay?: boolean
  /** Whether it may be taken off the wire while it has a stale token and no answer. @default by method, see `SessionOptions.recall` */
  recall?: boolean
  /** Makes the body anew for each send, so that streams and form-data can be replayed. */
  body?: () => unknown
}

declare module 'axios' {
  interface AxiosRequestConfig<D> {
    /** `false`: the session leaves this request alone. */
    session?: false | RequestSession
  }
}

/** Options of {@link attachSession}. */
export interface AttachOptions {
  /**
   * Origins that may get the token besides that of the instance's `baseURL`: https, or loopback.
   * @default in browsers the page's own origin, elsewhere none
   */
  origins?: readonly (string | URL)[]
}

/** The adapter that stands in front of the instance's own, for one request. */
interface Guard extends AxiosAdapter {
  session?: Session
}

/**
 * Puts an axios instance under the care of a session: its requests carry the access token, wait for a
 * refresh where one is needed, and are replayed once after a 401. Interceptors, transforms and retries of the
 * instance run as without it, once per request.
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
  options: AttachOptions = {},
): () => void {
  const rule = originRule(instance, options)
  const interceptor = instance.interceptors.request.use(
    (config) => {
      const own = config.adapter ?? instance.defaults.adapter
      if ((own as Guard | undefined)?.session === session) return config
      const guard: Guard = (final) => {
        // The config in a response or an error is the caller's again: retry layers send it once more.
        if (own) final.adapter = own
        const adapter = (getAdapter as (adapters: typeof own, config: unknown) => AxiosAdapter)(own, final)
        return session.send(new AxiosRequest(final, adapter, rule, session.recalls))
      }
      guard.session = session
      config.adapter = guard
      return config
    },
    null,
    { synchronous: true },
  )
  return () => instance.interceptors.request.eject(interceptor)
}

/** Whether a request may get the token: by the URL that axios will make of it. */
interface OriginRule {
  /** Whether this instance's relative URLs lead to a trusted origin. */
  trustsBase(baseURL: string): boolean
  trusts(url: string): boolean
  /** The adapter that follows redirects itself, where there is one. */
  readonly node: AxiosAdapter | undefined
}

function originRule(instance: AxiosInstance, { origins = [] }: AttachOptions): OriginRule {
  const trusted = new Set(origins.map((origin) => trustedOrigin(origin)))
  const page = globalThis.location?.origin
  const { baseURL } = instance.defaults
  if (page && !origins.length) trusted.add(page)
  if (!baseURL && !trusted.size) {
    throw new TypeError(
      'attachSession: which origin may get the token? Give the instance a `baseURL`, or `origins`',
    )
  }
  const trusts = (url: string) => trusted.has(parse(url)?.origin ?? '')
  let known: string | undefined
  return {
    trusts,
    node: nodeAdapter(),
    trustsBase(base) {
      if (base === known) return true
      const written = instance.defaults.baseURL
      if (written) trusted.add(trustedOrigin(new URL(written, page), true))
      if (!trusts(base)) return false
      known = base
      return true
    },
  }
}

function nodeAdapter(): AxiosAdapter | undefined {
  try {
    return getAdapter('http')
  } catch {
    return undefined
  }
}

/** As axios decides it: everything else is appended to the base URL. */
const ABSOLUTE = /^([a-z][a-z\d+\-.]*:)?\/\//i

const SAFE = /^(GET|HEAD|OPTIONS)$/

/** One axios request, between the instance and its adapter. */
class AxiosRequest extends SessionRequest<AxiosResponse> {
  begun = false
  readonly method: string
  readonly recallable: boolean
  private readonly config: InternalAxiosRequestConfig
  private readonly adapter: AxiosAdapter
  private readonly rule: OriginRule
  /** When it started, where it has a timeout. */
  private readonly since: number
  /** What the caller's config held where something of ours stands while it is on the wire. */
  private callers: Partial<InternalAxiosRequestConfig> | undefined = undefined
  private token: RecallToken | undefined = undefined

  constructor(config: InternalAxiosRequestConfig, adapter: AxiosAdapter, rule: OriginRule, recalls: boolean) {
    super()
    this.config = config
    this.adapter = adapter
    this.rule = rule
    this.method = config.method ? config.method.toUpperCase() : 'GET'
    this.recallable = (config.session || undefined)?.recall ?? (recalls && SAFE.test(this.method))
    this.since = config.timeout ? performance.now() : 0
  }

  get url(): string {
    const { baseURL, url = '', allowAbsoluteUrls } = this.config
    if (!baseURL || (ABSOLUTE.test(url) && allowAbsoluteUrls !== false)) return url
    return url ? `${baseURL.replace(/\/+$/, '')}/${url.replace(/^\/+/, '')}` : baseURL
  }

  get signal(): AbortSignal | undefined {
    return this.config.signal as AbortSignal | undefined
  }

  get abandoned(): boolean {
    const { signal, cancelToken } = this.config
    return signal?.aborted === true || cancelToken?.reason !== undefined
  }

  get exempt(): IgnoreReason | undefined {
    const { session, baseURL, url, allowAbsoluteUrls } = this.config
    if (session === false) return 'opted-out'
    // A relative URL is appended behind a slash: it cannot change the host of the base URL.
    const relative = baseURL && (!url || !ABSOLUTE.test(url) || allowAbsoluteUrls === false)
    return (relative ? this.rule.trustsBase(baseURL) : this.rule.trusts(this.url))
      ? undefined
      : 'foreign-origin'
  }

  get conflict(): string | undefined {
    const { auth, url, baseURL } = this.config
    const userinfo = (url?.includes('@') || baseURL?.includes('@')) && parse(this.url)?.username
    return auth || userinfo
      ? `this request brings Basic credentials (${auth ? '`auth`' : 'in its URL'}), which would replace the session's: leave them out, or set \`session: false\``
      : undefined
  }

  get replayable(): boolean {
    const { session, data } = this.config
    return session
      ? session.replay !== false && (session.body !== undefined || !isOneShot(data))
      : !isOneShot(data)
  }

  header(name: string): string | undefined {
    const { headers } = this.config
    for (const key in headers) {
      if (key.length === name.length && key.toLowerCase() === name) {
        const value = headers[key]
        return value === undefined || value === null ? undefined : String(value)
      }
    }
    return undefined
  }

  transmit(credentials: Credentials | undefined): Promise<AxiosResponse> {
    const { config, adapter } = this
    if (this.attempts) this.dress(credentials)
    try {
      return adapter(config)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Makes the config what this send needs. The headers are a copy each time: adapters write into them, and a
   * multipart boundary of the first send must not meet the body of the second.
   */
  private dress(credentials: Credentials | undefined): void {
    const { config, since } = this
    const { session, timeout, timeoutErrorMessage, url = '' } = config
    const set = credentials?.headers
    this.swap('headers', withHeaders(config.headers, set))
    if (set) this.guardRedirects(set)
    if (credentials?.query) this.swap('url', withQuery(url, credentials.query))
    if (session?.body) this.swap('data', session.body())
    if (since && timeout) {
      const spent = Math.floor(performance.now() - since)
      if (spent) {
        this.swap('timeout', Math.max(1, timeout - spent))
        this.swap('timeoutErrorMessage', timeoutErrorMessage ?? timedOut(timeout))
      }
    }
    if (this.recallable) {
      const { onDownloadProgress } = config
      this.begun = false
      this.token = new RecallToken(config.cancelToken)
      this.swap('cancelToken', this.token)
      this.swap('onDownloadProgress', (event: unknown) => {
        this.begun = true
        onDownloadProgress?.(event as never)
      })
    }
  }

  private swap(name: keyof InternalAxiosRequestConfig, value: unknown): void {
    const config = this.config as unknown as Record<string, unknown>
    this.callers ??= {}
    this.callers[name] = config[name]
    config[name] = value
  }

  land(): void {
    const config = this.config as unknown as Record<string, unknown>
    const { callers } = this
    this.callers = undefined
    for (const name in callers) {
      if (callers[name] === undefined) delete config[name]
      else config[name] = callers[name]
    }
  }

  /** Node follows redirects itself, to subdomains with the token (follow-redirects), and with custom headers anywhere. */
  private guardRedirects(set: NonNullable<Credentials['headers']>): void {
    if (this.adapter !== this.rule.node) return
    const { beforeRedirect } = this.config
    const home = parse(this.url)?.origin
    this.swap('beforeRedirect', (options: Record<string, unknown>, ...details: unknown[]) => {
      if (parse(String(options.href))?.origin !== home) {
        const headers = Object(options.headers)
        for (const key in headers) if (hasHeader(set, key)) delete headers[key]
      }
      ;(beforeRedirect as ((...all: unknown[]) => void) | undefined)?.(options, ...details)
    })
  }

  recall(): void {
    this.token?.cancel()
  }

  statusOf(outcome: unknown): number {
    return answerOf(outcome)?.status ?? 0
  }

  responseOf(outcome: unknown): SessionResponse {
    const { status = 0, headers, data, request } = answerOf(outcome) ?? {}
    return {
      status,
      headers: AxiosHeaders.from(headers as AxiosHeaders) as unknown as SessionResponse['headers'],
      url: request?.res?.responseUrl ?? request?.responseURL,
      async json() {
        try {
          return typeof data === 'string' ? JSON.parse(data) : data
        } catch {
          return undefined
        }
      },
    }
  }

  trusts(url: string): boolean {
    return this.rule.trusts(url)
  }

  blame(outcome: unknown, cause: Error): void {
    if (outcome instanceof Error) outcome.cause ??= cause
  }

  discard(outcome: unknown): void {
    const { data } = answerOf(outcome) ?? {}
    if (typeof data?.destroy === 'function') data.destroy()
    else if (typeof data?.cancel === 'function') void data.cancel().catch(() => {})
  }

  refusal(cause: SessionError): AxiosError {
    // Without a config, so that retry layers do not try again and no query or body is told.
    return Object.assign(new AxiosError(cause.message, cause.code), { cause })
  }

  onLeave(leave: (reason: unknown) => void): (() => void) | undefined {
    const { config, since } = this
    const { signal, cancelToken, timeout } = config
    if (!signal && !cancelToken && !since) return undefined
    const abort = (reason?: unknown) =>
      leave(reason instanceof CanceledError ? reason : new CanceledError(undefined, config as never))
    const timer =
      since && timeout
        ? setTimeout(
            () => {
              const code = config.transitional?.clarifyTimeoutError ? 'ETIMEDOUT' : 'ECONNABORTED'
              leave(new AxiosError(config.timeoutErrorMessage ?? timedOut(timeout), code, config))
            },
            timeout - (performance.now() - since),
          )
        : undefined
    const token = cancelToken as RecallToken | undefined
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

type Listener = (reason: unknown) => void

/**
 * Recalls one transmission. It has the shape of an axios CancelToken, which costs an object where an
 * AbortController costs a tenth of the whole request, and passes the caller's own token on.
 */
class RecallToken {
  reason: CanceledError<unknown> | undefined = undefined
  private readonly listeners = new Set<Listener>()
  private readonly callers: RecallToken | undefined

  constructor(callers: CancelToken | undefined) {
    this.callers = callers as RecallToken | undefined
  }

  get promise(): Promise<unknown> {
    return new Promise((resolve) => this.subscribe(resolve))
  }

  throwIfRequested(): void {
    this.callers?.throwIfRequested()
    if (this.reason) throw this.reason
  }

  subscribe(listener: Listener): void {
    this.callers?.subscribe(listener)
    if (this.reason) listener(this.reason)
    else this.listeners.add(listener)
  }

  unsubscribe(listener: Listener): void {
    this.callers?.unsubscribe(listener)
    this.listeners.delete(listener)
  }

  /** The fetch adapter of axios 1.7 takes the token for a signal. */
  addEventListener(_: string, listener: Listener): void {
    this.subscribe(listener)
  }

  toAbortSignal(): AbortSignal {
    const controller = new AbortController()
    const abort = (reason: unknown) => controller.abort(reason)
    this.subscribe(abort)
    return Object.assign(controller.signal, { unsubscribe: () => this.unsubscribe(abort) })
  }

  cancel(): void {
    this.reason = new CanceledError('recalled')
    for (const listener of this.listeners) listener(this.reason)
  }
}

/** The response that an outcome is, or holds. */
function answerOf(outcome: unknown): Partial<AxiosResponse> | undefined {
  const { response = outcome } = Object(outcome)
  return response
}

function timedOut(timeout: number): string {
  return `timeout of ${timeout}ms exceeded`
}

/** A copy of `headers` in which those of `set` stand, and no other spelling of them. */
function withHeaders(headers: AxiosHeaders, set: Credentials['headers']): AxiosHeaders {
  const copy: AxiosHeaders = Object.assign(new AxiosHeaders(), headers)
  for (const key in headers) if (set && hasHeader(set, key)) delete copy[key]
  for (const name in set) if (set[name] !== undefined) copy[name] = set[name]
  return copy
}

function hasHeader(set: object, key: string): boolean {
  for (const name in set) {
    if (name.length === key.length && name.toLowerCase() === key.toLowerCase()) return true
  }
  return false
}

function withQuery(url: string, query: Record<string, string>): string {
  const [rest = '', hash] = url.split('#', 2)
  const added = new URLSearchParams(query)
  return `${rest}${rest.includes('?') ? '&' : '?'}${added}${hash === undefined ? '' : `#${hash}`}`
}
