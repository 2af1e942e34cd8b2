/**
 * What a guarded fetch costs while the token is usable: in microseconds over a stub that costs next to nothing, and
 * as a share of a fetch that makes its Request and its Response, as each does before it sends anything. In Node 20 and 24, where `npm test` has
 * installed them, and else in the Node that runs this. Without recall no signal is made; with it, a request
 * that may be recalled gets one.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { installedRuntimes } from '../scripts/runtimes.mjs'
import { median, REQUESTS, ROUNDS, takeTurns } from './rounds.mjs'

const RECALL_LIMIT = Number(process.versions.node.split('.')[0]) >= 24 ? 4 : 7
const LIMITS = { 'without recall': 3, 'with recall': RECALL_LIMIT }
const LEAST = ['the least guard', 'that looks where it leads', 'and can be recalled']
const BARE = 'the stub'
const MAKING = 'a Request and a Response'

if (process.argv[2] === undefined) runInEach()
else await measure()

function runInEach() {
  const installed = installedRuntimes().filter(({ name }) => /^Node 2[04]$/.test(name))
  const programs = installed.length > 0 ? installed.map(({ program }) => program) : [process.execPath]
  for (const program of programs) {
    const { status } = spawnSync(program, [fileURLToPath(import.meta.url), 'measure'], { stdio: 'inherit' })
    if (status !== 0) process.exitCode = 1
  }
}

async function measure() {
  const times = await takeTurns(await contestantsOf())
  console.log(`Node ${process.versions.node}, ${ROUNDS} rounds of ${REQUESTS} requests\n`)
  console.log('                                   µs/request   over the stub   with Request and Response')
  for (const [name, each] of Object.entries(times)) {
    const over = median(each.map((time, round) => time - times[BARE][round]))
    const row = [name.padEnd(35), median(each).toFixed(2).padStart(10), over.toFixed(2).padStart(10)]
    const limit = LIMITS[name]
    const compared = limit || LEAST.includes(name)
    row.push((limit ? `   ${over <= limit ? 'PASS' : 'over'} (≤ ${limit})` : '').padEnd(16))
    if (compared)
      row.push(
        median(each.map((time, round) => 1 + (time - times[BARE][round]) / times[MAKING][round])).toFixed(2),
      )
    console.log(row.join(''))
  }
  console.log()
}

async function contestantsOf() {
  const { createSession } = await import('../dist/index.js')
  const { withSession } = await import('../dist/transports/fetch.js')

  const url = 'https://api.example.com/x'
  const answer = new Response('{}')
  const stub = async (_input, _init) => answer
  const guarded = (recall) => {
    const session = createSession({
      refresh: () => Promise.reject(new Error('The happy path has no refresh.')),
      tokens: { accessToken: 'a', refreshToken: 'r', expiresAt: Date.now() + 3_600_000 },
      recall,
    })
    return withSession(session, { origins: ['https://api.example.com'], fetch: stub })
  }
  /** The least that can guard a fetch: a header, and a look at the status; and where it leads, and what takes it off the wire. */
  const least = (looks, recalls) => async (input) => {
    if (looks && new URL(input).origin !== 'https://api.example.com') return stub(input)
    const headers = new Headers()
    headers.set('Authorization', 'Bearer a')
    const response = await stub(
      input,
      recalls ? { headers, signal: new AbortController().signal } : { headers },
    )
    if (response.status === 401) throw new Error('The happy path has no 401.')
    return response
  }
  const bare = least()
  const looking = least(true)
  const both = least(true, true)
  const plain = guarded('none')
  const recalling = guarded('safe')
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
  const { signal } = new AbortController()
  return {
    [BARE]: () => stub(url),
    'the stub, once more': () => stub(url),
    [MAKING]: () => new Response(new Request(url).url),
    'the least guard': () => bare(url),
    'that looks where it leads': () => looking(url),
    'and can be recalled': () => both(url),
    'without recall': () => plain(url),
    'without recall, a POST with headers': () => plain(url, post),
    'with recall': () => recalling(url),
    'with recall, a POST with headers': () => recalling(url, post),
    "with recall and a caller's signal": () => recalling(url, { signal }),
  }
}
