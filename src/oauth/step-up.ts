import { parametersOf } from '../core/challenge.ts'
import { SessionError } from '../core/errors.ts'
import type { SessionOptions } from '../core/options.ts'
import type { Session } from '../core/session.ts'
import type { TokenInput } from '../core/tokens.ts'

/** What an API wants of the user (RFC 9470 §3), in the words of an authorization request. */
export interface StepUpChallenge {
  /** Authentication context class references, the best first. */
  acr_values: string | undefined
  /** How many seconds ago the user may have signed in at most. */
  max_age: string | undefined
}

/** Options of {@link stepUp}. */
export interface StepUpOptions {
  /** Gives the session, which is made after this. */
  session: () => Pick<Session, 'state' | 'update'>
  /**
   * Lets the user authenticate anew, and resolves with what that has brought; with nothing where the user does not want to.
   * @default requests get their answer, with a `step_up_required` error as the reason
   */
  onStepUp?:
    | ((challenge: StepUpChallenge) => TokenInput | undefined | Promise<TokenInput | undefined>)
    | undefined
  /** How many milliseconds requests wait for the user, unless they are aborted or their own time is up. @default 300_000 */
  patience?: number | undefined
  /** That of a grant, for all other answers. */
  shouldRefresh?: SessionOptions['shouldRefresh']
}

const INSUFFICIENT = /^error\s*=\s*"?insufficient_user_authentication\b/i

/** The name, and what quotes the value, or a character in it. */
const AROUND_VALUE = /^\w+\s*=\s*"?|"$|\\(.)/gs

/**
 * Step-up (RFC 9470), for `shouldRefresh`: where an API answers `insufficient_user_authentication`, `onStepUp` is asked once
 * for all requests that were sent until it had an answer, and they are sent again with what it has brought, once. Requests
 * that need no more go on meanwhile.
 *
 * Who is refused all the same gets the API's answer, with a `step_up_required` error as the reason: `acr_values` and
 * `max_age` are in it (`findSessionError`). Observers hear of it in `request-rejected` and `request-settled`.
 *
 * @example
 * const session: Session = createSession({
 *   ...grant,
 *   shouldRefresh: stepUp({
 *     session: () => session,
 *     shouldRefresh: grant.shouldRefresh,
 *     onStepUp: (challenge) => signInAgain(challenge),
 *   }),
 * })
 */
export function stepUp({
  session,
  onStepUp,
  patience = 300_000,
  shouldRefresh,
}: StepUpOptions): NonNullable<SessionOptions['shouldRefresh']> {
  /** One question at a time: who comes meanwhile looks at what it has brought. */
  let turn: Promise<true | undefined> = Promise.resolve(undefined)
  // Of the last question: what was wanted and which token there was then, when it was over, and why it was in vain.
  let last: string | undefined
  let over: number
  let cause: unknown

  return async (response, outcome, sent) => {
    const header = response.headers.get('www-authenticate')
    if (!parametersOf(header, INSUFFICIENT)[0]) return shouldRefresh?.(response, outcome, sent)
    sent.patience = patience
    const wanted = (name: RegExp) => parametersOf(header, name)[0]?.replace(AROUND_VALUE, '$1')
    const wish = { acr_values: wanted(/^acr_values\s*=/i), max_age: wanted(/^max_age\s*=/i) }
    const since = performance.now() - sent.age
    const question = () => JSON.stringify([wish, session().state.generation])
    const before = question()
    // It has not been tried with the token that there is by now.
    const stale = () => sent.stale || question() !== before
    await shouldRefresh?.(response, outcome, sent)
    const bring = async () => {
      const tokens = await onStepUp?.(wish)
      if (tokens) await session().update(tokens, { replay: true })
    }
    const ask = async () => {
      // What was sent with what the same question has brought, or before that has brought nothing, asks no more.
      const isNew = before !== last || (sent.attempt < 2 && since > over)
      if (isNew && !stale()) {
        cause = await bring().catch((error) => error)
        over = performance.now()
        last = question()
      }
      if (stale()) return true as const
      throw new SessionError('step_up_required', undefined, { cause, ...wish })
    }
    turn = turn.then(ask, ask)
    return turn
  }
}
