/**
 * What a request costs while the token is usable: axios with a stub adapter, so that nothing but the
 * client's own work is measured. The contestants take turns in one process, in an order that changes
 * every round; a ratio is the median of the ratios within a round. Bare axios runs twice: how far its
 * second ratio is from 1 tells how far to trust the others. Time is processor time, so that other work
 * on the machine disturbs less. No collection is forced between the rounds: a full one at rest drops the
 * engine's optimized code with the last object of each shape, and what follows measures the compiler.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROUNDS = 300
const WARM_UP_ROUNDS = 100
const REQUESTS = 500
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
  const names = Object.keys(contestants)
  const times = Object.fromEntries(names.map((name) => [name, []]))

  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    for (const name of shuffled(names)) {
      const time = await microsecondsPerRequest(contestants[name])
      if (round >= 0) times[name].push(time)
    }
  }

  const ratio = (name, base) => median(times[name].map((time, round) => time / times[base][round]))
  const limit = LIMITS[release]
  console.log(`axios ${VERSION} (${release} of the peer range), ${ROUNDS} rounds of ${REQUESTS} requests\n`)
  console.log('                                µs/request   to bare           to hand-written')
  for (const name of names) {
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
  const { default: axios } = await import('axios')
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
    'hand-written interceptors': byHand,
    'refresh-once, no expiry': attached({ accessToken: 'a', refreshToken: 'r' }),
    'refresh-once, expires in 1 h': attached({
      accessToken: 'a',
      refreshToken: 'r',
      expiresAt: Date.now() + 3_600_000,
    }),
  }
}

async function stubAdapter(config) {
  return { data: '{}', status: 200, statusText: 'OK', headers: {}, config, request: null }
}

async function microsecondsPerRequest(instance) {
  const started = process.cpuUsage()
  for (let i = 0; i < REQUESTS; i += 1) await instance.get('/x')
  const { user, system } = process.cpuUsage(started)
  return (user + system) / REQUESTS
}

function verdict(ratio, limit) {
  const shown = ratio.toFixed(3)
  if (!limit) return shown
  return `${shown} ${ratio <= limit ? 'PASS' : 'over'} (≤ ${limit.toFixed(2)})`
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.floor(middle - 0.5)] + sorted[Math.floor(middle)]) / 2
}

function shuffled(values) {
  return values
    .map((value) => [Math.random(), value])
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value)
}
