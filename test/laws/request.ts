import { type Credentials, type SessionError, SessionRequest, type SessionResponse } from 'refresh-once'

/** What the simulated API answers. */
export interface Reply {
  readonly status: number
}

/** A client that, like axios, throws where the status is no success. */
export class StatusError extends Error {
  readonly reply: Reply

  constructor(reply: Reply) {
    super(`status ${reply.status}`)
    this.reply = reply
  }
}

/** How a request behaves. */
export interface RequestTraits {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly replayable: boolean
  readonly recallable: boolean
  readonly raceable: boolean
}

/** One transmission on the simulated wire. */
export interface Transmission {
  readonly reply: Promise<Reply>
  /** Whether the answer has begun to arrive. */
  readonly begun: boolean
  /** Takes it off the wire on the client's side; on the server's side it may arrive all the same. */
  cut(reason: unknown): void
}

/** Puts a request on the wire, with the access token it carries. */
export type Wire = (token: string | undefined) => Transmission

/** A request as a transport would make it, whose wire is the simulated one. The only subclass in these tests. */
export class LawRequest extends SessionRequest<Reply> {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly replayable: boolean
  readonly recallable: boolean
  override readonly raceable: boolean
  readonly exempt = undefined
  readonly conflict = false
  /** Why the caller did not get what it wanted, where the session says so. */
  blamed: SessionError | undefined
  private readonly controller = new AbortController()
  private readonly wire: Wire
  private transmission: Transmission | undefined
  private readonly open = new Set<Transmission>()

  constructor(traits: RequestTraits, wire: Wire) {
    super()
    this.method = traits.method
    this.url = traits.url
    this.replayable = traits.replayable
    this.recallable = traits.recallable
    this.raceable = traits.raceable
    this.wire = wire
  }

  /** The caller does not want it any more. */
  abort(): void {
    this.controller.abort()
    for (const transmission of this.open) transmission.cut(this.controller.signal.reason)
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  get abandoned(): boolean {
    return this.controller.signal.aborted
  }

  get begun(): boolean {
    return this.transmission?.begun ?? false
  }

  header(): undefined {
    return undefined
  }

  transmit(credentials: Credentials | undefined): Promise<Reply> {
    // Every client looks at the signal before it sends.
    if (this.abandoned) return Promise.reject(this.controller.signal.reason)
    const transmission = this.wire(credentials?.headers?.Authorization?.slice('Bearer '.length))
    this.transmission = transmission
    this.open.add(transmission)
    if (this.recallable) this.recall = () => transmission.cut(new Error('recalled'))
    return transmission.reply
  }

  land(): void {
    this.transmission = undefined
  }

  statusOf(outcome: unknown): number {
    return replyOf(outcome)?.status ?? 0
  }

  responseOf(outcome: unknown): SessionResponse {
    return {
      status: this.statusOf(outcome),
      headers: { get: () => null },
      url: undefined,
      json: async () => undefined,
    }
  }

  trusts(): boolean {
    return true
  }

  blame(_outcome: unknown, cause: SessionError): void {
    this.blamed = cause
  }

  discard(): void {}

  refusal(cause: SessionError): SessionError {
    return cause
  }

  onLeave(leave: (reason: unknown) => void): () => void {
    const { signal } = this.controller
    const abort = () => leave(signal.reason)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    return () => signal.removeEventListener('abort', abort)
  }
}

/** The reply that an outcome is, or holds. */
function replyOf(outcome: unknown): Reply | undefined {
  if (outcome instanceof StatusError) return outcome.reply
  return outcome instanceof Error ? undefined : (outcome as Reply | undefined)
}
