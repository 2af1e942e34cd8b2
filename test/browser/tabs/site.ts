import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inject } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { createMember, type Member, type Note } from './member.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The script of the pages. */
    tabsScript: string
  }
}

/** Serves pages of one origin, and talks to them. Nobody has been there before. */
export interface Site {
  readonly port: number
  readonly journal: readonly Note[]
  /** The address of a page of this site whose context is called `id`. */
  page(id: string, host?: string): string
  /** The address of a page of this site that knows nothing of sessions. */
  readonly elsewhere: string
  /** The address of its script, for a worker. */
  script(id: string): string
  /** The context that is called `id`; its calls wait until it is there. */
  member(id: string): Member
  close(): Promise<void>
}

/** Ports of all sites so far. */
const visited = new Set<number>()

/** Listens where no page has been that has left something in a browser: the system gives ports out again. */
async function listenAnew(server: Server): Promise<number> {
  for (let tries = 1; tries <= 1_000; tries++) {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    if (!visited.has(port)) {
      visited.add(port)
      return port
    }
    await once(server.close(), 'close')
  }
  throw new Error('every port has been used')
}

export async function openSite(): Promise<Site> {
  const files: Record<string, { type: string; content: string }> = {
    '/': {
      type: 'text/html',
      content: '<!doctype html><title>page</title><body><script src="/page.js"></script>',
    },
    '/elsewhere': { type: 'text/html', content: '<!doctype html><title>elsewhere</title>' },
    '/page.js': { type: 'text/javascript', content: inject('tabsScript') },
  }
  const members = new Map<string, ReturnType<typeof createMember>>()
  const journal: Note[] = []
  const server = createServer(({ url = '' }, response) => {
    const { pathname } = new URL(url, 'http://localhost')
    const file = Object.hasOwn(files, pathname) ? files[pathname] : undefined
    response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' }).end(file?.content)
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket: WebSocket, { url = '' }) => {
    const id = new URL(url, 'http://localhost').searchParams.get('id') ?? ''
    memberOf(id).connect(socket)
  })
  const port = await listenAnew(server)

  function memberOf(id: string) {
    const known = members.get(id)
    if (known) return known
    const member = createMember(id, (what) => journal.push({ at: Date.now(), member: id, ...what }))
    members.set(id, member)
    return member
  }

  return {
    port,
    journal,
    page: (id, host = '127.0.0.1') => `http://${host}:${port}/?id=${id}`,
    elsewhere: `http://127.0.0.1:${port}/elsewhere`,
    script: (id) => `/page.js?id=${id}`,
    member: (id) => memberOf(id).member,
    async close() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
