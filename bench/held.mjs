/**
 * What a request costs in memory while it is held behind one refresh, beyond what the bare client keeps for
 * the same number of requests that have no answer yet. Each figure comes from a process of its own.
 */
import { execFileSync } from 'node:child_process'
import { totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

const LIMITS = { axios: 1100, fetch: 900 }
const COUNTS = [100_000, 1_000_000]
/** A held request and the caller's promise, config and response, with room to spare. */
const ROOM_PER_REQUEST = 8_000

/** Each makes a function that sends one request: by the bare client, or in the care of a session. */
const clients = {
  async axios(sending, session) {
    const { default: axios } = await import('axios')
    const { attachSession } = await import('../dist/transports/axios.js')
    const adapter = (config) => sending().then(() => answer(config))
    const instance = axios.create({ baseURL: 'https://api.example.com', adapter })
    if (session) attachSession(instance, session)
    return () => instance.get('/x')
  },

  async fetch(sending, session) {
    const { withSession } = await import('../dist/transports/fetch.js')
    // They all get the same answer: it is not what is measured.
    const response = new Response('{}')
    const bare = async () => {
      await sending()
      return response
    }
    const own = session ? withSession(session, { origins: ['https://api.example.com'], fetch: bare }) : bare
    return () => own('https://api.example.com/x')
  },
}

if (process.argv[2] !== undefined) await measure(...process.argv.slice(2))
else for (const client of Object.keys(LIMITS)) compare(client)

function compare(client) {
  const limit = LIMITS[client]
  console.log(`requests held     bare ${client}   refresh-once   difference, bytes per request`)
  const differences = []
  for (const count of COUNTS) {
    if (totalmem() < count * ROOM_PER_REQUEST) {
      console.log(
        `${count.toLocaleString('en').padStart(13)}     left out: this machine has too little memory`,
      )
      continue
    }
    const bare = inChild(client, 'bare', count)
    const ours = inChild(client, 'refresh-once', count)
    const difference = ours - bare
    differences.push(difference)
    console.log(
      [
        count.toLocaleString('en').padStart(13),
        bare.toFixed(0).padStart(15),
        ours.toFixed(0).padStart(15),
        difference.toFixed(0).padStart(13),
        `   ${difference <= limit ? 'PASS' : 'over'} (≤ ${limit})`,
      ].join(''),
    )
  }
  if (differences.length < 2) return
  const [few, many] = differences
  const growth = (many / few - 1) * 100
  console.log(
    `\nfrom few to many: ${growth.toFixed(1)} %   ${growth <= 10 ? 'PASS, flat' : 'over, not flat'} (≤ 10 %)\n`,
  )
}

function inChild(client, contestant, count) {
  const room = Math.ceil((count * ROOM_PER_REQUEST) / 2 ** 20) + 512
  const args = [
    '--expose-gc',
    `--max-old-space-size=${room}`,
    fileURLToPath(import.meta.url),
    client,
    contestant,
    String(count),
  ]
  return Number(
    execFileSync(process.execPath, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  )
}

async function measure(client, contestant, count) {
  const { hold, release } = await (contestant === 'bare' ? bare(client) : refreshOnce(client))
  await heapUsed()
  const before = await heapUsed()
  const requests = new Array(Number(count))
  for (let i = 0; i < count; i += 1) {
    requests[i] = hold()
    if (i % 10_000 === 0) await new Promise(setImmediate)
  }
  const after = await heapUsed()
  release()
  for (const request of requests) {
    const { status } = await request
    if (status !== 200) throw new Error(`A held request was answered with ${status}.`)
  }
  console.log((after - before) / count)
}

async function bare(client) {
  const gate = withResolvers()
  return { hold: await clients[client](() => gate.promise), release: () => gate.resolve() }
}

async function refreshOnce(client) {
  const { createSession } = await import('../dist/index.js')
  const refreshed = withResolvers()
  const session = createSession({
    refresh: () => refreshed.promise,
    tokens: { accessToken: 'a', refreshToken: 'r', expiresAt: Date.now() - 1000 },
    deadline: 600_000,
    lease: 900_000,
  })
  let sent = 0
  const hold = await clients[client](async () => {
    sent += 1
  }, session)
  return {
    hold,
    release: () => {
      if (sent > 0) throw new Error(`${sent} requests were sent that should have been held.`)
      refreshed.resolve({ accessToken: 'b', refreshToken: 's', expiresIn: 3600 })
    },
  }
}

function answer(config) {
  return { data: '{}', status: 200, statusText: 'OK', headers: {}, config, request: null }
}

/** Heap in use once the loop has come to rest and the garbage is gone. */
async function heapUsed() {
  for (let i = 0; i < 3; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc()
  }
  return process.memoryUsage().heapUsed
}

function withResolvers() {
  const deferred = {}
  deferred.promise = new Promise((resolve, reject) => Object.assign(deferred, { resolve, reject }))
  return deferred
}
