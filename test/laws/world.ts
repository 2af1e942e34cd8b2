import type { Scheduler } from 'fast-check'
import { createSession, memoryStore, type SessionStore } from 'refresh-once'
import { transmit } from './api.ts'
import type { Command, Plan } from './plan.ts'
import { LawRequest, StatusError } from './request.ts'
import type { Grant, RefreshCall, TokenAnswer } from './server.ts'
import { createSharedStore, type SharedStore } from './shared-store.ts'
import { refresh, withoutRefreshToken } from './token-endpoint.ts'
import { type Context, createTrial, DEADLINE, LEASE, type Logged, type Trial } from './trial.ts'
import { checkOutcome, codeOf } from './verdict.ts'
import { createLocalView, createRegistry, createSharedView, type SharedView } from './view.ts'

/** A world in which sessions, a server, clocks and a scheduler meet. */
export interface World extends Trial {
  readonly contexts: readonly Context[]
  readonly calls: readonly Call[]
  perform(command: Command): void
  /** Schedules commands, one after the other, among everything else that may happen. */
  schedules(commands: readonly Command[], after?: (command: Command) => void): void
  /** Does all there is to do, in the order that the scheduler chooses. @throws as soon as a law does not hold */
  settle(): Promise<void>
  /** From now on nothing goes wrong any more. */
  heal(): void
  /** Checks that everything has come to its end; closes the sessions, and checks again. */
  finish(): Promise<void>
}

/** A call of a session's method. */
interface Call {
  readonly name: string
  settled: boolean
  error: unknown
}

type SendCommand = Command & { do: 'send' }
type SessionCommand = Extract<Command, { of: number }>

/** Events by which a flight comes home, or is no longer waited for. */
const ENDS_FLIGHT = /^(refresh-(succeeded|adopted|failed)|signed-in|signed-out|updated|restored)$/

/** Milliseconds into the shorter of the lifetimes. */
const AGE = 12_500

/** Where a run that does not come to rest is stopped. */
const MOST_STEPS = 20_000

/** Everything that the last step has led to comes to rest. */
const macrotask = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export async function createWorld(plan: Plan, scheduler: Scheduler): Promise<World> {
  const trial = createTrial(plan, scheduler)
  const { schedule, time, server, log, tally, happened, cookie, inJar, jar, fault, verify } = trial
  const { clock } = time
  const contexts: Context[] = []
  /** Calls of the sessions' methods, and whether they have settled. */
  const calls: Call[] = []
  const outstanding = new Set<RefreshCall>()
  /** What the asynchronous storage holds. */
  const items = new Map<string, string>()
  const registry = createRegistry()
  let healed = false
  /** Who was signed in before the run began. */
  let firstGrant: Grant | undefined
  /** The view of the context whose session is being created. */
  let openingView: SharedView | undefined
  const shared = plan.store === 'shared' ? share() : undefined

  // ── The sessions ──

  function share(): SharedStore {
    const viewOf = (index: number) => openingView ?? (contexts[index]?.view as SharedView | undefined)
    return createSharedStore({
      schedule,
      clock,
      lease: LEASE,
      steals: plan.steals,
      spy: {
        saving: (index, stored) => viewOf(index)?.saving(stored),
        told: (index, stored) => viewOf(index)?.told(stored),
        watched: (index, stored) => viewOf(index)?.watched(stored),
        leased(index, until) {
          const context = contexts[index]
          if (context) context.leasedUntil = until
        },
      },
    })
  }

  function storeOf(index: number): SessionStore | undefined {
    if (shared) return shared.open(index)
    if (plan.store === 'default') return undefined
    const slowly = <T>(name: string, effect: () => T) =>
      new Promise<T>((resolve) =>
        schedule(name, () => {
          const value = effect()
          schedule(`${name} is answered`, () => resolve(value))
        }),
      )
    return memoryStore({
      clock,
      storage: {
        getItem: (key) => slowly('getItem', () => items.get(key)),
        setItem: (key, value) => slowly('setItem', () => void items.set(key, value)),
        removeItem: (key) => slowly('removeItem', () => void items.delete(key)),
      },
    })
  }

  function open(index: number, tokens?: TokenAnswer | null): Context {
    if (shared) openingView = createSharedView(registry, server.grantOfAccess, tokens?.access_token)
    const view = openingView ?? createLocalView(() => contexts[index]?.renewed ?? firstGrant)
    if (shared && tokens && firstGrant) view.signIn(firstGrant)
    const session = createSession({
      refresh: (refreshContext) => {
        const context = contexts[index]
        if (!context) throw new Error('a refresh before its session')
        return refresh(trial, context, outstanding, refreshContext)
      },
      tokens,
      mode: plan.mode,
      store: storeOf(index),
      recall: plan.recall,
      refreshAhead: plan.refreshAhead,
      deadline: DEADLINE,
      lease: LEASE,
      clock,
      applyToken: plan.signsSlowly
        ? ({ accessToken }) =>
            new Promise((resolve) =>
              schedule('a signature is made', () =>
                resolve({ headers: { Authorization: `Bearer ${accessToken}` } }),
              ),
            )
        : undefined,
      shouldRefresh: plan.looksSlowly
        ? () => new Promise((resolve) => schedule('a response has been looked at', () => resolve(undefined)))
        : undefined,
    })
    openingView = undefined
    const context: Context = {
      index,
      session,
      view,
      closed: false,
      left: false,
      untold: false,
      enters: undefined,
      arriving: undefined,
      waits: false,
      leasedUntil: Number.POSITIVE_INFINITY,
      used: [],
      renewed: undefined,
    }
    contexts[index] = context
    listen(context)
    return context
  }

  function listen(context: Context): void {
    const { index, session, view } = context
    const { observed, intruder } = plan
    const hear = () => {
      const { state } = session
      try {
        if (context.arriving && state.status !== 'signed-out') {
          view.signIn(context.arriving)
          context.arriving = undefined
        }
        view.heard(state)
      } catch (error) {
        fault((error as Error).message)
      }
    }
    session.subscribe(hear)
    if (!observed && !intruder) return
    let seen = 0
    let flying = false
    session.observe((event) => {
      if (event.type === 'signed-in') context.untold = false
      // The state has told before: this may come when the next sign-in is under way.
      if (event.type !== 'signed-out' || !context.untold) hear()
      tally.events++
      if (event.type === 'refresh-started') {
        if (flying) fault('L1: a flight starts, and the last one has not come home')
        flying = true
      } else if (ENDS_FLIGHT.test(event.type)) flying = false
      if (healed || index > 0 || event.type !== intruder?.on || seen++ !== intruder.nth) return
      // In the middle of the next sign-in, which comes after what is done on hearing of this.
      const arriving = event.type === 'signed-out' && !shared ? context.enters : undefined
      if (intruder.does === 'sign-in') perform({ do: 'sign-in', of: index, user: 'Eve' })
      else if (intruder.does === 'sign-out') {
        perform({ do: 'sign-out', of: index, server: false })
        context.arriving = arriving
      } else if (intruder.does === 'refresh') perform({ do: 'refresh', of: index })
      else {
        if (arriving) view.signOut()
        context.arriving = arriving
        perform({ do: 'send', of: index, kind: 'get', throws: false, streams: false })
      }
    })
  }

  // ── Commands ──

  function perform(command: Command): void {
    if ('of' in command) {
      const context = contexts[command.of % contexts.length]
      if (context) act(context, command)
    } else befall(command)
  }

  function befall(command: Exclude<Command, SessionCommand>): void {
    switch (command.do) {
      case 'pass':
        time.pass(command.ms)
        break
      case 'jump':
        // Who signs in before the store has been read, by a clock that was set back, is older than what is stored.
        if (contexts.some(({ session }) => session.state.status === 'restoring')) break
        happened.jumps++
        happened.setBack += Math.max(-command.ms, 0)
        time.jump(command.ms)
        break
      case 'sleep':
        happened.jumps++
        time.sleep(command.ms)
        break
      case 'expire':
        server.expireAll()
        break
      case 'api-fault':
        trial.apiFaults.push(command.fault)
        break
      case 'refresh-fault':
        trial.refreshFaults.push(command.fault)
        break
      case 'abort': {
        const unsettled = log.filter(({ outcome }) => !outcome)
        unsettled[command.nth % unsettled.length]?.request.abort()
      }
    }
  }

  function act(context: Context, command: SessionCommand): void {
    const { session, view, closed } = context
    switch (command.do) {
      case 'send':
        send(context, command)
        break
      case 'get-token':
        if (!cookie) getToken(context, command.minValidity)
        break
      case 'refresh':
        happened.asked++
        // Whoever asks for it does not wait until a failure has cooled down.
        trial.doubts.clear()
        expect('refresh', session.refresh())
        break
      case 'sign-in': {
        // One user's cookie must not refresh another one's session: no client can prevent that.
        if (closed || (inJar && contexts.length > 1)) break
        const { grant, answer } = server.login(command.user, time.now())
        if (inJar) trial.keep(answer)
        context.left = false
        const { untold } = context
        enter(context, grant, inJar ? withoutRefreshToken(answer) : answer)
        // First the sign-out was told, and what was done on hearing of it came before this.
        context.untold = false
        if (untold && plan.intruder?.on === 'signed-out') {
          if (inJar) trial.keep(answer)
          if (!shared) view.signIn(grant)
        }
        break
      }
      case 'update':
        if (!view.grant || cookie || closed) break
        happened.updated++
        expect('update', session.update(server.exchange(view.grant, time.now())))
        break
      case 'sign-out':
        if (closed) break
        view.signOut()
        context.left = true
        context.untold ||= command.server
        replace(context, 'signOut', () => signOut(context, command.server))
        break
      case 'close':
        context.closed = true
        session.close()
    }
  }

  function enter(context: Context, grant: Grant, tokens: TokenAnswer): void {
    const { session, view } = context
    view.signIn(grant)
    context.enters = grant
    replace(context, 'signIn', () => (cookie ? session.signIn() : session.signIn(tokens)))
    context.enters = undefined
  }

  function replace({ session, view }: Context, name: string, verb: () => Promise<void>): void {
    const { status } = session.state
    const saving = verb()
    view.begins(saving, status === 'restoring' || status === 'unknown')
    expect(name, saving)
  }

  function signOut(context: Context, there: boolean): Promise<void> {
    if (!there) return context.session.signOut()
    const leaving = server.grantOfRefresh(jar.refresh)
    const told = () => {
      context.untold = false
    }
    const left = context.session.signOut({ server: () => signOutThere(leaving) })
    left.then(told, told)
    return left
  }

  /** The application's own sign-out, which takes the cookies of that sign-in away. */
  function signOutThere(leaving: Grant | undefined): Promise<void> {
    return new Promise((resolve) =>
      schedule('the server signs out', () => {
        if (server.grantOfRefresh(jar.refresh) === leaving) {
          jar.access = undefined
          jar.refresh = undefined
        }
        resolve()
      }),
    )
  }

  /** Expects a call to settle; what it settles with is the caller's. */
  function expect<T>(name: string, promise: Promise<T>, look?: (value: T) => void): void {
    const call: Call = { name, settled: false, error: undefined }
    calls.push(call)
    promise.then(
      (value) => {
        call.settled = true
        look?.(value)
      },
      (error) => {
        call.settled = true
        call.error = error
      },
    )
  }

  function getToken({ session, view }: Context, minValidity: number): void {
    const stamp = view.stamp()
    if (minValidity) happened.asked++
    expect('getAccessToken', session.getAccessToken({ minValidity }), (token) => {
      const objection = view.objection(stamp, token, server.grantOfAccess(token))
      // It was handed out a little earlier: whoever signed out in between was too late.
      if (objection?.startsWith('L4')) fault(`${objection} (getAccessToken)`)
    })
  }

  function send(context: Context, { kind, throws, streams }: SendCommand): void {
    const id = log.length + 1
    const method = kind === 'get' || kind === 'locked' ? 'GET' : 'POST'
    const url = `https://api.example.com/${id}`
    const { recalls, races } = context.session.transport
    const traits = {
      method,
      url,
      recallable: recalls && method === 'GET',
      raceable: races && method === 'GET',
      replayable: kind !== 'one-shot',
    } as const
    const request = new LawRequest(traits, (token) => transmit(trial, logged, token))
    const logged: Logged = {
      id,
      context,
      kind,
      throws,
      streams,
      request,
      stamp: context.view.stamp(),
      since: clock.monotonic(),
      sends: [],
      outcome: undefined,
    }
    log.push(logged)
    tally.requests++
    const settled = (status: number, error?: unknown) => {
      if (logged.outcome) fault(`L3: request ${id} is settled twice`)
      logged.outcome = { status, error, code: codeOf(error) ?? codeOf(request.blamed) }
      checkOutcome(trial, logged)
    }
    context.session.transport.send(request).then(
      ({ status }) => settled(status),
      (error) => settled(error instanceof StatusError ? error.reply.status : 0, error),
    )
  }

  // ── The run ──

  const unhandled = (reason: unknown) => fault(`L3: a rejection that nobody handles: ${String(reason)}`)

  async function settle(): Promise<void> {
    process.on('unhandledRejection', unhandled)
    try {
      await macrotask()
      while (scheduler.count() > 0) {
        if (++tally.steps > MOST_STEPS) fault(`L3: no rest after ${MOST_STEPS} steps`)
        verify()
        for (const context of contexts) {
          const { refreshing, status } = context.session.state
          context.waits = refreshing || status === 'restoring'
        }
        await scheduler.waitNext(1)
        await macrotask()
      }
      verify()
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  }

  function checkSettled(): void {
    for (const { id, outcome } of log) if (!outcome) fault(`L3: request ${id} is never settled`)
    for (const { name, settled } of calls) if (!settled) fault(`L3: ${name} is never settled`)
    for (const { explained, by, spentBy } of server.reuses)
      if (!explained)
        fault(`L1: refresh ${by.id} showed a refresh token that refresh ${spentBy.id} had spent`)
    tally.reuses = server.reuses.length
    tally.explained = server.reuses.filter(({ explained }) => explained).length
    verify()
  }

  async function begin(): Promise<void> {
    const start = plan.start === 'restored' && plan.store === 'default' ? 'signed-in' : plan.start
    const login =
      start === 'signed-out' || start === 'anonymous' ? undefined : server.login('Ann', time.now())
    firstGrant = login?.grant
    if (login && inJar) trial.keep(login.answer)
    const tokens = login ? (inJar ? withoutRefreshToken(login.answer) : login.answer) : null
    if (start === 'restored') {
      const earlier = open(0, plan.entered ? undefined : tokens)
      if (plan.entered && firstGrant && tokens) enter(earlier, firstGrant, tokens)
      await settle()
      earlier.session.close()
      time.pass(1)
      await settle()
    }
    const said = start === 'signed-in' || start === 'signed-out'
    const { view } = open(0, said ? tokens : undefined)
    const together = start === 'signed-in' && plan.together
    if (together) for (let index = 1; index < plan.contexts; index++) open(index, tokens)
    if (said && plan.store === 'default') {
      if (login) view.signIn(login.grant)
      else view.signOut()
    } else if (said && !together) {
      time.pass(1)
      await settle()
    }
    if (plan.aged) time.sleep(AGE)
    if (!together) for (let index = 1; index < plan.contexts; index++) open(index)
  }

  await begin()

  return {
    ...trial,
    contexts,
    calls,
    settle,
    perform,
    schedules(commands, after = () => {}) {
      scheduler.scheduleSequence(
        commands.map((command) => ({
          label: JSON.stringify(command),
          builder: async () => {
            perform(command)
            after(command)
          },
        })),
      )
    },
    heal() {
      healed = true
      trial.apiFaults.length = 0
      trial.refreshFaults.length = 0
      time.calm()
    },
    async finish() {
      checkSettled()
      for (const context of contexts) {
        context.closed = true
        context.session.close()
      }
      await settle()
      checkSettled()
      if (time.timers) fault(`L3: ${time.timers} timers are left behind`)
      verify()
    },
  }
}
