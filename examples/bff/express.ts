import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeStream } from 'node:stream/web'
import express, { type Express, type RequestHandler } from 'express'
import type { Bff } from './bff.ts'

/** No body parser may come before these routes: it would read what is to be passed on. */
export function expressApp(bff: Bff): Express {
  const app = express()
  app.disable('x-powered-by')
  app.get('/bff/sign-in', by(bff.signIn))
  app.get('/bff/callback', by(bff.callback))
  app.get('/bff/session', by(bff.session))
  app.post('/bff/sign-out', by(bff.signOut))
  // Not by a pattern: Express would decode what it matches, and answer in its own words where it cannot.
  app.use('/api', by(bff.proxy))
  return app
}

/** Express speaks Node's requests and responses, a handler those of the web platform. */
function by(handle: (request: Request) => Promise<Response>): RequestHandler {
  return async (req, res) => {
    // Of this one, a request of the web platform cannot be made.
    if (req.method === 'TRACE') return void res.sendStatus(405)
    // Whoever has gone away waits for nothing any more.
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const { method, originalUrl } = req
    const bare = method === 'GET' || method === 'HEAD'
    const { status, headers, body } = await handle(
      new Request(new URL(originalUrl, 'http://bff.invalid'), {
        method,
        headers: Object.entries(req.headers).map(([name, value]): [string, string] => [name, String(value)]),
        body: bare ? null : (Readable.toWeb(req) as ReadableStream<Uint8Array>),
        duplex: 'half',
        signal: gone.signal,
      } as RequestInit),
    )
    res.writeHead(status, [...headers].flat())
    res.flushHeaders()
    // Fails where the browser has gone, or the API: then the connection is cut, and both sides know.
    if (body) await pipeline(Readable.fromWeb(body as NodeStream), res).catch(() => {})
    else res.end()
  }
}
