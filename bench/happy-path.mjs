/**
 * What a request costs while the token is usable: axios with a stub adapter, so that nothing but the
 * client's own work is measured. Bare axios runs twice (see rounds.mjs).
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { median, REQUESTS, ROUNDS, takeTurns } from './rounds.mjs'

const LIMITS = { newest: { bare: 1.12, byHand: 1 }, oldest: { bare: 1.2 } }

if (process.argv[2] === undefined) runBoth()
else await measure(process.argv[2])

function runBoth() {
  const self = fileURLToPath(import.meta.url)
  const hook = new URL('./axios-oldest.mjs', import.meta.url).href
  for (const args of [
    [self, 'newest'],
    ['--import', hook, self, 'oldest'],
  ]) {
    if (spawnSync(process.execPath, args, { stdio: 'inherit' }).status !== 0) process.exitCode = 1
  }
}

async function measure(release) {
  const { VERSION, ...contestants } = await contestantsOf()
  const requests = Object.entries(contestants).map(([name, instance]) => [name, () => instance.get('/x')])
  const times = await takeTurns(Object.fromEntries(requests))

  const ratio = (name, base) => median(times[name].map((time, round) => time / times[base][round]))
  const limit = LIMITS[release]
  console.log(`axios ${VERSION} (${release} of the peer range), ${ROUNDS} rounds of ${REQUESTS} requests\n`)
  console.log('                                µs/request   to bare           to hand-written')
  for (const name of Object.keys(times)) {
    const ours = name.startsWith('refresh-once')
    console.log(
      [
        name.padEnd(32),
        median(times[name]).toFixed(2).padStart(10),
        `   ${verdict(ratio(name, 'bare axios'), ours && limit.bare)}`.padEnd(21),
        `   ${verdict(ratio(name, 'hand-written interceptors'), ours && limit.byHand)}`,
      ]
        .join('')
        .trimEnd(),
    )
  }
  console.log()
}

async function contestantsOf() {
  const { default: axios, AxiosHeaders } = await import('axios')
  const { attachByHand } = await import('./hand-written.mjs')
  const { createSession } = await import('../dist/index.js')
  const { attachSession } = await import('../dist/transports/axios.js')

  const create = () => axios.create({ baseURL: 'https://api.example.com', adapter: stubAdapter })
  const refresh = async () => {
    throw new Error('The happy path has no refresh.')
  }
  const attached = (tokens) => {
    const session = createSession({ refresh })
    session.signIn(tokens)
    const instance = create()
    attachSession(instance, session)
    return instance
  }

  const byHand = create()
  attachByHand(byHand, { accessToken: 'a' }, refresh)
  return {
    VERSION: axios.VERSION,
    'bare axios': create(),
    'bare axios, once more': create(),
    'the least guard': withLeastGuard(create(), AxiosHeaders),
    'hand-written interceptors': byHand,
    'refresh-once, no expiry': attached({ accessToken: 'a', refreshToken: 'r' }),
    'refresh-once, expires in 1 h': attached({
      accessToken: 'a',
      refreshToken: 'r',
      expiresAt: Date.now() + 3_600_000,
    }),
  }
}

/** The least that can stand at the adapter, and leave the caller's config as it was: a header, and a look at the status. */
function withLeastGuard(instance, AxiosHeaders) {
  const guard = async (config) => {
    const { headers } = config
    config.adapter = stubAdapter
    config.headers = Object.assign(new AxiosHeaders(), headers, { Authorization: 'Bearer a' })
    const response = await stubAdapter(config)
    config.headers = headers
    if (response.status === 401) throw new Error('The happy path has no 401.')
    return response
  }
  const guarded = (config) => Object.assign(config, { adapter: guard })
  instance.interceptors.request.use(guarded, null, { synchronous: true })
  return instance
}

async function stubAdapter(config) {
  return { data: '{}', status: 200, statusText: 'OK', headers: {}, config, request: null }
}

function verdict(ratio, limit) {
  const shown = ratio.toFixed(3)
  if (!limit) return shown
  return `${shown} ${ratio <= limit ? 'PASS' : 'over'} (≤ ${limit.toFixed(2)})`
}
