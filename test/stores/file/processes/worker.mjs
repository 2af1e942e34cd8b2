/**
 * One of the processes that share a login. It does what the driver tells it, and keeps a journal that outlives it: a line
 * is written before a refresh token is sent, and one after its successor was saved.
 */
import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { createSession } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { fileStore } from 'refresh-once/file'

const { path, url, tokenEndpoint, journal, store: options, session: more } = JSON.parse(process.argv[2])

// Modules are files, too.
globalThis.operations.begin()
const store = fileStore({ path, ...options })
/** Its refresh has begun, and never comes back. */
let hang
const hanging = new Promise((resolve) => {
  hang = resolve
})
const session = createSession({
  store: {
    ...store,
    async save(next) {
      const saved = await store.save(next)
      if (next.tokens?.refreshToken) note('saved', fingerprint(next.tokens.refreshToken))
      return saved
    },
  },
  tokens: null,
  deadline: 60_000,
  budget: { refreshes: 1_000, within: 1_000 },
  async refresh({ tokens, signal }) {
    if (process.env.NEVER) {
      hang()
      return new Promise(() => {})
    }
    note('sent', fingerprint(tokens.refreshToken))
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refreshToken })
    return fetch(tokenEndpoint, { method: 'POST', body, signal })
  },
  ...more,
})
const degraded = []
session.observe((event) => event.type === 'degraded' && degraded.push(event.reason))
const call = withSession(session, { origins: [url] })
watchForStalls()

const tasks = {
  request: ({ calls = 1, path = '/api/items' }) =>
    Promise.all(
      Array.from({ length: calls }, () =>
        call(url + path).then(
          (response) => response.text().then(() => String(response.status)),
          (error) => `${error.code}: ${error.message}`,
        ),
      ),
    ),
  signIn: ({ tokens }) => session.signIn(tokens),
  signOut: () => session.signOut(),
  status: () => ({ status: session.state.status, degraded }),
  busy: () => session.busy,
  hanging: () => hanging,
  refuse({ code, names }) {
    globalThis.refuse = (name) => (names.includes(name) ? code : undefined)
  },
  begin: ({ fault }) => globalThis.operations.begin(fault),
  take: () => globalThis.operations.take(),
  async end() {
    session.close()
    process.disconnect()
  },
}

process.on('message', async ({ number, task, ...rest }) => {
  const answer = await (async () => tasks[task](rest))().catch((error) => ({
    error: `${error.code}: ${error.message}`,
  }))
  if (process.connected) process.send({ number, answer })
})
process.on('disconnect', () => process.exit())
await session.getAccessToken().catch(() => {})
process.send({ number: 0 })

function note(what, token, at = Date.now()) {
  if (journal)
    appendFileSync(journal, `${JSON.stringify({ at, what, id: 'alice', token, until: Date.now() })}\n`)
}

/** A machine with too much to do pauses a process as well as a signal does. */
function watchForStalls() {
  let last = Date.now()
  setInterval(() => {
    const now = Date.now()
    if (now - last > (options.ttl ?? 5_000) / 2) note('stalled', '', last)
    last = now
  }, 100).unref()
}

/** As the server's log has it. */
function fingerprint(token) {
  return createHash('sha256').update(token).digest('hex').slice(0, 8)
}
