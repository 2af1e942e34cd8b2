import type { Law } from './runs.ts'
import { createWorld } from './world.ts'

/**
 * A script, and what comes of it; then nothing goes wrong any more, all cooldowns pass, and whoever is signed
 * in is served.
 */
export const live: Law = async (plan, script, scheduler) => {
  const world = await createWorld(plan, scheduler)
  const { contexts, log, tally, fault } = world
  world.schedules(script)
  await world.settle()
  world.heal()
  // What was said to last until then lasts longer where the clock was set back.
  world.perform({ do: 'pass', ms: 301_000 + world.happened.setBack })
  await world.settle()
  const before = log.length
  for (const { index, session } of contexts) {
    if (session.state.status === 'signed-in')
      world.perform({ do: 'send', of: index, kind: 'get', throws: false, streams: false })
  }
  await world.settle()
  for (const { id, stamp, context, outcome } of log.slice(before)) {
    const { grant } = stamp.floor ?? {}
    if (grant && !grant.revoked && !context.closed && outcome?.status !== 200)
      fault(`L3: all is well, and request ${id} ends with ${outcome?.code ?? outcome?.status}`)
  }
  await world.finish()
  return tally
}

/** As {@link live}, on a day without any fault: everybody is served, and nothing needs an explanation. */
export const liveWell: Law = async (plan, script, scheduler) => {
  const world = await createWorld(plan, scheduler)
  const { cookie, log, tally, happened, server, fault } = world
  world.schedules(script)
  await world.settle()
  for (const { id, kind, request, sends, outcome } of log) {
    const refused = sends.filter(({ end }) => end === 401).map(({ token }) => token)
    // A new cookie may be on the wire, and be refused, before the session knows that it is there.
    const refusals = cookie ? refused.length : new Set(refused).size
    const unlucky = kind === 'locked' || refusals > (request.replayable ? 1 : 0)
    // Whatever the locked endpoint has used up is missing elsewhere.
    const stopped = outcome?.code === 'refresh_loop' && log.some((other) => other.kind === 'locked')
    // It was on its way when an update came: with the new tokens it may mean something else.
    const overtaken = outcome?.code === 'session_changed' && happened.updated > 0 && sends.length > 0
    if (!request.abandoned && !unlucky && !stopped && !overtaken && outcome?.status !== 200)
      fault(`L3: nothing went wrong, and request ${id} ends with ${outcome?.code ?? outcome?.status}`)
  }
  for (const { name, error } of world.calls)
    if (error) fault(`L3: nothing went wrong, and ${name} is rejected with ${String(error)}`)
  if (happened.failed) fault(`L1: nothing went wrong, and ${happened.failed} refreshes failed`)
  if (server.reuses.length)
    fault(`L1: nothing went wrong, and ${server.reuses.length} tokens were spent twice`)
  await world.finish()
  return tally
}

/** As {@link live}, where no token expires and none is refused: the wire cannot tell the session from a bare client. */
export const liveUneventfully: Law = async (plan, script, scheduler) => {
  const world = await createWorld(plan, scheduler)
  const { cookie, log, tally, server, wire, fault, time } = world
  world.schedules(script, (command) => {
    const request = log.at(-1)
    if (command.do !== 'send' || !request) return
    const [only, ...more] = request.sends
    if (!only || more.length) fault(`L7: request ${request.id} is not sent when its caller sends it`)
    else if (!server.accepts(only.token, time.now())) fault(`L7: request ${request.id} carries no good token`)
    else if (!cookie && server.grantOfAccess(only.token) !== request.context.view.grant)
      fault(`L7: request ${request.id} carries somebody else's token`)
  })
  await world.settle()
  const bare = script.filter((command) => command.do === 'send').map((_, index) => index + 1)
  const sent = wire.map(({ id }) => id)
  if (sent.join() !== bare.join())
    fault(`L7: a bare client sends ${bare.join()}, and the session ${sent.join()}`)
  for (const { id, sends, outcome, request } of log) {
    if (!request.abandoned && outcome?.status !== sends[0]?.end)
      fault(`L7: request ${id} was answered ${sends[0]?.end}, and ends with ${outcome?.status}`)
    if (outcome?.code) fault(`L7: request ${id} ends with ${outcome.code}`)
  }
  await world.finish()
  return tally
}
