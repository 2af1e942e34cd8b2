import { describe, expect, test } from 'vitest'
import { times } from '../../setup.ts'
import { type Stage, type StageOptions, stage } from './stage.ts'

/** Fifty requests at once; how many were answered with their own item. */
async function storm({ api, at }: Stage): Promise<number> {
  const answers = await Promise.all(times(50, (id) => api(at(`/api/items?id=${id}`))))
  const bodies = await Promise.all(answers.map((answer) => answer.json()))
  return bodies.filter(({ id }, index) => id === String(index)).length
}

describe('a storm of fifty calls of fetch', () => {
  test('on an expiry the client can see: one refresh, fifty requests, no failure (A2)', async () => {
    const given = await stage({ expired: true })
    given.server.expireAccessTokens()
    expect(await storm(given)).toBe(50)
    expect(given.server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, api: 50, rejected: 0 })
  })

  test.each<[string, StageOptions]>([
    ['without recall', {}],
    ['with recall', { session: { recall: 'safe' } }],
  ])(
    'on a revocation the client cannot see, %s: one refresh, a hundred requests (A1)',
    async (_, options) => {
      const given = await stage(options)
      given.server.expireAccessTokens()
      expect(await storm(given)).toBe(50)
      expect(given.server.count).toMatchObject({ refreshes: 1, refreshRequests: 1, reuses: 0 })
      expect(given.server.count.api).toBeLessThanOrEqual(100)
    },
  )
})
