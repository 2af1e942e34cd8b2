import { remedyOf } from './challenge.ts'
import { SessionError } from './errors.ts'
import { say } from './messages.ts'
import { outlast } from './outlast.ts'
import type { Parts } from './parts.ts'
import { refreshOnce } from './refresh.ts'
import type { SessionRequest } from './request.ts'
import { wantsRefresh } from './wants-refresh.ts'

/**
 * What an answer means for its request.
 *
 * - `accepted`: it is the caller's, and the token was good
 * - `refused`: it is the caller's, and no other token would help
 * - a session error: it is the caller's, and this is why
 * - `again`: the request is sent again, with what is known by then
 * - `asked`: the same, with the tokens that this answer has asked for
 */
export type Verdict = 'accepted' | 'refused' | 'again' | 'asked' | SessionError

/** A request that was answered so often that its token is no good is not sent once more. */
const MOST_REFUSALS = 5

/** The body of a refusal is waited for so many milliseconds. */
const LONGEST_READING = 1000

/** Settles nothing: it may start a refresh, and waits for none, but for a token to grow older. */
export function judge(
  parts: Parts,
  request: SessionRequest<unknown>,
  outcome: unknown,
): Verdict | Promise<Verdict> {
  const status = request.statusOf(outcome)
  if (status === 401 || (parts.settings.shouldRefresh && status)) return examine(parts, request, outcome)
  return accept(parts, request, status)
}

/** An answer, whatever its status, shows that the token is good. */
function accept(parts: Parts, request: SessionRequest<unknown>, status: number): Verdict {
  const { budget, known, cookie, stubborn, young } = parts
  if (cookie && status && status < 400) known.meet()
  if (!status || request.bare) return 'accepted'
  stubborn.accept(request)
  if (request.generation === known.generation) {
    young.accept(known, parts.room, parts.running)
    if (budget.inQuestion) budget.restore(request.attempts > 1)
  }
  return 'accepted'
}

/** The API may not like our token: finds out whether it does, and whether that can be cured. */
async function examine(parts: Parts, request: SessionRequest<unknown>, outcome: unknown): Promise<Verdict> {
  const { known, events, budget, settings, young } = parts
  const response = request.responseOf(outcome)
  const { status, headers, url } = response
  const challenge = headers.get('www-authenticate') ?? ''
  const tell = () => events.note(request, { type: 'request-rejected', status, challenge })
  // Before anybody is asked what is to be done: that may take its time, or fail.
  if (status === 401) tell()
  const asked = await wantsRefresh(parts, request, outcome, response)
  if (status !== 401) {
    if (!asked) return accept(parts, request, status)
    tell()
  }
  const remedy = asked === undefined ? remedyOf(challenge) : asked ? 'refresh' : 'none'
  if (remedy === 'none' || request.bare) return 'refused'
  if (url && !request.trusts(url)) {
    events.note(request, { type: 'request-ignored', reason: 'foreign-answer' })
    return 'refused'
  }
  if (parts.room.closed) return new SessionError('session_closed')
  if (request.epoch && request.epoch !== known.epoch) return new SessionError('session_changed')
  // The session ended while it was on its way: it is not replayed as nobody.
  if (known.record?.ended) return known.expired
  const current = request.generation === known.generation
  if (current && asked === undefined && remedy === 'refresh' && isRepeatable(parts, request)) {
    const read = () => outlast(parts, 'json', response.json(), request, LONGEST_READING).catch(() => {})
    if (await young.nap(request, response, read, known, parts.room, settings)) return 'again'
  }
  // Whatever became of the tokens meanwhile.
  if (++request.refusals > MOST_REFUSALS) return new SessionError('refresh_loop', say('loop'))
  if (remedy === 'nonce') return withNonce(parts, request, headers.get('dpop-nonce'))
  // With another token it may be asked for another nonce.
  request.resigned = false
  // Somebody has refreshed since it was sent.
  if (!current) return repeat(parts, request, 'again')
  if (request.attempts > 1) budget.refuse()
  return ask(parts, request)
}

/** The newest token was refused: asks for another one. */
function ask(parts: Parts, request: SessionRequest<unknown>): Verdict {
  const { known, running, cooldown, budget, stubborn, settings } = parts
  // A token that has expired since then is no replay of ours that failed: once, or what takes longer than tokens live
  // would be sent for ever.
  const expired = known.validity.left() <= known.validity.hard && !request.outlasted
  request.outlasted ||= expired
  if (isRepeatable(parts, request) && request.replays >= settings.replays && !expired) {
    stubborn.suspect(request)
    return 'refused'
  }
  if (!expired && stubborn.has(request)) return 'refused'
  if (cooldown.error) return cooldown.error
  if (!running.flight && budget.exhausted) return new SessionError('refresh_loop', say('loop'))
  refreshOnce(parts, 'rejected')
  return repeat(parts, request, expired ? 'again' : 'asked')
}

/** Signed anew with the nonce that the server wants, once with each token (RFC 9449 §9). */
function withNonce(
  parts: Parts,
  request: SessionRequest<unknown>,
  nonce: string | null | undefined,
): Verdict {
  if (!nonce || request.resigned || !parts.settings.applyToken) return 'refused'
  request.nonce = nonce
  request.resigned = true
  return repeat(parts, request, 'again')
}

function repeat(parts: Parts, request: SessionRequest<unknown>, verdict: 'again' | 'asked'): Verdict {
  return isRepeatable(parts, request) ? verdict : new SessionError('not_replayable', say('gone'))
}

function isRepeatable({ settings }: Parts, request: SessionRequest<unknown>): boolean {
  return request.replayable && settings.replays > 0
}
