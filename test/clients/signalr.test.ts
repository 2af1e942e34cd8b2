/** The client of SignalR, against a hub of its JSON protocol: negotiation, handshake, one greeting. */

import { createServer } from 'node:http'
import { HubConnectionState, LogLevel } from '@microsoft/signalr'
import { isSessionError, type Session } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { openHub } from '../../examples/clients/signalr.ts'
import { deferred, expired, signIn, startServer, times } from '../setup.ts'
import { isGood, startHttp } from './token-check.ts'

const END = '\u001e'

let server: AuthServer
let hub: WebSocketServer
let url: string

beforeEach(async () => {
  server = await startServer()
  const http = await startHttp(
    createServer(async ({ headers }, response) => {
      const good = await isGood(server, headers.authorization?.slice('Bearer '.length))
      response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' })
      const availableTransports = [{ transport: 'WebSockets', transferFormats: ['Text'] }]
      response.end(
        JSON.stringify({ negotiateVersion: 1, connectionId: '1', connectionToken: '1', availableTransports }),
      )
    }),
  )
  url = `http://127.0.0.1:${http.port}/hub`
  hub = new WebSocketServer({ server: http.server })
  hub.on('connection', (socket) => socket.once('message', () => socket.send(`{}${END}`)))
})

async function openOne(session: Session, delays = [0, 0, 0]) {
  const opened = await openHub(session, url, delays, { logger: LogLevel.None })
  onTestFinished(() => opened.stop())
  return opened
}

test('a token that was revoked unseen is refreshed, and the hub is connected', async () => {
  const session = signIn(server)
  server.expireAccessTokens()
  expect((await openOne(session)).state).toBe(HubConnectionState.Connected)
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2, rejected: 1 })
})

test('ten hubs that lose their connection together with their token cost one refresh', async () => {
  const session = signIn(server)
  const hubs = await Promise.all(times(10, () => openOne(session)))
  server.expireAccessTokens()
  const back = hubs.map((opened) => {
    const { promise, resolve } = deferred<unknown>()
    opened.onreconnected(resolve)
    return promise
  })
  for (const socket of hub.clients) socket.terminate()
  await Promise.all(back)
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 30, rejected: 10 })
})

test('nobody signed in is one attempt', async () => {
  const session = signIn(server, { tokens: expired(server.mint()) })
  server.revokeFamily('alice')
  const problem = await openOne(session).catch((error: unknown) => error)
  expect(problem).toBeInstanceOf(Error)
  expect([session.state.status, isSessionError(problem)]).toEqual(['signed-out', false])
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
})

test('a server that refuses new tokens is not asked for ever', async () => {
  server.api('/api/items', () => ({ status: 401, body: {} }))
  await expect(openOne(signIn(server))).rejects.toThrow('401')
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
})
