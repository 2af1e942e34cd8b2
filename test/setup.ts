/**
 * What the tests of sessions share: a real server, a session that refreshes there, what observers saw, and a
 * clock. Whatever is opened here is closed after each test, and must leave nothing behind.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setImmediate as macrotask } from 'node:timers/promises'
import {
  type Clock,
  createSession,
  type Lease,
  type Session,
  type SessionEvent,
  type SessionOptions,
  type SessionStore,
} from 'refresh-once'
import {
  type AuthServer,
  type AuthServerOptions,
  createAuthServer,
  createTestClock,
  type TestClock,
  type TokenResponse,
} from 'refresh-once/testing'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'

const servers: AuthServer[] = []
const sessions: Session[] = []
const clocks: TestClock[] = []
const unhandled: string[] = []
const note = (error: unknown): void => void unhandled.push(String(error))

beforeAll(() => {
  process.on('unhandledRejection', note)
  process.on('uncaughtExceptionMonitor', note)
})

afterEach(async () => {
  for (const session of sessions.splice(0)) session.close()
  await Promise.all(servers.splice(0).map((server) => server.close()))
  for (const time of clocks.splice(0)) {
    await time.advance(0)
    expect(time.pending, 'timers that are left behind').toBe(0)
  }
  await macrotask()
  expect(unhandled.splice(0), 'errors that nobody handled').toEqual([])
})

afterAll(() => {
  process.off('unhandledRejection', note)
  process.off('uncaughtExceptionMonitor', note)
})

export async function startServer(options?: AuthServerOptions): Promise<AuthServer> {
  const server = await createAuthServer(options)
  servers.push(server)
  return server
}

export interface TurnedClock extends TestClock {
  /** Resolves once `count` timers of this length have been set: what a real socket has brought was taken in. */
  untilTimer(length: number, count?: number): Promise<void>
}

/** A clock turned by hand, which tells when timers are set. */
export function newClock(): TurnedClock {
  const time = createTestClock()
  clocks.push(time)
  const lengths: number[] = []
  const waiting = new Set<() => void>()
  const clock: Clock = {
    ...time.clock,
    setTimeout(run, ms) {
      lengths.push(ms)
      for (const look of [...waiting]) look()
      return time.clock.setTimeout(run, ms)
    },
  }
  return {
    ...time,
    clock,
    get pending() {
      return time.pending
    },
    untilTimer: (length, count = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (lengths.filter((set) => set === length).length < count) return
          waiting.delete(look)
          // The timer that was announced is set right after this.
          queueMicrotask(resolve)
        }
        waiting.add(look)
        look()
      }),
  }
}

/** The runtime's own clock, but for chance: retries wait for no time at all. */
export function withoutJitter(): Clock {
  let draws = 0
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
    // Not quite zero: names of sign-ins are drawn from here, too.
    random: () => ++draws / 2 ** 32,
  }
}

/** The refresh of an OAuth client, with the runtime's own fetch (RFC 6749 §6). */
export function refreshAt({ tokenEndpoint }: AuthServer): SessionOptions['refresh'] {
  return ({ tokens, signal }) => {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: tokens?.refreshToken ?? '',
    })
    return fetch(tokenEndpoint, { method: 'POST', body, signal })
  }
}

/** A session, closed after the test. */
export function open(options: SessionOptions): Session {
  const session = createSession(options)
  sessions.push(session)
  return session
}

/** Alice's session at `server`, which has just been signed in to. */
export function signIn(server: AuthServer, options: Partial<SessionOptions> = {}): Session {
  return open({
    refresh: refreshAt(server),
    tokens: received(server.mint('alice'), options.clock),
    ...options,
  })
}

/** The same tokens, as an app keeps them: of those in the options nobody else knows since when they last. */
export function received(
  tokens: TokenResponse,
  { now } = withoutJitter(),
): TokenResponse & { expiresAt?: number } {
  const { expires_in } = tokens
  return expires_in ? { ...tokens, expiresAt: now() + expires_in * 1000 } : tokens
}

/** The same tokens, known to have expired. */
export function expired({ access_token, refresh_token }: TokenResponse): {
  accessToken: string
  refreshToken: string
  expiresAt: number
} {
  return { accessToken: access_token, refreshToken: refresh_token, expiresAt: 1 }
}

type EventOf<Type extends SessionEvent['type']> = Extract<SessionEvent, { type: Type }>

export interface Watch {
  readonly events: readonly SessionEvent[]
  of<Type extends SessionEvent['type']>(type: Type): EventOf<Type>[]
  /** Resolves once `count` events of this type have been seen. */
  until(type: SessionEvent['type'], count?: number): Promise<void>
}

/** Takes down all that happens to a session from now on. */
export function watch(session: Session): Watch {
  const events: SessionEvent[] = []
  const waiting = new Set<() => void>()
  session.observe((event) => {
    events.push(event)
    for (const look of [...waiting]) look()
  })
  const of = <Type extends SessionEvent['type']>(type: Type): EventOf<Type>[] =>
    events.filter((event): event is EventOf<Type> => event.type === type)
  return {
    events,
    of,
    until: (type, count = 1) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (of(type).length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
  }
}

/** A promise with its handles, as `Promise.withResolvers` has it. */
export function deferred<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (reason: unknown) => void
} {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** The error of a promise that is expected to reject. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const [outcome] = await Promise.allSettled([promise])
  if (outcome.status === 'rejected' && outcome.reason instanceof Error) return outcome.reason
  throw new Error(`expected an error, got ${JSON.stringify(outcome)}`)
}

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}

/** `exclusive` of a store whose leases do something in another way. */
export function leasing(
  store: SessionStore,
  differently: (lease: Lease) => Partial<Lease>,
): SessionStore['exclusive'] {
  return (work, signal) => store.exclusive((lease) => work({ ...lease, ...differently(lease) }), signal)
}

/** Stops this whole thread, as a machine that is busy elsewhere does: timers fall due, and nothing is read. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Where nobody listens. No system gives this port to whoever asks for any, as the other tests do meanwhile. */
export const NOBODY = 'http://127.0.0.1:2'

/** The URL of a port of this machine that is free by now. */
export async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}
