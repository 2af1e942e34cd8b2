import {
  type AxiosAdapter,
  AxiosError,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from 'axios'
import type { SessionError } from '../core/errors.ts'
import type { IgnoreReason } from '../core/events.ts'
import { say } from '../core/messages.ts'
import { checkInstance } from '../core/mistakes.ts'
import type { OriginOptions } from '../core/origins.ts'
import { type Credentials, type RequestPart, SessionRequest, type SessionResponse } from '../core/request.ts'
import type { Session, SessionTransport } from '../core/session.ts'
import { withQuery } from '../core/url.ts'
import { adapterOf, findAdapter } from './axios/adapter.ts'
import { answerOf, blame, responseOf } from './axios/answer.ts'
import { beforeRedirect } from './axios/before-redirect.ts'
import { isCancelled, onLeave } from './axios/cancellation.ts'
import { giveBack, type Members, swap } from './axios/config.ts'
import { hasUserinfo, isTrusted, type Trusts, trustOf } from './axios/destination.ts'
import { headerOf, withHeaders } from './axios/headers.ts'
import { offerRecall, unpipe } from './axios/recall.ts'
import { refusalOf } from './axios/refusal.ts'
import { tellWhole, timeLeft } from './axios/timeout.ts'
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

type Config = InternalAxiosRequestConfig

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
  trusts: Trusts
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
  const attachment: Attachment = {
    instance: axiosInstance,
    transport: session.transport,
    node: adapterOf('http', axiosInstance.defaults),
    transmit,
    trusts: trustOf(axiosInstance, options, session.transport.mode),
  }
  /** One for all requests with the same adapter: a guard holds nothing of the request. */
  let guard: Guard | undefined
  const guardOf = (own: unknown): Guard => {
    if (guard && guard.own === own) return guard
    const made: Guard = (final) => {
      // The config in a response or an error is the caller's again: retry layers send it once more.
      final.adapter = own as AxiosAdapter
      const request = new AxiosRequest(final, findAdapter(own, final), attachment)
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
    if ((own as Guard).session === session || isCancelled(config)) return config
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

/** Of a request that says nothing of the session. */
const NONE: RequestSession = {}

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
  #callers: Members | undefined
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
    return isCancelled(this.#config)
  }

  get exempt(): IgnoreReason | undefined {
    if (!this.#options) return 'opted-out'
    return isTrusted(this.#config, this.#url, this.#attachment.trusts) ? undefined : 'foreign-origin'
  }

  get conflict(): boolean {
    const { auth, baseURL } = this.#config
    return Boolean(auth) || hasUserinfo(this.#url) || hasUserinfo(baseURL)
  }

  trusts(url: string): boolean {
    return this.#attachment.trusts(url)
  }

  header(name: string): string | undefined {
    return headerOf(this.#config.headers, name)
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
      // Only we know what a factory of bodies is, and what a body was at the call.
      if (credentials || this.#data || (this.#options || NONE).body) this.#dress(config, credentials)
      return this.#attachment.transmit(config, this.#adapter)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Puts into the config what this send needs. */
  #dress(config: Config, credentials: Credentials = {}): void {
    const { headers: set, query } = credentials
    const { body } = this.#options || NONE
    const url = this.#url
    const ours: Partial<Config> = {}
    if (config.url && config.url !== url) ours.url = url
    if (query) ours.url = withQuery(url, query)
    if (body) {
      this.#made = ours.data = bodyFrom(body)
      letGo(config.data)
    } else if (this.#data) ours.data = this.#data
    const left = timeLeft(this.#timeout, this.#since)
    if (left) ours.timeout = left
    if (set && this.#attachment.node) ours.beforeRedirect = beforeRedirect(this, set, config.beforeRedirect)
    if (travels(credentials)) {
      ours.fetchOptions = { redirect: unfollowed(), ...config.fetchOptions }
    }
    if (this.recallable) this.#release = offerRecall(this, config, this.#adapter, ours)
    this.#set = set
    this.#headers = config.headers
    config.headers = withHeaders(config.headers, set)
    this.#callers = swap(config as unknown as Members, ours as Members)
  }

  land(outcome: unknown): void {
    const config = this.#config
    const callers = this.#callers
    if (!callers) return
    const left = config.timeout
    this.#release?.()
    if (this.#headers) config.headers = this.#headers
    giveBack(config, callers, outcome, this.#set)
    if ('onDownloadProgress' in callers && !callers.onDownloadProgress) unpipe(outcome)
    // A recall, or a broken connection: nobody reads on.
    if (this.#made && !this.statusOf(outcome)) letGo(this.#made)
    tellWhole(outcome, left, config.timeout)
  }

  statusOf(outcome: unknown): number {
    return answerOf(outcome).status ?? 0
  }

  responseOf(outcome: unknown): SessionResponse {
    return responseOf(outcome)
  }

  blame(outcome: unknown, cause: SessionError): void {
    blame(outcome, cause)
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
    return refusalOf(this.#config, cause)
  }

  onLeave(leave: (reason: unknown) => void): (() => void) | undefined {
    this.#leave = leave
    return onLeave(this.#config, this.#timeout, this.#since, leave)
  }
}
