/**
 * A hundred thousand sessions in one process: what one costs at rest, and what it costs to refresh them all when
 * they expire together. The records are in a Map, as they would be in Redis, so that nothing but the pool is
 * measured. The peer is the same refresh function, called without a pool, with the same limit on how many run at a
 * time. There are two: a stub, which shows what the pool itself costs, and one that asks a token endpoint in another
 * process over HTTP, which shows what is left of that in practice. Each figure comes from a process of its own.
 * Seconds are those of its processor time, so that other work on the machine disturbs less.
 */
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'

/** By the refresh function: a stub takes them all, a real one fewer, so that it ends some time. */
const SESSIONS = { stub: 100_000, http: 20_000 }
const ROUNDS = 3
/** Kept in memory, as a share of all. */
const KEPT = 0.1
const AT_A_TIME = 200
/** Bytes of a session at rest. */
const LIMIT = 3_500

const [what, ...which] = process.argv.slice(2)
if (what === undefined) await report()
else await { rest, expiry, answer }[what](...which)

async function report() {
  const { pooled, record } = child('rest')
  console.log(
    `${written(SESSIONS.stub)} sessions at rest: ${pooled.toFixed(0)} bytes each, besides their record   ${pooled <= LIMIT ? 'PASS' : 'over'} (≤ ${written(LIMIT)})`,
  )
  console.log(`(a record in the store: ${record.toFixed(0)} bytes)\n`)

  console.log(`all expire; a pool with max ${KEPT * 100} % of them, ${AT_A_TIME} at a time\n`)
  console.log('                 refreshes   most in memory   refreshes/s   to the bare refresh')
  const endpoint = fork(fileURLToPath(import.meta.url), ['answer'])
  try {
    const [url] = await once(endpoint, 'message')
    const runs = [...compare('stub'), ...compare('http', url)]
    const bounded = runs.every(({ most, way }) => most <= SESSIONS[way] * KEPT + AT_A_TIME)
    const single = runs.every(({ refreshes, way }) => refreshes === SESSIONS[way])
    console.log(`\nmemory bounded by max and those in flight: ${bounded ? 'PASS' : 'over'}`)
    console.log(`one refresh each: ${single ? 'PASS' : 'over'}`)
    if (!bounded || !single) process.exitCode = 1
  } finally {
    endpoint.kill()
  }
}

/** Prints a row for the bare function and one for the pool; they take turns. */
function compare(way, url = '') {
  const runs = { bare: [], pool: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of round % 2 ? ['pool', 'bare'] : ['bare', 'pool'])
      runs[name].push({ ...child('expiry', name, way, url), way })
  }
  const seconds = (name) => median(runs[name].map((run) => run.seconds))
  for (const name of ['bare', 'pool']) {
    const [{ refreshes, most }] = runs[name]
    console.log(
      [
        `${way} ${name}`.padEnd(12),
        written(refreshes).padStart(14),
        written(most).padStart(17),
        written(Math.round(refreshes / seconds(name))).padStart(14),
        (seconds('bare') / seconds(name)).toFixed(2).padStart(22),
      ].join(''),
    )
  }
  return [...runs.bare, ...runs.pool]
}

function child(...args) {
  const command = ['--expose-gc', '--max-old-space-size=4096', fileURLToPath(import.meta.url), ...args]
  return JSON.parse(
    execFileSync(process.execPath, command, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  )
}

/** Bytes per session at rest, and per record. */
async function rest() {
  const empty = await heapUsed()
  const records = newRecords(SESSIONS.stub, Date.now() + 3_600_000)
  const stored = await heapUsed()
  const pool = await createPool(records, stub, SESSIONS.stub)
  for (let id = 0; id < SESSIONS.stub; id += 1)
    await pool.use(String(id), (session) => session.getAccessToken())
  const pooled = await heapUsed()
  console.log(
    JSON.stringify({ record: (stored - empty) / SESSIONS.stub, pooled: (pooled - stored) / SESSIONS.stub }),
  )
  await pool.close()
}

/** Refreshes them all, through the pool or without it. */
async function expiry(name, way, url) {
  const sessions = SESSIONS[way]
  const records = newRecords(sessions, Date.now() - 1)
  const renew = { stub, http: exchangeAt(url) }[way]
  let refreshes = 0
  const refresh = (context) => {
    refreshes += 1
    return renew(context)
  }
  const pool = await createPool(records, refresh, sessions * KEPT)
  let most = 0
  const one = {
    bare: async (id) => {
      const { tokens } = JSON.parse(records.get(id))
      // Somebody without a session would have to see to it, too, that it ends some time.
      const answer = await refresh({ id, tokens, signal: AbortSignal.timeout(60_000) })
      return answer instanceof Response ? answer.json() : answer
    },
    pool: async (id) => {
      await pool.use(id, (session) => session.getAccessToken())
      most = Math.max(most, pool.stats.sessions)
    },
  }[name]

  const started = process.cpuUsage()
  let next = 0
  const worker = async () => {
    while (next < sessions) {
      const id = String(next)
      next += 1
      await one(id)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  const { user, system } = process.cpuUsage(started)
  console.log(JSON.stringify({ refreshes, most, seconds: (user + system) / 1e6 }))
  await pool.close()
}

async function createPool(records, refresh, max) {
  const { createSessionPool } = await import('../dist/pool.js')
  const { memoryStore } = await import('../dist/index.js')
  const store = (id) =>
    memoryStore({
      storage: {
        getItem: (key) => records.get(key),
        setItem: (key, value) => void records.set(key, value),
        removeItem: (key) => void records.delete(key),
      },
      key: id,
    })
  return createSessionPool({ store, refresh, max })
}

function newRecords(count, expiresAt) {
  const ids = Array.from({ length: count }, (_, index) => String(index))
  return new Map(ids.map((id) => [id, record(id, expiresAt)]))
}

function record(id, expiresAt) {
  const version = { epoch: '1'.padStart(15, '0'), generation: 1, nonce: 'bench' }
  return JSON.stringify({
    version,
    tokens: { accessToken: `access-${id}`, refreshToken: `refresh-${id}`, expiresAt },
  })
}

/** A refresh that takes one turn of the event loop, as an answer from a socket does at least. */
async function stub({ id }) {
  await new Promise(setImmediate)
  return { accessToken: `renewed-${id}`, refreshToken: `next-${id}`, expiresIn: 3600 }
}

/** The refresh that most people write. */
function exchangeAt(url) {
  return ({ tokens, signal }) => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken })
    return fetch(url, { method: 'POST', body, signal })
  }
}

/** The token endpoint: it does as little as one can. */
async function answer() {
  const server = createServer(async (request, response) => {
    let form = ''
    for await (const chunk of request) form += chunk
    const token = new URLSearchParams(form).get('refresh_token')
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        access_token: `renewed-${token}`,
        refresh_token: `${token}-next`,
        token_type: 'Bearer',
        expires_in: 3600,
      }),
    )
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.send(`http://127.0.0.1:${server.address().port}/token`)
  // Not longer than the one who asks.
  process.once('disconnect', () => process.exit())
}

function written(number) {
  return number.toLocaleString('en')
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

/** Heap in use once the loop has come to rest and the garbage is gone. */
async function heapUsed() {
  for (let i = 0; i < 3; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc()
  }
  return process.memoryUsage().heapUsed
}
