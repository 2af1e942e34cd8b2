import { expect, test } from 'vitest'
import { inEachEngine } from './stage.ts'

/** What no honest tab says. */
const MALFORMED: readonly unknown[] = [
  null,
  0,
  -1,
  '',
  'refresh-once',
  true,
  [],
  {},
  [[]],
  { version: null },
  { type: 'saved', version: 7 },
  { version: { epoch: 5, generation: 'many', nonce: null }, tokens: 'none' },
  { version: { epoch: '9'.repeat(40), generation: 1e9, nonce: 'z' }, tokens: { accessToken: 'forged' } },
  { version: { epoch: '9'.repeat(40), generation: 1e9, nonce: 'z' }, ended: 'signed-out' },
  { __proto__: null, constructor: { prototype: {} } },
  { deep: JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) },
]

/** All messages that one comes to by changing one leaf of a real one. */
function forge(message: unknown): unknown[] {
  const leaves: unknown[] = [null, 0, -1, 1e9, '', 'forged', '0', '9'.repeat(40), true, [], {}]
  if (typeof message !== 'object' || message === null) return leaves
  return Object.entries(message).flatMap(([key, value]) =>
    forge(value).map((forged) => ({ ...(Array.isArray(message) ? {} : message), [key]: forged })),
  )
}

inEachEngine('messages between tabs are hints:', (set) => {
  test('forged and malformed ones are ignored, and move no session backwards or forwards', async () => {
    const { server, open } = await set()
    const eavesdropper = await open()
    const one = await open({})
    await one.call('signIn', server.mint('alice'))
    const channels = await one.call('channels')
    expect(channels.length).toBeGreaterThan(0)
    await eavesdropper.call('listen', channels)
    const two = await open({})
    await two.call('accessToken')
    expect(await two.call('refresh')).toBe(2)
    await one.call('request', 1)
    const real = await eavesdropper.call('heard')
    expect(real.length).toBeGreaterThan(0)

    await expect.poll(() => one.call('state'), { timeout: 20_000 }).toMatchObject({ generation: 2 })
    const before = await Promise.all([one, two].map((tab) => tab.call('state')))
    const tokens = await Promise.all([one, two].map((tab) => tab.call('accessToken')))
    for (const tab of [one, two]) await tab.call('listen', channels)
    // Old ones again, changed ones, and nonsense.
    const messages = [...MALFORMED, ...real, ...real.flatMap(forge), 'that was all']
    await eavesdropper.call('say', channels, messages)
    await Promise.all([one, two].map((tab) => tab.call('untilHeard', 'that was all')))
    const answers = await Promise.all([one, two].map((tab) => tab.call('request', 2)))

    expect(answers.flat()).toEqual(Array(4).fill({ status: 200, user: 'alice', generation: 2 }))
    expect(await Promise.all([one, two].map((tab) => tab.call('state')))).toEqual(before)
    expect(await Promise.all([one, two].map((tab) => tab.call('accessToken')))).toEqual(tokens)
    for (const { events } of [one, two]) expect(events.filter(({ type }) => type === 'degraded')).toEqual([])
    // They still hear the truth.
    expect(await one.call('refresh')).toBe(3)
    expect(await two.call('request', 1)).toEqual([
      { status: 200, user: 'alice', generation: expect.any(Number) },
    ])
    expect(await two.call('refresh')).toBe(4)
    expect(server.count, server.explain()).toMatchObject({ refreshes: 3, refreshRequests: 3, reuses: 0 })
  })
})
