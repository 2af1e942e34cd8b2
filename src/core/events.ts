import type { Clock } from './clock.ts'
import type { SessionErrorCode } from './errors.ts'
import { Listeners } from './listeners.ts'
import type { Redaction } from './redaction.ts'
import { isSame, type SessionState, type Shown, stateOf } from './state.ts'
import { withoutQuery } from './url.ts'

/** Why a refresh was started. */
export type RefreshReason =
  /** Nothing is known of the session yet. */
  | 'unknown'
  /** The access token has expired, or is about to. */
  | 'expired'
  /** It will expire soon; requests do not wait. */
  | 'ahead'
  /** The API answered 401. */
  | 'rejected'
  /** `session.refresh()` or `getAccessToken({ minValidity })`. */
  | 'forced'

/** Why a request went out as it was, without the session's care. */
export type IgnoreReason =
  /** `session: false`. */
  | 'opted-out'
  /** The `skip` option. */
  | 'skipped'
  /** The URL's origin is not on the list. */
  | 'foreign-origin'
  /** The caller set credentials that are none of this session's. */
  | 'own-credentials'
  /** It is part of the refresh. */
  | 'refresh'
  /** It tells the server of a sign-out, with the tokens that end. */
  | 'sign-out'
  /** A redirect led to another origin, and that one answered 401. */
  | 'foreign-answer'

/** A request as observers see it. */
export interface RequestInfo {
  /** Counts up within one session. */
  readonly id: number
  readonly method: string
  /** Without query and fragment. */
  readonly url: string
  /** How often it has been sent. */
  readonly attempt: number
  /** The generation it was last sent with. */
  readonly generation: number
}

/** What happened to a request; told apart by `type`. */
export type RequestNews =
  | { readonly type: 'request-held' | 'request-sent' | 'request-replayed' | 'request-recalled' }
  | { readonly type: 'request-ignored'; readonly reason: IgnoreReason }
  | {
      readonly type: 'request-rejected'
      readonly status: number
      /** WWW-Authenticate, for `parseChallenges`: `acr_values` and `max_age` of a step-up are there (RFC 9470). */
      readonly challenge: string
    }
  | {
      readonly type: 'request-settled'
      /** Whether the caller's promise was fulfilled. */
      readonly ok: boolean
      /** 0 where nothing was answered. */
      readonly status: number
      readonly code: SessionErrorCode | undefined
    }

/** How a token set came: by our refresh, by that of another tab or process, by `update()`, by `signIn()`, or from the store. */
export type Arrival = 'refresh-succeeded' | 'refresh-adopted' | 'updated' | 'signed-in' | 'restored'

/** What happened to the session; told apart by `type`. */
export type SessionNews =
  | { readonly type: 'refresh-started' | 'refresh-joined'; readonly reason: RefreshReason }
  | { readonly type: Arrival }
  | {
      readonly type: 'refresh-failed'
      readonly code: SessionErrorCode
      readonly message: string
      readonly retryAt: number | undefined
    }
  /**
   * The session itself will end (see the option `endingNotice`), and the server has said when: `endsAt`, in epoch
   * milliseconds. Only a sign-in, or a refresh that brings a later end, helps. Told once for each end.
   */
  | { readonly type: 'session-ending'; readonly endsAt: number }
  | { readonly type: 'signed-out'; readonly reason: 'signed-out' | 'rejected' }
  /** Something no longer holds, for example the persistence of tokens. */
  | { readonly type: 'degraded'; readonly reason: string }

/** What observers get: what happened, when (epoch milliseconds), and the state after it. */
export type SessionEvent = (SessionNews | (RequestNews & { readonly request: RequestInfo })) & {
  readonly at: number
  readonly state: SessionState
}

/** A request, as far as it can be told. */
interface Told {
  /** 0 until somebody hears of it. */
  id: number
  readonly method: string
  readonly url: string
  readonly attempts: number
  readonly generation: number
}

/** Those of a session's parts that it needs to know. */
interface Concerned extends Shown {
  readonly settings: { readonly clock: Clock }
  readonly redaction: Redaction
}

/** What may be in the words of strangers. */
const TEXTS = ['message', 'reason', 'challenge', 'url']

/** Characters: as long as a challenge may be. */
const LONGEST = 8_192

/** The session's state, and those who want to hear of it. */
export class Events {
  readonly #parts: Concerned
  #observers: Listeners<SessionEvent> | undefined
  #subscribers: Listeners<SessionState> | undefined
  /** As it was told last; undefined until somebody looks. */
  #state: SessionState | undefined
  /** How many requests observers have heard of. */
  #requests = 0
  #warned: Set<string> | undefined

  constructor(parts: Concerned) {
    this.#parts = parts
  }

  get state(): SessionState {
    this.#state ??= stateOf(this.#parts)
    return this.#state
  }

  /** Whether somebody hears of every event: what is told of requests is made only then. */
  get observed(): boolean {
    return Boolean(this.#observers?.size)
  }

  /** Calls `listener` with every event. Returns the function that ends it. */
  observe(listener: (event: SessionEvent) => void): () => void {
    this.#observers ??= new Listeners()
    return this.#observers.add(listener)
  }

  /** Calls `listener` with every new state. Returns the function that ends it. */
  subscribe(listener: (state: SessionState) => void): () => void {
    this.#subscribers ??= new Listeners()
    return this.#subscribers.add(listener)
  }

  /** Something has happened to the session; without `news`, only those who subscribe to the state hear of it. */
  emit(news?: SessionNews): void {
    // Nobody has ever looked: there is nothing that could differ.
    if (!this.#state && !this.observed && !this.#subscribers?.size) return
    const state = stateOf(this.#parts)
    const changed = !this.#state || !isSame(state, this.#state)
    if (changed) this.#state = state
    if (news && this.observed) this.#tell(news)
    // Whoever has heard of it before may have brought about the next one, of which all have been told since.
    if (changed) this.#subscribers?.tell(state, () => state === this.#state)
  }

  /**
   * Says once in the life of a session that something does not hold.
   *
   * @param kind of which one is enough
   */
  warn(reason: string, kind: string = reason): void {
    this.#warned ??= new Set()
    if (this.#warned.has(kind)) return
    this.#warned.add(kind)
    this.emit({ type: 'degraded', reason })
  }

  /** Something has happened to a request. Costs nothing where nobody listens. */
  note(request: Told, news: RequestNews): void {
    if (!this.observed) return
    request.id ||= ++this.#requests
    const { id, method, url, attempts: attempt, generation } = request
    this.#tell({
      ...news,
      request: this.#told({ id, method, url: withoutQuery(url), attempt, generation }),
    })
  }

  #tell(news: SessionNews | (RequestNews & { request: RequestInfo })): void {
    const at = this.#parts.settings.clock.now()
    this.#observers?.tell({ ...this.#told(news), at, state: this.state })
  }

  #told<T extends object>(news: T): T {
    const told = { ...news } as Record<string, unknown>
    for (const name of TEXTS) if (name in told) told[name] = this.#parts.redaction.text(told[name], LONGEST)
    return told as unknown as T
  }
}
