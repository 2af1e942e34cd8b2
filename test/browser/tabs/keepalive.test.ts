import { expect, test } from 'vitest'
import { inEachEngine } from './stage.ts'

const LEASE = 3_000
const start = {
  keepalive: true,
  lease: LEASE,
  session: { mode: 'cookie', lease: LEASE, deadline: 20_000 },
} as const

inEachEngine('in cookie mode', (set, engine) => {
  for (const keepalive of [true, false]) {
    test(`a tab is closed while its refresh ${keepalive ? 'with' : 'without'} keepalive is out: the others go on`, async () => {
      const { server, open } = await set({ grace: 60_000 })
      const [closed, other] = [await open({ ...start, keepalive }), await open({ ...start, keepalive })]
      await closed.call('logIn', 'alice')
      expect(await other.call('request', 1)).toMatchObject([{ status: 200 }])
      server.expireAccessTokens()
      const answers = server.hold('/refresh')
      closed.call('refresh').catch(() => {})
      await answers.untilArrived()
      await closed.close()
      const request = other.call('request', 1)
      answers.release()
      expect(await request).toMatchObject([{ status: 200, user: 'alice' }])
      expect(server.count, server.explain()).toMatchObject({ reuses: 0 })
      const again = server.log.some(({ kind }) => kind === 'grace')
      if (keepalive) expect(again, server.explain()).toBe(false)
      else console.log(`${engine().name}: the former cookie was ${again ? '' : 'not '}sent again`)
    })
  }
})
