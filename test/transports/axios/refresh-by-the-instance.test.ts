import axios, { type AxiosInstance } from 'axios'
import type { RefreshContext, Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { expired, failureOf, newClock, open, startServer, watch } from '../../setup.ts'

interface App {
  server: AuthServer
  api: AxiosInstance
  session: Session
}

/** An app that refreshes through the instance that its requests go through, as most people write it first. */
async function app(
  refresh: (api: AxiosInstance, context: RefreshContext) => unknown,
  prepare: (api: AxiosInstance) => void = () => {},
): Promise<App> {
  const server = await startServer()
  const api = axios.create({ baseURL: server.url, proxy: false })
  const session = open({
    tokens: expired(server.mint('alice')),
    refresh: (context) => refresh(api, context) as Promise<never>,
  })
  attachSession(api, session)
  prepare(api)
  return { server, api, session }
}

const form = ({ tokens }: RefreshContext) =>
  new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' })

const post = (api: AxiosInstance, context: RefreshContext) => api.post('/token', form(context))

const INTERCEPTORS: [string, (api: AxiosInstance) => void][] = [
  ['none', () => {}],
  ['an ordinary one', (api) => void api.interceptors.request.use((config) => config)],
  [
    'one that takes its time',
    (api) =>
      void api.interceptors.request.use(async (config) => {
        await new Promise(setImmediate)
        return config
      }),
  ],
  ['one that makes a copy', (api) => void api.interceptors.request.use((config) => ({ ...config }))],
]

describe.each(INTERCEPTORS)('request interceptors: %s', (_, prepare) => {
  test('`refresh` posts through the instance, and the request that needs it is served', async () => {
    const { server, api, session } = await app(post, prepare)
    const seen = watch(session)
    expect((await api.get('/api/items')).status).toBe(200)
    expect(server.count).toMatchObject({ refreshes: 1, api: 1, reuses: 0 })
    expect(seen.of('request-ignored')).toMatchObject([{ reason: 'refresh' }])
  })

  test('so does `signOut`, with the tokens that end', async () => {
    const { server, api, session } = await app(post, prepare)
    await api.get('/api/items')
    const sent: unknown[] = []
    await session.signOut({
      server: async () => {
        const { config } = await api.post('/logout')
        sent.push(config.headers.Authorization)
      },
    })
    const logout = server.log.find(({ kind }) => kind === 'logout')
    expect(logout).toBeDefined()
    expect(JSON.stringify(sent)).not.toContain('Bearer')
  })

  test('after an await nobody can know, and the error says at once what to write, of which request', async () => {
    const { server, api } = await app(async (api, context) => {
      await Promise.resolve()
      return post(api, context)
    }, prepare)
    const { cause } = await failureOf(api.get('/api/items'))
    expect(cause).toMatchObject({
      code: 'refresh_failed',
      message: expect.stringContaining(
        `POST ${server.url}/token: inside \`refresh\` it would wait for the refresh: give it its signal, or session: false`,
      ),
    })
    expect(server.count.refreshRequests).toBe(0)
  })

  test('what the error says helps', async () => {
    for (const line of [{ session: false } as const, undefined]) {
      const { server, api } = await app(async (api, context) => {
        await Promise.resolve()
        return api.post('/token', form(context), line ?? { signal: context.signal })
      }, prepare)
      await api.get('/api/items')
      expect(server.count).toMatchObject({ refreshes: 1, api: 1 })
    }
  })
})

test('with a guarded fetch it is the same', async () => {
  const server = await startServer()
  for (const waits of [false, true]) {
    const session = open({
      tokens: expired(server.mint('alice')),
      async refresh(context) {
        if (waits) await Promise.resolve()
        return authFetch(`${server.url}/token`, { method: 'POST', body: form(context) })
      },
    })
    const authFetch = withSession(session, { origins: [server.url] })
    const outcome = await authFetch(`${server.url}/api/items`).then(
      ({ status }) => status,
      (error) => error.message as string,
    )
    if (waits) expect(outcome).toContain(`POST ${server.url}/token: inside \`refresh\``)
    else expect(outcome).toBe(200)
  }
})

test('where no stack tells, the deadline names the request that the refresh may wait for', async () => {
  const time = newClock()
  const server = await startServer()
  const session = open({
    tokens: { accessToken: 'old', expiresAt: 1 },
    clock: time.clock,
    // A timer knows of nobody who awaits it; in other engines than V8 nothing does.
    refresh: () =>
      new Promise((resolve) =>
        setImmediate(() => resolve(authFetch(`${server.url}/token?secret`, { method: 'POST' }))),
      ),
  })
  const authFetch = withSession(session, { origins: [server.url] })
  const failure = failureOf(authFetch(`${server.url}/api/items`))
  await new Promise(setImmediate)
  await new Promise(setImmediate)
  await time.advance(10_000)
  expect((await failure).message).toBe(
    `GET ${server.url}/api/items waited 10000 ms for a refresh. Is POST ${server.url}/token part of the refresh? Then give it its signal, or session: false`,
  )
})
