import { describe, expect, test, vi } from 'vitest'
import { times, watch } from '../setup.ts'
import { CLIENTS } from './client.ts'
import { stage } from './stage.ts'
import { onWire } from './wire.ts'

describe.each(CLIENTS)('$name: what is quick does not wait behind what is slow', (client) => {
  /** The paths in the order in which they were sent with the new token. */
  const order = ({ events }: ReturnType<typeof watch>) =>
    events.flatMap((event) =>
      'request' in event && /sent|replayed/.test(event.type) && event.request.generation === 2
        ? [new URL(event.request.url).pathname]
        : [],
    )

  test('what came during the refresh is sent before what was taken off the wire for it', async () => {
    const { server, session, api, time } = await stage(client, { recall: 'safe' })
    await time.advance(1)
    const seen = watch(session)
    const slow = server.hold('/api/late')
    const refreshes = server.hold('/token')
    const stale = times(12, (id) => api(`/api/late?id=${id}`))
    await slow.untilArrived(12)
    server.expireAccessTokens()
    const rejected = api('/api/items')
    await refreshes.untilArrived()
    await time.advance(250)
    await server.until(() => onWire(server, '/api/late').every(({ aborted }) => aborted))
    const quick = api('/api/echo')
    slow.release()
    refreshes.release()
    await Promise.all([quick, rejected, ...stale])

    expect(order(seen)).toEqual(['/api/items', '/api/echo', ...times(12, () => '/api/late')])
  })

  test.each([
    { late: 6, recall: 'safe', taken: true },
    { late: 5, recall: 'safe', taken: false },
    { late: 6, recall: 'race', taken: false },
  ] as const)(
    '$late are on their way with the old token ($recall), and may have all connections: $taken',
    async ({ late, recall, taken }) => {
      const { server, session, api, time } = await stage(client, { recall })
      await time.advance(1)
      const seen = watch(session)
      const slow = server.hold('/api/late')
      const stale = times(late, (id) => api(`/api/late?id=${id}`))
      await slow.untilArrived(late)
      server.expireAccessTokens()
      await api('/api/items')
      await slow.untilArrived(2 * late)
      // Those that are raced have their place until an answer counts.
      const gone = () => onWire(server, '/api/late').filter(({ aborted }) => aborted).length
      if (taken) await server.until(() => gone() === late)
      expect(gone()).toBe(taken ? late : 0)
      slow.release()
      await Promise.all(stale)

      expect(seen.of('request-recalled')).toHaveLength(taken ? late : 0)
      expect(server.count.refreshes).toBe(1)
    },
  )

  test('what was refused late is sent again after what was refused soon', async () => {
    const { server, session, api, time } = await stage(client, { recall: 'none' })
    await time.advance(1)
    const seen = watch(session)
    const slow = server.hold('/api/late')
    const refreshes = server.hold('/token')
    const stale = api('/api/late')
    await slow.untilArrived()
    server.expireAccessTokens()
    await time.advance(250)
    const rejected = api('/api/items')
    await refreshes.untilArrived()
    slow.release()
    await vi.waitFor(() => expect(seen.of('request-rejected')).toHaveLength(2))
    const quick = api('/api/echo')
    refreshes.release()
    await Promise.all([quick, rejected, stale])

    expect(order(seen)).toEqual(['/api/items', '/api/echo', '/api/late'])
  })

  test('among those that are alike the order of arrival stands', async () => {
    const { server, session, api } = await stage(client)
    const seen = watch(session)
    const refreshes = server.hold('/token')
    server.expireAccessTokens()
    const first = api('/api/items')
    await refreshes.untilArrived()
    const others = times(9, (id) => api(`/api/items?id=${id}`))
    refreshes.release()
    await Promise.all([first, ...others])

    const ids = seen.events.flatMap((event) =>
      'request' in event && event.request.generation === 2 && /sent|replayed/.test(event.type)
        ? [event.request.id]
        : [],
    )
    expect(ids).toEqual([...ids].sort((a, b) => a - b))
    expect(ids).toHaveLength(10)
  })
})
