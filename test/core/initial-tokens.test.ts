/** `tokens` as a promise or a function: who is signed in at the beginning is for the app to find out. */
import { memoryStore, type SessionOptions } from 'refresh-once'
import { expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, watch } from '../setup.ts'

const stores: [name: string, options: () => Partial<SessionOptions>][] = [
  ['without a store', () => ({})],
  ['with an empty store', () => ({ store: memoryStore() })],
]

for (const [where, options] of stores) {
  for (const [how, tokens] of [
    ['a promise', Promise.resolve({ accessToken: 'kept' })],
    ['a function', () => ({ accessToken: 'kept' })],
    ['a function that gives a promise', async () => ({ accessToken: 'kept' })],
  ] as const) {
    test(`${how}, ${where}: requests wait for it, and nothing is refreshed`, async () => {
      const session = open({ refresh: () => 'refreshed', tokens, ...options() })
      expect(session.state.status).toBe('restoring')
      expect(await session.getAccessToken()).toBe('kept')
      expect(session.state.status).toBe('signed-in')
    })
  }

  test(`null, ${where}: nobody is signed in, which is no failure`, async () => {
    let refreshes = 0
    const session = open({ refresh: () => `${++refreshes}`, tokens: async () => null, ...options() })
    const seen = watch(session)
    expect(await failureOf(session.getAccessToken())).toMatchObject({ code: 'session_expired' })
    expect(session.state.status).toBe('signed-out')
    expect(seen.of('refresh-failed')).toEqual([])
    expect(seen.of('signed-out')).toEqual([])
    expect(refreshes).toBe(0)
  })

  test(`undefined, ${where}: it is not known, and refresh is asked`, async () => {
    const session = open({ refresh: () => 'refreshed', tokens: async () => undefined, ...options() })
    expect(await session.getAccessToken()).toBe('refreshed')
  })

  for (const [fault, fails] of [
    ['rejects', () => Promise.reject(new Error('the keychain is locked'))],
    [
      'throws',
      () => {
        throw new Error('the keychain is locked')
      },
    ],
    ['gives what is no token', () => ({ accessToken: 7 }) as never],
  ] as const) {
    test(`a function that ${fault}, ${where}: nobody is signed out, and it is asked again`, async () => {
      const time = newClock()
      let locked = true
      let refreshes = 0
      const session = open({
        refresh: () => `${++refreshes}`,
        tokens: () => (locked ? fails() : { accessToken: 'kept' }),
        clock: time.clock,
        retries: 0,
        ...options(),
      })
      const seen = watch(session)
      const failed = failureOf(session.getAccessToken())
      await time.advance(0)
      expect(await failed).toMatchObject({ code: 'refresh_failed' })
      expect(seen.of('degraded')).toMatchObject([{ reason: '`tokens` has not told who is signed in' }])
      expect(seen.of('signed-out')).toEqual([])
      locked = false
      await time.advance(1000)
      expect(await session.getAccessToken()).toBe('kept')
      expect([refreshes, seen.of('refresh-succeeded').length]).toEqual([0, 0])
    })
  }
}

test('it is not asked where the store holds a session', async () => {
  const store = memoryStore()
  const first = open({ refresh: () => 'unused', store, tokens: 'stored' })
  await first.getAccessToken()
  let asked = 0
  const second = open({ refresh: () => 'unused', store, tokens: () => `${++asked}` })
  expect(await second.getAccessToken()).toBe('stored')
  expect(asked).toBe(0)
})

test('somebody who signs in meanwhile comes after it', async () => {
  const answer = deferred<string>()
  const session = open({ refresh: () => 'unused', tokens: answer.promise })
  await session.signIn('new')
  answer.resolve('old')
  await answer.promise
  expect(await session.getAccessToken()).toBe('new')
})

test('a promise that is rejected, and for which nobody has waited, is no unhandled rejection', async () => {
  const session = open({ refresh: () => 'refreshed', tokens: Promise.reject(new Error('locked')) })
  await session.signIn('new')
  expect(await session.getAccessToken()).toBe('new')
})
