import { remedyOf } from './challenge.ts'
import type { Context } from './context.ts'
import { SessionError, type SessionErrorCode } from './errors.ts'
import { note } from './in-flight.ts'
import type { IgnoreReason } from './machine.ts'
import { cooling, gate, loops, refreshOnce } from './refresh.ts'
import type { Credentials, SessionRequest } from './request.ts'

/** A session serves requests of every client at once. */
type AnyRequest = SessionRequest<unknown>

/**
 * One request's way through the session, whatever client it comes from:
 * gate → transmit → arrived → (examined: refresh, gate again → transmit) → settled.
 *
 * Between the gate and the wire nothing is awaited: a token that was good at the gate is good on the wire,
 * and it is the token of the request's own sign-in.
 */
export function send(context: Context, request: AnyRequest): Promise<unknown> {
  const reason = exempt(context, request)
  if (reason) return ignore(context, request, reason)
  try {
    if (request.conflict && !context.cookie)
      throw new TypeError('Basic credentials would replace those of the session: use session: false')
    const wait = gate(context, request)
    return wait ? hold(context, request, wait) : transmit(context, request)
  } catch (error) {
    return refuse(context, request, error)
  }
}

/** Exactly as the caller made it, and whatever comes of it is the caller's. */
function ignore(context: Context, request: AnyRequest, reason: IgnoreReason): Promise<unknown> {
  note(context, request, { type: 'request-ignored', reason })
  return request.transmit(undefined)
}

/** Why the session leaves a request alone, if so. */
function exempt(context: Context, request: AnyRequest): IgnoreReason | undefined {
  const {
    settings: { skip },
    held,
    insideRefresh,
    refreshSignal,
  } = context
  if (request.exempt) return request.exempt
  if (insideRefresh || (refreshSignal && request.signal === refreshSignal)) return 'refresh'
  if (skip?.(request.url, request.method)) return 'skipped'
  if (request.conflict) return undefined
  for (const name of context.credentialHeaders) {
    const value = request.header(name)
    if (value !== undefined && !held.some((token) => value === token || value.endsWith(` ${token}`)))
      return 'own-credentials'
  }
  return undefined
}

async function hold(context: Context, request: AnyRequest, first?: Promise<void>): Promise<unknown> {
  note(context, request, { type: 'request-held' })
  try {
    for (let wait = first ?? gate(context, request); wait; wait = gate(context, request)) await wait
  } catch (error) {
    const { code } = Object(error) as SessionError
    // Recalled for nothing: it is sent again as it was.
    const kept = request.recalled && /^refresh_/.test(code) && request.epoch === context.record?.version.epoch
    if (!kept) return refuse(context, request, error)
  }
  return resume(context, request)
}

/** Time has passed: whoever holds the request may have changed where it leads. */
function resume(context: Context, request: AnyRequest): Promise<unknown> {
  const reason = exempt(context, request)
  return reason ? ignore(context, request, reason) : transmit(context, request)
}

/** The caller gets an error instead of its outcome, if there is one. */
async function refuse(
  context: Context,
  request: AnyRequest,
  error: unknown,
  outcome?: unknown,
): Promise<never> {
  request.discard(outcome)
  request.release()
  const ours = error instanceof SessionError
  note(context, request, {
    type: 'request-settled',
    ok: false,
    status: 0,
    code: ours ? error.code : undefined,
  })
  throw ours ? request.refusal(error) : error
}

function transmit(context: Context, request: AnyRequest): Promise<unknown> {
  const {
    record,
    cookie,
    settings: { applyToken },
  } = context
  const tokens = record?.tokens
  request.generation = record?.version.generation ?? 0
  request.attempts++
  request.recalled = false
  request.bare = !tokens && (!cookie || record?.ended !== undefined)
  if (cookie || !tokens) return dispatch(context, request, withoutStale(context, request))
  if (!applyToken) {
    context.bearer ??= { headers: { Authorization: `Bearer ${tokens.accessToken}` } }
    return dispatch(context, request, context.bearer)
  }
  const credentials = applyToken(tokens, request)
  if (!('then' in credentials)) return dispatch(context, request, credentials)
  // The signing took time: the session may be another one by now, or closed.
  return credentials.then((signed) =>
    context.record === record && !context.closed
      ? dispatch(context, request, signed)
      : hold(context, request),
  )
}

/** A default header with a token that this session held must not outlive it. */
function withoutStale({ credentialHeaders }: Context, request: AnyRequest): Credentials {
  const stale = credentialHeaders.filter((name) => request.header(name) !== undefined)
  return { headers: Object.fromEntries(stale.map((name) => [name, undefined])) }
}

function dispatch(context: Context, request: AnyRequest, credentials: Credentials): Promise<unknown> {
  if (context.settings.applyToken) {
    // Only now it is known which headers hold credentials.
    context.credentialHeaders = Object.keys(credentials.headers ?? {}).map((name) => name.toLowerCase())
    const reason = exempt(context, request)
    if (reason) return ignore(context, request, reason)
  }
  if (request.recallable) context.wire.add(request)
  const sent = request.transmit(credentials).then(
    (reply) => arrived(context, request, reply, false),
    (error) => arrived(context, request, error, true),
  )
  if (context.events.observers.size) {
    note(context, request, { type: request.attempts > 1 ? 'request-replayed' : 'request-sent' })
  }
  return sent
}

function arrived(context: Context, request: AnyRequest, outcome: unknown, failed: boolean): unknown {
  request.land(outcome)
  if (request.recallable) context.wire.delete(request)
  if (request.recalled && failed && !request.abandoned) return hold(context, request)
  const status = request.statusOf(outcome)
  if (status === 401 || (context.settings.shouldRefresh && status))
    return examine(context, request, outcome, failed)
  return settle(context, request, outcome, failed)
}

/** Gives the caller its outcome: accepted, or with the reason why it is none. */
function settle(
  context: Context,
  request: AnyRequest,
  outcome: unknown,
  failed: boolean,
  cause?: SessionError,
  refused = false,
): unknown {
  if (request.replays && !refused && request.statusOf(outcome)) context.uncured = []
  if (cause) request.blame(outcome, cause)
  request.release()
  if (context.events.observers.size) {
    note(context, request, {
      type: 'request-settled',
      ok: !failed,
      status: request.statusOf(outcome),
      code: cause?.code,
    })
  }
  if (failed) throw outcome
  return outcome
}

/** The API does not like our token: finds out whether that can be cured, and by whom. */
async function examine(
  context: Context,
  request: AnyRequest,
  outcome: unknown,
  failed: boolean,
): Promise<unknown> {
  const { applyToken, shouldRefresh, replays } = context.settings
  const own = (cause?: SessionErrorCode | SessionError) =>
    settle(
      context,
      request,
      outcome,
      failed,
      typeof cause === 'string' ? new SessionError(cause) : cause,
      true,
    )
  const response = request.responseOf(outcome)
  const { status, headers } = response
  const challenge = headers.get('www-authenticate') ?? ''
  let asked: boolean | undefined
  try {
    asked = await shouldRefresh?.(response, outcome)
  } catch (error) {
    return refuse(context, request, error, outcome)
  }
  if (!asked && status !== 401) return settle(context, request, outcome, failed)
  note(context, request, { type: 'request-rejected', status, challenge })
  const remedy = asked === undefined ? remedyOf(challenge) : asked ? 'refresh' : 'none'
  if (remedy === 'none' || request.bare) return own()
  if (response.url && !request.trusts(response.url)) {
    note(context, request, { type: 'request-ignored', reason: 'foreign-answer' })
    return own()
  }
  const { record, validity } = context
  if (context.closed) return own('session_closed')
  if (request.epoch && request.epoch !== record?.version.epoch) return own('session_changed')
  // The session ended while it was on its way: it is not replayed as nobody.
  if (record?.ended) return own('session_expired')
  const repeatable = request.replayable && replays > 0
  let asks = false
  if (remedy === 'nonce') {
    const nonce = headers.get('dpop-nonce')
    if (!nonce || request.nonce || !applyToken) return own()
    request.nonce = nonce
  } else if (request.generation === (record?.version.generation ?? 0)) {
    // Nobody has refreshed since it was sent: this 401 asks for a new token. A token that has expired
    // since then is no replay of ours that failed.
    const expired = validity.left() <= validity.hard
    if (repeatable && request.replays >= replays && !expired) return own()
    const failure = cooling(context)
    if (failure) return own(failure)
    if (!context.flight && loops(context)) return own('refresh_loop')
    refreshOnce(context, 'rejected')
    asks = !expired
  }
  if (!repeatable) return own('not_replayable')
  try {
    for (let wait = gate(context, request); wait; wait = gate(context, request)) await wait
  } catch (error) {
    return error instanceof SessionError ? own(error) : refuse(context, request, error, outcome)
  }
  // A token set that somebody else had fetched is no replay of ours either.
  if (asks && !context.adopted) request.replays++
  request.discard(outcome)
  return resume(context, request)
}
