/**
 * axios-refresh-me and refresh-once/axios-refresh-me side by side: the same app, written as the README of
 * axios-refresh-me teaches it, against the same kind of server, with nothing changed but the factory.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import axios from 'axios'
import { createFactory } from '../dist/compat/axios-refresh-me.js'
import { createAuthServer } from '../dist/testing/index.js'
import { tool } from '../scripts/setup.mjs'

const DEADLINE = 1000
/** Whoever has not settled by then never will, in milliseconds: nothing else takes longer than the deadline. */
const PATIENCE = DEADLINE + 2000
/** What the drop-in may cost on top of createSession and attachSession, in bytes. */
const LAYER = 800

const COLUMNS = {
  refreshes: 'refreshes',
  api: 'API requests',
  answered: 'answered',
  rejected: 'rejected',
  resolved: 'resolved with the error',
  unsettled: 'never settled',
  twice: 'executed twice',
}

const contestants = {
  'axios-refresh-me 0.0.28': { open: openTheirs, options: {} },
  'refresh-once': { open: () => createFactory(), options: { deadline: DEADLINE } },
}

const scenarios = [
  {
    title: 'a storm of 50 with an expired token',
    expected: { refreshes: 1, answered: 50 },
    run({ server, api }) {
      server.expireAccessTokens()
      return times(50, (id) => api.get(`/api/items?id=${id}`))
    },
  },
  {
    title: 'two 401s that come after the refresh, of callers with a signal each',
    app: { combineAbortSignals: true },
    expected: { refreshes: 1, answered: 3 },
    async run({ server, api }) {
      server.expireAccessTokens()
      const gate = server.hold('/api/echo')
      const late = times(2, () => api.post('/api/echo', {}, { signal: new AbortController().signal }))
      await gate.untilArrived(2)
      const early = api.get('/api/items')
      await settled([early])
      gate.release()
      return [early, ...late]
    },
  },
  {
    title: 'a refresh that is refused',
    expected: { rejected: 6, unsettled: 0 },
    run({ server, api }) {
      server.revokeFamily('alice')
      return times(6, (id) => api.get(`/api/items?id=${id}`))
    },
  },
  {
    title: '… and 5 requests after the next login',
    expected: { answered: 5, unsettled: 0 },
    async run({ server, api, login }) {
      server.revokeFamily('alice')
      await settled([api.get('/api/items')])
      login()
      return times(5, (id) => api.get(`/api/items?id=${id}`))
    },
  },
  {
    title: 'a refresh that hangs',
    expected: { rejected: 6, unsettled: 0 },
    run({ server, api }) {
      server.expireAccessTokens()
      server.fault('hang', { times: Number.POSITIVE_INFINITY })
      return times(6, (id) => api.get(`/api/items?id=${id}`))
    },
  },
  {
    title: '… and 5 requests after the next login',
    expected: { answered: 5, unsettled: 0 },
    async run({ server, api, login }) {
      server.expireAccessTokens()
      server.fault('hang', { times: Number.POSITIVE_INFINITY })
      await settled([api.get('/api/items')])
      login()
      return times(5, (id) => api.get(`/api/items?id=${id}`))
    },
  },
  {
    title: '20 POSTs executed, not yet answered',
    expected: { refreshes: 1, answered: 21, twice: 0 },
    async run({ server, api }) {
      const gate = server.hold('/api/effects')
      const posts = times(20, (id) => api.post(`/api/effects?id=${id}`, { id }))
      await gate.untilArrived(20)
      server.expireAccessTokens()
      const get = api.get('/api/items')
      await settled([get])
      gate.release()
      return [get, ...posts]
    },
  },
  {
    title: 'a caller who aborts while it waits (its own API requests)',
    expected: { rejected: 1, api: 0 },
    count: (server) => server.requests.filter(({ id }) => id === 'left').length,
    async run({ server, api }) {
      server.expireAccessTokens()
      server.fault('hang')
      const first = api.get('/api/items')
      first.catch(() => {})
      await server.until('fault')
      const controller = new AbortController()
      const left = api.get('/api/items?id=left', { signal: controller.signal })
      left.catch(() => {})
      controller.abort()
      server.release()
      await settled([first])
      return [left]
    },
  },
  {
    title: 'a caller who aborts on the way',
    expected: { rejected: 1, api: 1 },
    async run({ server, api }) {
      const gate = server.hold('/api/items')
      const controller = new AbortController()
      const left = api.get('/api/items', { signal: controller.signal })
      await gate.untilArrived()
      controller.abort()
      gate.release()
      return [left]
    },
  },
  {
    title: 'a 500, without response handlers of the app',
    handlers: false,
    expected: { rejected: 1, resolved: 0 },
    run: ({ api }) => [api.get('/api/status/500')],
  },
]

const quiet = console.error
const width = Math.max(...Object.keys(contestants).map(({ length }) => length)) + 4
console.log(
  `${' '.repeat(width)}${Object.values(COLUMNS)
    .map((label) => cell(label, label))
    .join('')}`,
)
for (const scenario of scenarios) {
  console.log(`\n${scenario.title}`)
  for (const [name, contestant] of Object.entries(contestants)) {
    const result = await play(scenario, contestant)
    const row = Object.entries(COLUMNS).map(([key, label]) => cell(result[key], label))
    console.log(`  ${name.padEnd(width - 2)}${row.join('')}${verdict(name, result, scenario.expected)}`)
  }
}
printSize()

async function play({ run, count, app, handlers = true }, { open, options }) {
  const server = await createAuthServer()
  const storage = {}
  const login = () => {
    const { access_token, refresh_token } = server.mint('alice')
    Object.assign(storage, { access_token, refresh_token })
  }
  login()
  const factory = await open()
  let refreshes = 0
  factory.use({
    async refreshHandler() {
      refreshes++
      const { refresh_token } = storage
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
      Object.assign(storage, (await axios.post(server.tokenEndpoint, body)).data)
    },
    ...options,
    ...app,
  })
  factory.interceptor.request.use((config) => {
    config.headers.Authorization = `Bearer ${storage.access_token}`
    return config
  })
  if (handlers) {
    factory.interceptor.response.use(
      (response) => response,
      (error) => Promise.reject(error),
    )
  }
  const api = factory.getInstance({ baseURL: server.url })
  // axios-refresh-me prints the failure of a refresh.
  console.error = () => {}
  const outcomes = await settled(await run({ server, api, login }))
  console.error = quiet
  const effects = server.log.filter(({ kind }) => kind === 'effect').map(({ id }) => id)
  const tally = (outcome) => outcomes.filter((one) => one === outcome).length
  const result = {
    refreshes,
    api: count ? count(server) : server.count.api,
    answered: tally('answered'),
    rejected: tally('rejected'),
    resolved: tally('resolved with the error'),
    unsettled: tally('unsettled'),
    twice: effects.length - new Set(effects).size,
  }
  await server.close()
  return result
}

/** Their state is that of the module: a query makes a module of its own. */
async function openTheirs() {
  openTheirs.opened = (openTheirs.opened ?? 0) + 1
  const entry = import.meta.resolve('axios-refresh-me')
  const [, chunk] = /from '(\.\/chunk-[^']+)'/.exec(readFileSync(fileURLToPath(entry), 'utf8'))
  return (await import(`${new URL(chunk, entry)}?${openTheirs.opened}`)).b
}

/** An error that resolves is no answer. */
function settled(requests) {
  let timer
  const patience = new Promise((resolve) => {
    timer = setTimeout(() => resolve('unsettled'), PATIENCE)
  })
  const outcomes = requests.map((request) =>
    Promise.race([
      request.then(
        (value) => (value instanceof Error ? 'resolved with the error' : 'answered'),
        () => 'rejected',
      ),
      patience,
    ]),
  )
  return Promise.all(outcomes).finally(() => clearTimeout(timer))
}

function times(count, make) {
  return Array.from({ length: count }, (_, index) => make(index))
}

function cell(value, label) {
  return String(value).padStart(label.length + 3)
}

function verdict(name, result, expected) {
  if (name !== 'refresh-once') return ''
  const off = Object.entries(expected).filter(([key, value]) => result[key] !== value)
  if (off.length > 0) process.exitCode = 1
  const shown = off.map(([key, value]) => `${COLUMNS[key]}: expected ${value}`)
  return off.length === 0 ? '   PASS' : `   FAIL (${shown.join(', ')})`
}

function printSize() {
  const measured = JSON.parse(
    execFileSync(process.execPath, tool('size-limit', '--json'), { encoding: 'utf8' }),
  )
  const sizeOf = (beginning) => measured.find(({ name }) => name.startsWith(beginning)).size
  const layer = sizeOf('axios-refresh-me') - sizeOf('createSession + attachSession')
  if (layer > LAYER) process.exitCode = 1
  console.log(
    `\nrefresh-once/axios-refresh-me on top of createSession and attachSession: ${layer} bytes, minified and brotli   ${layer > LAYER ? 'over' : 'PASS'} (≤ ${LAYER})`,
  )
}
