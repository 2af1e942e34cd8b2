import type { SessionError } from './errors.ts'
import type { IgnoreReason } from './events.ts'
import { withoutQuery } from './url.ts'
import type { Visitor } from './waiting-room.ts'

/** What makes a request an authorized one. Returned by `applyToken`. */
export interface Credentials {
  /** Headers to set; `undefined` removes one. */
  headers?: Record<string, string | undefined>
  /** Query parameters to add to the URL. */
  query?: Record<string, string>
}

/** The request that `applyToken` makes credentials for. */
export interface CredentialTarget {
  /** In upper case. */
  method: string
  url: string
  /** The DPoP-Nonce that the server has just asked for (RFC 9449 §9), when this is a re-sign. */
  nonce: string | undefined
}

/** What a request belongs to that is made now: the call of the user's `refresh`, or of `server` in a sign-out. */
export type RequestPart = 'refresh' | 'sign-out'

/** How a request was sent, as `shouldRefresh` gets to know it. */
export interface Sent {
  /** With an older access token than the session has at the moment: it has not been tried with this one. */
  readonly stale: boolean
  /** How many milliseconds ago, the first time. */
  readonly age: number
  /** For the how manieth time. */
  readonly attempt: number
  /**
   * How many milliseconds the request waits for what `shouldRefresh` promises, unless it is aborted or its own time is up.
   * Who asks a person sets it to more, before the first await.
   * @default the `deadline`
   */
  patience: number
}

/** A response, as `shouldRefresh` gets to see it. */
export interface SessionResponse {
  readonly status: number
  readonly headers: { get(name: string): string | null | undefined }
  /** Where it came from, after redirects, where the client tells. */
  readonly url: string | undefined
  /** The body as JSON; undefined where it is none. The caller of the request still gets it whole. */
  json(): Promise<unknown>
}

/**
 * One request on its way through a session. A transport makes one instance per request; the session stamps
 * it, has it transmitted, and looks at what arrives. The same instance is the entry among the requests on the
 * wire and the handle by which it is recalled.
 *
 * `outcome` is whatever the client's promise was settled with: a reply, or an error that may hold one.
 */
export abstract class SessionRequest<Reply> implements Visitor {
  /** The sign-in it belongs to: set when it first meets one. */
  epoch: string | undefined = undefined
  looked = false
  /** The generation it was last sent with. */
  generation = 0
  /** Which update its tokens came of, or of which they are descendants. */
  line: number | undefined = undefined
  /** When it was sent for the first time, by the monotonic clock. */
  sentAt = 0
  attempts = 0
  replays = 0
  /** Its token has expired before it was answered, once. */
  outlasted = false
  /** How often it was answered that its token is no good. */
  refusals = 0
  /** Sent without credentials: nobody was signed in. */
  bare = false
  /** What of the session's own it was made for, where its client makes it before it sends it. */
  part: RequestPart | undefined = undefined
  /** The session has taken it off the wire in order to send it again. */
  recalled = false
  /** Aborts the last transmission, where it can be aborted: set with each. */
  recall: (() => void) | undefined = undefined
  nonce: string | undefined = undefined
  /** For that nonce, with the token that it was sent with last. */
  resigned = false
  /** Counts up within one session; only where somebody observes. */
  id = 0

  /** In upper case. */
  abstract readonly method: string
  abstract readonly url: string
  /** The caller's. */
  abstract readonly signal: AbortSignal | undefined
  /** The caller wants no other answer any more. */
  abstract readonly abandoned: boolean
  /** Whether the session may take it off the wire. */
  abstract readonly recallable: boolean
  /** Whether the session may send it again while it is on the wire, and take the first good answer. */
  readonly raceable: boolean = false
  /** Whether the response has begun to arrive. */
  abstract readonly begun: boolean
  /** Why the session has to leave it alone, if so. */
  abstract readonly exempt: IgnoreReason | undefined
  /** Whether it brings Basic credentials, with which the client would replace ours. */
  abstract readonly conflict: boolean
  /** Whether its body can be sent again, and the caller lets us. */
  abstract readonly replayable: boolean

  /** The caller's own value of a header, if any. */
  abstract header(name: string): string | undefined
  /** Puts it on the wire; without credentials exactly as the caller made it. */
  abstract transmit(credentials: Credentials | undefined): Promise<Reply>
  /** Called when it is off the wire: what the transport changed for it is undone. */
  abstract land(outcome: unknown): void
  /** HTTP status of the outcome; 0 where nothing was answered. */
  abstract statusOf(outcome: unknown): number
  abstract responseOf(outcome: unknown): SessionResponse
  /** Whether a URL that a redirect led to may be told about the session. */
  abstract trusts(url: string): boolean
  /** Attaches the reason why the caller gets this outcome. */
  abstract blame(outcome: unknown, cause: SessionError): void
  /** Lets go of an outcome that nobody will get. */
  abstract discard(outcome: unknown): void
  /** Called when it will not be sent again. */
  release(): void {}
  /** The error with which a request that was never sent is refused. */
  abstract refusal(cause: SessionError): unknown
  /** Tells when the caller stops waiting: by abort, or by a timeout that covers hold, send and replay. */
  abstract onLeave(leave: (reason: unknown) => void): (() => void) | undefined

  get label(): string {
    return `${this.method} ${withoutQuery(this.url)}`
  }
}
