/** Redirects where a fetch of the app's own stands in: the session follows them, as the platform's fetch would. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import nodeFetch from 'node-fetch'
import type { Credentials, TokenSet } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { fetch as undiciFetch } from 'undici'
import { describe, expect, test } from 'vitest'
import { failureOf, open, startServer, times } from '../../setup.ts'

const TOKEN = 'at_of_the_session'

/** What redirects change of a request. Clients add others of their own. */
const TOLD = [
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'cookie',
  'x-own',
  'x-list',
]

interface Seen {
  method: string | undefined
  url: string | undefined
  host: string | undefined
  authorized: boolean
  body: string
  headers: Record<string, unknown>
}

/** A server that leads from `/start` to wherever it is told, and answers everywhere else. */
async function leading(lead: (path: string, response: ServerResponse) => void) {
  const seen: Seen[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { method, url = '', headers } = request
    let body = ''
    for await (const chunk of request) body += chunk
    const told = Object.fromEntries(TOLD.map((name) => [name, headers[name]]))
    const authorized = JSON.stringify(headers).includes(TOKEN)
    seen.push({ method, url, host: headers.host, authorized, body, headers: told })
    if (url.startsWith('/end')) response.end('the end')
    else lead(url, response)
  }
  const server = await startServer({ fallback: (request, response) => void answer(request, response) })
  return { url: server.url, seen }
}

const CLIENTS = [
  ['the platform’s own, wrapped', (...call: Parameters<typeof fetch>) => fetch(...call)],
  ['another copy of undici', undiciFetch],
  ['node-fetch', nodeFetch],
] as unknown as [string, typeof fetch][]

describe.each(CLIENTS)('%s', (_, own) => {
  const guarded = (...origins: string[]) =>
    withSession(open({ tokens: TOKEN, refresh: () => 'unused' }), { origins, fetch: own })

  const METHODS = [undefined, 'GET', 'HEAD', 'POST', 'PUT', 'delete', 'post']

  describe.each([301, 302, 303, 307, 308])('%i', (status) => {
    test.each(METHODS)(
      '%s: what arrives in the end is what fetch itself would send there',
      async (method) => {
        const there = await leading(() => {})
        for (const place of ['/end?a=1', `${there.url}/end`]) {
          const home = await leading((_, response) => response.writeHead(status, { location: place }).end())
          const call = { ...(method && { method }), ...(/^(p|d)/i.test(String(method)) && { body: 'some' }) }
          const headers = {
            'Content-Type': 'a/b',
            'Content-Encoding': 'none',
            'Content-Language': 'en',
            'Cookie': 'a=1', // biome-ignore format: a table
            'X-Own': '1',
          }
          const bare = await fetch(`${home.url}/start`, {
            ...call,
            headers: { ...headers, Authorization: `Bearer ${TOKEN}` },
          })
          const [expected, ends] = [home.seen.splice(0), there.seen.splice(0)]
          const answer = await guarded(home.url)(`${home.url}/start`, { ...call, headers })
          const told = (seen: Seen) => ({ ...seen, method: seen.method?.toUpperCase() })
          expect(home.seen.map(told)).toEqual(expected.map(told))
          expect(there.seen.map(told)).toEqual(ends.map(told))
          expect(home.seen.length + there.seen.length).toBe(2)
          for (const { status, redirected, url } of [bare, answer])
            expect([status, redirected, url]).toEqual([200, true, new URL(place, home.url).href])
          expect(await answer.text()).toBe(await bare.text())
        }
      },
    )
  })

  test.each([
    ['a list', [['X-List', '1'], ['X-Own', '1']]], // biome-ignore format: a table
    ['an object', { 'X-List': '1', 'X-Own': '1' }],
    ['Headers', new Headers({ 'X-List': '1', 'X-Own': '1' })],
  ] as [string, HeadersInit][])('headers that are given as %s go along', async (_, headers) => {
    const home = await leading((_, response) => response.writeHead(307, { location: '/end' }).end())
    await guarded(home.url)(`${home.url}/start`, { headers })
    expect(home.seen.map(({ headers }) => [headers['x-list'], headers['x-own']])).toEqual(
      times(2, () => ['1', '1']),
    )
    expect(home.seen.map(({ authorized }) => authorized)).toEqual([true, true])
  })

  test('credentials in headers of their own go along within the origin, and not to another one', async () => {
    const there = await leading(() => {})
    const applyToken = ({ accessToken }: TokenSet): Credentials => ({
      headers: { 'X-Access-Token': accessToken, DPoP: `proof-${accessToken}` },
    })
    const session = open({ tokens: TOKEN, refresh: () => 'unused', applyToken })
    for (const place of ['/end', `${there.url}/end`]) {
      const home = await leading((_, response) => response.writeHead(302, { location: place }).end())
      const api = withSession(session, { origins: home.url, fetch: own })
      for (const headers of [{ 'X-Own': '1' }, new Headers({ 'X-Own': '1' })])
        expect((await api(`${home.url}/start`, { headers })).status).toBe(200)
      const sent = [...home.seen, ...there.seen.splice(0)]
      expect(sent.map(({ authorized }) => authorized).sort()).toEqual(
        place === '/end' ? [true, true, true, true] : [false, false, true, true],
      )
    }
  })

  test('an answer that leads nowhere is the caller’s', async () => {
    for (const status of [300, 302, 304, 305]) {
      const home = await leading((_, response) =>
        response.writeHead(status, status === 302 ? {} : { location: '/end' }).end(),
      )
      const answer = await guarded(home.url)(`${home.url}/start`)
      expect([answer.status, answer.redirected]).toEqual([status, false])
      expect(home.seen).toHaveLength(1)
    }
  })

  test.each(['http://', 'ftp://127.0.0.1/', 'data:text/plain,x', 'javascript:1'])(
    'to %s: a TypeError, as of fetch itself',
    async (location) => {
      const home = await leading((_, response) => response.writeHead(302, { location }).end())
      expect(await failureOf(fetch(`${home.url}/start`))).toBeInstanceOf(TypeError)
      expect(await failureOf(guarded(home.url)(`${home.url}/start`))).toBeInstanceOf(TypeError)
    },
  )

  test('twenty redirects are followed, and not one more', async () => {
    let left = 0
    const home = await leading((_, response) =>
      response.writeHead(302, { location: --left ? '/on' : '/end' }).end(),
    )
    for (const send of [fetch, guarded(home.url)]) {
      left = 20
      expect((await send(`${home.url}/start`)).status).toBe(200)
      left = 21
      expect(await failureOf(send(`${home.url}/start`))).toBeInstanceOf(TypeError)
      expect(home.seen.splice(0)).toHaveLength(42)
    }
  })

  test.each([
    [301, 'PUT'],
    [302, 'PUT'],
    [307, 'POST'],
    [308, 'POST'],
  ])('%i of a %s whose body is gone: a TypeError, and nothing truncated is sent', async (status, method) => {
    const home = await leading((_, response) => response.writeHead(status, { location: '/end' }).end())
    const init = { method, body: Readable.from(['once']), duplex: 'half' } as unknown as RequestInit
    expect(await failureOf(guarded(home.url)(`${home.url}/start`, init))).toBeInstanceOf(TypeError)
    expect(home.seen.map(({ url, body }) => [url, body])).toEqual([['/start', 'once']])
  })

  test('303 of a body that is gone: the answer is fetched without it', async () => {
    const home = await leading((_, response) => response.writeHead(303, { location: '/end' }).end())
    const init = { method: 'PUT', body: Readable.from(['once']), duplex: 'half' } as unknown as RequestInit
    expect((await guarded(home.url)(`${home.url}/start`, init)).status).toBe(200)
    expect(home.seen.map(({ method, body }) => [method, body])).toEqual([
      ['PUT', 'once'],
      ['GET', ''],
    ])
  })
})

describe.each([301, 302, 303, 307, 308])('a Request, %i', (status) => {
  const wrapped: typeof fetch = (...call) => fetch(...call)

  test.each(['GET', 'POST', 'PUT'])('%s: its body goes where fetch itself would send it', async (method) => {
    const home = await leading((_, response) => response.writeHead(status, { location: '/end' }).end())
    const session = open({ tokens: TOKEN, refresh: () => 'unused' })
    const api = withSession(session, { origins: home.url, fetch: wrapped })
    const request = () =>
      new Request(`${home.url}/start`, { method, ...(method !== 'GET' && { body: 'some' }) })
    for (const send of [fetch, api]) expect((await send(request())).status).toBe(200)
    const told = home.seen.map(({ method, url, body }) => [method, url, body])
    expect(told.slice(2)).toEqual(told.slice(0, 2))
  })

  test('one that is not to be replayed has no copy: a TypeError where its body would go along', async () => {
    const home = await leading((_, response) => response.writeHead(status, { location: '/end' }).end())
    const session = open({ tokens: TOKEN, refresh: () => 'unused' })
    const api = withSession(session, { origins: home.url, fetch: wrapped })
    const request = new Request(`${home.url}/start`, { method: 'POST', body: 'some' })
    const outcome = await api(request, { session: { replay: false } }).catch((error) => error.name)
    expect(outcome.status ?? outcome).toBe(status < 307 ? 200 : 'TypeError')
  })
})
