import { configureStore } from '@reduxjs/toolkit'
import { createApi } from '@reduxjs/toolkit/query'
import { isSessionError, type SessionOptions } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import { createBaseQuery, createThunk } from '../../examples/clients/rtk-query.ts'
import { expired, signIn, startServer } from '../setup.ts'
import { prove } from './suite.ts'

interface Given {
  server: AuthServer
  /** How often the client has sent something. */
  readonly sent: number
  get(path?: string): Promise<{ data?: unknown; error?: unknown }>
  load(): Promise<unknown>
  authFetch: typeof fetch
  /** What the store holds. */
  state(): unknown
}

/** An app's endpoints, and its store. */
function appOf(authFetch: typeof fetch, url: string) {
  const api = createApi({
    baseQuery: createBaseQuery(authFetch, url),
    endpoints: (build) => ({
      get: build.query<unknown, string>({ query: (path) => path }),
      echo: build.mutation<unknown, string>({
        query: (text) => ({ url: '/api/echo', method: 'POST', body: { text } }),
      }),
    }),
  })
  const store = configureStore({
    reducer: { [api.reducerPath]: api.reducer },
    middleware: (defaults) => defaults().concat(api.middleware),
  })
  return { api, store }
}

/** What a store keeps is no error; the tests want one. */
class Failure extends Error {}

const told = (cause: unknown): never => {
  const { name, message } = Object(cause)
  throw Object.assign(new Failure(message, { cause }), { name })
}

prove({
  name: 'RTK Query',
  path: '/api/*',
  create({ fetch, url }) {
    const { api, store } = appOf(fetch, url)
    return {
      async query(id, signal) {
        const asked = store.dispatch(api.endpoints.get.initiate(`/api/items?id=${id}`))
        signal?.addEventListener('abort', () => asked.abort())
        try {
          return Object(await asked.unwrap().catch(told)).id
        } finally {
          asked.unsubscribe()
        }
      },
      mutate: (text) => store.dispatch(api.endpoints.echo.initiate(text)).unwrap().catch(told),
    }
  },
  unauthorized: (error) => isSessionError(error, 'session_expired'),
})

async function given(prepare: (server: AuthServer) => Partial<SessionOptions> = () => ({})): Promise<Given> {
  const server = await startServer()
  const session = signIn(server, { retries: 0, ...prepare(server) })
  const guarded = withSession(session, { origins: [server.url] })
  let sent = 0
  const authFetch: typeof fetch = (...request) => {
    sent++
    return guarded(...request)
  }
  const { api, store } = appOf(authFetch, server.url)
  const thunk = createThunk('load', () => authFetch(`${server.url}/api/items`))
  return {
    server,
    get sent() {
      return sent
    },
    get: async (path = '/api/items') => {
      const asked = store.dispatch(api.endpoints.get.initiate(path))
      try {
        return await asked
      } finally {
        asked.unsubscribe()
      }
    },
    load: () => store.dispatch(thunk()),
    authFetch,
    state: () => store.getState(),
  }
}

const revoked = (server: AuthServer): object => {
  server.revokeFamily('alice')
  return {}
}

test('a refresh that was refused is one attempt, and the error says so', async () => {
  const g = await given()
  g.server.revokeFamily('alice')
  const { error } = await g.get()
  expect(isSessionError(error, 'session_expired')).toBe(true)
  expect([g.sent, g.server.count.api, g.server.count.refreshRequests]).toEqual([1, 1, 1])
})

test('a refresh that fails for now is one attempt, too', async () => {
  const g = await given((server) => {
    server.fault('503', { times: Number.POSITIVE_INFINITY })
    return { tokens: expired(server.mint()) }
  })
  const { error } = await g.get()
  expect(isSessionError(error, 'refresh_failed')).toBe(true)
  expect([g.sent, g.server.count.api, g.server.count.refreshRequests]).toEqual([1, 0, 1])
})

test('a token that was revoked unseen is refreshed, and the answer comes', async () => {
  const g = await given()
  g.server.expireAccessTokens()
  expect((await g.get()).error).toBeUndefined()
  expect([g.sent, g.server.count.refreshRequests]).toEqual([1, 1])
})

test('what is kept in the store is plain', async () => {
  const g = await given((server) => ({ tokens: expired(server.mint()), ...revoked(server) }))
  await g.get()
  const state = g.state()
  expect(JSON.parse(JSON.stringify(state))).toEqual(state)
  expect(JSON.stringify(state)).toContain('session_expired')
})

test('a thunk rejects with the session error', async () => {
  const g = await given((server) => ({ tokens: expired(server.mint()), ...revoked(server) }))
  const action = await g.load()
  expect(isSessionError(action, 'session_expired')).toBe(true)
  expect(JSON.parse(JSON.stringify(action)).error).toMatchObject({ code: 'session_expired' })
})
