import { awaiters } from '../core/awaiters.ts'
import { valuesOf } from '../core/challenge.ts'
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
 * Who is refused all the same, or asks from within `onStepUp`, gets the API's answer, with a `step_up_required` error as the reason: `acr_values` and
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
  /** Who waits for the user. */
  const name = `onStepUp ${Math.random()}`
  /** One question at a time: who comes meanwhile looks at what it has brought. */
  let turn: Promise<true | undefined> = Promise.resolve(undefined)
  /** Of each question: when it was over, and why it was in vain. */
  const asked = new Map<string, readonly [over: number, cause: unknown]>()

  return async (response, outcome, sent) => {
    const since = performance.now() - sent.age
    const header = response.headers.get('www-authenticate')
    const wanted = (parameter: string) => valuesOf(header, parameter)
    if (!wanted('error').includes('insufficient_user_authentication'))
      return shouldRefresh?.(response, outcome, sent)
    const wish = { acr_values: wanted('acr_values')[0], max_age: wanted('max_age')[0] }
    if (awaiters().includes(name)) throw new SessionError('step_up_required', say('user'), wish)
    sent.patience = patience
    await shouldRefresh?.(response, outcome, sent)
    const question = JSON.stringify(wish)
    const ask = async () => {
      let [over = 0, cause] = asked.get(question) ?? []
      // What was sent before the same question was over has been answered with it.
      if (!sent.stale && since >= over) {
        const { signIn } = session().state
        try {
          const tokens = await onStepUp?.(wish)
          // They are for whoever was asked, and not for who has signed in meanwhile.
          if (session().state.signIn === signIn)
            cause = tokens && (await session().update(tokens, { replay: true }))
        } catch (error) {
          cause = error
        }
        asked.set(question, [performance.now(), cause])
      }
      if (sent.stale) return true as const
      throw new SessionError('step_up_required', undefined, { cause, ...wish })
    }
    Object.defineProperty(ask, 'name', { value: name })
    turn = turn.then(ask, ask)
    return turn
  }
}
