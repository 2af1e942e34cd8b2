import { memoryStore, type SessionStore, type Stored } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, refreshAt, signIn, watch } from '../setup.ts'
import { ALL_CLIENTS } from './client.ts'
import { stage } from './stage.ts'
import { onWire } from './wire.ts'

describe.each(ALL_CLIENTS)('$name: over an update, which may be of another organisation,', (client) => {
  test.each(['GET', 'POST', 'DELETE'])('a %s that is refused is not replayed', async (method) => {
    const { server, session, api } = await stage(client)
    const answers = server.hold('/api/late')
    const sent = api('/api/late?id=former', { method })
    await answers.untilArrived()
    server.expireAccessTokens()
    await session.update({ ...server.mint('alice') })
    answers.release()
    const { status, code } = await sent
    expect({ status, code }).toEqual({ status: 401, code: 'session_changed' })
    expect(onWire(server, '/api/late', 'former')).toHaveLength(1)
    expect(server.count.refreshes).toBe(0)
    expect((await api('/api/items?id=next', { method })).status).toBe(200)
  })

  test.each(['GET', 'POST'])(
    'a %s that is refused is replayed where the tokens are only better',
    async (method) => {
      const { server, session, api } = await stage(client)
      const answers = server.hold('/api/late')
      const sent = api('/api/late', { method })
      await answers.untilArrived()
      server.expireAccessTokens()
      await session.update({ ...server.mint('alice') }, { replay: true })
      answers.release()
      expect((await sent).status).toBe(200)
      expect(onWire(server, '/api/late')).toHaveLength(2)
      expect(server.count.refreshes).toBe(0)
    },
  )

  test('nothing that was sent before it is replayed after a refresh of the new tokens', async () => {
    const { server, session, api } = await stage(client)
    const answers = server.hold('/api/late')
    const sent = api('/api/late', { method: 'POST' })
    await answers.untilArrived()
    await session.update({ ...server.mint('alice') })
    server.expireAccessTokens()
    await session.refresh()
    answers.release()
    expect(await sent).toMatchObject({ status: 401, code: 'session_changed' })
    expect(onWire(server, '/api/late')).toHaveLength(1)
  })

  test('what another context has sent is not replayed either', async () => {
    const shared = memoryStore()
    let tell: (stored: Stored) => void = () => {}
    const store: SessionStore = {
      ...shared,
      watch(listener) {
        tell = listener
        return () => {}
      },
    }
    const { server, session, api } = await stage(client, { store })
    await session.getAccessToken()
    const other = open({ refresh: refreshAt(server), store: { ...shared, close() {} } })
    await other.getAccessToken()
    const answers = server.hold('/api/late')
    const sent = api('/api/late', { method: 'POST' })
    await answers.untilArrived()
    server.expireAccessTokens()
    await other.update({ ...server.mint('alice') })
    tell((await shared.load()) as Stored)
    answers.release()
    expect(await sent).toMatchObject({ status: 401, code: 'session_changed' })
    expect(onWire(server, '/api/late')).toHaveLength(1)
  })

  test('a request that was not sent yet goes out with the new tokens', async () => {
    const { server, session, api } = await stage(client)
    const { access_token, refresh_token } = server.mint('alice')
    const signatures = deferred<void>()
    const signing = signIn(server, {
      applyToken: async ({ accessToken }) => {
        await signatures.promise
        return { headers: { authorization: `Bearer ${accessToken}` } }
      },
    })
    const slow = client.attach(server, signing)
    const sent = slow('/api/items')
    await signing.update({ access_token, refresh_token })
    server.expireAccessTokens()
    await Promise.all([session.refresh(), signing.refresh()])
    signatures.resolve()
    expect((await sent).status).toBe(200)
    expect((await api('/api/items')).status).toBe(200)
    expect(onWire(server, '/api/items')).toHaveLength(2)
  })
})

test('a request that was recalled is not sent again over an update', async () => {
  const time = newClock()
  const answer = deferred<Response>()
  let sends = 0
  const wire = ((_, init) => {
    sends++
    if (init?.method === 'POST') return Promise.resolve(new Response(null, { status: 401 }))
    return new Promise((_, reject) =>
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
    )
  }) as typeof fetch
  const store = memoryStore({ clock: time.clock })
  const options = { clock: time.clock, recall: 'safe', retries: 0, store } as const
  const session = open({ ...options, tokens: 'a', refresh: () => answer.promise })
  const seen = watch(session)
  const api = withSession(session, { origins: ['https://api.example.com'], fetch: wire })
  const slow = failureOf(api('https://api.example.com/slow'))
  const refused = api('https://api.example.com/refused', { method: 'POST' })
  await time.advance(250)
  expect(seen.of('request-recalled')).toHaveLength(1)
  const { version } = (await store.load()) as Stored
  await store.save({
    version: { ...version, generation: 9 },
    tokens: { accessToken: 'b', updateGeneration: 9 },
  })
  answer.reject(new Response(null, { status: 503 }))
  await time.advance(0)
  await session.refresh().catch(() => {})
  expect(await slow).toMatchObject({ code: 'session_changed' })
  expect((await refused).status).toBe(401)
  expect(sends).toBe(2)
})

test('what was sent before an update is not raced with the tokens of another organisation', async () => {
  const slow: (string | null)[] = []
  const answer = deferred<Response>()
  const session = open({ tokens: 'old', refresh: () => 'renewed' })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async (input, init) => {
      const token = new Headers(init?.headers).get('authorization')
      if (String(input).endsWith('/slow')) {
        slow.push(token)
        return answer.promise
      }
      return new Response(null, { status: token === 'Bearer renewed' ? 200 : 401 })
    },
  })
  const sent = api('https://api.example.com/slow')
  await session.update('of-another')
  expect((await api('https://api.example.com/quick')).status).toBe(200)
  answer.resolve(new Response('served'))
  expect(await (await sent).text()).toBe('served')
  expect(slow).toEqual(['Bearer old'])
})
