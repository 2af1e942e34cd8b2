import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { UnsecuredJWT } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { createApp as after } from './axios-jwt-after.ts'
import { createApp as before } from './axios-jwt-before.ts'

/** A backend as the README of axios-jwt has it; refresh tokens are good for one use. */
async function startBackend() {
  let count = 0
  let lifetime = 600
  const good = { access: '', refresh: '' }
  const seen: string[] = []
  const issue = (user: string) => {
    good.access = new UnsecuredJWT({ user, n: ++count }).setExpirationTime(`${lifetime}s`).encode()
    good.refresh = `r${count}`
    return { access_token: good.access, refresh_token: good.refresh }
  }
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    seen.push(`${request.url}`)
    if (request.url === '/auth/login') return answer(200, issue(Object((await json(request)) as object).user))
    if (request.url === '/auth/refresh_token') {
      const { token } = (await json(request)) as { token?: string }
      return token === good.refresh ? answer(200, issue('alice')) : answer(401, {})
    }
    const isGood = request.headers.authorization === `Bearer ${good.access}`
    return answer(isGood ? 200 : 401, {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    issue,
    /** Tokens last so many seconds from now on. */
    last(seconds: number) {
      lifetime = seconds
    },
    revoke: () => (good.access = ''),
  }
}

/** One storage, with the names of both. */
function newStorage() {
  const items = new Map<string, string>()
  const get = async (key: string) => items.get(key) ?? null
  const set = async (key: string, value: string) => void items.set(key, value)
  const remove = async (key: string) => void items.delete(key)
  return { items, get, set, remove, getItem: get, setItem: set, removeItem: remove }
}

const statusOf = (request: Promise<{ status: number }>): Promise<unknown> =>
  request.then(
    ({ status }) => status,
    (error) => error.response?.status ?? error.message,
  )

test.each([
  ['before', before],
  ['after', after],
])('%s: a login, requests, tokens that end, and a logout', async (_, createApp) => {
  const backend = await startBackend()
  const app = createApp(backend.url, newStorage())
  // Tokens that are as good as expired.
  backend.last(1)
  await app.login('alice')
  backend.last(600)
  expect(await Promise.all([1, 2, 3].map(() => statusOf(app.api.get('/items'))))).toEqual([200, 200, 200])
  await app.logout()
  expect(await statusOf(app.api.get('/items'))).toBe(401)
  await app.login('alice')
  expect(await statusOf(app.api.get('/items'))).toBe(200)
  expect(backend.seen.filter((path) => path === '/auth/login')).toHaveLength(2)
})

test.each([
  ['before: it is the caller’s', before, 401],
  ['after: it is refreshed and replayed', after, 200],
])('a token that was revoked; %s', async (_, createApp, status) => {
  const backend = await startBackend()
  const app = createApp(backend.url, newStorage())
  await app.login('alice')
  backend.revoke()
  expect(await statusOf(app.api.get('/items'))).toBe(status)
})

test('whoever was signed in with axios-jwt still is', async () => {
  const backend = await startBackend()
  const storage = newStorage()
  const { access_token: accessToken, refresh_token: refreshToken } = backend.issue('alice')
  storage.items.set('auth-tokens-production', JSON.stringify({ accessToken, refreshToken }))
  const first = after(backend.url, storage)
  expect(await statusOf(first.api.get('/items'))).toBe(200)
  backend.revoke()
  expect(await statusOf(first.api.get('/items'))).toBe(200)
  // A reload finds the tokens of now, not those of then; and a logout stays one.
  const second = after(backend.url, storage)
  expect(await statusOf(second.api.get('/items'))).toBe(200)
  await second.logout()
  expect(await statusOf(after(backend.url, storage).api.get('/items'))).toBe(401)
  expect(backend.seen.filter((path) => path === '/auth/refresh_token')).toHaveLength(1)
})
