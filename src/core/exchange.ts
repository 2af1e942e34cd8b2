import { SessionError } from './errors.ts'
import type { IgnoreReason } from './events.ts'
import { brings, exempt } from './exempt.ts'
import { gate } from './gate.ts'
import { judge, type Verdict } from './judge.ts'
import { say } from './messages.ts'
import { outlast } from './outlast.ts'
import type { Parts } from './parts.ts'
import type { SessionRequest } from './request.ts'
import { parse } from './url.ts'
import type { Answered } from './wire.ts'

/** A session serves requests of every client at once. */
type AnyRequest = SessionRequest<unknown>

/**
 * One request's way through the session, whatever client it comes from. A round is: wait at the gate until the token
 * is good, sign, send, judge the answer. The last answer is the caller's.
 *
 * Whoever has waited looks at everything again. Between the gate and the wire nothing is awaited but a signature: a
 * token that was good at the gate is good on the wire, and it is the token of the request's own sign-in.
 */
export async function exchange(parts: Parts, request: AnyRequest): Promise<unknown> {
  const { known, room, running, signing, wire, events, settings } = parts
  const { clock } = settings
  let answer: Answered | undefined
  let verdict: Verdict | undefined
  let held = false
  /** It has been recalled for nothing: it is sent again as it was. */
  let passes = false
  for (;;) {
    try {
      const reason = exempt(parts, request)
      if (reason) return ignore(parts, request, reason, answer)

      let now = clock.monotonic()
      const wait = passes ? undefined : gate(parts, request, now)
      passes = false
      if (wait) {
        if (running.inside) {
          wait.catch(() => {})
          throw new TypeError(say('inner', request.label))
        }
        if (!held && !answer) events.note(request, { type: 'request-held' })
        held = true
        await wait
        continue
      }
      // Where the new tokens lead is not known: what was sent with others is not sent with these.
      if (request.attempts && request.line !== known.line) throw new SessionError('session_changed')
      // A token set that somebody else had fetched is no replay of ours.
      if (verdict === 'asked' && known.since?.nonce === parts.nonce) request.replays++
      verdict = undefined
      if (answer) request.discard(answer.outcome)
      answer = undefined

      const { record } = known
      let credentials = signing.sign(request)
      if ('then' in credentials) {
        credentials = await outlast(parts, 'applyToken', credentials, request)
        // That took time: the session may be another one by now, or closed.
        if (known.record !== record || room.closed) continue
        now = clock.monotonic()
      }
      // Only now it is known for certain which headers hold credentials.
      if (signing.learns && brings(parts, request)) return ignore(parts, request, 'own-credentials')

      request.sentAt ||= now
      answer = await wire.send(request, credentials, events)
      request.land(answer.outcome)
      if (answer.failed && !request.statusOf(answer.outcome)) parts.redaction.scrub(answer.outcome)
      if (request.recalled && answer.failed && !request.abandoned) {
        answer = undefined
        held = false
        continue
      }
      const judged = judge(parts, request, answer.outcome)
      verdict = judged instanceof Promise ? await judged : judged
      if (verdict === 'again' || verdict === 'asked') continue
    } catch (error) {
      passes = !answer && isInVain(parts, request, error)
      if (passes) continue
      if (!answer || !(error instanceof SessionError)) return refuse(parts, request, error, answer)
      verdict = error
    }
    return settle(parts, request, answer, verdict)
  }
}

/** As the caller made it, or to tell of a sign-out. Whatever comes of it is the caller's. */
async function ignore(
  parts: Parts,
  request: AnyRequest,
  reason: IgnoreReason,
  answer?: Answered,
): Promise<unknown> {
  const { events, signing, running } = parts
  if (answer) request.discard(answer.outcome)
  events.note(request, { type: 'request-ignored', reason })
  const tokens = reason === 'sign-out' && running.ending
  // What an app hands in may return no promise.
  const sent = Promise.resolve(
    request.transmit(tokens ? await signing.credentialsOf(tokens, request) : undefined),
  )
  const look = (outcome: unknown) => {
    request.land(outcome)
    if (reason === 'foreign-origin' && events.observed && request.statusOf(outcome) === 401)
      events.warn(say('stranger', String(parse(request.url)?.origin)), reason)
  }
  sent.then(look, look)
  return sent
}

/** The refresh for which it was taken off the wire has failed: the token that it had is as good as before. */
function isInVain({ known }: Parts, request: AnyRequest, error: unknown): boolean {
  return (
    request.recalled &&
    error instanceof SessionError &&
    error.code.startsWith('refresh_') &&
    request.epoch === known.epoch
  )
}

/** The caller gets its outcome: accepted, or with the reason why it is none. */
function settle({ events }: Parts, request: AnyRequest, answer: Answered, verdict: Verdict): unknown {
  const { outcome, failed } = answer
  const cause = verdict instanceof SessionError ? verdict : undefined
  if (cause) request.blame(outcome, cause)
  request.release()
  if (events.observed) {
    const status = request.statusOf(outcome)
    events.note(request, { type: 'request-settled', ok: !failed, status, code: cause?.code })
  }
  if (failed) throw outcome
  return outcome
}

/** The caller gets an error instead of its outcome, if there is one. */
function refuse({ events }: Parts, request: AnyRequest, error: unknown, answer?: Answered): never {
  if (answer) request.discard(answer.outcome)
  request.release()
  const cause = error instanceof SessionError ? error : undefined
  events.note(request, { type: 'request-settled', ok: false, status: 0, code: cause?.code })
  throw cause ? request.refusal(cause) : error
}
