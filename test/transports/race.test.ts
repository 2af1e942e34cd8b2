import type { ServerResponse } from 'node:http'
import axios from 'axios'
import type { SessionOptions } from 'refresh-once'
import { createAuthRefresh } from 'refresh-once/axios-auth-refresh'
import { describe, expect, test, vi } from 'vitest'
import { deferred, signIn, startServer, times, watch } from '../setup.ts'
import { ALL_CLIENTS, type Api, CLIENTS, type Client } from './client.ts'

/** A request for `/slow`, which the test answers. */
interface Arrival {
  token: string | undefined
  answer(status: number): void
  /** Its client has broken it off. */
  gone: Promise<void>
}

/** A server whose `/slow` is answered by the test, whatever the token, and which refuses those of the first generation elsewhere. */
async function openServer() {
  const arrivals: Arrival[] = []
  let look = () => {}
  const server = await startServer({
    fallback({ headers }, response: ServerResponse) {
      const gone = deferred<void>()
      response.on('close', () => response.writableFinished || gone.resolve())
      arrivals.push({
        token: headers.authorization?.slice('Bearer '.length),
        answer: (status) =>
          response.writeHead(status, { 'content-type': 'application/json' }).end(`{"status":${status}}`),
        gone: gone.promise,
      })
      look()
    },
  })
  const arrival = async (count: number) => {
    while (arrivals.length < count)
      await new Promise<void>((resolve) => {
        look = resolve
      })
    return arrivals[count - 1] as Arrival
  }
  return { server, arrivals, arrival }
}

/** A slow request is on its way. */
async function openOriginal(
  client: Client,
  options: Partial<SessionOptions> = {},
  call: Parameters<Api>[1] = {},
) {
  const { server, arrivals, arrival } = await openServer()
  const session = signIn(server, options)
  const seen = watch(session)
  const api = client.attach(server, session)
  const slow = api('/slow', call)
  const original = await arrival(1)
  return { server, session, seen, api, slow, arrivals, arrival, original }
}

/** Its token is one that another request finds refused, and both are there: the original and its replay. */
async function openRace(...given: Parameters<typeof openOriginal>) {
  const all = await openOriginal(...given)
  all.server.expireAccessTokens()
  await all.api('/api/items')
  return all
}

const ofSlow = ({ events }: ReturnType<typeof watch>) =>
  events.flatMap((event) => ('request' in event && event.request.url.endsWith('/slow') ? [event] : []))

describe.each(ALL_CLIENTS)('$name: a safe request that is on its way when the new token comes', (client) => {
  test.each(['GET', 'HEAD', 'OPTIONS'])(
    '%s is sent again at once, and the replay answers',
    async (method) => {
      const { seen, slow, original, arrival, server } = await openRace(client, {}, { method })
      const replay = await arrival(2)
      expect(replay.token).not.toBe(original.token)
      replay.answer(200)
      expect((await slow).status).toBe(200)
      original.answer(401)

      expect(ofSlow(seen)).toMatchObject([
        { type: 'request-sent', request: { attempt: 1, generation: 1 } },
        { type: 'request-replayed', request: { attempt: 2, generation: 2 } },
        { type: 'request-settled', status: 200, request: { attempt: 2, generation: 2 } },
      ])
      expect(server.count.refreshes).toBe(1)
    },
  )

  test('the original answers first: that is the answer, and the events say which send it was of', async () => {
    const { seen, slow, original, arrival, arrivals } = await openRace(client)
    const replay = await arrival(2)
    original.answer(200)
    expect((await slow).status).toBe(200)
    replay.answer(500)

    expect(ofSlow(seen).at(-1)).toMatchObject({
      type: 'request-settled',
      status: 200,
      request: { attempt: 1, generation: 1 },
    })
    expect(arrivals).toHaveLength(2)
  })

  test.each([400, 401, 403, 404, 500])('a %i of the original is no good answer', async (status) => {
    const { slow, original, arrival, arrivals } = await openRace(client)
    const replay = await arrival(2)
    original.answer(status)
    replay.answer(200)
    expect((await slow).status).toBe(200)
    expect(arrivals).toHaveLength(2)
  })

  test.each([429, 500])(
    'a %i of the replay is none either, while the original may bring one',
    async (status) => {
      const { api, slow, original, arrival, seen } = await openRace(client)
      const replay = await arrival(2)
      replay.answer(status)
      await api('/api/items')
      original.answer(200)
      expect((await slow).status).toBe(200)
      expect(seen.of('request-settled').filter(({ request }) => request.url.endsWith('/slow'))).toHaveLength(
        1,
      )
    },
  )

  test('where neither is good, the answer is that of the newer token', async () => {
    const { slow, original, arrival } = await openRace(client)
    const replay = await arrival(2)
    replay.answer(404)
    original.answer(500)
    expect((await slow).status).toBe(404)
  })

  test('where both are refused, it is refreshed and sent once more, as after any replay', async () => {
    const { slow, original, arrival, arrivals, server } = await openRace(client)
    const replay = await arrival(2)
    replay.answer(401)
    original.answer(401)
    const last = await arrival(3)
    last.answer(200)
    expect((await slow).status).toBe(200)
    expect(new Set(arrivals.map(({ token }) => token)).size).toBe(3)
    expect(server.count.refreshes).toBe(2)
  })

  test('with recall: safe the loser is broken off, whichever it is', async () => {
    const lost = await openRace(client, { recall: 'safe' })
    ;(await lost.arrival(2)).answer(200)
    expect((await lost.slow).status).toBe(200)
    await lost.original.gone

    const won = await openRace(client, { recall: 'safe' })
    const replay = await won.arrival(2)
    won.original.answer(200)
    expect((await won.slow).status).toBe(200)
    expect((await won.slow).data).toEqual({ status: 200 })
    await replay.gone
  })

  test('its caller leaves: both are broken off, and it is an abort', async () => {
    const controller = new AbortController()
    const { slow, original, arrival } = await openRace(client, {}, { signal: controller.signal })
    const replay = await arrival(2)
    controller.abort()
    expect(await slow).toMatchObject({ aborted: true })
    await Promise.all([original.gone, replay.gone])
  })

  test('somebody signs out meanwhile: what is answered is the answer, and a 401 of both is that of a session that changed', async () => {
    const good = await openRace(client)
    await good.arrival(2)
    await good.session.signOut()
    good.original.answer(200)
    expect((await good.slow).status).toBe(200)

    const bad = await openRace(client)
    const replay = await bad.arrival(2)
    await bad.session.signOut()
    bad.original.answer(401)
    replay.answer(401)
    expect(await bad.slow).toMatchObject({ status: 401, code: 'session_changed' })
    expect(bad.arrivals).toHaveLength(2)
  })

  test('the session ends: nothing goes out without a token', async () => {
    const { server, session, api, slow, arrivals, original } = await openOriginal(client)
    await session.refresh()
    server.revokeFamily('alice')
    expect(await api('/api/items')).toMatchObject({ code: 'session_expired' })
    // What comes after it is there: it would have been, too.
    await api('/api/items')
    expect(arrivals).toHaveLength(1)
    original.answer(200)
    expect((await slow).status).toBe(200)
  })

  test.each([
    ['one that may change something', {}, { method: 'POST' }],
    ['one whose caller does not want that', {}, { session: { recall: false } }],
    ['one that is not replayed', {}, { session: { replay: false } }],
    ['one whose body comes of a factory', {}, { method: 'OPTIONS', session: { body: () => 'x' } }],
    ['none with recall: none', { recall: 'none' }, {}],
    ['none with replays: 0', { replays: 0 }, {}],
  ] as const)('%s is not sent a second time', async (_, options, call) => {
    const { slow, api, original, arrivals } = await openRace(client, options, call)
    // What comes after the refresh is there, and what comes after that: it would have been, too.
    await api('/api/items')
    await api('/api/items')
    expect(arrivals).toHaveLength(1)
    original.answer(200)
    expect((await slow).status).toBe(200)
  })

  test('a refresh that no 401 has asked for races nothing: the token is good', async () => {
    const { session, api, slow, arrivals, original } = await openOriginal(client)
    await session.refresh()
    await api('/api/items')
    expect(arrivals).toHaveLength(1)
    original.answer(200)
    expect((await slow).status).toBe(200)
  })

  describe('the original is answered while the new credentials are made', () => {
    async function openSlow(options: Partial<SessionOptions> = {}) {
      const signed = deferred<void>()
      let signatures = 0
      const all = await openRace(client, {
        async applyToken({ accessToken }, { url }) {
          if (url.endsWith('/slow') && ++signatures === 2) await signed.promise
          return { headers: { Authorization: `Bearer ${accessToken}` } }
        },
        ...options,
      })
      await vi.waitFor(() => expect(signatures).toBe(2))
      /** The answer has come: what was asked for after it is there, twice. */
      const later = async () => {
        await all.api('/api/items')
        await all.api('/api/items')
      }
      return { ...all, later, sign: () => signed.resolve() }
    }

    test.each([200, 404, 503])('with %i: that is the answer, and nothing is sent again', async (status) => {
      const { slow, original, arrivals, session, later, sign } = await openSlow()
      original.answer(status)
      await later()
      sign()
      expect((await slow).status).toBe(status)
      await session.refresh()
      expect(arrivals).toHaveLength(1)
    })

    test('with 401: it is replayed like any other', async () => {
      const { slow, original, arrival, arrivals, later, sign } = await openSlow()
      original.answer(401)
      await later()
      sign()
      ;(await arrival(2)).answer(200)
      expect((await slow).status).toBe(200)
      expect(arrivals).toHaveLength(2)
    })

    test('another token has come by then: with the older one nothing is sent', async () => {
      const { slow, original, arrivals, session, later, sign } = await openSlow()
      await session.refresh()
      sign()
      await later()
      original.answer(200)
      expect((await slow).status).toBe(200)
      expect(arrivals).toHaveLength(1)
    })

    test('the session has been closed by then: nothing is sent', async () => {
      const { slow, server, original, arrivals, session, sign } = await openSlow()
      session.close()
      sign()
      for (let n = 0; n < 2; n++) await fetch(`${server.url}/api/items`)
      original.answer(200)
      expect((await slow).status).toBe(200)
      expect(arrivals).toHaveLength(1)
    })

    test('with what the app has still to look at: nothing is sent meanwhile', async () => {
      const looks = deferred<void>()
      const looked = deferred<void>()
      const { slow, original, arrivals, session, sign } = await openSlow({
        async shouldRefresh(response) {
          if (response.status !== 203) return response.status === 401
          looks.resolve()
          await looked.promise
          return false
        },
      })
      original.answer(203)
      await looks.promise
      sign()
      await session.refresh()
      looked.resolve()
      expect((await slow).status).toBe(203)
      expect(arrivals).toHaveLength(1)
    })
  })

  describe('the second send cannot be made', () => {
    /** `spoil` fails at the second signature of the slow request. */
    async function openSpoilt(options: Partial<SessionOptions> = {}) {
      let signatures = 0
      const spoilt = deferred<void>()
      const all = await openRace(client, {
        async applyToken({ accessToken }, { url }) {
          if (url.endsWith('/slow') && ++signatures === 2) {
            spoilt.resolve()
            throw new Error('no key')
          }
          return { headers: { Authorization: `Bearer ${accessToken}` } }
        },
        ...options,
      })
      await spoilt.promise
      return all
    }

    test.each(['safe', 'race'] as const)(
      'the original is good, and its answer is whole (recall: %s)',
      async (recall) => {
        const { slow, original, arrivals } = await openSpoilt({ recall })
        original.answer(200)
        expect(await slow).toMatchObject({ status: 200, data: { status: 200 } })
        expect(arrivals).toHaveLength(1)
      },
    )

    test('the original is refused: it is replayed like any other', async () => {
      const { slow, original, arrival } = await openSpoilt()
      original.answer(401)
      const replay = await arrival(2)
      expect(replay.token).not.toBe(original.token)
      replay.answer(200)
      expect((await slow).status).toBe(200)
    })
  })

  test('what the app skips by now is not sent a second time', async () => {
    let skips = false
    const { server, api, slow, arrivals, original } = await openOriginal(client, {
      skip: (url) => skips && url.endsWith('/slow'),
    })
    skips = true
    server.expireAccessTokens()
    await api('/api/items')
    await api('/api/items')
    original.answer(200)
    expect((await slow).status).toBe(200)
    expect(arrivals).toHaveLength(1)
  })

  test('where the app cannot say whether the answer of the original is one, the replay counts', async () => {
    const asked = deferred<void>()
    const { slow, original, arrival } = await openRace(client, {
      async shouldRefresh(response) {
        if (response.status !== 203) return response.status === 401
        asked.resolve()
        throw new Error('the app is at its end')
      },
    })
    const replay = await arrival(2)
    original.answer(203)
    await asked.promise
    replay.answer(200)
    expect(await slow).toMatchObject({ status: 200, data: { status: 200 } })
  })

  test('the app is asked by shouldRefresh whether the answer of the original is one', async () => {
    const stale: boolean[] = []
    const { slow, original, arrival, arrivals } = await openRace(client, {
      async shouldRefresh(response, _, sent) {
        if (response.status === 401) return true
        const asked = ((await response.json()) as { status?: number } | undefined)?.status === 203
        if (asked) stale.push(sent.stale)
        return asked
      },
    })
    const replay = await arrival(2)
    original.answer(203)
    await vi.waitFor(() => expect(stale).toEqual([true]))
    replay.answer(200)
    expect(await slow).toMatchObject({ status: 200, data: { status: 200 } })
    expect(arrivals).toHaveLength(2)
  })
})

test.each(['onDownloadProgress', 'onUploadProgress'])(
  'axios: who is told how a request goes on, by %s, is not told of two: it is not sent a second time',
  async (name) => {
    const [client] = CLIENTS
    const call = { [name]() {} } as Parameters<Api>[1]
    const { slow, api, original, arrivals } = await openRace(client as Client, {}, call)
    await api('/api/items')
    expect(arrivals).toHaveLength(1)
    original.answer(200)
    expect((await slow).status).toBe(200)
  },
)

describe.each(CLIENTS)('$name: many that are on their way', (client) => {
  test('each is answered once, whoever wins', async () => {
    const { server, arrivals, arrival } = await openServer()
    const session = signIn(server)
    const seen = watch(session)
    const api = client.attach(server, session)
    const slow = times(20, () => api('/slow'))
    await arrival(20)
    server.expireAccessTokens()
    await api('/api/items')
    await arrival(40)
    for (const [index, one] of arrivals.entries()) one.answer(index < 20 === (index % 2 === 1) ? 200 : 401)
    for (const one of await Promise.all(slow)) expect(one.status).toBe(200)
    expect(seen.of('request-settled')).toHaveLength(21)
  })
})

test('with the drop-in for axios-auth-refresh, too', async () => {
  const { server, arrivals, arrival } = await openServer()
  let token = server.mint()
  const api = axios.create({ baseURL: server.url })
  api.interceptors.request.use((config) => {
    config.headers.Authorization = `Bearer ${token.access_token}`
    return config
  })
  createAuthRefresh(api, async () => {
    const grant = { grant_type: 'refresh_token', refresh_token: String(token.refresh_token) }
    const { data } = await axios.post(server.tokenEndpoint, new URLSearchParams(grant))
    token = data
  })
  const slow = api.get('/slow')
  await arrival(1)
  server.expireAccessTokens()
  await api.get('/api/items')
  const replay = await arrival(2)
  expect(replay.token).toBe(token.access_token)
  replay.answer(200)
  expect((await slow).data).toEqual({ status: 200 })
  arrivals[0]?.answer(401)
  expect(server.count.refreshes).toBe(1)
})
