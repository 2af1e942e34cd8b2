import type { RefreshContext, TokenInput } from 'refresh-once'
import type { Grant, RefreshCall, TokenAnswer } from './server.ts'
import { type Context, DEADLINE, LEASE, type Trial } from './trial.ts'

/** What a client like axios makes of an answer. */
interface Answer {
  status: number
  headers: Record<string, string>
  data: unknown
}

/** What a user's `refresh` function would do: shows the refresh token, and returns what comes of it. */
export function refresh(
  trial: Trial,
  context: Context,
  outstanding: Set<RefreshCall>,
  { tokens, signal }: RefreshContext,
): Promise<TokenInput | Answer | undefined> {
  const { plan, schedule, server, time, tally, happened, cookie, inJar, jar, doubts, fault } = trial
  const { clock } = time
  const token = inJar ? jar.refresh : tokens?.refreshToken
  const grant = server.grantOfRefresh(token)
  const until = context.leasedUntil
  const call: RefreshCall = {
    id: ++tally.refreshes,
    grant,
    answered: false,
    lost: false,
    overrun: () => signal.aborted || clock.monotonic() >= until,
  }
  const { id } = call
  // With a storage the turn has come some time before the refresh is sent.
  const leaseEnds = plan.store === 'default' ? clock.monotonic() + LEASE : plan.store === 'shared' ? until : 0
  if (signal.aborted) fault(`L1: refresh ${id} starts, and its signal has aborted`)
  if (context.closed) fault(`L3: refresh ${id} starts after the session was closed`)
  if (context.view.signedOut) fault(`L5: refresh ${id} starts, and nobody is signed in`)
  for (const other of outstanding) {
    if (grant && other.grant === grant && !other.overrun())
      fault(`L1: refresh ${id} starts while refresh ${other.id} has no answer`)
  }
  if (!isWanted(trial, grant)) fault(`L1: refresh ${id} starts, and nobody needs it`)
  // An update counts as news, after which the token is shown anew.
  const counts = plan.contexts === 1 && !inJar && !happened.jumps && !happened.updated
  if (counts && isHasty(trial, token))
    fault(`L1: refresh ${id} shows a token that was in doubt twice, without a pause`)
  outstanding.add(call)
  const trouble = trial.refreshFaults.shift()

  return new Promise((resolve, reject) => {
    const end = (lost: boolean, settle: () => void) => {
      if (call.answered) return
      call.answered = true
      call.lost = lost
      outstanding.delete(call)
      if (lost) happened.failed++
      settle()
    }
    const { renewed } = happened
    let inDoubt = false
    const doubt = () => {
      // Where a late answer has renewed the session since, nobody asks any more what became of this refresh.
      if (inDoubt || call.answered || !token || happened.renewed > renewed) return
      inDoubt = true
      doubts.set(token, [...(doubts.get(token) ?? []), clock.monotonic()])
    }
    const answer = (status: number, data: unknown, headers: Answer['headers'] = {}) =>
      schedule(`answer ${status} to refresh ${id}`, () => {
        if (status !== 429 && status !== 503) doubt()
        end(true, () => resolve({ status, headers, data }))
      })
    const fail = (error: Error) =>
      schedule(`refresh ${id} fails`, () => {
        if (!('code' in error)) doubt()
        end(true, () => reject(error))
      })
    const deliver = (renewed: TokenAnswer | undefined) =>
      end(!renewed || call.lost, () => {
        if (!renewed) {
          happened.refused++
          if (grant) context.view.refused(grant)
          return resolve({ status: 400, headers: {}, data: { error: 'invalid_grant' } })
        }
        happened.renewed++
        doubts.delete(token ?? '')
        context.renewed = grant
        if (!inJar) return resolve(renewed)
        // The cookies of a former sign-in do not replace those of a later one.
        if (server.grantOfRefresh(jar.refresh) === grant) trial.keep(renewed)
        resolve(cookie ? undefined : withoutRefreshToken(renewed))
      })

    signal.addEventListener('abort', () => {
      if (!context.closed && clock.monotonic() < leaseEnds) fault(`L1: refresh ${id} is given up too early`)
      doubt()
      // What a late answer is still worth is for the session to decide.
      call.lost = true
      if (plan.heedsSignal) end(true, () => reject(signal.reason))
    })
    if (trouble === 'hang') return
    schedule(`refresh ${id} of ${context.index} arrives`, () => {
      if (trouble === '500') return answer(500, { error: 'server_error' })
      if (trouble === '503') return answer(503, '')
      if (trouble === '429') return answer(429, '', { 'retry-after': '5' })
      // In cookie mode any success will do.
      if (trouble === 'html' && !cookie) return answer(200, '<html>')
      if (trouble === 'refused') return fail(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
      if (trouble === 'reset') return fail(new TypeError('fetch failed'))
      if (trouble === 'invalid_grant' && grant) server.revoke(grant)
      const renewed = server.refresh(token, call, time.now())
      if (trouble === '500 after') answer(500, '')
      else if (trouble === 'reset after') fail(new TypeError('fetch failed'))
      else if (trouble === 'slow') clock.setTimeout(() => deliver(renewed), DEADLINE + 1_000)
      else if (trouble === 'late') clock.setTimeout(() => deliver(renewed), LEASE + 1_000)
      else schedule(`answer to refresh ${id}`, () => deliver(renewed))
    })
  })
}

/** Whether a refresh token whose last two uses ended in doubt has not been left alone for a second. */
function isHasty({ doubts, time: { clock } }: Trial, token: string | undefined): boolean {
  const lastButOne = doubts.get(token ?? '')?.at(-2)
  return lastButOne !== undefined && clock.monotonic() - lastButOne < 1_000
}

/** Whether a token of this sign-in was refused or may be about to expire, or somebody has asked for another. */
function isWanted({ plan, wire, server, happened, inJar }: Trial, grant: Grant | undefined): boolean {
  if (inJar || !grant || plan.rules.announces || happened.asked > 0) return true
  return wire.some(({ sends }) =>
    sends.some(({ end, token }) => end === 401 && server.grantOfAccess(token) === grant),
  )
}

/** What a script gets to see where the refresh token is a cookie. */
export function withoutRefreshToken({ refresh_token: _, ...visible }: TokenAnswer): TokenAnswer {
  return visible
}
