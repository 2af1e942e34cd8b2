import type { Scheduler } from 'fast-check'
import type { Session, SessionErrorCode } from 'refresh-once'
import type { ApiFault, Command, Plan, RefreshFault } from './plan.ts'
import type { LawRequest } from './request.ts'
import { createServer, type Grant, type Server, type TokenAnswer } from './server.ts'
import { createTime, type Schedule, type Time } from './time.ts'
import type { Stamp, View } from './view.ts'

/** Milliseconds that a request waits for a refresh. */
export const DEADLINE = 10_000

/** Milliseconds that a refresh may stay unanswered. */
export const LEASE = 60_000

/** One session, and what belongs to it alone. */
export interface Context {
  readonly index: number
  readonly session: Session
  readonly view: View
  closed: boolean
  /** Its user has signed out here last, whether the store knows of it or not. */
  left: boolean
  /** That sign-out waits for its server, and those who observe have not heard of it. */
  untold: boolean
  /** Whose sign-in is being called. */
  enters: Grant | undefined
  /** Who comes after what was sent meanwhile. */
  arriving: Grant | undefined
  /** Before the last step there was something to wait for: a refresh, or the store. */
  waits: boolean
  /** Until when it may refresh, by the monotonic clock. */
  leasedUntil: number
  /** The access tokens that it has sent, in the order of their first use. */
  readonly used: string[]
  /** Whose refresh was answered last. */
  renewed: Grant | undefined
}

/** One transmission of a request. */
export interface Send {
  readonly token: string | undefined
  executed: boolean
  begun: boolean
  /** How it went off the wire: with a status (0: the network failed), or cut by the client. */
  end: number | 'recalled' | 'aborted' | undefined
}

/** One request in the log, from the caller's wish to its outcome. */
export interface Logged {
  readonly id: number
  readonly context: Context
  readonly kind: (Command & { do: 'send' })['kind']
  /** Whether the client throws where the status is no success. */
  readonly throws: boolean
  /** Whether the answer begins long before it ends. */
  readonly streams: boolean
  readonly request: LawRequest
  readonly stamp: Stamp
  /** When the caller wished it, by the monotonic clock. */
  readonly since: number
  readonly sends: Send[]
  outcome: { status: number; code: SessionErrorCode | undefined; error: unknown } | undefined
}

/** What happened in a run, counted. */
export interface Tally {
  steps: number
  events: number
  requests: number
  sends: number
  replays: number
  recalls: number
  /** Requests that were sent again while they were on the wire. */
  races: number
  /** Requests that ended with `session_changed`. */
  changed: number
  refreshes: number
  reuses: number
  explained: number
}

/** What all parts of one run share. */
export interface Trial {
  readonly plan: Plan
  readonly schedule: Schedule
  readonly time: Time
  readonly server: Server
  readonly log: Logged[]
  /** The requests in the order in which they went on the wire. */
  readonly wire: Logged[]
  readonly tally: Tally
  /** What refreshes and errors may be blamed on; `asked`: calls that ask for a refresh. */
  readonly happened: {
    asked: number
    updated: number
    refused: number
    failed: number
    renewed: number
    jumps: number
    /** Milliseconds by which the wall clock was set back. */
    setBack: number
  }
  /** When uses of a refresh token ended in doubt whether it was spent, by the monotonic clock. */
  readonly doubts: Map<string, number[]>
  readonly apiFaults: ApiFault[]
  readonly refreshFaults: RefreshFault[]
  readonly cookie: boolean
  /** The refresh token is a cookie, which all contexts share whether they know of a sign-in or not. */
  readonly inJar: boolean
  readonly jar: { access: string | undefined; refresh: string | undefined }
  /** The browser keeps the cookies of an answer. */
  keep(answer: TokenAnswer): void
  /** A law does not hold. */
  fault(message: string): void
  /** @throws where a law did not hold */
  verify(): void
}

export function createTrial(plan: Plan, scheduler: Scheduler): Trial {
  const broken: string[] = []
  const jar: Trial['jar'] = { access: undefined, refresh: undefined }
  const cookie = plan.mode === 'cookie'
  const inJar = cookie || plan.start === 'unknown' || plan.start === 'anonymous'
  const now = Promise.resolve()
  const schedule: Schedule = (label, run) => void scheduler.schedule(now, label).then(run)

  return {
    plan,
    schedule,
    time: createTime(schedule, () => scheduler.count() === 0, plan),
    server: createServer({ ...plan.rules, inJar }),
    log: [],
    wire: [],
    tally: {
      steps: 0,
      events: 0,
      requests: 0,
      sends: 0,
      replays: 0,
      recalls: 0,
      races: 0,
      changed: 0,
      refreshes: 0,
      reuses: 0,
      explained: 0,
    },
    happened: { asked: 0, updated: 0, setBack: 0, refused: 0, failed: 0, renewed: 0, jumps: 0 },
    doubts: new Map(),
    apiFaults: [],
    refreshFaults: [],
    cookie,
    inJar,
    jar,
    keep({ access_token, refresh_token }) {
      jar.access = access_token
      jar.refresh = refresh_token ?? jar.refresh
    },
    fault: (message) => void broken.push(message),
    verify() {
      if (broken.length) throw new Error(broken.join('\n'))
    },
  }
}
