/** MapLibre itself needs WebGL: this calls its option as it does, without waiting, and fetches what that says. */
import { type Session, tokenSource } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { beforeEach, expect, test } from 'vitest'
import { mapRequests } from '../../examples/clients/maplibre.ts'
import { deferred, signIn, startServer, times } from '../setup.ts'

let server: AuthServer

beforeEach(async () => {
  server = await startServer()
  server.api('/tiles/*', () => ({ body: {} }))
})

type Requests = Awaited<ReturnType<typeof mapRequests>>

/** Loads a tile; what is not ok is told to the map's listeners. */
async function load({ transformRequest, onError }: Requests, n: number): Promise<number> {
  const { url, headers } = transformRequest(`${server.url}/tiles/${n}`)
  const { status } = await fetch(url, { headers: headers ?? {} })
  if (status >= 400) onError({ error: { status, url } })
  return status
}

test('ten tiles whose token was revoked unseen cost one refresh, and can be loaded again', async () => {
  const session = signIn(server)
  const reloads = deferred<void>()
  let left = 10
  const map = await mapRequests(session, server.url, () => {
    if (--left === 0) reloads.resolve()
  })
  server.expireAccessTokens()
  expect(await Promise.all(times(10, (n) => load(map, n)))).toEqual(times(10, () => 401))
  await reloads.promise
  expect(await Promise.all(times(10, (n) => load(map, n)))).toEqual(times(10, () => 200))
  expect(server.count).toMatchObject({ refreshRequests: 1, rejected: 10 })
})

test('other origins get no token', async () => {
  const map = await mapRequests(signIn(server), server.url, () => {})
  const url = 'https://tiles.example.com/1'
  expect(map.transformRequest(url)).toEqual({ url })
})

test('a `tokenProvider` or `updateToken`, as SDKs of realtime services have it, takes the source as it is', async () => {
  const session: Session = signIn(server)
  const { token, refused } = tokenSource(session)
  /** The shape of such a client: it asks for a token, and says when that is over. */
  const client = { tokenProvider: token, onTokenExpired: refused }
  const first = await client.tokenProvider()
  void client.onTokenExpired()
  expect(await client.tokenProvider()).not.toBe(first)
})
