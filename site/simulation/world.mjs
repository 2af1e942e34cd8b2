/**
 * The same requests, three ways, in simulated time: an authorization server that rotates refresh tokens, an API that checks
 * tokens, and the network between. The clients are real: axios with two interceptors, and with refresh-once.
 */
import axios, { AxiosError } from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { INTERCEPTORS } from '../../playground/interceptors.mjs'
import { asEvents } from '../../playground/page/as-events.js'
import { STORM } from '../../playground/storm.mjs'
import { createClock } from './clock.mjs'

/** Milliseconds. */
const LIFETIME = 10_000
const NETWORK = 40
const REFRESH = 200
const UNAVAILABLE = 503
/** When it begins. */
export const START = Date.UTC(2030, 0, 1)

export const WAYS = [
  ...INTERCEPTORS,
  { id: 'refresh-once', title: 'refresh-once', hint: 'attachSession(api, session)' },
]

const ONE = [{ method: 'GET', path: '/items', work: 150 }]
const LATE = [{ method: 'GET', path: '/items', late: 1_200 }]

/** What can be done, and to whom: the requests of the app, or the servers. */
export const DEEDS = {
  one: { label: 'Send one request', calls: ONE },
  fifteen: { label: 'Send fifteen', calls: STORM },
  late: { label: 'Send one that is checked late', calls: LATE },
  refuse: { label: 'Refuse the token', to: (server) => server.refuse() },
  fail: { label: 'Fail the next refresh', to: (server) => server.misbehave('fail') },
  hang: { label: 'Let the next one hang', to: (server) => server.misbehave('hang') },
}

/**
 * What becomes of it, each way, until `end`: the same each time.
 *
 * @param deeds what is done when, in milliseconds from the beginning
 * @returns for each way the events of its timeline, and what its servers have counted, each with its time
 */
export async function simulate(deeds, end) {
  const { clock, runUntil } = createClock(START)
  const lanes = WAYS.map((way) => openLane(way, clock))
  for (const { at, deed } of [...deeds].sort((a, b) => a.at - b.at)) {
    if (at > end) break
    await runUntil(START + at)
    const { calls = [], to } = DEEDS[deed]
    for (const { server, call } of lanes) {
      to?.(server)
      for (const one of calls) call(one)
    }
  }
  await runUntil(START + end)
  return lanes.map(({ way, events, log, close }) => {
    close()
    return { way, events, log: log.map((entry) => ({ ...entry, at: entry.at - START })) }
  })
}

/** The log in numbers, as it stands at a time. */
export function countUntil(log, time) {
  const numbers = { refreshes: 0, wire: 0, failed: 0, open: 0, signedIn: true }
  for (const { at, what } of log) {
    if (at > time) break
    if (what === 'refresh') numbers.refreshes++
    if (what === 'request') numbers.wire++
    if (what === 'failed') numbers.failed++
    if (what === 'asked') numbers.open++
    if (what === 'failed' || what === 'answered') numbers.open--
    if (what === 'ended') numbers.signedIn = false
  }
  return numbers
}

function openLane(way, clock) {
  const events = []
  const log = []
  const note = (what) => log.push({ at: clock.now(), what })
  const server = createServer(clock, note)
  const tell = (source, event) => events.push({ source, event })
  const api = axios.create({ baseURL: 'https://api.example.com', adapter: server.answer })
  let calls = 0

  const { app, trace } =
    way.id === 'refresh-once'
      ? installSession(api, server, clock, tell)
      : installByHand(way, api, server, clock, tell)
  app.signIn(server.signIn())

  async function call({ method, path, late = 0, work = 0 }) {
    const id = ++calls
    note('asked')
    trace({ type: 'called', call: id, method, path })
    let status = 0
    try {
      status = (await api.request({ method, url: `${path}/${id}`, params: { late, work } })).status
      note('answered')
    } catch (error) {
      status = error.response?.status ?? 0
      note('failed')
    }
    trace({ type: 'settled', call: id, ok: status >= 200 && status < 300, status })
  }

  return { way, server, events, log, call, close: () => app.close?.() }
}

function installSession(api, server, clock, tell) {
  const session = createSession({
    clock,
    // What pages do by themselves.
    recall: 'safe',
    refresh: ({ tokens }) => server.refresh(tokens?.refreshToken),
  })
  attachSession(api, session)
  session.observe((event) => tell('refresh-once', event))
  return { app: session, trace() {} }
}

function installByHand(way, api, server, clock, tell) {
  const hear = asEvents(way.id, tell)
  const trace = (event) => hear({ ...event, at: clock.now() })
  let refreshToken
  let refreshes = 0
  async function refresh() {
    const id = ++refreshes
    trace({ type: 'refresh-begun', refresh: id })
    const { status, data } = await server.refresh(refreshToken)
    trace({ type: 'refresh-ended', refresh: id, ok: status === 200 })
    if (status !== 200) throw new Error(`the refresh was answered with ${status}`)
    refreshToken = data.refresh_token
    return data.access_token
  }
  const app = way.install(api, { refresh })
  traceWire(api, trace)
  return {
    trace,
    app: {
      signIn(tokens) {
        refreshToken = tokens.refresh_token
        app.signIn(tokens)
      },
    },
  }
}

function traceWire(api, trace) {
  const { adapter } = api.defaults
  api.defaults.adapter = async (config) => {
    const call = Number(/(\d+)$/.exec(config.url)?.[1])
    trace({ type: 'sent', call })
    try {
      const response = await adapter(config)
      trace({ type: 'answered', call, status: response.status })
      return response
    } catch (error) {
      trace({ type: 'answered', call, status: error.response?.status ?? 0 })
      throw error
    }
  }
}

/** An authorization server and an API for one user, and the way to them. */
function createServer(clock, note) {
  const pause = (ms) => new Promise((resolve) => clock.setTimeout(resolve, ms))
  let number = 0
  /** The access tokens that are good, each until its end. */
  let good = new Map()
  let refreshToken
  let fault

  function issue() {
    number++
    refreshToken = `refresh-${number}`
    good.set(`access-${number}`, clock.now() + LIFETIME)
    return { access_token: `access-${number}`, refresh_token: refreshToken, expires_in: LIFETIME / 1000 }
  }

  return {
    signIn: issue,

    refuse() {
      good = new Map()
    },

    misbehave(how) {
      fault = how
    },

    /** As axios has it. A refresh token that comes twice ends the session; access tokens are good until their end. */
    async refresh(token) {
      note('refresh')
      await pause(NETWORK)
      const how = fault
      fault = undefined
      if (how === 'hang') await new Promise(() => {})
      if (how === 'fail') return { status: UNAVAILABLE, data: '', headers: {} }
      if (!refreshToken || token !== refreshToken) {
        if (refreshToken) note('ended')
        refreshToken = undefined
        await pause(NETWORK)
        return { status: 400, data: { error: 'invalid_grant' }, headers: {} }
      }
      const data = issue()
      await pause(REFRESH)
      return { status: 200, data, headers: {} }
    },

    /** The adapter of axios. `late`: so long after it has arrived its token is looked at. */
    async answer(config) {
      note('request')
      const { late = 0, work = 0 } = config.params
      const left = new Promise((_, reject) => config.cancelToken?.subscribe(reject))
      left.catch(() => {})
      await Promise.race([pause(NETWORK + late), left])
      const token = String(config.headers.Authorization ?? '').replace('Bearer ', '')
      const accepted = (good.get(token) ?? 0) > clock.now()
      await Promise.race([pause(NETWORK + (accepted ? work : 0)), left])
      const status = accepted ? 200 : 401
      const response = { status, statusText: '', data: {}, headers: {}, config }
      if (config.validateStatus(status)) return response
      throw new AxiosError('the API refused the token', 'ERR_BAD_REQUEST', config, undefined, response)
    },
  }
}
