import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { startBackend } from './backend.mjs'
import { WAYS } from './lanes.mjs'
import { listen, readJson, sendJson } from './listen.mjs'
import { createLog } from './log.mjs'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
}

const PAGE = '/playground/page/index.html'
const TAB = '/playground/page/tab.html'

/** Everything the page may load: itself, what it shares with the terminal, the built package, and axios. */
const FILES = new Set([
  PAGE,
  TAB,
  '/playground/page/style.css',
  '/playground/page/page.js',
  '/playground/page/tab.js',
  '/playground/page/steps.js',
  '/playground/page/as-events.js',
  '/playground/page/axios-refresh-me.js',
  '/playground/page/lane-view.js',
  '/playground/lanes.mjs',
  '/playground/interceptors.mjs',
  '/playground/storm.mjs',
  '/playground/waterfall.mjs',
  '/node_modules/axios/dist/esm/axios.js',
  '/node_modules/oauth4webapi/build/index.js',
])
/** The fourth way is a package of its own. */
const PEER = /^\/node_modules\/axios-refresh-me\/dist\/[\w-]+\.mjs$/
const BUILT = /^\/dist\/(?:[a-z\d-]+\/)*[a-z\d-]+\.js$/

const FAULTS = ['works', 'slow', 'fails-once', 'fails', 'refused', 'hangs', 'lost']

/** Each with a user and a server of its own. `tabs` is one sign-in of several tabs. */
const LANES = [...WAYS.map(({ id }) => id), 'axios-refresh-me', 'tabs']

/** Numbers are told at most so often, in milliseconds. */
const TELL_EVERY = 50

/**
 * The page and its controls, and a backend for each way.
 *
 *     GET  /control/lanes       which lanes there are, and where
 *     GET  /control/numbers     their numbers, as server-sent events
 *     POST /control/numbers     the same, once
 *     POST /control/clear       counts from nought
 *     POST /control/run         announces a run of calls in a lane
 *     POST /control/run-ended   the client has settled them
 *     POST /control/invalidate  the API refuses the access tokens of all lanes
 *     POST /control/fault       what the refresh does from now on
 */
export async function startPage({ authorizationServer, api, client, lifetime, port }) {
  let answer = (_request, response) => response.writeHead(503).end()
  const server = await listen((request, response) => answer(request, response), port)
  const all = []
  const watchers = new Set()
  let fault = 'works'
  let timer

  for (const id of LANES) {
    const log = createLog()
    const account = `${id} in the page`
    const backend = await startBackend({
      account,
      client,
      page: server.origin,
      authorizationServer,
      api,
      log,
    })
    all.push({ id, account, log, backend })
    log.onChange(() => {
      timer ??= setTimeout(tell, TELL_EVERY)
    })
  }
  const numbers = () => Object.fromEntries(all.map(({ id, log }) => [id, log.numbers()]))
  const policy = contentSecurityPolicy(
    await Promise.all([PAGE, TAB].map((file) => readFile(locate(file), 'utf8'))),
    [authorizationServer.issuer, ...all.map(({ backend }) => backend.origin)],
  )

  function tell() {
    timer = undefined
    const message = `data: ${JSON.stringify(numbers())}\n\n`
    for (const watcher of watchers) watcher.write(message)
  }

  const controls = {
    'GET /control/lanes'(_request, response) {
      const known = all.map(({ id, backend }) => ({ id, origin: backend.origin }))
      const { issuer } = authorizationServer
      sendJson(response, 200, { lifetime, fault, issuer, client, lanes: known })
    },

    'GET /control/numbers'(_request, response) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(`data: ${JSON.stringify(numbers())}\n\n`)
      watchers.add(response)
      response.on('close', () => watchers.delete(response))
    },

    'POST /control/numbers'(_request, response) {
      sendJson(response, 200, numbers())
    },

    'POST /control/clear'(_request, response) {
      for (const { log, backend } of all) {
        log.clear()
        backend.setFault(fault)
      }
      sendJson(response, 200, numbers())
    },

    async 'POST /control/run'(request, response) {
      const { lane, size } = await readJson(request)
      sendJson(response, 200, { first: find(lane).log.run(Math.min(size, 1000)) })
    },

    async 'POST /control/run-ended'(request, response) {
      const { lane, first, size } = await readJson(request)
      find(lane).log.runEnded(first, Math.min(size, 1000))
      sendJson(response, 200, numbers())
    },

    'POST /control/invalidate'(_request, response) {
      for (const { account } of all) authorizationServer.revokeAccessTokens(account)
      sendJson(response, 200, numbers())
    },

    async 'POST /control/fault'(request, response) {
      const { fault: asked } = await readJson(request)
      if (!FAULTS.includes(asked)) throw new TypeError(`expected one of ${FAULTS}, got ${asked}`)
      fault = asked
      for (const { backend } of all) backend.setFault(fault)
      sendJson(response, 200, numbers())
    },
  }

  function find(id) {
    const lane = all.find((one) => one.id === id)
    if (!lane) throw new TypeError(`there is no lane ${id}`)
    return lane
  }

  answer = async (request, response) => {
    const { pathname } = new URL(request.url, server.origin)
    const { host, origin } = request.headers
    // Pages of other sites can reach this machine, too; they have nothing to say here.
    if (`http://${host}` !== server.origin || (origin !== undefined && origin !== server.origin)) {
      sendJson(response, 403, { error: 'foreign_origin' })
      return
    }
    const control = controls[`${request.method} ${pathname}`]
    const file = pathname === '/' ? PAGE : pathname
    if (control) await control(request, response)
    else if (request.method === 'GET' && (FILES.has(file) || BUILT.test(file) || PEER.test(file)))
      await sendFile(response, file, policy)
    else sendJson(response, 404, { error: 'not_found' })
  }

  return {
    origin: server.origin,
    async close() {
      clearTimeout(timer)
      await server.close()
      for (const { backend } of all) await backend.close()
    },
  }
}

async function sendFile(response, file, policy) {
  const body = await readFile(locate(file)).catch(() => undefined)
  if (body === undefined) {
    sendJson(response, 404, { error: 'not_found' })
    return
  }
  response.writeHead(200, {
    'content-type': TYPES[extname(file)],
    'cache-control': 'no-store',
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}

function locate(file) {
  return new URL(`..${file}`, import.meta.url)
}

/** Nothing from elsewhere; of inline scripts, the import maps and no other. */
function contentSecurityPolicy(pages, origins) {
  const hashes = pages.map((html) => {
    const [, importMap = ''] = /<script type="importmap">([\s\S]*?)<\/script>/.exec(html) ?? []
    return `'sha256-${createHash('sha256').update(importMap).digest('base64')}'`
  })
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self' ${origins.join(' ')}`,
    "frame-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join('; ')
}
