/** Why a session has ended: every request that is told `session_expired` is told what the authorization server said. */
import { describe, expect, test } from 'vitest'
import { expired, open, signIn, startServer, times, watch } from '../setup.ts'
import { CLIENTS, type Outcome } from './client.ts'
import { stage } from './stage.ts'

/** What the authorization server said, as the caller of a request gets to know it. */
function said({ why }: Outcome): string {
  expect(why).toMatchObject({ name: 'SessionError', code: 'session_expired' })
  return String((why?.cause as Error | undefined)?.message)
}

describe.each(CLIENTS)('$name', (client) => {
  test('requests that wait, without a 401 of their own', async () => {
    const server = await startServer()
    const session = signIn(server, { tokens: expired(server.mint('alice')) })
    const api = client.attach(server, session)
    server.revokeFamily('alice')
    const outcomes = await Promise.all(times(3, () => api('/api/items')))
    for (const outcome of outcomes) {
      expect(outcome.refused).toBe(true)
      expect(said(outcome)).toContain('400 invalid_grant')
    }
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
  })

  test('requests whose own 401 has asked for the refresh, or has joined it', async () => {
    const { server, api } = await stage(client)
    server.revokeFamily('alice')
    const gate = server.hold('/api/items')
    const sent = times(3, () => api('/api/items'))
    await gate.untilArrived(3)
    gate.release()
    for (const outcome of await Promise.all(sent)) {
      expect(outcome.status).toBe(401)
      expect(said(outcome)).toContain('400 invalid_grant')
    }
    expect(server.count).toMatchObject({ refreshRequests: 1, api: 3 })
  })

  test('a replay, whose own 401 has asked for another refresh', async () => {
    const { server, api } = await stage(client, { replays: 2 })
    server.fault('custom', { on: '/api/items', times: 2, respond: { status: 401 } })
    server.fault('custom', { respond: { body: { ...server.mint('alice') } } })
    server.fault('invalid-grant')
    const outcome = await api('/api/items')
    expect(outcome.status).toBe(401)
    expect(said(outcome)).toContain('400 invalid_grant')
    expect(server.count).toMatchObject({ refreshRequests: 2, api: 2 })
  })

  test('a request that was recalled', async () => {
    const { server, session, api, time } = await stage(client, { recall: 'safe' })
    const seen = watch(session)
    const slow = server.hold('/api/late')
    const refresh = server.hold('/token')
    const stale = api('/api/late')
    await slow.untilArrived()
    server.revokeFamily('alice')
    const rejected = api('/api/items')
    await refresh.untilArrived()
    await time.advance(250)
    expect(seen.of('request-recalled')).toHaveLength(1)
    refresh.release()
    expect((await stale).refused).toBe(true)
    expect(said(await stale)).toContain('400 invalid_grant')
    expect(said(await rejected)).toContain('400 invalid_grant')
    slow.release()
  })

  test('a request in cookie mode', async () => {
    const server = await startServer()
    const session = open({
      mode: 'cookie',
      refresh: () => fetch(`${server.url}/refresh`, { method: 'POST' }),
    })
    const outcome = await client.attach(server, session)('/api/items')
    expect(outcome.status).toBe(401)
    expect(said(outcome)).toMatch(/answered with 40/)
  })
})
