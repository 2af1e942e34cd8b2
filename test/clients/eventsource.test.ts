import { once } from 'node:events'
import type { ErrorEvent } from 'eventsource'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import { openEvents } from '../../examples/clients/eventsource.ts'
import { proves } from '../cells.ts'
import { signIn, startServer } from '../setup.ts'
import { cell, prove } from './suite.ts'

const name = 'eventsource'

/** A stream of one event, which then ends; the client is to come back in 5 ms. */
function serve(server: AuthServer): void {
  server.api('/events', ({ query, request }) => {
    const since = request.headers['last-event-id'] ?? 'the beginning'
    const body = `retry: 5\nid: 7\ndata: ${query.get('id') ?? since}\n\n`
    return { headers: { 'content-type': 'text/event-stream' }, body }
  })
}

class Failed extends Error {
  readonly status: number | undefined
  readonly reason: unknown

  constructor({ code, message }: ErrorEvent, reason: unknown) {
    super(message)
    this.status = code
    this.reason = reason
  }
}

prove({
  name,
  path: '/events',
  serve,
  create: ({ fetch, url }) => ({
    query: (id, signal) =>
      new Promise((resolve, reject) => {
        let reason: unknown
        const told: typeof fetch = (input, init) =>
          fetch(input, init).catch((error) => {
            reason = error
            throw error
          })
        const events = openEvents(told, `${url}/events?id=${id}`)
        const end = (settle: () => void): void => {
          events.close()
          settle()
        }
        events.onmessage = ({ data }) => end(() => resolve(data))
        events.onerror = (event) => end(() => reject(new Failed(event, reason)))
        signal?.addEventListener('abort', () => end(() => reject(signal.reason)))
      }),
    mutate: () => Promise.reject(new Error('it only reads')),
  }),
  unauthorized: (error) => error instanceof Failed && error.status === 401,
  reasonOf: (error) => error instanceof Failed && error.reason,
  own: ['replay'],
  remarks: { 'one attempt': 'yes; it comes back after `refresh_failed`' },
})

const replay = proves(cell(name, 'replay', 'yes: `Last-Event-ID` (it only reads)'))

test('a stream that comes back with a revoked token is replayed with its Last-Event-ID', replay, async () => {
  const server = await startServer()
  serve(server)
  const session = signIn(server)
  const events = openEvents(withSession(session, { origins: [server.url] }), `${server.url}/events`)
  const [first] = await once(events, 'message')
  server.expireAccessTokens()
  const [second] = await once(events, 'message')
  events.close()
  expect([first.data, second.data]).toEqual(['the beginning', '7'])
  expect(server.count).toMatchObject({ api: 3, rejected: 1, refreshRequests: 1 })
})

const passing = proves(cell(name, 'one attempt', 'yes; it comes back after `refresh_failed`'))

test(
  'a stream comes back after a refresh that failed for now, and ends with the session',
  passing,
  async () => {
    const server = await startServer()
    serve(server)
    const session = signIn(server, { retries: 0 })
    const events = openEvents(withSession(session, { origins: [server.url] }), `${server.url}/events`)
    await once(events, 'message')
    server.expireAccessTokens()
    server.fault('503')
    const [{ data }] = await once(events, 'message')
    expect(data).toBe('7')
    expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 2 })
    server.revokeFamily('alice')
    while (events.readyState !== events.CLOSED) await once(events, 'error')
    expect(server.count.refreshRequests).toBe(3)
  },
)
