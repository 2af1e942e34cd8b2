/** What a request brings itself, beside the credentials that the session puts onto it. */
import axios from 'axios'
import type { SessionOptions } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { open, startServer, watch } from '../setup.ts'

const API = 'https://api.example.com'

/** A session, and what was sent for it. `accepts`: by its headers. */
function given(options: Partial<SessionOptions>, accepts: (headers: Headers) => boolean) {
  const sent: Headers[] = []
  const session = open({ refresh: () => 'new', ...options })
  const answer = (headers: Headers): number => {
    sent.push(headers)
    return accepts(headers) ? 200 : 401
  }
  const send = withSession(session, {
    origins: [API],
    fetch: async (input, init) => new Response(null, { status: answer(new Request(input, init).headers) }),
  })
  return { session, seen: watch(session), sent, answer, send }
}

test('a default header stays ours where somebody signs in again with the token that he had', async () => {
  const { session, sent, send } = given(
    { tokens: null },
    (headers) => headers.get('authorization') === 'Bearer new',
  )
  for (let page = 0; page < 2; page++) {
    await session.signIn({ accessToken: 'kept', refreshToken: 'r' })
    await session.signOut()
  }
  await session.signIn({ accessToken: 'kept', refreshToken: 'r' })
  const { status } = await send(`${API}/items`, { headers: { Authorization: 'Bearer kept' } })
  expect(status).toBe(200)
  expect(sent.map((headers) => headers.get('authorization'))).toEqual(['Bearer kept', 'Bearer new'])
})

test('cookie mode: an Authorization header of the caller’s own is no reason to leave a request alone', async () => {
  let cookie = 'old'
  const { seen, sent, send } = given(
    {
      mode: 'cookie',
      refresh: () => {
        cookie = 'new'
        return undefined
      },
    },
    () => cookie === 'new',
  )
  expect((await send(`${API}/items`, { headers: { Authorization: 'Basic key' } })).status).toBe(200)
  expect(sent.map((headers) => headers.get('authorization'))).toEqual(['Basic key', 'Basic key'])
  expect(seen.of('request-ignored')).toEqual([])
})

test('cookie mode: axios may bring Basic credentials', async () => {
  let cookie = 'old'
  const refresh = () => {
    cookie = 'new'
    return undefined
  }
  const { session, sent, answer } = given({ mode: 'cookie', refresh }, () => cookie === 'new')
  const { url: baseURL } = await startServer({
    fallback(request, response) {
      response.writeHead(answer(new Headers(request.headers as Record<string, string>))).end()
    },
  })
  const instance = axios.create({ baseURL })
  attachSession(instance, session)
  const { status } = await instance.get('/items', { auth: { username: 'a', password: 'b' } })
  expect(status).toBe(200)
  expect(sent.map((headers) => headers.get('authorization'))).toEqual(['Basic YTpi', 'Basic YTpi'])
})

test('a header that `applyToken` takes away is no credential of the caller’s', async () => {
  const { seen, sent, send } = given(
    {
      tokens: 'mine',
      applyToken: ({ accessToken }) => ({ headers: { 'x-token': accessToken, authorization: undefined } }),
    },
    () => true,
  )
  // With the first signature it says which headers hold credentials.
  await send(`${API}/items`)
  expect((await send(`${API}/items`, { headers: { Authorization: 'Basic key' } })).status).toBe(200)
  expect(sent.map((headers) => [headers.get('x-token'), headers.get('authorization')])).toEqual([
    ['mine', null],
    ['mine', null],
  ])
  expect(seen.of('request-ignored')).toEqual([])
})

test('a fragment is left out where the token is put into the query, whatever is in it', async () => {
  const session = open({
    tokens: 'mine',
    refresh: () => 'unused',
    applyToken: ({ accessToken }) => ({ query: { access_token: accessToken } }),
  })
  const urls: string[] = []
  const send = withSession(session, {
    origins: [API],
    async fetch(input, init) {
      urls.push(new Request(input, init).url)
      return new Response()
    },
  })
  for (const path of ['/items', '/items#part', '/items#a?b', '/items?a=1#part']) await send(API + path)
  expect(urls.map((url) => url.slice(API.length).split('#')[0])).toEqual([
    '/items?access_token=mine',
    '/items?access_token=mine',
    '/items?access_token=mine',
    '/items?a=1&access_token=mine',
  ])
})

test('a base URL that may not get the token is a mistake that is told when the client is attached', () => {
  const session = open({ tokens: 'mine', refresh: () => 'unused' })
  const instance = axios.create({ baseURL: 'http://api.example.com' })
  expect(() => attachSession(instance, session)).toThrow(TypeError)
})
