import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSession, findSessionError } from 'refresh-once'
import { createAuthServer } from 'refresh-once/testing'
import { afterAll, expect, test, vi } from 'vitest'
import { openSocket } from './websocket.ts'

const auth = await createAuthServer()
const chat = createServer()
chat.listen(0, '127.0.0.1')
await once(chat, 'listening')
const url = `ws://127.0.0.1:${(chat.address() as AddressInfo).port}`

/** The chat server: it asks the API whose token this is, and shakes hands or does not (RFC 6455 §4.2.2). */
chat.on('upgrade', async ({ headers }, socket) => {
  const token = /bearer\.(\S+)/.exec(headers['sec-websocket-protocol'] ?? '')?.[1]
  const { ok } = await fetch(`${auth.url}/api/items`, { headers: { authorization: `Bearer ${token}` } })
  if (!ok) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n')
  const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  const lines = ['Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
  socket.end(
    ['HTTP/1.1 101 Switching Protocols', ...lines, 'Sec-WebSocket-Protocol: chat', '', ''].join('\r\n'),
  )
})

/** The opening handshake of a WebSocket, which Node 20 has not yet. */
class Socket {
  readonly opened: Promise<string>

  constructor(url: string, protocols: string[]) {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-protocol': protocols.join(', '),
    }
    const handshake = request(url.replace('ws:', 'http:'), { headers }).end()
    this.opened = new Promise((resolve, reject) => {
      handshake.on('upgrade', ({ headers }, socket) => {
        socket.destroy()
        resolve(String(headers['sec-websocket-protocol']))
      })
      handshake.on('response', ({ statusCode }) => reject(new Error(`answered with ${statusCode}`)))
      handshake.on('error', reject)
    })
  }
}
vi.stubGlobal('WebSocket', Socket)

const session = createSession({
  tokens: { ...auth.mint('alice'), expires_in: 10 },
  refresh: ({ tokens, signal }) =>
    fetch(auth.tokenEndpoint, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
      signal,
    }),
})

afterAll(async () => {
  vi.unstubAllGlobals()
  session.close()
  chat.closeAllConnections()
  await new Promise((resolve) => chat.close(resolve))
  await auth.close()
})

const open = async (): Promise<string> => ((await openSocket(session, url)) as unknown as Socket).opened

test('a token that ends in ten seconds is renewed before the socket is opened, once for all sockets', async () => {
  expect(await Promise.all([open(), open(), open()])).toEqual(['chat', 'chat', 'chat'])
  expect(auth.count).toMatchObject({ refreshes: 1, rejected: 0 })
})

test('a token that is good for long is used as it is', async () => {
  expect(await open()).toBe('chat')
  expect(auth.count.refreshes).toBe(1)
})

test('when nobody is signed in, no socket is opened', async () => {
  await session.signOut()
  const error = await open().catch((error) => error)
  expect(findSessionError(error)?.code).toBe('session_expired')
})
