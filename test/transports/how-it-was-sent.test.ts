/** What `shouldRefresh` gets to know of how a request was sent. */
import { findSessionError, type Sent } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { deferred, failureOf, newClock, open } from '../setup.ts'

const API = 'https://api.example.com/items'

test('for the how manieth time, how long ago, and whether with the token of now', async () => {
  const time = newClock()
  const told: Pick<Sent, 'stale' | 'age' | 'attempt'>[] = []
  let calls = 0
  const session = open({
    clock: time.clock,
    tokens: 'token-0',
    refresh: () => `token-${++calls}`,
    shouldRefresh(_, __, sent) {
      const { stale, age, attempt } = sent
      told.push({ stale, age, attempt })
      return undefined
    },
  })
  await time.advance(5_000)
  let sends = 0
  const send = withSession(session, {
    origins: [API],
    async fetch() {
      await time.advance(700)
      if (sends++) await session.refresh()
      return new Response(null, { status: sends === 1 ? 401 : 200 })
    },
  })
  expect((await send(API)).status).toBe(200)
  expect(told).toEqual([
    { stale: false, age: 700, attempt: 1 },
    { stale: true, age: 1_400, attempt: 2 },
  ])
})

test('a token of another sign-in is not that of now, although it is as manieth', async () => {
  const told: boolean[] = []
  const session = open({
    tokens: null,
    refresh: () => 'unused',
    shouldRefresh: (_, __, sent) => {
      told.push(sent.stale)
      return false
    },
  })
  await session.signIn('mine')
  const send = withSession(session, {
    origins: [API],
    async fetch() {
      await session.signIn('another')
      return new Response(null, { status: 401 })
    },
  })
  await send(API)
  expect(told).toEqual([true])
})

test('whoever asks a person says how long that may take; else it is the deadline', async () => {
  for (const patience of [undefined, 5_000]) {
    const time = newClock()
    const answer = deferred<boolean>()
    const session = open({
      clock: time.clock,
      deadline: 1_000,
      tokens: 'mine',
      refresh: () => 'unused',
      shouldRefresh(_, __, sent) {
        expect(sent.patience).toBe(1_000)
        if (patience) sent.patience = patience
        return answer.promise
      },
    })
    const send = withSession(session, {
      origins: [API],
      fetch: async () => new Response(null, { status: 401 }),
    })
    const sent = send(API)
    await time.advance(3_000)
    answer.resolve(false)
    expect(findSessionError(await sent)?.code).toBe(patience ? undefined : 'refresh_timeout')
  }
})

test('what `shouldRefresh` throws is the caller’s', async () => {
  const session = open({
    tokens: 'mine',
    refresh: () => 'unused',
    shouldRefresh: () => {
      throw new Error('of the app')
    },
  })
  const send = withSession(session, {
    origins: [API],
    fetch: async () => new Response(null, { status: 401 }),
  })
  expect((await failureOf(send(API))).message).toBe('of the app')
})
