/**
 * One process of a fleet that shares its sessions through Redis. It does what the driver tells it, and keeps a journal
 * that outlives it: a line is written before a refresh token is sent, and one after its successor was saved.
 */
import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { Agent } from 'node:http'
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { redisStores } from 'refresh-once/redis'

const { redisUrl, kind, api, tokenEndpoint, ids, journal, ttl } = JSON.parse(process.argv[2])
const AT_ONCE = 40

let commands = 0
watchForStalls()
const client = await connect()
const stores = redisStores({ client, ttl })
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
const sessions = ids.map((id) => {
  const session = createSession({
    store: journalled(id, stores(id)),
    tokens: null,
    deadline: 60_000,
    async refresh({ tokens, signal }) {
      note('sent', id, fingerprint(tokens.refreshToken))
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken })
      return fetch(tokenEndpoint, { method: 'POST', body, signal })
    },
  })
  const http = axios.create({ baseURL: api, httpAgent: agent })
  attachSession(http, session)
  return { id, session, http }
})
await inBatches(sessions, ({ session }) => session.getAccessToken().catch(() => {}))

process.on('message', async ({ task, number }) => {
  if (task === 'request') {
    const before = commands
    const outcomes = await inBatches(sessions, async ({ id, http }) => {
      try {
        const { status } = await http.get('/items', { params: { id } })
        return String(status)
      } catch (error) {
        const { response, cause, message } = error
        // That the session has ended is what a 401 says by itself.
        const reason = cause?.code === 'session_expired' ? '' : cause?.code
        return response ? `${response.status} ${reason ?? ''}`.trim() : String(cause?.code ?? message)
      }
    })
    process.send({ number, outcomes, commands: commands - before })
  } else if (task === 'end') {
    for (const { session } of sessions) session.close()
    process.send({ number, outcomes: [], commands })
    process.disconnect()
    agent.destroy()
    if (kind === 'ioredis') client.disconnect()
    else client.destroy()
  }
})
// The driver may die, too.
process.on('disconnect', () => process.exit())
process.send({ number: 0, outcomes: [], commands })

function journalled(id, store) {
  return {
    ...store,
    async save(next) {
      const saved = await store.save(next)
      if (next.tokens?.refreshToken) note('saved', id, fingerprint(next.tokens.refreshToken))
      return saved
    },
  }
}

function note(what, id, token, at = Date.now()) {
  appendFileSync(journal, `${JSON.stringify({ at, what, id, token, until: Date.now() })}\n`)
}

/** A machine with too much to do pauses a process as well as a signal does. */
function watchForStalls() {
  let last = Date.now()
  setInterval(() => {
    const now = Date.now()
    if (now - last > ttl / 2) note('stalled', '', '', last)
    last = now
  }, 100).unref()
}

/** As the server's log has it. */
function fingerprint(token) {
  return createHash('sha256').update(token).digest('hex').slice(0, 8)
}

async function connect() {
  const calls = ['evalSha', 'evalsha', 'eval']
  let client
  if (kind === 'ioredis') {
    const { Redis } = await import('ioredis')
    client = new Redis(redisUrl, { maxRetriesPerRequest: null })
  } else {
    const { createClient } = await import('redis')
    client = createClient({ url: redisUrl })
    client.on('error', () => {})
    await client.connect()
  }
  for (const name of calls) {
    const call = client[name]
    if (!call) continue
    client[name] = (...args) => {
      commands++
      return call.apply(client, args)
    }
  }
  return client
}

async function inBatches(list, work) {
  const results = []
  const next = list.entries()
  const lane = async () => {
    for (const [index, item] of next) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return results
}
