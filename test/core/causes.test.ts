/** Why a session has ended: whoever is told `session_expired` is told what the authorization server said. */
import { findSessionError, type Session, SessionError, type SessionOptions } from 'refresh-once'
import { describe, expect, test } from 'vitest'
import { failureOf, open, times, watch } from '../setup.ts'

const OLD = { accessToken: 'old', refreshToken: 'r1', expiresAt: 1 }

/** How a server refuses, in each of the ways in which a refresh tells it, and what must be found in the cause. */
const refusals: [name: string, refresh: SessionOptions['refresh'], said: RegExp][] = [
  [
    'a Response',
    () => Response.json({ error: 'invalid_grant' }, { status: 400 }),
    /^the refresh was answered with 400 invalid_grant/,
  ],
  ['a Response without a word', () => new Response(null, { status: 401 }), /answered with 401/],
  ['the answer of axios', () => ({ status: 403, headers: {}, data: { message: 'no' } }), /answered with 403/],
  [
    'the error of a client',
    () => {
      const response = { status: 400, headers: {}, data: { error: 'invalid_grant' } }
      throw Object.assign(new Error('Request failed with status code 400'), { response })
    },
    /^Request failed with status code 400$/,
  ],
  [
    'a session error',
    () => {
      throw new SessionError('session_expired', 'no refresh token left')
    },
    /^no refresh token left$/,
  ],
]

const calls: [name: string, call: (session: Session) => Promise<unknown>][] = [
  ['getAccessToken()', (session) => session.getAccessToken()],
  ['getAccessToken({ minValidity })', (session) => session.getAccessToken({ minValidity: 60_000 })],
  ['refresh()', (session) => session.refresh()],
]

describe.each(refusals)('a refusal that is told by %s', (_, refresh, said) => {
  test.each(calls)('is the cause for whoever has called %s', async (_, call) => {
    const session = open({ tokens: OLD, refresh })
    const errors = await Promise.all(times(3, () => failureOf(call(session))))
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'SessionError', code: 'session_expired' })
      expect(error.cause).toBeInstanceOf(Error)
      expect((error.cause as Error).message).toMatch(said)
    }
  })

  test('is told to observers, in the event of the refresh', async () => {
    const session = open({ tokens: OLD, refresh })
    const seen = watch(session)
    const error = await failureOf(session.getAccessToken())
    expect(seen.of('refresh-failed')).toMatchObject([
      { code: 'session_expired', retryAt: undefined, message: expect.any(String) },
    ])
    const [{ message } = { message: '' }] = seen.of('refresh-failed')
    expect(message).toContain(String((error.cause as Error).message))
    expect(seen.of('signed-out')).toMatchObject([{ reason: 'rejected' }])
  })

  test('in cookie mode, too', async () => {
    const session = open({ mode: 'cookie', refresh })
    const error = await failureOf(session.refresh())
    expect(findSessionError(error)?.code).toBe('session_expired')
    expect((error.cause as Error).message).toMatch(said)
  })
})

test('the cause of an end that `isTerminal` has decided is what came', async () => {
  const refresh = () => new Response(null, { status: 418 })
  const session = open({ tokens: OLD, refresh, isTerminal: ({ status }) => status === 418 })
  const error = await failureOf(session.getAccessToken())
  expect(error).toMatchObject({ code: 'session_expired' })
  expect((error.cause as Error).message).toContain('418')
})

test('what holds others without end, or itself, is behind nothing', () => {
  const endless = (): object => new Proxy({}, { get: endless })
  const own: { cause?: unknown } = {}
  own.cause = own
  for (const thrown of [endless(), own, new Error('x', { cause: endless() })])
    expect(findSessionError(thrown)).toBeUndefined()
})

test('a session error has a cause where there is one, and else no such member', () => {
  expect('cause' in new SessionError('refresh_failed')).toBe(false)
  expect(new SessionError('refresh_failed', 'no', { cause: 'x' }).cause).toBe('x')
})

test('whoever comes after a refusal is told of it, too, but not after the next sign-in', async () => {
  const refresh = () => Response.json({ error: 'invalid_grant' }, { status: 400 })
  const session = open({ tokens: OLD, refresh })
  for (let n = 0; n < 2; n++) {
    const { cause } = await failureOf(session.getAccessToken())
    expect((cause as Error).message).toContain('invalid_grant')
  }
  await session.signIn('next')
  await session.signOut()
  const { message, cause } = await failureOf(session.getAccessToken())
  expect([message, cause]).toEqual(['nobody is signed in', undefined])
})
