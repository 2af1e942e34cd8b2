import { expect, test } from 'vitest'
import { times } from '../../setup.ts'
import { inEachEngine, type Stage } from './stage.ts'

/** `npm run soak` asks for more. */
const HAND_OVERS = Number(process.env.SOAK_HAND_OVERS ?? 40)
const TABS = 10

inEachEngine('turns pass from tab to tab', (set, engine) => {
  test(`${HAND_OVERS} times under load, in memory and on the disk: each finds the newest token`, async () => {
    const stage = await set()
    const tabs = await Promise.all(times(TABS, () => stage.open()))

    async function passTurns(persist: 'memory' | 'disk', { server }: Stage): Promise<void> {
      const before = { ...server.count }
      for (const tab of tabs) await tab.call('openStore', persist)
      const { access_token, refresh_token } = server.mint('alice')
      await tabs[0]?.call('save', {
        version: { epoch: `${Date.now()}`.padStart(15, '0'), generation: 1, nonce: 'a' },
        tokens: { accessToken: access_token, refreshToken: refresh_token },
      })
      const options = { endpoint: server.tokenEndpoint, persist, count: HAND_OVERS / TABS, busy: 5 }
      const found = await Promise.all(tabs.map((tab) => tab.call('handOver', options)))
      expect(found.flat().sort((a, b) => a - b)).toEqual(times(HAND_OVERS, (index) => index + 1))
      expect(server.count, server.explain()).toMatchObject({
        refreshes: before.refreshes + HAND_OVERS,
        refreshRequests: before.refreshRequests + HAND_OVERS,
        reuses: 0,
      })
      const turns = found.flatMap((generations, tab) =>
        generations.map((generation) => ({ generation, tab })),
      )
      turns.sort((a, b) => a.generation - b.generation)
      const changes = turns.filter(({ tab }, index) => index > 0 && tab !== turns[index - 1]?.tab).length
      if (process.env.SOAK_HAND_OVERS)
        console.log(
          `${engine().name}, ${persist}: ${HAND_OVERS} turns of ${TABS} tabs, ${changes} of them after another ` +
            `tab's; ${server.count.refreshes - before.refreshes} refreshes, ${server.count.reuses} reuses`,
        )
    }

    await passTurns('memory', stage)
    await passTurns('disk', stage)
  })
})
