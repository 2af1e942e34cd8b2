import { findSessionError } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { Agent, fetch as undiciFetch } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { deferred, failureOf, open, times } from '../../setup.ts'
import { bearer, landed, onWire } from '../wire.ts'
import { keeping, type Stage, type StageOptions, stage } from './stage.ts'

/** More than any socket buffers: whoever does not read it keeps its connection. */
const LONG = 'x'.repeat(2 ** 22)

/** All requests share so many connections. */
async function pool(connections: number, options: StageOptions = {}): Promise<Stage> {
  const dispatcher = new Agent({ connections, pipelining: 1 })
  onTestFinished(() => dispatcher.destroy())
  const own = ((input: string, init: object) =>
    undiciFetch(input, { ...init, dispatcher })) as unknown as typeof fetch
  return stage({ ...options, fetch: { fetch: keeping(own) } })
}

/** The next answers of `/api/items` are 401s with a long body. */
function refuse({ server }: Stage, count: number): void {
  server.fault('custom', { on: '/api/items', times: count, respond: { status: 401, body: LONG } })
}

describe('the body of a 401 that nobody gets', () => {
  test('is cancelled: with one connection, the replay finds it free', async () => {
    const given = await pool(1)
    refuse(given, 1)
    const answer = await given.api(given.at('/api/items?id=1'))
    expect(await answer.json()).toMatchObject({ id: '1', generation: 2 })
    expect(given.server.count).toMatchObject({ refreshes: 1, api: 2 })
  })

  test('without the session such an answer would keep the connection: that is what the cancelling is for', async () => {
    const given = await pool(1)
    refuse(given, 1)
    const kept = await given.api(given.at('/api/items'), { session: { replay: false } })
    expect(kept.status).toBe(401)
    const error = await failureOf(given.api(given.at('/api/items'), { signal: AbortSignal.timeout(300) }))
    expect(error).toMatchObject({ name: 'TimeoutError' })
    await kept.body?.cancel()
    expect((await given.api(given.at('/api/items'))).status).toBe(200)
  })

  test.each(['none', 'safe'] as const)(
    'fifty 401s over three connections: fifty answers (recall: %s)',
    async (recall) => {
      const given = await pool(3, { session: { recall } })
      const { server, api, at, tokens } = given
      const refused: string[] = []
      server.fault('custom', {
        on: '/api/items',
        times: Number.POSITIVE_INFINITY,
        respond({ headers, url = '' }, response) {
          const stale = headers.authorization === bearer(tokens).Authorization
          if (stale) refused.push(url)
          response.writeHead(stale ? 401 : 200).end(stale ? LONG : url)
        },
      })
      const paths = times(50, (id) => `/api/items?id=${id}`)
      const answers = await Promise.all(paths.map((path) => api(at(path)).then((answer) => answer.text())))
      expect(answers).toEqual(paths)
      expect(new Set(refused).size).toBe(refused.length)
      expect(server.count).toMatchObject({ refreshes: 1, refreshRequests: 1 })
    },
  )

  test('twenty rounds over one connection: none is leaked', async () => {
    const given = await pool(1)
    for (let round = 1; round <= 20; round++) {
      refuse(given, 1)
      const answer = await given.api(given.at('/api/items'))
      expect(await answer.json()).toMatchObject({ generation: round + 1 })
    }
    expect(given.server.count.refreshes).toBe(20)
  })

  test('one that the caller abandons while it waits is let go of, too', async () => {
    const given = await pool(1)
    const { server, api, at } = given
    refuse(given, 1)
    const refresh = server.hold('/token')
    const controller = new AbortController()
    const error = failureOf(api(at('/api/items?id=mine'), { signal: controller.signal }))
    await refresh.untilArrived()
    controller.abort()
    expect(await error).toMatchObject({ name: 'AbortError' })
    refresh.release()
    expect((await api(at('/api/items'))).status).toBe(200)
    expect(onWire(server, '/api/items', 'mine')).toHaveLength(1)
  })

  test('one whose request is to be skipped by then is let go of: it goes out as the caller made it', async () => {
    let skipping = false
    const given = await pool(1, { session: { skip: () => skipping } })
    const { server, api, at } = given
    refuse(given, 1)
    const refresh = server.hold('/token')
    const answer = api(at('/api/items'))
    await refresh.untilArrived()
    skipping = true
    refresh.release()
    expect((await answer).status).toBe(401)
    expect(await landed(server, '/api/items')).toHaveLength(2)
  })

  test('one at which `shouldRefresh` throws is let go of: the caller gets what it threw', async () => {
    const thrown = new Error('thrown by shouldRefresh')
    const given = await pool(1, {
      session: {
        shouldRefresh({ status }) {
          if (status === 401) throw thrown
          return undefined
        },
      },
    })
    refuse(given, 1)
    expect(await failureOf(given.api(given.at('/api/items')))).toBe(thrown)
    expect((await given.api(given.at('/api/items'))).status).toBe(200)
  })

  test('one that a `shouldRefresh` has read is let go of: the other half is, too', async () => {
    const given = await pool(1, {
      session: {
        shouldRefresh: async (response) => {
          await response.json()
          return undefined
        },
      },
    })
    given.server.fault('custom', {
      on: '/api/items',
      respond: (_, response) =>
        void response.writeHead(401, { 'content-type': 'application/json' }).end(LONG),
    })
    expect((await given.api(given.at('/api/items'))).status).toBe(200)
    expect(given.server.count.refreshes).toBe(1)
  })

  test.each(['the first send', 'the second send'])(
    'nor that of the one that has lost a race: %s',
    async (loser) => {
      const cancelled = deferred<void>()
      const body = () => new ReadableStream({ cancel: () => cancelled.resolve() })
      const [first, second] = [deferred<Response>(), deferred<Response>()]
      const slow = [first.promise, second.promise]
      const session = open({ tokens: 'old', refresh: () => 'new' })
      const api = withSession(session, {
        origins: ['https://api.example.com'],
        fetch: async (input, init) => {
          if (String(input).endsWith('/slow')) return slow.shift() ?? Response.error()
          const token = new Headers(init?.headers).get('authorization')
          return new Response(null, { status: token === 'Bearer new' ? 200 : 401 })
        },
      })
      const answer = api('https://api.example.com/slow')
      await api('https://api.example.com/quick')
      await expect.poll(() => slow.length).toBe(0)
      const [winning, losing] = loser === 'the first send' ? [second, first] : [first, second]
      winning.resolve(new Response('won'))
      expect(await (await answer).text()).toBe('won')
      losing.resolve(new Response(body()))
      await cancelled.promise
    },
  )

  test('one that the caller gets is whole', async () => {
    const given = await pool(1, { session: { retries: 0 } })
    refuse(given, 1)
    given.server.fault('503')
    const answer = await given.api(given.at('/api/items'))
    expect(findSessionError(answer)?.code).toBe('refresh_failed')
    expect(await answer.text()).toBe(LONG)
    expect(await landed(given.server, '/api/items')).toMatchObject([{ status: 401 }])
  })
})

test('the body of a redirect that is followed is cancelled: with one connection, the next finds it free', async () => {
  const { server, api, at } = await pool(1)
  const respond = { status: 302, headers: { location: '/api/echo' }, body: LONG }
  server.fault('custom', { on: '/api/items', respond })
  expect((await api(at('/api/items'))).url).toBe(at('/api/echo'))
})
