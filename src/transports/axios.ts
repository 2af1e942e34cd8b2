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
import { systemClock } from '../core/clock.ts'
import type { SessionError } from '../core/errors.ts'
import type { IgnoreReason } from '../core/events.ts'
import { say } from '../core/messages.ts'
import { checkInstance } from '../core/mistakes.ts'
import { allowList, type OriginOptions } from '../core/origins.ts'
import { type Credentials, type RequestPart, SessionRequest, type SessionResponse } from '../core/request.ts'
import type { Session, SessionTransport } from '../core/session.ts'
import { parse, withQuery } from '../core/url.ts'
import { jsonOf } from './axios-json.ts'
import { travels, unfollowed } from './redirects.ts'
import { bodyFrom, copyOf, isOneShot, letGo, type RequestSession, repeats } from './replay.ts'

export type { RequestSession }

declare module 'axios' {
  interface AxiosRequestConfig<D> {
    /** `false`: the session leaves this request alone. */
    session?: false | RequestSession
  }
}

/**
 * An instance of axios. TypeScript takes the `AxiosInstance` of CommonJS for another than that of ES modules; both are
 * this one.
 */
export interface AttachableInstance {
  readonly defaults: object
  readonly interceptors: { readonly request: object; readonly response: object }
  getUri(config?: never): string
}

/** Options of {@link attachSession}. */
export interface AttachOptions extends OriginOptions {
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

/** Interceptors, as all versions of axios have them, and their types do not tell. */
interface Chain {
  forEach(look: (interceptor: { fulfilled?: { session?: Session } | null }) => void): void
}

/** What all requests of one attachment share. */
interface Attachment {
  instance: AxiosInstance
  /** Whether a URL, or a base URL, leads to an origin that may get the token. */
  trusts(url: string): boolean
  transport: SessionTransport
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
 * @throws TypeError where an origin, or the base URL, is plain http to another machine, and where another session is
 * attached: the same one may be attached again. Requests reject with one where
 * nothing says who may get the token.
 *
 * @example
 * const api = axios.create({ baseURL: 'https://api.example.com' })
 * attachSession(api, session)
 */
export function attachSession(
  instance: AttachableInstance,
  session: Session,
  options: AttachOptions = {},
): () => void {
  const axiosInstance = instance as AxiosInstance
  const { transmit = (config, adapter) => adapter(config) } = options
  checkInstance(axiosInstance, session)
  // Each would take the other's requests for somebody else's.
  ;(axiosInstance.interceptors.request as Partial<Chain>).forEach?.(({ fulfilled }) => {
    if (fulfilled?.session && fulfilled.session !== session) throw new TypeError(say('second'))
  })
  const allows = allowList(
    options,
    () => parse(axiosInstance.defaults.baseURL ?? '/', globalThis.location?.href)?.origin,
    session.transport.mode,
  )
  let known: string | undefined
  const attachment: Attachment = {
    instance: axiosInstance,
    transport: session.transport,
    node: adapterOf('http', axiosInstance.defaults),
    transmit,
    trusts(url) {
      if (url === known && url === axiosInstance.defaults.baseURL) return true
      // In Node, old versions read `http:/host` as a path of localhost: both readings must be trusted.
      if (!allows(url) || !(globalThis.location || allows(parse(url, 'http://localhost') ?? url)))
        return false
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
      const request = new AxiosRequest(final, adapter, attachment)
      const answer = session.transport.send(request)
      request.hold()
      return answer
    }
    guard = Object.assign(made, { own, session })
    return guard
  }
  const guarded = (config: Config) => {
    const own = config.adapter ?? axiosInstance.defaults.adapter
    // What has been cancelled already never comes to its adapter.
    if ((own as Guard).session === session || config.signal?.aborted || config.cancelToken?.reason)
      return config
    config.adapter = guardOf(own)
    return config
  }
  const interceptor = axiosInstance.interceptors.request.use(Object.assign(guarded, { session }), null, {
    synchronous: true,
    // Called at once, while other people's interceptors are still to come: only now is it seen that `refresh` calls.
    runWhen(config) {
      const part = config.session !== false && session.transport.part()
      if (part) config.session = Object.assign({}, config.session, { part })
      return true
    },
  })
  return () => axiosInstance.interceptors.request.eject(interceptor)
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

/** Of a request that says nothing of the session. */
const NONE: RequestSession = {}

/** What every CancelToken has, and its type does not tell. */
interface Subscribable {
  subscribe(listener: (reason: { message?: string }) => void): void
  unsubscribe(listener: (reason: { message?: string }) => void): void
}

/** One axios request, between the instance and its adapter. */
class AxiosRequest extends SessionRequest<AxiosResponse> {
  begun = false
  readonly recallable: boolean
  override readonly raceable: boolean
  readonly replayable: boolean
  readonly #config: Config
  readonly #adapter: AxiosAdapter
  readonly #attachment: Attachment
  readonly #options: false | RequestSession
  /** Read once: what was checked is what is sent. */
  readonly #url: string
  readonly #timeout: number
  /** When it started, where it has a timeout. */
  readonly #since: number
  /** What the caller's config held where something of ours stands while it is on the wire. */
  #callers: Record<string, unknown> | undefined
  #headers: Config['headers'] | undefined
  #set: Credentials['headers']
  #release: (() => void) | undefined
  #sent = false
  /** A copy of the body, as it was at the call. */
  #data: unknown
  /** What the factory has made for this send. */
  #made: unknown
  /** Ends the waiting. */
  #leave: ((reason: unknown) => void) | undefined
  /** What its body has failed with meanwhile. */
  #broken: AxiosError | undefined

  constructor(config: Config, adapter: AxiosAdapter, attachment: Attachment) {
    super()
    const { session = NONE, timeout = 0, url = '', method = 'get', data } = config
    this.#config = config
    this.#adapter = adapter
    this.#attachment = attachment
    this.#options = session
    this.part = (session as { part?: RequestPart }).part
    // As the http adapter reads it.
    this.#timeout = timeout && Number.parseInt(`${timeout}`, 10)
    this.#since = this.#timeout > 0 ? performance.now() : 0
    this.#url = String(url)
    const { replayable, recallable, raceable } = repeats(session || NONE, data, method, attachment.transport)
    this.replayable = replayable
    this.recallable = recallable
    // Who is told of its progress would be told of two at once.
    this.raceable = raceable && !config.onDownloadProgress && !config.onUploadProgress
  }

  get method(): string {
    return (this.#config.method ?? 'get').toUpperCase()
  }

  get url(): string {
    try {
      return this.#attachment.instance.getUri(this.#config)
    } catch {
      // Parameters that nobody can write down: its adapter will say so.
      return this.#url
    }
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

  /** What is not sent at once pays for a copy of its body, and is listened to. */
  hold(): void {
    if (this.#sent) return
    const config = this.#config
    const { data } = config
    if (!data) return
    if (isOneShot(data)) {
      data.on?.('error', (error: Error & { code?: string }) => {
        this.#broken = AxiosError.from(error, error.code, config)
        if (!this.#sent) this.#leave?.(this.#broken)
      })
      // Node's adapter hands bytes on as they are.
    } else if (this.#adapter !== this.#attachment.node || data.append) this.#data = copyOf(data)
  }

  transmit(credentials: Credentials | undefined): Promise<AxiosResponse> {
    const config = this.#config
    if (this.#broken && !this.#sent) return Promise.reject(this.#broken)
    this.#sent = true
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
    this.#set = set
    config.headers = headers
    const ours: Partial<Config> = {}
    if (config.url && config.url !== url) ours.url = url
    if (query) ours.url = withQuery(url, query)
    if (body) {
      this.#made = ours.data = bodyFrom(body)
      if (isOneShot(config.data)) letGo(config.data)
    } else if (this.#data) ours.data = this.#data
    const spent = Math.floor(this.#since && performance.now() - this.#since)
    if (spent) ours.timeout = Math.max(1, this.#timeout - spent)
    // Node follows redirects itself: with the token to subdomains, and with custom headers anywhere.
    if (set && this.#attachment.node) ours.beforeRedirect = this.#leaving(set, config.beforeRedirect)
    if (travels(credentials)) {
      ours.fetchOptions = { redirect: unfollowed(), ...config.fetchOptions }
    }
    if (this.recallable) this.#offerRecall(config, ours)
    const given = config as unknown as Record<string, unknown>
    const callers: Record<string, unknown> = ours
    this.#callers = callers
    for (const key in callers) {
      const own = given[key]
      given[key] = callers[key]
      callers[key] = own
    }
  }

  /** Takes the credentials off where a redirect leads to another origin. */
  #leaving(
    set: NonNullable<Credentials['headers']>,
    callers: Config['beforeRedirect'],
  ): NonNullable<Config['beforeRedirect']> {
    return (options, ...details) => {
      if (parse(options.href)?.origin !== parse(this.url)?.origin) {
        const sent = AxiosHeaders.from(options.headers)
        sent.delete(Object.keys(set))
        options.headers = sent.toJSON()
      }
      callers?.(options, ...details)
    }
  }

  /** Puts into `ours` what takes this send off the wire, and what tells that it is answered. */
  #offerRecall(config: Config, ours: Partial<Config>): void {
    const { token, cancel } = axios.CancelToken.source()
    const follow = (reason: { message?: string }) => cancel(reason.message)
    const callers = config.cancelToken as Subscribable | undefined
    callers?.subscribe(follow)
    const { onDownloadProgress } = config
    this.#release = () => callers?.unsubscribe(follow)
    this.begun = false
    this.recall = cancel
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

  land(outcome: unknown): void {
    const config = this.#config as Partial<Config>
    const left = config.timeout
    this.#release?.()
    if (this.#headers) config.headers = this.#headers
    const callers = this.#callers ?? {}
    this.#callers = undefined
    let last: unknown
    // Whoever stands before the adapter may have sent a copy.
    for (const sent of [config, Object(outcome).config, answerOf(outcome).config]) {
      if (!sent || sent === last) continue
      last = sent
      for (const key in callers) {
        if (callers[key] === undefined) delete sent[key]
        else sent[key] = callers[key]
      }
      if (sent !== config) sent.headers = this.#undressed(sent.headers)
    }
    // To see when an answer begins to arrive, Node's adapter lets it through a pipe, which has a word of its own for one
    // that breaks off.
    if ('onDownloadProgress' in callers && !callers.onDownloadProgress && isCutOff(outcome)) {
      const { ERR_BAD_RESPONSE: code } = AxiosError
      Object.assign(outcome, { name: 'AxiosError', message: 'stream has been aborted', code })
      delete outcome.cause
    }
    // A recall, or a broken connection: nobody reads on.
    if (this.#made && !this.statusOf(outcome)) letGo(this.#made)
    // The caller knows the whole timeout, not what was left of it.
    if (
      left !== config.timeout &&
      outcome instanceof AxiosError &&
      /^E(TIMEDOUT|CONNABORTED)$/.test(String(outcome.code))
    ) {
      outcome.message = outcome.message.replace(String(left), String(config.timeout))
    }
  }

  /** Headers of a copy, as they would be without us. */
  #undressed(headers: Config['headers']): Config['headers'] {
    const left = AxiosHeaders.from({ ...headers } as AxiosHeaders)
    for (const name in this.#set) {
      left.delete(name)
      const callers = this.header(name.toLowerCase())
      if (callers !== undefined) left.set(name, callers)
    }
    return left
  }

  statusOf(outcome: unknown): number {
    return answerOf(outcome).status ?? 0
  }

  responseOf(outcome: unknown): SessionResponse {
    const answer = answerOf(outcome)
    const { status = 0, headers: all, request } = answer
    const headers = AxiosHeaders.from(all as AxiosHeaders) as SessionResponse['headers']
    return {
      status,
      headers,
      url: [request?.res?.responseUrl, request?.responseURL].find((url) => ABSOLUTE.test(url)),
      async json() {
        try {
          return await jsonOf(answer, headers)
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
    letGo(answerOf(outcome).data)
    letGo(this.#made)
  }

  override release(): void {
    if (this.#sent) return
    const { data } = this.#config
    if (isOneShot(data)) letGo(data)
  }

  refusal(cause: SessionError): AxiosError {
    // Caches and others find their request by its config. axios-retry takes an error without an answer for one of
    // the network, unless the config forbids it.
    const config = { ...this.#config, 'axios-retry': { retries: 0 } }
    const { message, code } = cause
    const error = Object.assign(new AxiosError(message, code), { cause })
    // Who prints the error tells no query and no body.
    Object.defineProperty(error, 'config', { get: () => config })
    return Object.defineProperty(error, 'toJSON', { value: () => ({ name: error.name, message, code }) })
  }

  get #timedOut(): string {
    const { timeoutErrorMessage, timeout } = this.#config
    return timeoutErrorMessage ?? `timeout of ${timeout}ms exceeded`
  }

  onLeave(leave: (reason: unknown) => void): (() => void) | undefined {
    const config = this.#config
    const since = this.#since
    const { signal, cancelToken, transitional } = config
    if (isOneShot(config.data)) this.#leave = leave
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
    const left = this.#timeout - (performance.now() - since)
    const timer = since ? systemClock.setTimeout(expire, left) : undefined
    const token = cancelToken as Subscribable | undefined
    token?.subscribe(abort)
    signal?.addEventListener?.('abort', abort)
    if (signal?.aborted) abort()
    return () => {
      systemClock.clearTimeout(timer)
      token?.unsubscribe(abort)
      signal?.removeEventListener?.('abort', abort)
    }
  }
}

function isCutOff(outcome: unknown): outcome is AxiosError {
  return outcome instanceof AxiosError && outcome.code === 'ECONNRESET' && outcome.message === 'aborted'
}

function hasUserinfo(url = ''): boolean {
  return url.includes('@') && USERINFO.test(url)
}

/** The response that an outcome is, or holds. */
function answerOf(outcome: unknown): Partial<AxiosResponse> {
  const { response = outcome } = Object(outcome)
  return Object(response)
}
