import { setMaxListeners } from 'node:events'
import { startBackend } from './backend.mjs'
import { createLane, WAYS } from './lanes.mjs'
import { createLog } from './log.mjs'
import { drawPicture } from './picture.mjs'
import { run, STORM } from './storm.mjs'
import { drawAxis, drawLane, drawLegend, drawTable, spanOf } from './waterfall.mjs'

/** Wide enough for a table, and no wider than one likes to read. */
const NARROWEST = 79
const WIDEST = 132

/**
 * One expiry storm, three ways, on the terminal. Each way has a user and a server of its own; it is alone
 * while its storm blows, so that none slows another down.
 *
 * A second storm, of which only the numbers are shown, meets a refresh that fails for a moment.
 *
 * @param keep gets the first one as an SVG, beside which axios-refresh-me has blown a storm, too
 */
export async function showStorm({ authorizationServer, api, client, lifetime, output, closing, keep }) {
  const say = (line = '') => output.write(`${line}\n`)
  const style = styleOf(output)
  const lanes = []
  const open = (fault) =>
    Promise.all(
      WAYS.map(async (way) => {
        const lane = await openLane(way, fault, { authorizationServer, api, client })
        lanes.push(lane)
        return lane
      }),
    )
  /** Second to last, as in the page: ours is what the others are compared with. */
  async function withPeer(plain) {
    // It gives one signal to all its requests, which Node takes for a leak.
    setMaxListeners(0)
    const { AXIOS_REFRESH_ME } = await import('./page/axios-refresh-me.js')
    const lane = await openLane(AXIOS_REFRESH_ME, 'works', { authorizationServer, api, client })
    lanes.push(lane)
    return plain.toSpliced(-1, 0, lane)
  }
  const close = () => Promise.all(lanes.map((lane) => lane.close()))
  // Requests that hang must not hang whoever has seen enough.
  closing.addEventListener('abort', close)
  try {
    const plain = await open('works')
    const bumpy = await open('fails-once')
    const drawn = keep ? await withPeer(plain) : []
    const gets = STORM.filter(({ method }) => method === 'GET').length
    const late = STORM.filter((call) => call.late).length
    say(`An access token has expired, and the app asks for ${STORM.length} things at once: ${gets} GETs`)
    say(`(${late} of them late: the API gets to see them when the refresh is long over) and`)
    say(`${STORM.length - gets} POSTs. Three ways to deal with it, each with a user of its own.`)
    say()
    say(`Signed in. Waiting ${lifetime} seconds, until the access tokens have expired.`)
    await pause(lifetime * 1000 + 100, closing)

    for (const lane of new Set([...plain, ...drawn])) if (!closing.aborted) await lane.storm()
    if (closing.aborted) return
    const spans = plain.map(({ events }) => spanOf(events, Date.now()))
    const duration = Math.max(...spans.map(({ from, to }) => to - from)) + 1
    say()
    for (const line of drawLegend(style)) say(line)
    for (const { way, events } of plain) {
      say()
      say(`${style.bold(way.title)}: ${way.hint}`)
      for (const line of [...drawAxis(duration, style), ...drawLane(events, duration, style)]) say(line)
    }
    say()
    for (const line of drawTable(plain, style)) say(line)
    say()
    keep?.(drawPicture(drawn))

    await Promise.all(bumpy.map((lane) => lane.storm()))
    if (closing.aborted) return
    say('The same once more, but the first refresh is answered with 503, as it happens:')
    say()
    for (const line of drawTable(bumpy, style)) say(line)
    say()
    say('Every number is counted by the servers. "reuse": a refresh token came twice,')
    say('and so the authorization server ended the session.')
  } finally {
    closing.removeEventListener('abort', close)
    await close()
  }
}

/** A user who is signed in, with an app that goes one of the three ways. */
async function openLane(way, fault, { authorizationServer, api, client }) {
  const account = `${way.id} in the terminal, refresh ${fault}`
  const log = createLog()
  const backend = await startBackend({ account, client, authorizationServer, api, log })
  backend.setFault(fault)
  const events = []
  const trace = (event) => events.push(event)
  const { issuer } = authorizationServer
  const lane = createLane(way, { origin: backend.origin, issuer, client, fetch: fetchWithCookies(), trace })
  await lane.signIn()
  return {
    way,
    events,
    get numbers() {
      return log.numbers()
    },
    async storm() {
      events.length = 0
      log.clear()
      const first = log.run(STORM.length)
      await run(lane, STORM, first)
      log.runEnded(first, STORM.length)
    },
    async close() {
      lane.close()
      await backend.close()
    },
  }
}

/** A fetch that keeps cookies as a browser does, for one origin. */
function fetchWithCookies() {
  const cookies = new Map()
  return async (url, options) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { ...options, headers: cookie ? { cookie } : {} })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(line) ?? []
      if (value) cookies.set(name, value)
      else cookies.delete(name)
    }
    return response
  }
}

function styleOf(output) {
  const { LC_ALL, LC_CTYPE, LANG, NO_COLOR, TERM, WT_SESSION } = process.env
  const colour = output.isTTY === true && !NO_COLOR && TERM !== 'dumb'
  return {
    width: Math.min(WIDEST, Math.max(NARROWEST, (output.columns ?? 101) - 1)),
    colour,
    unicode: WT_SESSION !== undefined || /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || ''),
    bold: (text) => (colour ? `\u001b[1m${text}\u001b[22m` : text),
  }
}

function pause(ms, signal) {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, ms)
    signal.addEventListener('abort', finish)
  })
}
