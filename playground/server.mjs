/**
 * `npm start`: a real authorization server, an API that verifies its tokens, one expiry storm three ways on
 * the terminal, and then a page to play with. Everything stays on this machine.
 *
 * `--once`, or PLAYGROUND_ONCE=1, ends after the storm. PORT chooses the port of the page. `--picture FILE` keeps
 * the storm as an SVG.
 */
import { writeFileSync } from 'node:fs'
import { createApi } from './api.mjs'
import { startAuthorizationServer } from './authorization-server.mjs'
import { startPage } from './page-server.mjs'
import { showStorm } from './terminal.mjs'

const AUDIENCE = 'urn:refresh-once:playground'

/** Seconds that an access token lives: the terminal waits for it to end, a person at the page clicks about. */
const LIFETIMES = { terminal: 3, page: 10 }

const once = process.argv.includes('--once') || process.env.PLAYGROUND_ONCE === '1'
const port = readPort(process.env.PORT || '8401')
const picture = process.argv.includes('--picture') && process.argv[process.argv.indexOf('--picture') + 1]
const closing = new AbortController()
const stop = () => closing.abort()
process.once('SIGINT', stop)
process.once('SIGTERM', stop)

const authorizationServer = await startAuthorizationServer({ audience: AUDIENCE, lifetimes: LIFETIMES })
const api = createApi({ authorizationServer, audience: AUDIENCE })
let page
try {
  await api.ready()
  const shared = { authorizationServer, api }
  await showStorm({
    ...shared,
    client: 'terminal',
    lifetime: LIFETIMES.terminal,
    output: process.stdout,
    closing: closing.signal,
    ...(picture && { keep: (svg) => writeFileSync(picture, svg) }),
  })
  if (!once && !closing.signal.aborted) {
    page = await startPage({ ...shared, client: 'page', lifetime: LIFETIMES.page, port })
    console.log('\nThe same, live, and yours to break.')
    if (port && !page.origin.endsWith(`:${port}`)) console.log(`(Port ${port} is taken.)`)
    console.log(`Open ${page.origin}\nCtrl+C ends it.`)
    if (!closing.signal.aborted) {
      await new Promise((resolve) => closing.signal.addEventListener('abort', resolve))
    }
  }
} finally {
  await page?.close()
  await authorizationServer.close()
  process.off('SIGINT', stop)
  process.off('SIGTERM', stop)
}

/** 0 is any free one. */
function readPort(text) {
  const number = Number(text)
  if (Number.isInteger(number) && number >= 0 && number < 65_536) return number
  throw new TypeError(`PORT: expected a number from 0 to 65535, got ${text}`)
}
