import { expect, test } from 'vitest'
import { stage } from './stage.ts'

test.each([
  ['a request in the care of the session', { replay: false }],
  ['a request that is left alone', false as const],
])('%s: fetch gets no `session`, which Bun would take for its own', async (_, session) => {
  const passedOn: (RequestInit | undefined)[] = []
  const { api, at } = await stage({
    fetch: {
      fetch(input, init) {
        passedOn.push(init)
        return fetch(input, init)
      },
    },
  })
  const init = { method: 'POST', headers: { 'x-own': 'kept' }, session }
  expect((await api(at('/public/echo'), init)).status).toBe(200)
  expect(passedOn).toHaveLength(1)
  expect(passedOn[0]).toMatchObject({ method: 'POST' })
  expect(passedOn[0]).not.toHaveProperty('session')
  expect(init, 'the caller’s own object').toHaveProperty('session')
})
