import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { Client } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { isSessionError, type Session } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createSubscriptions } from '../../examples/clients/graphql-ws.ts'
import { expired, newClock, signIn, startServer, times } from '../setup.ts'
import { isGood, startHttp } from './token-check.ts'

// Of two copies of this package, graphql-ws works with the one that Node finds.
const { buildSchema } = createRequire(import.meta.url)('graphql') as typeof import('graphql')

let server: AuthServer
let sockets: WebSocketServer
let url: string

beforeEach(async () => {
  server = await startServer()
  const http = await startHttp()
  url = `ws://127.0.0.1:${http.port}`
  sockets = new WebSocketServer({ server: http.server })
  useServer(
    {
      schema: buildSchema('type Query { item: String }'),
      roots: { query: { item: () => 'item' } },
      onConnect: ({ connectionParams }) => isGood(server, connectionParams?.token),
    },
    sockets,
  )
})

function connect(session: Session, pause?: () => Promise<unknown>): Client {
  const made: WebSocket[] = []
  class Noted extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args)
      made.push(this)
    }
  }
  const client = createSubscriptions(session, {
    url,
    webSocketImpl: Noted,
    // Without a pause it takes the end of the former socket for that of the next one.
    retryWait: async () => {
      const open = made.filter(({ readyState }) => readyState !== WebSocket.CLOSED)
      await Promise.all(open.map((socket) => once(socket, 'close')))
      await pause?.()
    },
  })
  onTestFinished(() => void client.dispose())
  return client
}

/** What the first answer says; rejects with what ends the subscription. */
function ask(client: Client): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.subscribe({ query: '{ item }' }, { next: resolve, error: reject, complete: () => {} })
  })
}

test('a token that was revoked unseen is refreshed, and the subscription comes back', async () => {
  const client = connect(signIn(server))
  server.expireAccessTokens()
  expect(await ask(client)).toEqual({ data: { item: 'item' } })
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2, rejected: 1 })
})

test('ten connections whose token is refused cost one refresh', async () => {
  const session = signIn(server)
  server.expireAccessTokens()
  const gate = server.hold('/api/items')
  const answers = Promise.all(times(10, () => ask(connect(session))))
  await gate.untilArrived(10)
  gate.release()
  await answers
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 20, rejected: 10 })
})

test('nobody signed in is the end of a subscription, and one attempt', async () => {
  const session = signIn(server, { tokens: expired(server.mint()) })
  server.revokeFamily('alice')
  const problem = await ask(connect(session)).catch((error: unknown) => error)
  expect(isSessionError(problem, 'session_expired')).toBe(true)
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
})

test('a refresh that failed for now does not keep it from coming back', async () => {
  const time = newClock()
  const session = signIn(server, { tokens: expired(server.mint()), retries: 0, clock: time.clock })
  server.fault('503')
  expect(await ask(connect(session, () => time.advance(60_000)))).toEqual({ data: { item: 'item' } })
})

test('a server that refuses new tokens is not asked for ever', async () => {
  server.api('/api/items', () => ({ status: 401, body: {} }))
  expect(await ask(connect(signIn(server))).catch((event) => event.code)).toBe(4403)
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
})
