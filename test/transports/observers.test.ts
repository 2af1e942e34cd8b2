/** What observers and subscribers hear of requests. */
import { memoryStore, type SessionEvent, type SessionState } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { expired, signIn, startServer, times, watch } from '../setup.ts'
import { CLIENTS } from './client.ts'
import { stage } from './stage.ts'

type Heard = Extract<SessionEvent, { request: unknown }>

/** Which request, how often it has been sent, and with which generation. */
function marks(events: readonly Heard[]): number[][] {
  return events.map(({ request: { id, attempt, generation } }) => [id, attempt, generation])
}

describe.each(CLIENTS)('$name', (client) => {
  test('subscribers hear nothing of requests, as long as nothing else changes', async () => {
    const { server, session, api } = await stage(client)
    const states: SessionState[] = []
    session.subscribe((state) => states.push(state))
    const seen = watch(session)
    const { state } = session
    expect((await api('/api/items')).status).toBe(200)
    expect((await api('/api/forbidden')).status).toBe(403)
    server.fault('destroy-before', { on: '/api/items' })
    expect((await api('/api/items')).status).toBe(0)
    expect(seen.of('request-sent')).toHaveLength(3)
    expect(states).toEqual([])
    expect(session.state).toBe(state)
  })

  test('of requests that are held: each has a number of its own, and none has been sent', async () => {
    const server = await startServer()
    const session = signIn(server, { tokens: expired(server.mint('alice')) })
    const api = client.attach(server, session)
    const seen = watch(session)
    const refresh = server.hold('/token')
    const answers = times(3, () => api('/api/items'))
    await refresh.untilArrived()
    expect(marks(seen.of('request-held'))).toEqual([1, 2, 3].map((id) => [id, 0, 0]))
    refresh.release()
    await Promise.all(answers)
    expect(marks(seen.of('request-sent'))).toEqual([1, 2, 3].map((id) => [id, 1, 2]))
    expect(marks(seen.of('request-replayed'))).toEqual([])
    expect(marks(seen.of('request-settled')).sort()).toEqual([1, 2, 3].map((id) => [id, 1, 2]))
    expect(seen.of('request-settled')).toMatchObject(
      times(3, () => ({ ok: true, status: 200, code: undefined })),
    )
  })

  test('of a request that waits for the store and then for a refresh: it is held once', async () => {
    const server = await startServer()
    const tokens = expired(server.mint('alice'))
    const session = signIn(server, { tokens, store: memoryStore() })
    const api = client.attach(server, session)
    const seen = watch(session)
    expect((await api('/api/items')).status).toBe(200)
    expect(seen.events.map(({ type }) => type)).toEqual([
      'request-held',
      'signed-in',
      'refresh-started',
      'refresh-succeeded',
      'request-sent',
      'request-settled',
    ])
  })

  test('of a replay: the same number, the second attempt, and the new generation', async () => {
    const { server, session, api } = await stage(client)
    await api('/api/items')
    const seen = watch(session)
    server.expireAccessTokens()
    expect((await api('/api/items?secret=1')).status).toBe(200)
    expect((await api('/api/items')).status).toBe(200)
    const told = seen.events.filter((event): event is Heard => 'request' in event)
    expect(
      told.map(({ type, request: { id, attempt, generation } }) => [type, id, attempt, generation]),
    ).toEqual([
      ['request-sent', 1, 1, 1],
      ['request-rejected', 1, 1, 1],
      ['request-replayed', 1, 2, 2],
      ['request-settled', 1, 2, 2],
      ['request-sent', 2, 1, 2],
      ['request-settled', 2, 1, 2],
    ])
    for (const { request } of told)
      expect(request).toMatchObject({ method: 'GET', url: `${server.url}/api/items` })
    expect(seen.of('request-rejected')).toMatchObject([
      { status: 401, challenge: expect.stringContaining('invalid_token') },
    ])
    expect(seen.of('refresh-started')).toMatchObject([{ reason: 'rejected' }])
  })

  test('of those who need a refresh that runs: that they have joined it', async () => {
    const { server, session, api } = await stage(client)
    const seen = watch(session)
    const gate = server.hold('/api/items')
    const answers = times(3, () => api('/api/items'))
    await gate.untilArrived(3)
    server.expireAccessTokens()
    const refresh = server.hold('/token')
    const late = times(2, () => api('/api/echo'))
    await server.until('rejected', 2)
    await seen.until('refresh-joined')
    expect(seen.of('refresh-started')).toMatchObject([{ reason: 'rejected' }])
    expect(seen.of('refresh-joined')).toMatchObject([{ reason: 'rejected' }])
    gate.release()
    refresh.release()
    await Promise.all([...answers, ...late])
    expect(seen.of('refresh-succeeded')).toHaveLength(1)
  })

  test('of a recall: the request that was taken off the wire, and that it was sent again', async () => {
    const { server, session, api, time } = await stage(client, { recall: 'safe' })
    const seen = watch(session)
    const slow = server.hold('/api/late')
    const refresh = server.hold('/token')
    const stale = api('/api/late')
    await slow.untilArrived()
    server.expireAccessTokens()
    const rejected = api('/api/items')
    await refresh.untilArrived()
    await time.advance(250)
    expect(marks(seen.of('request-recalled'))).toEqual([[1, 1, 1]])
    refresh.release()
    slow.release()
    await Promise.all([stale, rejected])
    expect(marks(seen.of('request-replayed')).sort()).toEqual([
      [1, 2, 2],
      [2, 2, 2],
    ])
  })

  describe('of how a request ended', () => {
    test('an answer, whatever it says, is the status; a broken connection is none', async () => {
      const { server, session, api } = await stage(client)
      const seen = watch(session)
      const ends = [await api('/api/items'), await api('/api/status/404'), await api('/api/status/500')]
      server.fault('destroy-before', { on: '/api/items' })
      ends.push(await api('/api/items'))
      expect(seen.of('request-settled').map(({ status, code }) => [status, code])).toEqual(
        ends.map(({ status }) => [status, undefined]),
      )
    })

    test('its own 401, and why that could not be cured', async () => {
      const { server, session, api } = await stage(client, { retries: 0 })
      const seen = watch(session)
      server.revokeFamily('alice')
      await api('/api/items')
      expect(seen.of('request-settled')).toMatchObject([{ status: 401, code: 'session_expired' }])
    })

    test('one that was never sent: no status, and why', async () => {
      const server = await startServer()
      const session = signIn(server, { tokens: expired(server.mint('alice')), retries: 0 })
      const api = client.attach(server, session)
      const seen = watch(session)
      server.fault('503')
      await api('/api/items')
      server.revokeFamily('alice')
      await session.signIn(expired(server.mint('alice')))
      session.close()
      await api('/api/items')
      expect(seen.of('request-settled')).toMatchObject([
        { ok: false, status: 0, code: 'refresh_failed', request: { attempt: 0, generation: 0 } },
        { ok: false, status: 0, code: 'session_closed', request: { attempt: 0, generation: 0 } },
      ])
    })
  })
})
