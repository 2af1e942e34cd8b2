import { once } from 'node:events'
import { isSessionError, type Session } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { Server } from 'socket.io'
import type { Socket } from 'socket.io-client'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openSocket } from '../../examples/clients/socket-io.ts'
import { expired, signIn, startServer, times } from '../setup.ts'
import { isGood, startHttp } from './token-check.ts'

let server: AuthServer
let io: Server
let url: string

beforeEach(async () => {
  server = await startServer()
  const http = await startHttp()
  url = `http://127.0.0.1:${http.port}`
  io = new Server(http.server)
  io.use(async ({ handshake }, next) => {
    next((await isGood(server, handshake.auth.token)) ? undefined : new Error('unauthorized'))
  })
  io.on('connection', (socket) => socket.emit('greeting', 'hello'))
})

function openOne(session: Session): { greeted: Promise<unknown>; over: Promise<Error>; socket: Socket } {
  let end: (problem: Error) => void = () => {}
  const over = new Promise<Error>((resolve) => {
    end = resolve
  })
  const socket = openSocket(session, url, end)
  onTestFinished(() => void socket.disconnect())
  return { greeted: new Promise((resolve) => socket.once('greeting', resolve)), over, socket }
}

test('a token that was revoked unseen is refreshed, and the socket comes back', async () => {
  const session = signIn(server)
  server.expireAccessTokens()
  expect(await openOne(session).greeted).toBe('hello')
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2, rejected: 1 })
})

test('ten sockets that the server ends when their token does cost one refresh', async () => {
  const session = signIn(server)
  const sockets = times(10, () => openOne(session))
  await Promise.all(sockets.map(({ greeted }) => greeted))
  server.expireAccessTokens()
  const again = sockets.map(({ socket }) => once(socket as never, 'greeting'))
  io.disconnectSockets()
  await Promise.all(again)
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 30, rejected: 10 })
})

test('nobody signed in is the end of a socket, and one attempt', async () => {
  const session = signIn(server, { tokens: expired(server.mint()) })
  server.revokeFamily('alice')
  const { over, socket } = openOne(session)
  expect(isSessionError(await over, 'session_expired')).toBe(true)
  expect([socket.active, server.count.refreshRequests, server.count.api]).toEqual([false, 1, 0])
})

test('a server that refuses new tokens is not asked for ever', async () => {
  server.api('/api/items', () => ({ status: 401, body: {} }))
  expect((await openOne(signIn(server)).over).message).toBe('unauthorized')
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
})
