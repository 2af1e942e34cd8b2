/**
 * What an upload of 256 MB from a Blob holds in memory: peak resident size of a process that sends it, by bare
 * fetch and by a guarded one. The Blob is a file, so that nobody holds its bytes who does not want to; one
 * contestant does, to show what that looks like. Each figure comes from a process of its own; the server, which
 * takes the bytes and forgets them, runs in this one.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openAsBlob, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const LIMIT = 1.2
/** What a process needs at least: garbage that has not been collected yet is not held by anybody. */
const RUNS = 3
const MEGABYTES = 256

/** Each sends the Blob, or sends it until it is accepted. */
const contestants = {
  'bare fetch': (url, body) => fetch(`${url}/upload`, { method: 'POST', body }),
  'bare fetch, with a copy': async (url, body) => {
    const copy = await body.arrayBuffer()
    const response = await fetch(`${url}/upload`, { method: 'POST', body })
    return copy.byteLength > 0 ? response : undefined
  },
  'refresh-once': async (url, body) => (await guarded(url, 'new'))(`${url}/upload`, { method: 'POST', body }),
  'bare fetch, sent twice': async (url, body) => {
    const headers = { authorization: 'Bearer old' }
    await (await fetch(`${url}/upload`, { method: 'POST', body, headers })).text()
    return fetch(`${url}/upload`, { method: 'POST', body })
  },
  'refresh-once, a 401 and its replay': async (url, body) =>
    (await guarded(url, 'old'))(`${url}/upload`, { method: 'POST', body }),
  // A Request can be read once: a clone of it is kept, and with it the bytes.
  'refresh-once, the same as a Request': async (url, body) =>
    (await guarded(url, 'old'))(new Request(`${url}/upload`, { method: 'POST', body })),
}

if (process.argv[2] === undefined) await compare()
else await measure(...process.argv.slice(2))

async function compare() {
  let received = 0
  const server = createServer(async (request, response) => {
    for await (const chunk of request) received += chunk.length
    const refused = request.url === '/upload' && request.headers.authorization === 'Bearer old'
    response.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' })
    response.end('{"access_token":"new","expires_in":3600}')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const self = fileURLToPath(import.meta.url)
  const folder = mkdtempSync(join(tmpdir(), 'upload-'))
  const file = join(folder, 'blob')
  writeFileSync(file, '')
  truncateSync(file, MEGABYTES * 2 ** 20)

  console.log(`Node ${process.versions.node}, a Blob of ${MEGABYTES} MB\n`)
  console.log('                                      sent, MB   peak, MB   to bare fetch')
  let bare
  for (const name of Object.keys(contestants)) {
    received = 0
    let peak = Number.POSITIVE_INFINITY
    for (let i = 0; i < RUNS; i += 1) {
      const { stdout } = await promisify(execFile)(process.execPath, [self, name, url, file])
      peak = Math.min(peak, Number(stdout) / 1024)
    }
    if (/^bare fetch(, sent twice)?$/.test(name)) bare = peak
    const ratio = peak / bare
    const limited = /^refresh-once(, a 401 and its replay)?$/.test(name)
    const verdict = limited ? `   ${ratio <= LIMIT ? 'PASS' : 'over'} (≤ ${LIMIT})` : ''
    const sent = (received / RUNS / 2 ** 20).toFixed(0)
    console.log(
      `${name.padEnd(36)}${sent.padStart(10)}${peak.toFixed(0).padStart(11)}${ratio.toFixed(2).padStart(16)}${verdict}`,
    )
  }
  rmSync(folder, { recursive: true })
  server.close()
  server.closeAllConnections()
}

/** Prints the peak in kilobytes. */
async function measure(name, url, file) {
  const { status } = await contestants[name](url, await openAsBlob(file))
  if (status !== 200) throw new Error(`The upload was answered with ${status}.`)
  console.log(process.resourceUsage().maxRSS)
}

async function guarded(url, accessToken) {
  const { createSession } = await import('../dist/index.js')
  const { withSession } = await import('../dist/transports/fetch.js')
  const session = createSession({
    refresh: ({ signal }) => fetch(`${url}/token`, { method: 'POST', signal }),
    tokens: { accessToken, refreshToken: 'r' },
  })
  return withSession(session, { origins: [url] })
}
