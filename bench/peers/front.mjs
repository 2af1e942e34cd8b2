import { request as ask, createServer } from 'node:http'
import { setTimeout as after } from 'node:timers/promises'

/**
 * What stands between the clients and the server: it takes time, as a network does, and makes JWTs of access tokens, for
 * clients that look into them. `/graphql` passes an operation on: its variables are the request. An answer to a URL with
 * `slow=900` takes so much longer, in milliseconds; with `late=400`, only the first one.
 *
 * @param latency of an API request and of a refresh, in milliseconds
 */
export async function openFront(server, { api, refresh }) {
  const upstream = new URL(server.url)
  /** Whose first answer has been kept already. */
  const kept = new Set()
  const front = createServer(async (incoming, outgoing) => {
    const chunks = []
    for await (const chunk of incoming) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const graphql = incoming.url === '/graphql'
    const wanted = graphql ? JSON.parse(body).variables : { path: incoming.url, method: incoming.method }
    const isToken = wanted.path.startsWith('/token')
    const half = (isToken ? refresh : api) / 2
    await after(half)
    const headers = { ...incoming.headers, host: upstream.host }
    if (headers.authorization) headers.authorization = unwrapped(headers.authorization)
    if (graphql) delete headers['content-length']
    const sent = graphql ? Buffer.from(wanted.body ? JSON.stringify(wanted.body) : '') : body
    const answer = await passOn(upstream, { ...wanted, headers }, sent).catch(() => undefined)
    await after(half)
    const [slow, late] = ['slow', 'late'].map((name) => new URL(wanted.path, upstream).searchParams.get(name))
    if (slow) await after(Number(slow))
    // It got stuck on its way.
    if (late && !kept.has(wanted.path)) {
      kept.add(wanted.path)
      await after(Number(late))
    }
    if (!answer) return incoming.socket.destroy()
    const text = isToken ? wrapped(answer.body) : answer.body
    if (graphql) return outgoing.setHeader('content-type', 'application/json').end(asGraphql(answer))
    outgoing
      .writeHead(answer.status, { ...answer.headers, 'content-length': Buffer.byteLength(text) })
      .end(text)
  })
  await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${front.address().port}`,
    close() {
      front.closeAllConnections()
      front.close()
    },
  }
}

function passOn({ hostname, port }, { path, method, headers }, body) {
  return new Promise((resolve, reject) => {
    const { 'transfer-encoding': _, ...rest } = headers
    const request = ask({ hostname, port, path, method, headers: { ...rest, 'content-length': body.length } })
    request.on('error', reject)
    request.on('response', async (response) => {
      try {
        const chunks = []
        for await (const chunk of response) chunks.push(chunk)
        const { 'transfer-encoding': _, connection, 'keep-alive': __, ...left } = response.headers
        resolve({ status: response.statusCode, headers: left, body: Buffer.concat(chunks) })
      } catch (error) {
        reject(error)
      }
    })
    request.end(body)
  })
}

/** A JWT that holds the server's token; its signature is nobody's business here. */
export function jwt(token, expiresAt) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none', typ: 'JWT' })}.${part({ exp: Math.floor(expiresAt / 1000), token })}.x`
}

function unwrapped(authorization) {
  try {
    const [, token] = authorization.split(' ')
    return `Bearer ${JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).token}`
  } catch {
    return authorization
  }
}

function wrapped(body) {
  try {
    const answer = JSON.parse(body)
    if (!answer.access_token) return body
    answer.access_token = jwt(answer.access_token, Date.now() + answer.expires_in * 1000)
    return JSON.stringify(answer)
  } catch {
    return body
  }
}

function asGraphql({ status, body }) {
  if (status === 200) return JSON.stringify({ data: { call: JSON.parse(body) } })
  const code = status === 401 ? 'UNAUTHENTICATED' : `HTTP_${status}`
  return JSON.stringify({ data: null, errors: [{ message: code, extensions: { code } }] })
}
