/**
 * A hundred thousand sessions in one process: what one costs at rest, and what it costs to refresh them all when
 * they expire together. The records are in a Map, as they would be in Redis, so that nothing but the pool is
 * measured. The refresh is a stub; the peer is the same stub, called without a pool, with the same limit on how
 * many run at a time. Each figure comes from a process of its own.
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SESSIONS = 100_000
const MAX = 10_000
const AT_A_TIME = 200
const ROUNDS = 5

if (process.argv[2] === undefined) report()
else await { rest, expiry }[process.argv[2]](process.argv[3])

function report() {
  const { pooled, record } = child('rest')
  console.log(
    `${SESSIONS.toLocaleString('en')} sessions at rest: ${pooled.toFixed(0)} bytes each, besides their record`,
  )
  console.log(`(a record in the store: ${record.toFixed(0)} bytes)\n`)

  console.log(`all expire; a pool with max ${MAX.toLocaleString('en')}, ${AT_A_TIME} at a time\n`)
  console.log('                 refreshes   most in memory   refreshes/s   to the bare refresh')
  const runs = { bare: [], pool: [] }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const name of round % 2 ? ['pool', 'bare'] : ['bare', 'pool']) runs[name].push(child('expiry', name))
  }
  const seconds = (name) => median(runs[name].map((run) => run.seconds))
  for (const name of ['bare', 'pool']) {
    const [{ refreshes, most }] = runs[name]
    console.log(
      [
        name.padEnd(12),
        refreshes.toLocaleString('en').padStart(14),
        most.toLocaleString('en').padStart(17),
        Math.round(refreshes / seconds(name))
          .toLocaleString('en')
          .padStart(14),
        (seconds('bare') / seconds(name)).toFixed(2).padStart(22),
      ].join(''),
    )
  }
  const bounded = runs.pool.every(({ most }) => most <= MAX + AT_A_TIME)
  const once = runs.pool.every(({ refreshes }) => refreshes === SESSIONS)
  console.log(`\nmemory bounded by max and those in flight: ${bounded ? 'PASS' : 'over'}`)
  console.log(`one refresh each: ${once ? 'PASS' : 'over'}`)
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
  const records = newRecords()
  for (let id = 0; id < SESSIONS; id += 1) records.set(String(id), record(String(id), Date.now() + 3_600_000))
  const stored = await heapUsed()
  const pool = await createPool(records, stub, SESSIONS)
  for (let id = 0; id < SESSIONS; id += 1) await pool.use(String(id), (session) => session.getAccessToken())
  const pooled = await heapUsed()
  console.log(JSON.stringify({ record: (stored - empty) / SESSIONS, pooled: (pooled - stored) / SESSIONS }))
  await pool.close()
}

/** Refreshes them all, through the pool or without it. */
async function expiry(name) {
  const records = newRecords()
  for (let id = 0; id < SESSIONS; id += 1) records.set(String(id), record(String(id), Date.now() - 1))
  let refreshes = 0
  const refresh = async (context) => {
    refreshes += 1
    return stub(context)
  }
  const pool = await createPool(records, refresh, MAX)
  let most = 0
  const one = {
    bare: (id) => refresh({ id, tokens: JSON.parse(records.get(id)).tokens }),
    pool: async (id) => {
      await pool.use(id, (session) => session.getAccessToken())
      most = Math.max(most, pool.stats.sessions)
    },
  }[name]

  const started = performance.now()
  let next = 0
  const worker = async () => {
    while (next < SESSIONS) {
      const id = String(next)
      next += 1
      await one(id)
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, worker))
  console.log(JSON.stringify({ refreshes, most, seconds: (performance.now() - started) / 1000 }))
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

function newRecords() {
  return new Map()
}

function record(id, expiresAt) {
  const version = { epoch: `${'0'.repeat(15)}bench`, generation: 1, nonce: 'bench' }
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
