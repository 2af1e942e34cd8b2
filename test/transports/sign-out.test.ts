import { setImmediate as macrotask } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { deferred, watch } from '../setup.ts'
import { ALL_CLIENTS } from './client.ts'
import { type Stage, stage } from './stage.ts'

const POST = { method: 'POST' }

/** The Authorization header of the requests that came for a path. */
const carried = ({ received }: Stage, url: string): (string | undefined)[] =>
  received.filter((request) => request.url === url).map(({ headers }) => headers.authorization)

describe.each(ALL_CLIENTS)('$name: the logout of a sign-out', (client) => {
  test('carries the tokens that end, and nothing else does', async () => {
    const scene = await stage(client)
    const { server, session, api } = scene
    const seen = watch(session)
    const token = await session.getAccessToken()
    await session.signOut({
      server: async ({ signal }) => {
        const first = api('/api/items?id=1', POST)
        await api('/api/items?id=2', { ...POST, signal })
        await first
        await api('/api/items?id=other')
      },
    })
    await api('/api/items?id=after')
    const sent = ['1', '2', 'other', 'after'].map((id) => carried(scene, `/api/items?id=${id}`)[0])
    expect(sent).toEqual([`Bearer ${token}`, `Bearer ${token}`, undefined, undefined])
    expect(seen.of('request-ignored').map(({ reason }) => reason)).toEqual(['sign-out', 'sign-out'])
    expect(server.count.refreshes).toBe(0)
  })

  test('carries them where another user has signed in meanwhile, and is not replayed', async () => {
    const scene = await stage(client)
    const { server, session, api } = scene
    const token = await session.getAccessToken()
    server.expireAccessTokens()
    let status = 0
    await session.signOut({
      server: async ({ signal }) => {
        await session.signIn('another')
        status = (await api('/api/items?id=out', { signal })).status
      },
    })
    expect(status).toBe(401)
    expect(carried(scene, '/api/items?id=out')).toEqual([`Bearer ${token}`])
    expect(server.count.refreshes).toBe(0)
  })

  test('carries the tokens that end with it, though a former one is answered meanwhile', async () => {
    const scene = await stage(client)
    const { session, api, time } = scene
    const answered = deferred<void>()
    const former = session.signOut({ server: () => answered.promise })
    await session.signIn('second')
    const left = session.signOut({
      async server({ signal }) {
        answered.resolve()
        await macrotask()
        await api('/api/items?id=second', { ...POST, signal })
      },
    })
    // A turn that is not to be had keeps nobody from signing out.
    await time.advance(60_000)
    await Promise.all([former, left])
    expect(carried(scene, '/api/items?id=second')).toEqual(['Bearer second'])
  })

  test('carries what `applyToken` makes of them', async () => {
    const { session, api, received } = await stage(client, {
      applyToken: async ({ accessToken }) => ({ headers: { 'x-token': accessToken } }),
    })
    const token = await session.getAccessToken()
    await session.signOut({ server: () => api('/api/items', POST) })
    expect(received.map(({ headers }) => [headers['x-token'], headers.authorization])).toEqual([
      [token, undefined],
    ])
  })

  test('is left alone where the session may not speak, and where it brings its own credentials', async () => {
    const scene = await stage(client)
    const { session, api } = scene
    const headers = { Authorization: 'Bearer mine' }
    await session.getAccessToken()
    await session.signOut({
      server: ({ signal }) =>
        Promise.all([
          api('/api/items?id=own', { ...POST, headers }),
          api('/api/items?id=out', { ...POST, signal, session: false }),
        ]),
    })
    const sent = ['own', 'out'].map((id) => carried(scene, `/api/items?id=${id}`)[0])
    expect(sent).toEqual(['Bearer mine', undefined])
  })
})
