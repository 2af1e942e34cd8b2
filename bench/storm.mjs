/**
 * Storms against a real server on loopback, which rotates refresh tokens and revokes the session when
 * one comes twice: how many refreshes and requests reach it, what fails, what is executed twice.
 */
import axios from 'axios'
import { createSession } from '../dist/index.js'
import { createAuthServer } from '../dist/testing/index.js'
import { attachSession } from '../dist/transports/axios.js'
import { attachByHand } from './hand-written.mjs'

const STORM = 50
const DEADLINE = 1000
const NAMES = {
  refreshes: 'refreshes',
  api: 'API requests',
  failed: 'failed',
  unsettled: 'unsettled',
  twice: 'executed twice',
}
const WIDTHS = [9, 14, 9, 12, 17]
/** Whoever has not settled by then never will. */
const PATIENCE = DEADLINE + 3000

const contestants = {
  'every 401 refreshes': attachNaively,
  'hand-written queue': attachByHand,
  'refresh-once': attachRefreshOnce,
}

const scenarios = {
  'expiry that the client can see': {
    limits: { refreshes: 1, api: STORM, failed: 0 },
    run: ({ server, signIn, storm }) => {
      const tokens = server.mint()
      server.expireAccessTokens()
      return storm(signIn(tokens, Date.now() - 1000))
    },
  },
  'revocation that it cannot see': {
    limits: { refreshes: 1, api: 2 * STORM, failed: 0 },
    run: ({ server, signIn, storm }) => {
      const tokens = server.mint()
      server.expireAccessTokens()
      return storm(signIn(tokens, Date.now() + 3_600_000))
    },
  },
  'a 401 that comes after the refresh': {
    limits: { refreshes: 1, api: 4, failed: 0 },
    run: async ({ server, signIn }) => {
      const tokens = server.mint()
      server.expireAccessTokens()
      const api = signIn(tokens, Date.now() + 3_600_000)
      const gate = server.hold('/api/echo')
      const late = api.get('/api/echo')
      await gate.untilArrived()
      const early = await settle([api.get('/api/items')])
      gate.release()
      return [...early, ...(await settle([late]))]
    },
  },
  'a refresh that fails': {
    limits: { unsettled: 0 },
    run: ({ server, signIn, storm }) => {
      const tokens = server.mint()
      server.expireAccessTokens()
      server.fault('500', { times: Number.POSITIVE_INFINITY })
      return storm(signIn(tokens, Date.now() + 3_600_000))
    },
  },
  'a refresh that hangs': {
    limits: { unsettled: 0 },
    run: ({ server, signIn, storm }) => {
      const tokens = server.mint()
      server.expireAccessTokens()
      server.fault('hang', { times: Number.POSITIVE_INFINITY })
      return storm(signIn(tokens, Date.now() + 3_600_000))
    },
  },
  '20 POSTs executed, not yet answered': {
    limits: { refreshes: 1, failed: 0, twice: 0 },
    run: async ({ server, signIn }) => {
      const api = signIn(server.mint(), Date.now() + 3_600_000)
      const gate = server.hold('/api/effects')
      const posts = Array.from({ length: 20 }, (_, id) => api.post(`/api/effects?id=${id}`, { id }))
      await gate.untilArrived(20)
      server.expireAccessTokens()
      const get = await settle([api.get('/api/items')])
      gate.release()
      return [...get, ...(await settle(posts))]
    },
  },
}

console.log(`${''.padEnd(38)}refreshes  API requests   failed   unsettled   executed twice`)
for (const [title, scenario] of Object.entries(scenarios)) {
  console.log(`\n${title}`)
  for (const [name, attach] of Object.entries(contestants)) {
    const result = await play(scenario, attach)
    const row = Object.keys(NAMES)
      .map((key, column) => String(result[key]).padStart(WIDTHS[column]))
      .join('')
    console.log(
      `  ${name.padEnd(36)}${row}${attach === attachRefreshOnce ? verdict(result, scenario.limits) : ''}`,
    )
  }
}

async function play(scenario, attach) {
  const server = await createAuthServer()
  const closing = []
  const signIn = (tokens, expiresAt) => {
    const instance = axios.create({ baseURL: server.url })
    const mine = { accessToken: tokens.access_token, refreshToken: tokens.refresh_token, expiresAt }
    const session = attach(instance, mine, (current) => refresh(server, current))
    if (session) closing.push(session)
    return instance
  }
  const storm = (api) => settle(Array.from({ length: STORM }, (_, id) => api.get(`/api/items?id=${id}`)))
  const outcomes = await scenario.run({ server, signIn, storm })
  const effects = server.log.filter((entry) => entry.kind === 'effect').length
  const ids = new Set(server.log.filter((entry) => entry.kind === 'effect').map((entry) => entry.id)).size
  const result = {
    refreshes: server.count.refreshes,
    api: server.count.api,
    failed: outcomes.filter((outcome) => outcome === 'failed').length,
    unsettled: outcomes.filter((outcome) => outcome === 'unsettled').length,
    twice: effects - ids,
  }
  for (const session of closing) session.close()
  await server.close()
  return result
}

async function refresh(server, { refreshToken }) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refreshToken })
  const { data } = await axios.post(server.tokenEndpoint, body)
  return { accessToken: data.access_token, refreshToken: data.refresh_token, expiresIn: data.expires_in }
}

function attachNaively(instance, tokens, refresh) {
  instance.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${tokens.accessToken}`
    return config
  })
  instance.interceptors.response.use(undefined, async (error) => {
    const original = error.config
    if (error.response?.status !== 401 || original._retry) throw error
    original._retry = true
    Object.assign(tokens, await refresh(tokens))
    return instance(original)
  })
}

function attachRefreshOnce(instance, tokens, refresh) {
  const session = createSession({
    refresh: ({ tokens: current }) => refresh(current),
    tokens,
    deadline: DEADLINE,
  })
  attachSession(instance, session)
  return session
}

function settle(requests) {
  let timer
  const patience = new Promise((resolve) => {
    timer = setTimeout(() => resolve('unsettled'), PATIENCE)
  })
  const outcomes = requests.map((request) =>
    Promise.race([
      request.then(
        () => 'answered',
        () => 'failed',
      ),
      patience,
    ]),
  )
  return Promise.all(outcomes).finally(() => clearTimeout(timer))
}

function verdict(result, limits) {
  const over = Object.keys(limits).filter((key) => result[key] > limits[key])
  const shown = Object.entries(limits).map(([key, limit]) => `${NAMES[key]} ≤ ${limit}`)
  return `   ${over.length === 0 ? 'PASS' : 'over'} (${shown.join(', ')})`
}
