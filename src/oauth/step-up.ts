import { parseChallenges } from '../core/challenge.ts'
import { SessionError } from '../core/errors.ts'
import { say } from '../core/messages.ts'
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
  let asking: Promise<void> | undefined
  // Of the last question: what was wanted, why that was in vain, when it was over, and which token there was then.
  let wanted: string | undefined
  let cause: unknown
  let over = 0
  let last: number | undefined
  const generation = () => session().state.generation

  return async (response, outcome, sent) => {
    const challenge = parseChallenges(response.headers.get('www-authenticate')).find(
      ({ parameters }) => parameters.error === 'insufficient_user_authentication',
    )
    if (!challenge) return shouldRefresh?.(response, outcome, sent)
    sent.patience = patience
    await shouldRefresh?.(response, outcome, sent)
    const { acr_values, max_age } = challenge.parameters
    const wants = `${acr_values} ${max_age}`
    const since = performance.now() - sent.age
    const before = generation()
    // One question at a time.
    while (asking) await asking
    // It was sent with what the question has brought, or before that has brought nothing.
    const inVain = wanted === wants && last === before && (sent.attempt > 1 || since <= over)
    if (onStepUp && !sent.stale && generation() === before && !inVain) {
      wanted = wants
      cause = undefined
      asking = (async () => onStepUp({ acr_values, max_age }))()
        .then((tokens) => (tokens ? session().update(tokens, { replay: true }) : undefined))
        .catch((error) => {
          cause = error
        })
        .then(() => {
          over = performance.now()
          last = generation()
          asking = undefined
        })
      await asking
    }
    // It has not been tried with the token that there is by now.
    if (sent.stale || generation() !== before) return true
    throw new SessionError('step_up_required', say('step-up'), { cause, acr_values, max_age })
  }
}
