import type { AxiosInstance } from 'axios'
import { createSession, type SessionOptions } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { expect, test } from 'vitest'
import { failureOf, open } from '../setup.ts'

const refresh = (): string => 'new'

test.each<[string, object, RegExp]>([
  [
    'a storage for a store',
    { store: { getItem() {}, setItem() {} } },
    /has no load, save.*memoryStore\(\{ storage \}\)/,
  ],
  ['an option that there is not', { onLogout() {} }, /there is no option onLogout/],
  ['seconds for a deadline', { deadline: 5 }, /deadline cannot be 5/],
  ['seconds for a lease', { lease: 9 }, /lease cannot be 9/],
])('%s: a TypeError that says so', (_, options, message) => {
  expect(() => createSession({ refresh, ...options } as SessionOptions)).toThrow(message)
  expect(() => createSession({ refresh, ...options } as SessionOptions)).toThrow(TypeError)
})

test('every option that there is, is one', () => {
  const options: Record<keyof SessionOptions, true> = {
    refresh: true,
    mode: true,
    tokens: true,
    store: true,
    refreshAhead: true,
    leeway: true,
    deadline: true,
    lease: true,
    retries: true,
    budget: true,
    recall: true,
    recallAfter: true,
    replays: true,
    keepFresh: true,
    endingNotice: true,
    skip: true,
    shouldRefresh: true,
    revoke: true,
    isTerminal: true,
    applyToken: true,
    clock: true,
  }
  for (const name of Object.keys(options)) {
    const attempt = () => createSession({ refresh, [name]: null } as unknown as SessionOptions).close()
    let message = ''
    try {
      attempt()
    } catch (error) {
      message = String(error)
    }
    expect(message).not.toContain('there is no option')
  }
})

test('swapped or missing arguments of attachSession: a TypeError that says which come', () => {
  const session = open({ refresh })
  for (const given of [
    [session, {}],
    [undefined, session],
    [{}, session],
  ] as unknown as [AxiosInstance, never][])
    expect(() => attachSession(...given)).toThrow(/an axios instance, then a session/)
})

test('a refresh at an address that is not there names it, without its query', async () => {
  const answer = new Response('', { status: 404 })
  Object.defineProperty(answer, 'url', { value: 'https://app.test/refesh?secret=1' })
  const session = open({ refresh: () => answer })
  const { message } = await failureOf(session.getAccessToken())
  expect(message).toMatch(/answered with 404: https:\/\/app\.test\/refesh$/)
})

test('a refresh that reaches nobody keeps the code and the host', async () => {
  const session = open({ refresh: () => fetch('http://127.0.0.1:9'), retries: 0 })
  const error = await failureOf(session.getAccessToken())
  expect(error.message).toMatch(/fetch failed: .+/)
})
