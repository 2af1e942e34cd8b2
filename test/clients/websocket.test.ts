import { once, setMaxListeners } from 'node:events'
import type { AddressInfo } from 'node:net'
import { isSessionError, type Session } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { keepSocket } from '../../examples/websocket.ts'
import { proves } from '../cells.ts'
import { deferred, expired, failureOf, received, signIn, startServer, times, watch } from '../setup.ts'
import { cell } from './suite.ts'

// Node 20 has none of its own yet.
vi.stubGlobal('WebSocket', WebSocket)

const shows = (column: Parameters<typeof cell>[1], text?: string) => proves(cell('WebSocket', column, text))

let server: AuthServer
let chat: WebSocketServer
let url: string
let ending: AbortController

beforeEach(async () => {
  ending = new AbortController()
  setMaxListeners(0, ending.signal)
  server = await startServer()
  chat = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'chat' })
  chat.on('connection', greet)
  await once(chat, 'listening')
  url = `ws://127.0.0.1:${(chat.address() as AddressInfo).port}`
})

afterEach(async () => {
  ending.abort()
  for (const socket of chat.clients) socket.terminate()
  await new Promise((resolve) => chat.close(resolve))
})

/** The chat server asks the API whose token this is, and greets, or closes. */
async function greet(socket: WebSocket, { headers }: { headers: NodeJS.Dict<unknown> }): Promise<void> {
  const token = /bearer\.(\S+)/.exec(String(headers['sec-websocket-protocol']))?.[1]
  const answer = await fetch(`${server.url}/api/items`, { headers: { authorization: `Bearer ${token}` } })
  const { generation } = await answer.json()
  if (answer.ok) socket.send(String(generation))
  else socket.close(4401)
}

interface Kept {
  /** The generation that the server has greeted first. */
  greeted: Promise<unknown>
  /** Why it is over. */
  over: Promise<Error>
}

function keep(session: Session, onMessage: (data: unknown) => void = () => {}): Kept {
  const { promise: greeted, resolve } = deferred<unknown>()
  const receive = (data: unknown): void => {
    resolve(data)
    onMessage(data)
  }
  return { greeted, over: failureOf(keepSocket(session, url, receive, ending.signal)) }
}

test('twenty sockets on a token that is known to have expired: one refresh', shows('storm'), async () => {
  const session = signIn(server, { tokens: expired(server.mint()) })
  server.expireAccessTokens()
  const sockets = times(20, () => keep(session).greeted)
  expect(await Promise.all(sockets)).toEqual(times(20, () => '2'))
  expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 20, rejected: 0 })
})

test(
  'twenty sockets on a token that was revoked unseen, half of them slow: one refresh',
  shows('storm'),
  async () => {
    const session = signIn(server)
    const seen = watch(session)
    server.expireAccessTokens()
    const gate = server.hold('/api/items')
    const sockets = times(20, () => keep(session).greeted)
    await gate.untilArrived(20)
    gate.release(10)
    await seen.until('refresh-succeeded')
    gate.release()
    expect(await Promise.all(sockets)).toEqual(times(20, () => '2'))
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0, api: 40 })
  },
)

const none = proves(cell('WebSocket', 'replay', '– (messages are yours)'))

test('a socket that was closed comes back with a fresh token', none, async () => {
  const session = signIn(server)
  const heard: unknown[] = []
  const back = deferred<void>()
  const { greeted } = keep(session, (data) => {
    if (heard.push(data) === 2) back.resolve()
  })
  await greeted
  await session.refresh()
  for (const socket of chat.clients) socket.close(1012)
  await back.promise
  expect(heard).toEqual(['1', '2'])
  expect(server.count).toMatchObject({ refreshes: 1, api: 2, rejected: 0 })
})

test('a token that ends in ten seconds is renewed before the socket is opened', async () => {
  const session = signIn(server, { tokens: received({ ...server.mint(), expires_in: 10 }) })
  expect(await keep(session).greeted).toBe('2')
  expect(server.count).toMatchObject({ refreshes: 1, rejected: 0 })
})

test('an abort closes the socket', shows('abort'), async () => {
  const { greeted, over } = keep(signIn(server))
  await greeted
  const closed = Promise.all([...chat.clients].map((socket) => once(socket, 'close')))
  ending.abort()
  expect(await closed).toHaveLength(1)
  expect((await over).name).toBe('AbortError')
})

test('an abort while it waits for the refresh: no socket is opened', shows('abort'), async () => {
  const session = signIn(server, { tokens: expired(server.mint()) })
  const seen = watch(session)
  server.fault('hang')
  const { over } = keep(session)
  await server.until('fault')
  ending.abort()
  expect((await over).name).toBe('AbortError')
  server.release()
  await seen.until('refresh-succeeded')
  expect(server.count.api).toBe(0)
})

test('a refused refresh is one attempt, and the end', shows('one attempt'), async () => {
  const session = signIn(server)
  server.revokeFamily('alice')
  expect(isSessionError(await keep(session).over, 'session_expired')).toBe(true)
  expect(server.count).toMatchObject({ api: 1, refreshRequests: 1 })
})

const passing = shows('one attempt', 'yes; it comes back after `refresh_failed`')

test('after a refresh that failed for now it comes back', passing, async () => {
  const session = signIn(server, { tokens: expired(server.mint()), retries: 0 })
  server.fault('503')
  expect(await keep(session).greeted).toBe('2')
  expect(server.count).toMatchObject({ api: 1, refreshRequests: 2 })
})

test('a server that refuses new tokens is not asked for ever', async () => {
  const session = signIn(server)
  server.api('/api/items', () => ({ status: 401, body: {} }))
  expect((await keep(session).over).message).toBe('the server refuses new tokens')
  expect(server.count).toMatchObject({ api: 2, refreshRequests: 1 })
})
