import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { AuthServer } from 'refresh-once/testing'
import { afterEach } from 'vitest'

const open = new Set<{ server: Server; sockets: Set<Socket> }>()

afterEach(async () => {
  for (const { server, sockets } of open) {
    // Those of WebSockets are none of the HTTP server's any more.
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  open.clear()
})

/** Whether the API takes this token. */
export async function isGood({ url }: AuthServer, token: unknown): Promise<boolean> {
  const answer = await fetch(`${url}/api/items`, { headers: { authorization: `Bearer ${token}` } })
  await answer.arrayBuffer()
  return answer.ok
}

/** An HTTP server for sockets, and its port. Closed after the test. */
export async function startHttp(server: Server = createServer()): Promise<{ server: Server; port: number }> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  open.add({ server, sockets })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}
