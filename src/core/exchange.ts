import type { Account } from './account.ts'
import type { Budget } from './budget.ts'
import { parseChallenges, type Remedy, remedyOf } from './challenge.ts'
import { SessionError } from './errors.ts'
import type { Events } from './events.ts'
import { createInFlight } from './in-flight.ts'
import type { IgnoreReason, RefreshReason, RequestInfo } from './machine.ts'
import type { SessionOptions } from './options.ts'
import { withoutQuery } from './origins.ts'
import type { Credentials, SessionRequest, SessionResponse } from './request.ts'
import type { TokenSet } from './tokens.ts'
import type { Visitor } from './waiting-room.ts'

/** A session serves requests of every client at once. */
export type AnyRequest = SessionRequest<unknown>

/** What the exchange asks of its session. */
export interface Gatekeeper {
  readonly account: Account
  readonly events: Events
  readonly budget: Budget
  readonly cookie: boolean
  /** Undefined: go now. A promise: wait, then ask again. Throws where there is nothing to wait for. */
  gate(visitor: Visitor & { epoch: string | undefined }): Promise<void> | undefined
  /** Starts the one refresh, or joins it. */
  refreshOnce(reason: RefreshReason): void
  /** The failure of the last refresh, while it cools down. */
  cooling(): SessionError | undefined
  readonly refreshing: boolean
  /** Whether the newest token set came from somebody else. */
  readonly adopted: boolean
  /** Whether a request is part of the refresh itself. */
  isRefresh(request: AnyRequest): boolean
}

/** Where requests go through. */
export interface Exchange {
  send<Reply>(request: SessionRequest<Reply>): Promise<Reply>
  /** Takes requests off the wire that were sent with `generation` or an older one; they are sent again. */
  recall(generation: number): void
}

/**
 * One request's way through the session, whatever client it comes from:
 * gate → transmit → arrived → (examined: refresh, gate again → transmit) → settled.
 *
 * Between the gate and the wire nothing is awaited: a token that was good at the gate is good on the wire,
 * and it is the token of the request's own sign-in.
 */
export function createExchange(
  session: Gatekeeper,
  {
    skip,
    shouldRefresh,
    applyToken,
    replays = 1,
  }: Pick<SessionOptions, 'skip' | 'shouldRefresh' | 'applyToken' | 'replays'>,
): Exchange {
  const { account, events, budget, cookie, gate } = session
  const wire = createInFlight<AnyRequest>((request) => {
    if (events.observed)
      events.emit({ type: 'request-recalled', request: info(request), generation: request.generation })
  })
  let ids = 0
  /** Names of the headers that hold credentials. */
  let credentialHeaders = cookie ? [] : ['authorization']
  let bearerOf: TokenSet | undefined
  let bearer: Credentials | undefined

  function send(request: AnyRequest): Promise<unknown> {
    const reason = exempt(request)
    if (reason) return ignore(request, reason)
    if (request.conflict) return refuse(request, new TypeError(request.conflict))
    if (hasForeignCredentials(request)) return ignore(request, 'own-credentials')
    try {
      return gate(request) ? hold(request) : transmit(request)
    } catch (error) {
      return refuse(request, error)
    }
  }

  function exempt(request: AnyRequest): IgnoreReason | undefined {
    if (request.exempt) return request.exempt
    if (session.isRefresh(request)) return 'refresh'
    return skip?.(request.url, request.method) ? 'skipped' : undefined
  }

  /** Exactly as the caller made it, and whatever comes of it is the caller's. */
  function ignore(request: AnyRequest, reason: IgnoreReason): Promise<unknown> {
    if (events.observed) events.emit({ type: 'request-ignored', reason, request: info(request) })
    return request.transmit(undefined)
  }

  function hasForeignCredentials(request: AnyRequest): boolean {
    return credentialHeaders.some((name) => {
      const value = request.header(name)
      return value !== undefined && !account.knows(value)
    })
  }

  async function hold(request: AnyRequest): Promise<unknown> {
    if (events.observed) events.emit({ type: 'request-held', request: info(request) })
    try {
      for (let wait = gate(request); wait; wait = gate(request)) await wait
    } catch (error) {
      const transient = error instanceof SessionError && /^refresh_/.test(error.code)
      // Recalled for nothing: it is sent again as it was.
      if (request.recalled && transient && request.epoch === account.epoch) return transmit(request)
      return refuse(request, error)
    }
    return transmit(request)
  }

  async function refuse(request: AnyRequest, error: unknown): Promise<never> {
    const ours = error instanceof SessionError
    if (events.observed) {
      events.emit({
        type: 'request-settled',
        request: info(request),
        ok: false,
        status: 0,
        ...(ours && { code: error.code }),
      })
    }
    throw ours ? request.refusal(error) : error
  }

  function transmit(request: AnyRequest): Promise<unknown> {
    const { record } = account
    const tokens = record?.ended ? undefined : record?.tokens
    request.generation = account.generation
    request.attempts++
    request.recalled = false
    request.bare = record?.ended !== undefined || !(tokens || cookie)
    const credentials = tokens && !cookie ? credentialsFor(request, tokens) : withoutStale(request)
    if (!(credentials instanceof Promise)) return dispatch(request, credentials)
    // The signing took time: the session may be another one by now.
    return credentials.then((signed) =>
      account.record === record ? dispatch(request, signed) : hold(request),
    )
  }

  function credentialsFor(request: AnyRequest, tokens: TokenSet): Credentials | Promise<Credentials> {
    if (!applyToken) {
      if (bearerOf !== tokens) {
        bearerOf = tokens
        bearer = { headers: { Authorization: `Bearer ${tokens.accessToken}` } }
      }
      return bearer as Credentials
    }
    const remember = (credentials: Credentials) => {
      credentialHeaders = Object.keys(credentials.headers ?? {}).map((name) => name.toLowerCase())
      return credentials
    }
    const credentials = applyToken(tokens, { method: request.method, url: request.url, nonce: request.nonce })
    return credentials instanceof Promise ? credentials.then(remember) : remember(credentials)
  }

  /** A default header with a token that this session held must not outlive it. */
  function withoutStale(request: AnyRequest): Credentials | undefined {
    const stale = credentialHeaders.filter((name) => request.header(name) !== undefined)
    return stale.length ? { headers: Object.fromEntries(stale.map((name) => [name, undefined])) } : undefined
  }

  function dispatch(request: AnyRequest, credentials: Credentials | undefined): Promise<unknown> {
    if (request.recallable) wire.add(request)
    const sent = request.transmit(credentials).then(
      (reply) => arrived(request, reply, false),
      (error) => arrived(request, error, true),
    )
    if (events.observed) {
      const { attempts: attempt, generation } = request
      events.emit({
        type: attempt > 1 ? 'request-replayed' : 'request-sent',
        request: info(request),
        generation,
        attempt,
      })
    }
    return sent
  }

  function arrived(request: AnyRequest, outcome: unknown, failed: boolean): unknown {
    request.land()
    if (request.recallable) wire.remove(request)
    if (request.recalled && failed && !request.abandoned) return hold(request)
    const status = request.statusOf(outcome)
    if (status === 401 || (shouldRefresh && status)) return examine(request, outcome, failed)
    if (request.replays && status) budget.cured()
    return settle(request, outcome, failed)
  }

  function settle(request: AnyRequest, outcome: unknown, failed: boolean, cause?: SessionError): unknown {
    if (cause) request.blame(outcome, cause)
    if (events.observed) {
      const status = request.statusOf(outcome)
      events.emit({
        type: 'request-settled',
        request: info(request),
        ok: !failed,
        status,
        ...(cause && { code: cause.code }),
      })
    }
    if (failed) throw outcome
    return outcome
  }

  /** The API does not like our token: finds out whether that can be cured, and by whom. */
  async function examine(request: AnyRequest, outcome: unknown, failed: boolean): Promise<unknown> {
    const own = (cause?: SessionError) => settle(request, outcome, failed, cause)
    const response = request.responseOf(outcome)
    const remedy = await remedyFor(response)
    if (remedy === 'none' && response.status !== 401) {
      if (request.replays) budget.cured()
      return own()
    }
    if (events.observed) {
      events.emit({
        type: 'request-rejected',
        request: info(request),
        status: response.status,
        generation: request.generation,
        challenges: parseChallenges(response.headers.get('www-authenticate')),
      })
    }
    if (remedy === 'none' || request.bare) return own()
    if (response.url && !request.trusts(response.url)) {
      if (events.observed)
        events.emit({ type: 'request-ignored', reason: 'foreign-answer', request: info(request) })
      return own()
    }
    if (request.epoch !== undefined && request.epoch !== account.epoch) return own(changed())
    const repeatable = request.replayable && replays > 0
    const expired = account.validity?.freshness() === 'expired'
    let refreshed = false
    if (remedy === 'nonce') {
      const nonce = response.headers.get('dpop-nonce')
      if (!applyToken || !nonce || request.nonce || !repeatable) return own()
      request.nonce = nonce
    } else if (request.generation === account.generation) {
      // Nobody has refreshed since it was sent: this 401 asks for a new token.
      if (repeatable && request.replays >= replays && !expired) return own()
      const failure = session.cooling()
      if (failure) return own(failure)
      if (!session.refreshing && budget.exhausted()) return own(looping())
      session.refreshOnce('rejected')
      if (!repeatable) return own(oneShot())
      refreshed = true
    } else if (!repeatable) return own(oneShot())
    try {
      for (let wait = gate(request); wait; wait = gate(request)) await wait
    } catch (error) {
      return error instanceof SessionError ? own(error) : refuse(request, error)
    }
    // A token set that somebody else had fetched, or one that has expired since, is no replay of ours.
    if (refreshed && !session.adopted && !expired) request.replays++
    request.discard(outcome)
    return transmit(request)
  }

  async function remedyFor(response: SessionResponse): Promise<Remedy> {
    const asked = await shouldRefresh?.(response)
    if (asked !== undefined) return asked ? 'refresh' : 'none'
    return response.status === 401 ? remedyOf(response.headers.get('www-authenticate')) : 'none'
  }

  function info(request: AnyRequest): RequestInfo {
    request.id ||= ++ids
    return { id: request.id, method: request.method, url: withoutQuery(request.url) }
  }

  return { send: send as Exchange['send'], recall: wire.recall }
}

export function changed(): SessionError {
  return new SessionError('session_changed', 'somebody signed in or out while this request was on its way')
}

function looping(): SessionError {
  return new SessionError(
    'refresh_loop',
    'new access tokens keep being refused: is it the API that is misconfigured?',
  )
}

function oneShot(): SessionError {
  return new SessionError(
    'not_replayable',
    'the body was consumed by the first send; pass a function that makes it anew',
  )
}
