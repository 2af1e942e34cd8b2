import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { gzipSync } from 'node:zlib'
import { listen } from '../playground/listen.mjs'

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}

const dist = new URL('dist/', import.meta.url)

/** Serves what is built, on this machine only. 0 is any free port. */
export function serveSite(port) {
  return listen(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost')
    const path = decodeURIComponent(pathname.slice(1))
    const wanted = [path, `${path}.html`, `${path}index.html`].find((name) => extname(name))
    const file = new URL(wanted ?? 'index.html', dist)
    const body = file.href.startsWith(dist.href) ? await readFile(file).catch(() => undefined) : undefined
    if (!body) {
      response.writeHead(404).end('not found')
      return
    }
    const type = TYPES[extname(file.pathname)] ?? 'application/octet-stream'
    // As whoever hosts it does.
    const packed = /^text|json|svg/.test(type)
    response.writeHead(200, { 'content-type': type, ...(packed && { 'content-encoding': 'gzip' }) })
    response.end(packed ? gzipSync(body) : body)
  }, port)
}
