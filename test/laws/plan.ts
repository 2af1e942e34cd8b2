import fc from 'fast-check'
import type { ServerRules } from './server.ts'

/** The world in which one run takes place. */
export interface Plan {
  /**
   * `default`: no `store` option. `storage`: a memory store that persists to an asynchronous storage.
   * `shared`: the store contract, each operation at the scheduler's choice.
   */
  store: 'default' | 'storage' | 'shared'
  contexts: number
  /**
   * `signed-in` and `signed-out` say so in the options, `restored` finds what an earlier session has stored.
   * `unknown` and `anonymous` know nothing; their refresh token is an HttpOnly cookie, which is there, or not.
   */
  start: 'signed-in' | 'signed-out' | 'restored' | 'unknown' | 'anonymous'
  /** What is stored was stored by a verb, perhaps in this very moment; else an earlier session has begun with it. */
  entered: boolean
  /** All contexts begin with the same tokens at one moment, and not the others with what the first has stored. */
  together: boolean
  /** Milliseconds between the readings of the wall clock. A browser that hides from fingerprints has some 100. */
  tick: number
  mode: 'token' | 'cookie'
  rules: ServerRules
  recall: 'safe' | 'race' | 'none'
  refreshAhead: number | undefined
  /** The access token is old enough for a refresh in the background. */
  aged: boolean
  /** Credentials are made by an asynchronous `applyToken`. */
  signsSlowly: boolean
  /** Responses are looked at by an asynchronous `shouldRefresh`. */
  looksSlowly: boolean
  /** `refresh` gives up when its signal aborts; else its answer comes late. */
  heedsSignal: boolean
  /** The turn of a holder that outlives its lease passes on. */
  steals: boolean
  observed: boolean
  intruder: Intruder | undefined
  /** How often time must get its turn before the next timer fires. */
  pace: number
  seed: number
}

/** An observer that acts on the session from inside an event. */
export interface Intruder {
  on: (typeof EVENTS)[number]
  /** Which occurrence of it. */
  nth: number
  does: 'sign-in' | 'sign-out' | 'refresh' | 'send'
}

const EVENTS = [
  'request-sent',
  'request-replayed',
  'request-held',
  'request-rejected',
  'request-recalled',
  'request-settled',
  'refresh-started',
  'refresh-joined',
  'refresh-succeeded',
  'refresh-adopted',
  'refresh-failed',
  'signed-in',
  'signed-out',
  'updated',
] as const

/** What befalls a refresh. Where the answer is lost `after`, the server has rotated. */
export type RefreshFault = (typeof REFRESH_FAULTS)[number]

const REFRESH_FAULTS = [
  '500',
  '500 after',
  '503',
  '429',
  'html',
  'refused',
  'reset',
  'reset after',
  'invalid_grant',
  'hang',
  'slow',
  'late',
] as const

/** What befalls a request at the API. Where the answer is lost `after`, the request was executed. */
export type ApiFault = (typeof API_FAULTS)[number]

const API_FAULTS = ['500', 'reset', 'reset after'] as const

/** What users, servers and machines do. `of` chooses a context. */
export type Command =
  | {
      do: 'send'
      of: number
      kind: 'get' | 'post' | 'one-shot' | 'locked'
      throws: boolean
      streams: boolean
    }
  | { do: 'abort'; nth: number }
  | { do: 'get-token'; of: number; minValidity: number }
  | { do: 'refresh'; of: number }
  | { do: 'sign-in'; of: number; user: string }
  | { do: 'update'; of: number }
  | { do: 'sign-out'; of: number; server: boolean }
  | { do: 'close'; of: number }
  | { do: 'expire' }
  | { do: 'pass' | 'jump' | 'sleep'; ms: number }
  | { do: 'api-fault'; fault: ApiFault }
  | { do: 'refresh-fault'; fault: RefreshFault }

/** Milliseconds that an access token lives in these worlds. */
const LIFETIMES = [20_000, 300_000] as const

const of = fc.nat({ max: 2 })
const duration = fc.constantFrom(1, 260, 4_000, 15_000, 16_500, 19_500, 61_000, 250_000, 301_000)

const send = fc.record({
  do: fc.constant('send'),
  of,
  kind: fc.constantFrom('get', 'get', 'get', 'post', 'post', 'one-shot', 'locked'),
  throws: fc.boolean(),
  streams: fc.boolean(),
})
const abort = fc.record({ do: fc.constant('abort'), nth: fc.nat({ max: 7 }) })
const getToken = fc.record({
  do: fc.constant('get-token'),
  of,
  minValidity: fc.constantFrom(0, 0, 10_000),
})
const signIn = fc.record({
  do: fc.constant('sign-in'),
  of,
  user: fc.constantFrom('Ada', 'Bob', 'Cyd'),
})
const apiFault = fc.record({
  do: fc.constant('api-fault'),
  fault: fc.constantFrom(...API_FAULTS),
})
const refresh = fc.record({ do: fc.constant('refresh'), of })
const update = fc.record({ do: fc.constant('update'), of })
const signOut = fc.record({ do: fc.constant('sign-out'), of, server: fc.boolean() })
const close = fc.record({ do: fc.constant('close'), of })
const expire = fc.constant({ do: 'expire' })
const pass = fc.record({ do: fc.constant('pass'), ms: duration })
const clockFault = fc.record({
  do: fc.constantFrom('jump', 'sleep'),
  ms: duration,
})
const setBack = fc.record({ do: fc.constant('jump'), ms: duration.map((ms) => -ms) })
const refreshFault = fc.record({
  do: fc.constant('refresh-fault'),
  fault: fc.constantFrom(...REFRESH_FAULTS),
})

function sequence(weights: readonly Weighted[]): fc.Arbitrary<Command[]> {
  const command = fc.oneof(...weights.map(([weight, arbitrary]) => ({ weight, arbitrary })))
  return fc.array(command, { minLength: 6, maxLength: 30, size: 'max' })
}

type Weighted = readonly [number, fc.Arbitrary<Command>]

const usual: readonly Weighted[] = [
  [40, send],
  [8, abort],
  [8, getToken],
  [8, refresh],
  [4, signIn],
  [4, update],
  [4, signOut],
  [16, expire],
  [8, pass],
]

/** A day on which anything may happen. */
export const commands: fc.Arbitrary<Command[]> = sequence([
  ...usual,
  [4, clockFault],
  [4, setBack],
  [8, apiFault],
  [12, refreshFault],
  [1, close],
])

/** A day on which no answer is lost, no clock is wrong and nobody signs in or out. */
export const faultless: fc.Arbitrary<Command[]> = sequence([
  [10, send],
  [2, abort],
  [2, getToken],
  [2, refresh],
  [1, update],
  [4, expire],
  [2, pass],
])

/** A day on which no token expires and none is refused. */
export const uneventful: fc.Arbitrary<Command[]> = sequence([
  [10, send.filter(({ kind }) => kind !== 'locked')],
  [2, abort],
  [2, getToken],
  [1, refresh],
  [1, signIn],
  [2, apiFault],
])

/** Somebody who acts from inside an event. */
export const intruder: fc.Arbitrary<Intruder> = fc.record({
  on: fc.constantFrom('refresh-started', ...EVENTS),
  nth: fc.nat({ max: 2 }),
  does: fc.constantFrom('sign-in', 'sign-in', 'sign-out', 'refresh', 'send'),
})

const rules: fc.Arbitrary<ServerRules> = fc.record({
  rotation: fc.constantFrom('strict', 'strict', 'grace', 'none'),
  lifetime: fc.constantFrom(...LIFETIMES),
  announces: fc.boolean(),
})

/** Worlds, but for what `fixed` says of them. */
export function plans(fixed: Partial<Record<keyof Plan, fc.Arbitrary<unknown>>>): fc.Arbitrary<Plan> {
  const rarely = fc.constantFrom(false, false, false, true)
  return fc.record({
    store: fc.constant('default'),
    contexts: fc.constant(1),
    start: fc.constantFrom(
      'signed-in',
      'signed-in',
      'restored',
      'restored',
      'unknown',
      'signed-out',
      'anonymous',
    ),
    entered: fc.boolean(),
    together: rarely,
    tick: fc.constantFrom(1, 1, 1, 100),
    mode: fc.constantFrom('token', 'token', 'token', 'cookie'),
    rules,
    recall: fc.constantFrom('safe', 'race', 'none'),
    refreshAhead: fc.constantFrom(undefined, 0, 10_000),
    aged: rarely,
    signsSlowly: rarely,
    looksSlowly: rarely,
    heedsSignal: fc.boolean(),
    steals: fc.boolean(),
    observed: fc.boolean(),
    intruder: fc.constant(undefined),
    pace: fc.constantFrom(1, 3, 10),
    seed: fc.nat(),
    ...fixed,
  } as { [Key in keyof Plan]: fc.Arbitrary<Plan[Key]> })
}
