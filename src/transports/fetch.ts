import { newController, reasonOf } from '../core/abortable.ts'
import type { SessionError } from '../core/errors.ts'
import type { IgnoreReason } from '../core/events.ts'
import { checkFetch } from '../core/mistakes.ts'
import { allowList, type OriginOptions } from '../core/origins.ts'
import { type Credentials, SessionRequest, type SessionResponse } from '../core/request.ts'
import type { Session, SessionTransport } from '../core/session.ts'
import { parse, withQuery } from '../core/url.ts'
import { type Plain, plainOf, withPlain } from './plain-headers.ts'
import { follow, locationOf, travels, unfollowed } from './redirects.ts'
import { bodyFrom, copyOf, isOneShot, letGo, type RequestSession, repeats } from './replay.ts'
import { isShortJson, readCopy } from './short-json.ts'
import { abortTogether, leaveTogether, stayFor } from './together.ts'

export type { RequestSession }

type Input = Parameters<typeof fetch>[0]

/** What a guarded fetch takes besides what fetch takes. */
export interface SessionRequestInit extends RequestInit {
  /** `false`: the session leaves this request alone. */
  session?: false | RequestSession
}

/** A `fetch`, with the `session` member of its `init`. */
export type SessionFetch = typeof fetch & ((input: Input, init?: SessionRequestInit) => Promise<Response>)

/** Options of {@link withSession}. */
export interface FetchOptions extends OriginOptions {
  /**
   * What sends the requests. It is given `init`, with the token, beside a URL or a Request, and has to honour it: what
   * takes a `Request` alone is given one, by `(input, init) => own(new Request(input, init))`.
   * @default the global fetch, looked up at each call
   */
  fetch?: typeof fetch
}

/**
 * Makes a `fetch` whose requests are under the care of a session: they carry the access token, wait for a
 * refresh where one is needed, and are replayed once after a 401. Everything else is as with fetch itself: the
 * same arguments, answers and errors. For whatever takes a `fetch`: ky, ofetch, openapi-fetch and others.
 *
 * A request that the session cannot send rejects with a `SessionError`. One that has a 401 of its own resolves
 * with it, and `findSessionError(response)` tells why.
 *
 * @throws TypeError where an origin is plain http to another machine. Requests reject with one where nothing says who may
 * get the token.
 *
 * @example
 * const authFetch = withSession(session, { origins: ['https://api.example.com'] })
 * const response = await authFetch('https://api.example.com/items')
 */
export function withSession(session: Session, options: FetchOptions = {}): SessionFetch {
  const { fetch: own } = options
  checkFetch(session, own)
  const { transport } = session
  const trusts = allowList(options, () => parse('/', globalThis.location?.href)?.origin, transport.mode)
  /** How the last one that was trusted begins: to parse each would cost a third of all that is done for a request. */
  let known: string | undefined
  const attachment: Attachment = {
    transport,
    trusts,
    whole(written) {
      if (known && written.startsWith(known) && !UNTIDY.test(written)) return written
      const url = parse(written)
      if (!trusts(url ?? written)) return undefined
      known = url && `${url.origin}/`
      return url?.href ?? written
    },
    // In a page nobody can see where a redirect leads, and the browser follows it, whoever asks.
    follows: own !== undefined && !globalThis.location && unfollowed() === 'error',
    // Called as a function: browsers object to a fetch that is the method of somebody else.
    send: (input, init) => (own ?? globalThis.fetch)(input, init),
  }
  return ((input, init) => {
    try {
      const request = new FetchRequest(attachment, input, init)
      const answer = transport.send(request)
      request.hold()
      return answer
    } catch (error) {
      return Promise.reject(error)
    }
  }) as SessionFetch
}

/** What the parser might write in another way, behind an origin that is written as it would. */
const UNTIDY = /[^\w:/?&=.-]|\/\./

/** What all requests of one guarded fetch share. */
interface Attachment {
  transport: SessionTransport
  trusts(url: string | URL): boolean
  /** A trusted URL, as the platform writes it. */
  whole(url: string): string | undefined
  /** Whether redirects are ours to follow. */
  follows: boolean
  send(input: Input, init: RequestInit | undefined): Promise<Response>
}

/** The members of `init` that types do not tell: a factory of bodies, and what a stream needs. */
type Members = Omit<SessionRequestInit, 'body'> & { body?: unknown; duplex?: string }

/** Of a call without `init`. */
const NONE: Members = {}

/** One call of fetch. */
class FetchRequest extends SessionRequest<Response> {
  readonly begun = false
  readonly method: string
  readonly url: string
  readonly signal: AbortSignal | undefined
  readonly recallable: boolean
  override readonly raceable: boolean
  readonly replayable: boolean
  readonly exempt: IgnoreReason | undefined
  readonly #attachment: Attachment
  /** The caller's arguments. */
  readonly #input: Input
  #init: RequestInit | undefined
  /** `init` as it was at the call: fetch, too, looks at it only then. */
  readonly #members: Members
  readonly #headers: Headers | undefined
  /** As the caller has written them, where that is no `Headers`: there names keep their capitals. */
  readonly #plain: Plain | undefined
  readonly #body: (() => unknown) | undefined
  /** A copy of the caller's `Request`, whose body can be read once. */
  #spare: Request | undefined
  #sent = false
  /** Ends the waiting. */
  #leave: ((reason: unknown) => void) | undefined
  /** What its body has failed with meanwhile. */
  #broken: Promise<never> | undefined

  constructor(attachment: Attachment, input: Input, init: SessionRequestInit | undefined) {
    super()
    const request = requestIn(input)
    const url = request ? request.url : String(input)
    const members = init ? membersOf(init) : NONE
    const { session = {}, headers = request?.headers, signal = request?.signal, body } = members
    const { body: make = typeof body === 'function' ? (body as () => unknown) : undefined } = session || {}
    this.#attachment = attachment
    this.#input = input
    // Bun's fetch has a `session` of its own, and refuses ours.
    const told = 'session' in members
    if (told) delete members.session
    this.#init = told ? (members as RequestInit) : init
    this.#members = members
    this.#headers = headers && new Headers(headers)
    this.#plain = plainOf(headers)
    this.#body = make
    this.method = (members.method ?? request?.method)?.toUpperCase() ?? 'GET'
    this.signal = signal ?? undefined
    // What no header can be put on is out of our care.
    const ours = session && (members.mode ?? request?.mode) !== 'no-cors'
    const trusted = ours && attachment.whole(url)
    this.url = trusted || url
    this.exempt = ours ? (trusted ? undefined : 'foreign-origin') : 'opted-out'
    const { replayable, recallable, raceable } = repeats(
      make ? { ...session, body: make } : session || {},
      body,
      this.method,
      attachment.transport,
    )
    this.replayable = replayable
    this.recallable = recallable
    this.raceable = raceable
  }

  get abandoned(): boolean {
    return this.signal?.aborted === true
  }

  /** fetch refuses user names in URLs by itself; not every stand-in does. */
  get conflict(): boolean {
    return this.url.includes('@') && Boolean(parse(this.url)?.username || parse(this.url)?.password)
  }

  trusts(url: string): boolean {
    return this.#attachment.trusts(url)
  }

  header(name: string): string | undefined {
    return this.#headers?.get(name) ?? undefined
  }

  /** fetch takes its body at the call. What is not sent then pays for the copy, and is listened to. */
  hold(): void {
    const { body } = this.#members
    if (this.#sent || !body) return
    if (isOneShot(body)) {
      ;(body as Partial<NodeJS.ReadableStream>).on?.('error', (error) => {
        if (this.#sent) return
        this.#broken = Promise.reject(error)
        this.#broken.catch(() => {})
        this.#leave?.(error)
      })
    } else {
      this.#members.body = copyOf(body)
      this.#init = this.#members as RequestInit
    }
  }

  transmit(credentials: Credentials | undefined): Promise<Response> {
    if (this.#broken) return this.#broken
    this.#sent = true
    try {
      // Only we know what a factory of bodies is, and what is left of a Request that was sent.
      if (credentials || this.#body || this.#spare) return this.#send(credentials)
      return this.#attachment.send(this.#input, this.#init)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #send(credentials: Credentials = {}): Promise<Response> {
    const members = this.#members
    const request = requestIn(this.#input)
    const set = credentials.headers
    const headers = this.#plain ? withPlain(this.#plain, set) : new Headers(this.#headers)
    if (headers instanceof Headers) {
      for (const name in set) {
        const value = set[name]
        if (value === undefined) headers.delete(name)
        else headers.set(name, value)
      }
    }
    const init: Members = { ...members, headers }
    if (this.#body) {
      Object.assign(init, { duplex: 'half', ...members, body: bodyFrom(this.#body), headers })
      letGo(members.body)
    }
    // The caller's own choice stands; that of a Request can be told from the default only here.
    const { follows } = this.#attachment
    const redirect = members.redirect ?? request?.redirect
    const ours = follows && set && (redirect ?? 'follow') === 'follow'
    if (ours) init.redirect = 'manual'
    else if (travels(credentials) && request?.redirect !== 'manual') init.redirect ??= unfollowed()
    const sent = () => {
      const answer = this.#fetch(request, init, credentials)
      if (!ours) return answer
      return answer.then((response) =>
        locationOf(response) ? this.#follow(response, request, init, set) : response,
      )
    }
    if (!this.recallable) return sent()
    const recall = newController()
    const { signal } = recall
    this.recall = () => recall.abort()
    init.signal = signal
    const stay = abortTogether(this.signal, recall)
    const landed = (response: Response) => {
      if (stay) stayFor(response.body, stay)
      if (!signal.aborted) return response
      // The recall came between the headers and us: nobody could read the body.
      this.discard(response)
      throw reasonOf(signal)
    }
    const failed = (error: unknown): never => {
      stay?.()
      throw error
    }
    try {
      return Promise.resolve(sent()).then(landed, failed)
    } catch (error) {
      return failed(error)
    }
  }

  async #follow(
    response: Response,
    request: Request | undefined,
    init: Members,
    set: NonNullable<Credentials['headers']>,
  ): Promise<Response> {
    const whole = request ? { ...membersOf(request), ...init } : init
    // Of the body of a Request nothing is left but its copy.
    if (this.#spare) whole.body = await this.#spare.clone().blob()
    return follow(this.#attachment.send, response, this.url, whole as RequestInit, set)
  }

  /** A Request is sent itself, and not what can be seen of it: that is less. */
  #fetch(request: Request | undefined, init: Members, { query }: Credentials): Promise<Response> {
    const { send, transport } = this.#attachment
    const url = query ? withQuery(this.url, query) : this.url
    if (!request) return send(url, init as RequestInit)
    // An `init` of ours takes the referrer out of a Request that came without one.
    if (!Object.keys(this.#members).length)
      Object.assign(init, { referrer: request.referrer, referrerPolicy: request.referrerPolicy })
    const sent = this.#spare ?? request
    const own = (init.body ?? undefined) === undefined && sent.body !== null
    this.#spare =
      own && (this.recallable || (transport.replays && this.replayable)) ? sent.clone() : undefined
    if (!query) return send(sent, init as RequestInit)
    const elsewhere = (body?: unknown) =>
      send(url, { ...membersOf(sent), ...init, ...(body !== undefined && { body }) } as RequestInit)
    // As a stream it would lose its length, and many browsers do not give it as one.
    return own && !/^(GET|HEAD)$/.test(this.method) ? sent.blob().then(elsewhere) : elsewhere()
  }

  land(): void {}

  statusOf(outcome: unknown): number {
    // A redirect that nobody may look at is an answer: the caller asked for it.
    return isResponse(outcome) ? outcome.status || (outcome.type === 'opaqueredirect' ? 302 : 0) : 0
  }

  responseOf(outcome: unknown): SessionResponse {
    const response = outcome as Response
    const { headers, url } = response
    return {
      status: this.statusOf(response),
      headers,
      url: url || undefined,
      async json() {
        try {
          if (!isShortJson(headers)) return undefined
          const copy = response.clone()
          return await (copy.body ? readCopy(copy.body) : copy.json())
        } catch {
          return undefined
        }
      },
    }
  }

  blame(outcome: unknown, cause: SessionError): void {
    Object.defineProperty(outcome, 'cause', { value: cause, configurable: true })
  }

  discard(outcome: unknown): void {
    // A body that nobody reads keeps its connection.
    letGo(Object(outcome).body)
  }

  override release(): void {
    letGo(this.#spare?.body)
    this.#drop()
  }

  /** A body that is never sent is cancelled, as fetch does with that of an aborted request. */
  #drop(reason?: unknown): void {
    const body = this.#members.body ?? requestIn(this.#input)?.body
    if (!this.#sent && isOneShot(body)) letGo(body, reason)
  }

  refusal(cause: SessionError): SessionError {
    return cause
  }

  onLeave(leave: (reason: unknown) => void): (() => void) | undefined {
    this.#leave = leave
    return leaveTogether(this.signal, (reason) => {
      this.#drop(reason)
      leave(reason)
    })
  }
}

/** Not `instanceof`: there are polyfills, and other realms. A URL has no `url`. */
function requestIn(input: Input): Request | undefined {
  return (input as Partial<Request>).url ? (input as Request) : undefined
}

function isResponse(outcome: unknown): outcome is Response {
  return 'headers' in Object(outcome)
}

/** Not a spread: a `Request` serves as `init`, too, and has its members by inheritance. */
function membersOf(init: object): Members {
  const members: Record<string, unknown> = {}
  for (const name in init) members[name] = init[name as keyof typeof init]
  return members
}
