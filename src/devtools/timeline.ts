import type { SessionEvent } from '../core/events.ts'
import { cleanEvent, cleanName, type TimelineEntry } from './clean.ts'

/** A stretch of a request's time. */
export interface Stretch {
  /** `held`: not on the wire. `sent`: sent, without an answer yet. `replay`: sent again. */
  readonly kind: 'held' | 'sent' | 'replay'
  readonly from: number
  /** Undefined while it lasts. */
  to: number | undefined
  /** How it ended: refused by the API, recalled by us, or neither. */
  end: 'refused' | 'recalled' | undefined
  /** The refresh that it waited for. */
  refresh: Refresh | undefined
}

/** Something that happened, and what was known then. */
export interface Step {
  /** Over all sources, in the order in which it was heard of. */
  readonly order: number
  readonly source: string
  readonly event: SessionEvent
  /** The refresh that was running, or began because of it. */
  refresh: Refresh | undefined
}

/** A request, from the first that was heard of it. Times are in epoch milliseconds. */
export interface Lane {
  readonly source: string
  readonly id: number
  readonly method: string
  readonly url: string
  readonly from: number
  to: number | undefined
  result: 'open' | 'done' | 'failed' | 'ignored'
  /** 0 where nothing was answered. */
  status: number
  readonly stretches: Stretch[]
  readonly steps: Step[]
}

/** A refresh, as one tab or process saw it. */
export interface Refresh {
  readonly source: string
  /** Counts up within a timeline. */
  readonly number: number
  readonly from: number
  to: number | undefined
  /** `adopted`: another tab or process had brought the tokens. */
  result: 'open' | 'succeeded' | 'adopted' | 'failed' | 'refused' | 'ended'
  /** How many requests waited for it. */
  waited: number
  readonly steps: Step[]
}

/** The life of a token set. */
export interface TokenWindow {
  readonly source: string
  readonly generation: number
  readonly from: number
  /** Undefined while no other has come. */
  to: number | undefined
  /** From here on a refresh starts in the background. */
  readonly softAt: number | undefined
  /** From here on requests wait. */
  readonly hardAt: number | undefined
  readonly expiresAt: number | undefined
  /** When the API refused it first. */
  refusedAt: number | undefined
}

export interface TimelineOptions {
  /** How many requests are kept; the oldest go first. As many refreshes and token windows at most. @default 5_000 */
  limit?: number | undefined
  /** As in `createSession`, where it is not the default: it shapes the token windows. */
  refreshAhead?: number | undefined
  /** As in `createSession`, where it is not the default. */
  leeway?: number | undefined
}

/** What is known of one tab or process. */
interface Source {
  asked: boolean
  refresh: Refresh | undefined
  window: TokenWindow | undefined
  signIn: string | undefined
  readonly held: Set<Lane>
}

/** Events of sessions as lanes, refreshes and token windows. It holds no clock and touches no page. */
export interface Timeline {
  readonly lanes: readonly Lane[]
  readonly refreshes: readonly Refresh[]
  readonly windows: readonly TokenWindow[]
  /** The tabs and processes whose requests were heard of. */
  readonly sources: readonly string[]
  /** When the first and the last of what is kept happened; undefined while nothing has. */
  readonly span: { readonly from: number; readonly to: number } | undefined
  /** How many entries were no events. */
  readonly strange: number
  /** Takes an entry in. What is no event is counted, and left out. */
  add(source: string, event: unknown): void
  /** What is kept, in its order, without secrets. */
  entries(): TimelineEntry[]
  clear(): void
}

/** Steps of one request that are kept: whoever goes in circles would fill the memory. */
const MOST_STEPS = 60

/**
 * Makes an empty timeline.
 *
 * @throws TypeError where `limit` is no number of at least 1
 */
export function createTimeline({ limit = 5_000, ...windows }: TimelineOptions = {}): Timeline {
  if (!(limit >= 1)) throw new TypeError(`limit: expected a number of at least 1, got ${limit}`)
  let lanes: Lane[] = []
  let refreshes: Refresh[] = []
  let tokenWindows: TokenWindow[] = []
  /** Of the session, beside those of requests. */
  let steps: Step[] = []
  let byKey = new Map<string, Lane>()
  let sources = new Map<string, Source>()
  let order = 0
  let number = 0
  let strange = 0
  let latest: number | undefined
  let earliest: number | undefined

  /** A tenth at a time: taking away the first of many costs as much as taking many. */
  function trim(): void {
    const room = limit + Math.ceil(limit / 10)
    if (lanes.length > room) {
      for (const lane of lanes.splice(0, lanes.length - limit)) {
        byKey.delete(keyOf(lane.source, lane.id))
        sources.get(lane.source)?.held.delete(lane)
      }
    }
    if (refreshes.length > room) refreshes.splice(0, refreshes.length - limit)
    if (tokenWindows.length > room) tokenWindows.splice(0, tokenWindows.length - limit)
    if (steps.length > 4 * room) steps.splice(0, steps.length - 4 * limit)
    earliest = Math.min(
      lanes[0]?.from ?? Number.POSITIVE_INFINITY,
      steps[0]?.event.at ?? Number.POSITIVE_INFINITY,
    )
  }

  function add(name: string, foreign: unknown): void {
    const event = cleanEvent(foreign)
    if (!event) {
      strange++
      return
    }
    const clean = cleanName(name)
    let source = sources.get(clean)
    if (!source) {
      source = { asked: false, refresh: undefined, window: undefined, signIn: undefined, held: new Set() }
      sources.set(clean, source)
    }
    const step: Step = { order: ++order, source: clean, event, refresh: source.refresh }
    latest = Math.max(latest ?? event.at, event.at)
    earliest = Math.min(earliest ?? event.at, event.at)
    if ('request' in event) follow(source, step, event)
    else {
      steps.push(step)
      turn(source, step, event)
    }
    keepWindow(source, step)
    trim()
  }

  /** What happened to a request. */
  function follow(source: Source, step: Step, event: Extract<SessionEvent, { request: unknown }>): void {
    const { type, at, request } = event
    const key = keyOf(step.source, request.id)
    let lane = byKey.get(key)
    if (!lane) {
      const { id, method, url } = request
      const about = { source: step.source, id, method, url, from: at, to: undefined }
      lane = { ...about, result: 'open', status: 0, stretches: [], steps: [] }
      source.asked = true
      byKey.set(key, lane)
      lanes.push(lane)
    }
    if (lane.steps.length < MOST_STEPS) lane.steps.push(step)
    if (type === 'request-held') begin(lane, 'held', at, source)
    else if (type === 'request-sent') begin(lane, 'sent', at, source)
    else if (type === 'request-replayed') begin(lane, 'replay', at, source)
    else if (type === 'request-recalled' || type === 'request-rejected') {
      if (type === 'request-rejected') {
        lane.status = event.status
        const { window } = source
        if (window && window.generation === request.generation) window.refusedAt ??= at
      }
      begin(lane, 'held', at, source, type === 'request-rejected' ? 'refused' : 'recalled')
    } else {
      end(lane, at)
      source.held.delete(lane)
      lane.to = at
      if (type === 'request-settled') {
        lane.result = event.ok ? 'done' : 'failed'
        // The answer of a request that is given up is the last that came.
        lane.status = event.status || (event.ok ? lane.status : event.status)
      } else lane.result = 'ignored'
    }
  }

  function begin(lane: Lane, kind: Stretch['kind'], at: number, source: Source, how?: Stretch['end']): void {
    end(lane, at, how)
    if (lane.result === 'done' || lane.result === 'failed') return
    const refresh = kind === 'held' ? source.refresh : undefined
    if (lane.stretches.length < MOST_STEPS)
      lane.stretches.push({ kind, from: at, to: undefined, end: undefined, refresh })
    if (kind !== 'held') source.held.delete(lane)
    else {
      source.held.add(lane)
      if (refresh) refresh.waited++
    }
  }

  function end(lane: Lane, at: number, how?: Stretch['end']): void {
    const stretch = lane.stretches.at(-1)
    if (!stretch || stretch.to !== undefined) return
    stretch.to = at
    stretch.end = how
  }

  /** What happened to the session. */
  function turn(source: Source, step: Step, event: SessionEvent): void {
    const { type, at, state } = event
    if (type === 'refresh-started' || type === 'refresh-joined') {
      // Most join the one that runs; one that began before anybody looked is seen only now.
      if (type === 'refresh-joined' && source.refresh) return
      finish(source, at, 'ended')
      const made: Refresh = {
        source: step.source,
        number: ++number,
        from: at,
        to: undefined,
        result: 'open',
        waited: source.held.size,
        steps: [step],
      }
      refreshes.push(made)
      source.refresh = made
      step.refresh = made
      for (const lane of source.held) {
        const stretch = lane.stretches.at(-1)
        const cause = lane.steps.at(-1)
        if (stretch) stretch.refresh = made
        if (cause) cause.refresh = made
      }
      return
    }
    const open = source.refresh
    if (!open) return
    if (type === 'refresh-succeeded') finish(source, at, 'succeeded', step)
    else if (type === 'refresh-adopted') finish(source, at, 'adopted', step)
    else if (type === 'refresh-failed')
      finish(source, at, event.code === 'session_expired' ? 'refused' : 'failed', step)
    else if (type === 'signed-out')
      finish(source, at, event.reason === 'rejected' ? 'refused' : 'ended', step)
    else if (!state.refreshing) finish(source, at, 'ended', step)
  }

  function finish(source: Source, at: number, result: Refresh['result'], step?: Step): void {
    const { refresh } = source
    if (!refresh) return
    refresh.to = at
    refresh.result = result
    if (step) refresh.steps.push(step)
    source.refresh = undefined
  }

  /** A token set begins to be used, or ends. */
  function keepWindow(source: Source, { source: name, event }: Step): void {
    const { at, state } = event
    const { window } = source
    const known = state.status === 'signed-in'
    if (window && known && window.generation === state.generation && source.signIn === state.signIn) return
    if (window) window.to = at
    source.window = undefined
    source.signIn = state.signIn
    if (!known) return
    const { generation, expiresAt } = state
    const about = { source: name, generation, from: at, to: undefined, expiresAt, refusedAt: undefined }
    const made = { ...about, ...limitsOf(expiresAt, at, windows) }
    source.window = made
    tokenWindows.push(made)
  }

  function clear(): void {
    lanes = []
    refreshes = []
    tokenWindows = []
    steps = []
    byKey = new Map()
    const before = sources
    sources = new Map()
    for (const [name, { window, signIn }] of before) {
      // The token set is still that of before.
      if (window && latest !== undefined && window.to === undefined) {
        sources.set(name, { asked: false, refresh: undefined, window, signIn, held: new Set() })
        tokenWindows.push(window)
      }
    }
    strange = 0
    latest = undefined
    earliest = undefined
  }

  return {
    get lanes() {
      return lanes
    },
    get refreshes() {
      return refreshes
    },
    get windows() {
      return tokenWindows
    },
    get sources() {
      return [...sources].flatMap(([name, { asked }]) => (asked ? name : []))
    },
    get span() {
      return earliest === undefined || latest === undefined ? undefined : { from: earliest, to: latest }
    },
    get strange() {
      return strange
    },
    add,
    entries: () =>
      [...steps, ...lanes.flatMap((lane) => lane.steps)]
        .sort((a, b) => a.order - b.order)
        .map(({ source, event }) => ({ source, event })),
    clear,
  }
}

function keyOf(source: string, id: number): string {
  return `${id} ${source}`
}

/** The windows of a token set, as the session makes them out of its lifetime; the soft one without its jitter. */
function limitsOf(
  expiresAt: number | undefined,
  from: number,
  { refreshAhead, leeway }: TimelineOptions,
): Pick<TokenWindow, 'softAt' | 'hardAt'> {
  if (expiresAt === undefined) return { softAt: undefined, hardAt: undefined }
  const lifetime = Math.max(0, expiresAt - from)
  const hard = Math.min(leeway ?? 5_000, leeway === undefined ? lifetime / 20 : lifetime / 2)
  const soft = Math.min(refreshAhead ?? 60_000, refreshAhead === undefined ? lifetime / 5 : lifetime / 2)
  return { softAt: expiresAt - Math.max(soft, hard), hardAt: expiresAt - hard }
}
