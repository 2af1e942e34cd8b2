import { once } from 'node:events'
import { createServer } from 'node:http'

/**
 * An HTTP server on this machine only. Where `port` is taken, any free one is used.
 *
 * `handler` may be set later, for whoever has to know the origin before it can answer.
 */
export async function listen(handler, port = 0) {
  const server = createServer((request, response) => {
    Promise.resolve(handler(request, response)).catch((error) => {
      if (!response.headersSent) response.writeHead(500)
      response.end(error instanceof Error ? error.message : String(error))
    })
  })
  await bind(server, port)
  return {
    origin: `http://localhost:${server.address().port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function bind(server, port) {
  const attempt = (number) =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(number, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  try {
    await attempt(port)
  } catch (error) {
    if (port === 0 || (error.code !== 'EADDRINUSE' && error.code !== 'EACCES')) throw error
    await attempt(0)
  }
}

/** Nobody here has more than a few bytes to say. */
const LONGEST = 10_000

/** The body of a request as JSON; none is an empty object. */
export async function readJson(request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > LONGEST) throw new Error('that is more than this server reads')
  }
  return text ? JSON.parse(text) : {}
}

/** The form in the body of a request, which whoever comes next reads as if nobody had looked. */
export async function peekForm(request) {
  const length = Math.min(Number(request.headers['content-length'] ?? 0), LONGEST)
  let body = Buffer.alloc(0)
  while (body.length < length) {
    const chunk = request.read()
    if (chunk) body = Buffer.concat([body, chunk])
    else await once(request, 'readable')
  }
  // In the same turn as the last piece was read: else the request has ended.
  if (body.length > 0) request.unshift(body)
  return Object.fromEntries(new URLSearchParams(body.toString()))
}

export function sendJson(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
  response.end(JSON.stringify(body))
}

/** Resolves after `ms`, or when the caller has hung up; tells whether somebody is still there. */
export function delay(ms, response) {
  if (response.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer)
      response.off('close', finish)
      resolve(!response.destroyed)
    }
    const timer = setTimeout(finish, ms)
    response.on('close', finish)
  })
}
