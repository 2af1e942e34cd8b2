/**
 * What every client has to show when it stands on a guarded fetch, against a real server of its own protocol.
 * Each test proves a cell of the table "clients" in docs/clients.md.
 */
import { isSessionError, type Session, type SessionRequest } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer, ReceivedRequest } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { type Cell, proves } from '../cells.ts'
import { expired, failureOf, open, refreshAt, startServer, times, watch, withoutJitter } from '../setup.ts'

/** What a client is made from. */
export interface Ground {
  session: Session
  /** In the care of the session, if `guarded`. */
  fetch: typeof fetch
  /** False where it is to be seen what the client does without us. */
  guarded: boolean
  /** The server's origin. */
  url: string
}

interface Client {
  /** Asks for an item, and resolves with the id that the answer has. */
  query(id: string, signal: AbortSignal | undefined): Promise<unknown>
  /** Sends a text to the server. */
  mutate(text: string): Promise<unknown>
}

/** A client, and what is particular to it. */
export interface Subject {
  /** As the table has it. */
  name: string
  /** Where its requests lead, for `server.hold`. */
  path: string
  /** Makes the server speak its protocol. */
  serve?(server: AuthServer): void
  create(ground: Ground): Client
  /** HTTP status, or what the client makes of it, of an error that stands for a 401. */
  unauthorized: (error: Error) => boolean
  /** Where its error keeps what fetch has thrown. @default the error itself, or its `cause` */
  reasonOf?(error: Error): unknown
  /** In how many requests twenty calls are sent. @default 20 */
  requests?: number
  /** It hears of an abort only when the refresh that it waits for is over. */
  waitsForRefresh?: boolean
  /** What the table says where it is more than "yes". */
  remarks?: Partial<Record<Column, string>>
  /** What makes no sense for it, and why. */
  without?: Partial<Record<Column, string>>
  /** What tests of its own prove. */
  own?: readonly Column[]
}

type Column = 'storm' | 'replay' | 'abort' | 'one attempt'

/** A cell of the table of clients. */
export function cell(row: string, column: Column, text?: string): Cell {
  return { table: 'clients', row, column, ...(text !== undefined && { text }) }
}

interface Stage extends Client {
  server: AuthServer
  session: Session
  /** What arrived whole at guarded routes. */
  received: ReceivedRequest[]
  /** How often the client has asked for anything: a request to be sent, or a token. */
  attempts(): number
}

/** A server of the client's protocol, a session that is signed in there, and the client. */
async function stage(subject: Subject, { knowsExpiry = false } = {}): Promise<Stage> {
  const received: ReceivedRequest[] = []
  const server = await startServer({ onRequest: (request) => received.push(request) })
  subject.serve?.(server)
  const tokens = server.mint()
  const session = open({
    tokens: knowsExpiry ? expired(tokens) : tokens,
    refresh: refreshAt(server),
    retries: 0,
    clock: withoutJitter(),
  })
  if (knowsExpiry) server.expireAccessTokens()
  const { counting, attempts } = count(session)
  const guarded = withSession(counting, { origins: [server.url] })
  const client = subject.create({ session: counting, fetch: guarded, guarded: true, url: server.url })
  return { ...client, server, session, received, attempts }
}

/** The same session, which counts how often it is asked to send something, or for a token. */
function count(session: Session): { counting: Session; attempts(): number } {
  const calls = { send: 0, getAccessToken: 0 }
  const { transport } = session
  const counting: Session = Object.create(session, {
    transport: {
      value: {
        ...transport,
        send: (request: SessionRequest<unknown>) => {
          calls.send++
          return transport.send(request)
        },
      },
    },
    getAccessToken: {
      value: (...given: Parameters<Session['getAccessToken']>) => {
        calls.getAccessToken++
        return session.getAccessToken(...given)
      },
    },
  })
  return { counting, attempts: () => Math.max(calls.send, calls.getAccessToken) }
}

const OWN = times(20, String)

/** Twenty calls at once; each resolves with its own id, if all is well. */
function storm({ query }: Client): Promise<unknown[]> {
  return Promise.all(OWN.map((id) => query(id, undefined)))
}

/** What a caller is told who aborts while the server keeps the answer back. */
async function abortOnTheWire(server: AuthServer, path: string, { query }: Client): Promise<string> {
  const controller = new AbortController()
  const gate = server.hold(path)
  const failure = failureOf(query('1', controller.signal))
  await gate.untilArrived()
  controller.abort()
  const { name, message } = await failure
  await server.until((log) => log.some((entry) => entry.kind === 'api' && entry.aborted))
  gate.release()
  return `${name}: ${message.replace(server.url, '')}`
}

export function prove(subject: Subject): void {
  const { name, path, requests = 20, remarks = {}, without = {} } = subject
  const shows = (column: Column) => proves(cell(name, column, remarks[column]))
  const none = Object.entries(without).map(([column, why]) => cell(name, column as Column, `– (${why})`))
  const asks = (column: Column) => without[column] === undefined && !subject.own?.includes(column)

  describe(name, () => {
    const known = proves(cell(name, 'storm', remarks.storm), ...none)
    test('twenty calls on a token that is known to have expired: one refresh', known, async () => {
      const given = await stage(subject, { knowsExpiry: true })
      expect(await storm(given)).toEqual(OWN)
      const { count } = given.server
      expect(count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: requests, rejected: 0 })
    })

    test(
      'twenty calls on a token that was revoked unseen, half of them slow: one refresh',
      shows('storm'),
      async () => {
        const given = await stage(subject)
        const seen = watch(given.session)
        given.server.expireAccessTokens()
        const gate = given.server.hold(path)
        const answers = storm(given)
        await gate.untilArrived(requests)
        gate.release(Math.ceil(requests / 2))
        await seen.until('refresh-succeeded')
        gate.release()
        expect(await answers).toEqual(OWN)
        const { count } = given.server
        expect(count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 2 * requests, reuses: 0 })
      },
    )

    if (asks('replay')) {
      test('a mutation whose token was revoked is sent again, byte for byte', shows('replay'), async () => {
        const { server, received, mutate } = await stage(subject)
        server.expireAccessTokens()
        await mutate('two bytes: é')
        expect(server.count).toMatchObject({ api: 2, rejected: 1, refreshRequests: 1 })
        const [first, second] = received.map(({ method, url, headers, body }) => {
          const { authorization, ...others } = headers
          return { method, url, others, body: body.toString('utf8') }
        })
        expect(first).toMatchObject({ method: 'POST', body: expect.stringContaining('two bytes: é') })
        expect(second).toEqual(first)
      })
    }

    if (asks('abort')) {
      test('the abort of a caller ends it on the wire, as without us', shows('abort'), async () => {
        const { server, session, ...client } = await stage(subject)
        const told = await abortOnTheWire(server, path, client)
        expect(server.count).toMatchObject({ api: 1, refreshRequests: 0 })
        const other = await startServer()
        subject.serve?.(other)
        const bare = subject.create({ session, fetch: globalThis.fetch, guarded: false, url: other.url })
        expect(told).toEqual(await abortOnTheWire(other, path, bare))
      })

      test('the abort of a caller who waits for the refresh: never sent', shows('abort'), async () => {
        const { server, session, query } = await stage(subject, { knowsExpiry: true })
        const seen = watch(session)
        server.fault('hang')
        const controller = new AbortController()
        const failure = failureOf(query('1', controller.signal))
        await server.until('fault')
        controller.abort()
        if (!subject.waitsForRefresh) await failure
        server.release()
        expect(isSessionError(await failure)).toBe(false)
        await seen.until('refresh-succeeded')
        expect(await query('2', undefined)).toBe('2')
        expect(server.count).toMatchObject({ refreshRequests: 1, api: 1 })
      })
    }

    test('a refused refresh is one attempt, which ends with its own 401', shows('one attempt'), async () => {
      const { server, query, attempts } = await stage(subject)
      server.revokeFamily('alice')
      const error = await failureOf(query('1', undefined))
      expect(error).toSatisfy(subject.unauthorized)
      expect(server.count).toMatchObject({ api: 1, refreshRequests: 1 })
      expect(attempts()).toBe(1)
    })

    test('a refresh that fails for now is one attempt, too', shows('one attempt'), async () => {
      const { server, query, attempts } = await stage(subject, { knowsExpiry: true })
      server.fault('503', { times: Number.POSITIVE_INFINITY })
      const error = await failureOf(query('1', undefined))
      expect(isSessionError(subject.reasonOf?.(error) ?? error, 'refresh_failed')).toBe(true)
      expect(server.count).toMatchObject({ api: 0, refreshRequests: 1 })
      expect(attempts()).toBe(1)
    })
  })
}
