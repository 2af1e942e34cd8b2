/**
 * Any chain of redirects, with the token in any place, through any client: it is sent to no origin that is not allowed, and
 * everything else is as with the bare client.
 */
import dns from 'node:dns'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import axios from 'axios'
import fc from 'fast-check'
import nodeFetch from 'node-fetch'
import type { Session, SessionOptions } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { open } from '../setup.ts'
import { attempt, timeout } from './runs.ts'

const SECRET = 'secret-0123456789'

/** What each server was sent, by the origin that it was sent to. */
let seen: { origin: string; text: string }[] = []
let servers: Server[] = []
/** The first is the API's: others differ by the port, or by the name alone, which may be above it or below. */
let places: string[] = []

/** `/place.status/place.status/…`: each server leads to the next place, and the last one answers. */
function serve({ headers, method, url = '', rawHeaders }: IncomingMessage, response: ServerResponse): void {
  seen.push({ origin: `http://${headers.host}`, text: `${method} ${url} ${rawHeaders.join()}` })
  const [path = ''] = url.split('?')
  const [, next = '', ...rest] = path.split('/')
  const [, place = '', status, login = ''] = /^(\d)\.(\d+)(\w*)$/.exec(next) ?? []
  if (!place) return void response.end('{"end":true}')
  const origin = String(places[Number(place)]).replace('//', login && '//user:word@')
  response.writeHead(Number(status), { location: `${origin || places[0]}/${rest.join('/')}` }).end()
}

beforeAll(async () => {
  // Every name is this machine, for all clients: what they look up is all that is another.
  const { lookup } = dns
  vi.spyOn(dns, 'lookup').mockImplementation(((name: string, ...rest: [never, never]) =>
    lookup(name.endsWith('.localhost') ? '127.0.0.1' : name, ...rest)) as never)
  servers = [createServer(serve), createServer(serve)]
  for (const server of servers) await once(server.listen(0, '127.0.0.1'), 'listening')
  const [home, other] = servers.map((server) => (server.address() as AddressInfo).port)
  places = [
    `http://api.localhost:${home}`,
    `http://api.localhost:${other}`,
    `http://localhost:${home}`,
    `http://sub.api.localhost:${home}`,
    `http://sub.api.localhost:${other}`,
    `http://127.0.0.1:${home}`,
  ]
})
afterAll(() => {
  vi.restoreAllMocks()
  for (const server of servers) server.close()
})

const KINDS: Record<string, SessionOptions['applyToken']> = {
  bearer: undefined,
  header: ({ accessToken }) => ({ headers: { 'x-access-token': accessToken } }),
  both: ({ accessToken }) => ({ headers: { authorization: `DPoP ${accessToken}`, dpop: accessToken } }),
  query: ({ accessToken }) => ({ query: { access_token: accessToken } }),
}

type Send = (url: string, method: string) => Promise<{ status: number; end: unknown }>

const CLIENTS: Record<string, (session: Session | undefined) => Send> = {
  fetch: (session) => overFetch(session, fetch),
  'node-fetch': (session) => overFetch(session, nodeFetch as never),
  'axios http': (session) => overAxios(session, 'http'),
  'axios fetch': (session) => overAxios(session, 'fetch'),
}

function overFetch(session: Session | undefined, bare: typeof fetch): Send {
  const send = session ? withSession(session, { origins: [String(places[0])], fetch: bare }) : bare
  return async (url, method) => {
    const response = await send(url, { method, ...(method === 'POST' && { body: 'x' }) })
    return { status: response.status, end: await response.text() }
  }
}

function overAxios(session: Session | undefined, adapter: string): Send {
  const api = axios.create({
    baseURL: String(places[0]),
    adapter,
    validateStatus: null,
    responseType: 'text',
  })
  if (session) attachSession(api, session)
  return async (url, method) => {
    const { status, data } = await api.request({ url, method, ...(method === 'POST' && { data: 'x' }) })
    return { status, end: data }
  }
}

const hop = fc.record({
  place: fc.nat(5),
  status: fc.constantFrom(301, 302, 303, 307, 308),
  login: fc.constantFrom('', '', '', 'x'),
})

test('redirects', { timeout }, async () => {
  const given = fc.record({
    hops: fc.array(hop, { maxLength: 4 }),
    client: fc.constantFrom(...Object.keys(CLIENTS)),
    kind: fc.constantFrom(...Object.keys(KINDS)),
    method: fc.constantFrom('GET', 'POST'),
    login: fc.constantFrom('', '', '', 'user:word@', 'user@'),
  })
  await attempt('redirects', 0.3, given, async ({ hops, client, kind, method, login }) => {
    // The second redirect of a body, or one to a URL with a login, ends the process of whoever uses bare node-fetch 3.
    const fragile = client === 'node-fetch'
    const verb = fragile ? 'GET' : method
    const path = hops.map(({ place, status, login }) => `/${place}.${status}${fragile ? '' : login}`).join('')
    const url = `${String(places[0]).replace('//', `//${login}`)}${path}/`
    const applyToken = KINDS[kind]
    const session = open({ tokens: SECRET, refresh: () => 'unused', ...(applyToken && { applyToken }) })
    const trial = async (who: Session | undefined) => {
      seen = []
      const outcome = await CLIENTS[client]?.(who)(url, verb).catch((error) => String(error.name))
      return { outcome, seen }
    }
    const bare = await trial(undefined)
    const guarded = await trial(session)
    session.close()
    for (const { origin, text } of guarded.seen) if (origin !== places[0]) expect(text).not.toContain(SECRET)
    // It comes to the API itself, where nothing stands in the URL that would be sent in its place.
    if (!login) expect(guarded.seen[0]?.text).toContain(SECRET)
    // What fetch would carry to anybody is not followed.
    const follows = kind === 'bearer' || kind === 'query' || client.includes('http')
    if (!login && (follows || !hops.length)) {
      expect(guarded.outcome).toEqual(bare.outcome)
      expect(guarded.seen.map(({ origin }) => origin)).toEqual(bare.seen.map(({ origin }) => origin))
    }
  })
})
