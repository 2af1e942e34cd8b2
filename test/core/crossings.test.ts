/** What is left of a session error where something has serialised it, and what must not be taken for one. */
import { MessageChannel } from 'node:worker_threads'
import { miniSerializeError } from '@reduxjs/toolkit'
import { AxiosError } from 'axios'
import * as Comlink from 'comlink'
import { findSessionError, isSessionError, SessionError, type SessionErrorCode } from 'refresh-once'
import { expect, test } from 'vitest'
import { failureOf } from '../setup.ts'

const CODES: SessionErrorCode[] = [
  'session_expired',
  'refresh_failed',
  'refresh_timeout',
  'refresh_loop',
  'session_changed',
  'session_closed',
  'not_replayable',
]
const PLACES = ['cause', 'response', 'error', 'data', 'meta', 'payload', 'networkError', 'reason', '0']

const plain = (code: SessionErrorCode = 'session_expired'): object => ({
  name: 'SessionError',
  code,
  message: 'nobody is signed in',
})
/** What axios rejects with where a request was never sent. */
const refusal = (code: SessionErrorCode): AxiosError =>
  Object.assign(new AxiosError('nobody is signed in', code), { cause: new SessionError(code) })

const crossings: [name: string, cross: (code: SessionErrorCode) => unknown][] = [
  ['structuredClone of its fields', (code) => structuredClone({ ...new SessionError(code) })],
  ['structuredClone of an error that has them as its cause', (code) => clonedCause(code)],
  ['JSON', (code) => JSON.parse(JSON.stringify(new SessionError(code, 'why')))],
  ['miniSerializeError', (code) => miniSerializeError(new SessionError(code, 'why'))],
  ['miniSerializeError of what axios rejects with', (code) => miniSerializeError(refusal(code))],
  ['JSON of what axios rejects with', (code) => JSON.parse(JSON.stringify(refusal(code)))],
]

function clonedCause(code: SessionErrorCode): unknown {
  return structuredClone(new Error('failed', { cause: { ...new SessionError(code) } }))
}

test.each(crossings)('%s leaves each code to be found', (_, cross) => {
  expect(CODES.map((code) => findSessionError(cross(code))?.code)).toEqual(CODES)
  expect(CODES.map((code) => isSessionError({ error: cross(code) }, code))).toEqual(CODES.map(() => true))
})

test.each(PLACES)('a verdict at `%s`, however deep, is found beside something else', (place) => {
  const others = Object.fromEntries(PLACES.map((other) => [other, { name: 'Error', message: other }]))
  expect(findSessionError({ ...others, [place]: plain() })).toEqual(plain())
  expect(findSessionError({ ...others, [place]: { ...others, [place]: plain() } })).toEqual(plain())
})

test('it is found in what many promises leave together', async () => {
  const failing = () => Promise.reject(new SessionError('session_expired'))
  expect(isSessionError(await failureOf(Promise.any([failing(), failing()])), 'session_expired')).toBe(true)
  const [settled] = await Promise.allSettled([failing()])
  expect(isSessionError(settled, 'session_expired')).toBe(true)
})

test('the nearest one is found', () => {
  const cause = { cause: plain('refresh_failed') }
  expect(findSessionError({ cause, payload: plain('session_closed') })?.code).toBe('session_closed')
})

test('of a request that was never sent, the session error itself is found, not what axios makes of it', () => {
  const error = refusal('refresh_failed')
  expect(findSessionError(error)).toBe(error.cause)
})

test('Comlink leaves the name and the message: a session error, without its code', async () => {
  const { port1, port2 } = new MessageChannel()
  const endpoint = (port: unknown): Comlink.Endpoint => port as Comlink.Endpoint
  Comlink.expose(
    {
      error: () => Promise.reject(new SessionError('session_expired', 'nobody is signed in')),
      fields: () => Promise.reject({ ...new SessionError('session_expired') }),
    },
    endpoint(port1),
  )
  const remote = Comlink.wrap<{ error(): Promise<void>; fields(): Promise<void> }>(endpoint(port2))
  const error = await failureOf(remote.error())
  expect(findSessionError(error)).toMatchObject({ message: 'nobody is signed in' })
  expect([isSessionError(error), isSessionError(error, 'session_expired')]).toEqual([true, false])
  const fields: unknown = await remote.fields().catch((reason: unknown) => reason)
  expect(isSessionError(fields, 'session_expired')).toBe(true)
  // A remote object answers to every name, with something that does so, too.
  expect(findSessionError(remote)).toBeUndefined()
  port1.close()
})

const foreign: [name: string, thing: unknown][] = [
  ['an API that says `session_expired`', { data: { code: 'session_expired', message: 'Sign in' } }],
  ['an error with that code', Object.assign(new Error('x'), { code: 'session_expired' })],
  ['a SessionError of another library', { name: 'SessionError', code: 'ERR_STORE', message: 'x' }],
  ['one whose code only begins like ours', { name: 'SessionError', code: 'session_expired_twice' }],
  ['an error of axios', new AxiosError('x', 'ERR_NETWORK')],
  ['an error of axios without a code', new AxiosError('x')],
  ['the words', 'SessionError: session_expired'],
  ['a name that is no name', { name: ['SessionError'], code: 'session_expired' }],
  ['nothing', undefined],
  ['null', null],
  ['a number', 0],
  ['a symbol as a code', { name: 'AxiosError', code: Symbol('x') }],
]

test.each(foreign)('%s is none', (_, thing) => {
  expect(findSessionError(thing)).toBeUndefined()
  expect(isSessionError(new Error('x', { cause: thing }))).toBe(false)
})

/** An object of which some members throw when they are read. */
function guarded(members: string[], rest: object = {}): object {
  const thrower = {
    get: () => {
      throw new Error('do not look')
    },
  }
  return Object.defineProperties(
    { ...rest },
    Object.fromEntries(members.map((name) => [name, thrower])),
  ) as object
}

test.each(['name', 'code', ...PLACES.slice(0, 5)])(
  'a `%s` that throws keeps nothing else from sight',
  (at) => {
    expect(findSessionError(guarded([at], { payload: plain() }))).toEqual(plain())
  },
)

test('what throws at everything is none, and hides nothing', () => {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  expect(findSessionError(revoked.proxy)).toBeUndefined()
  expect(findSessionError({ cause: revoked.proxy, meta: plain() })).toEqual(plain())
})

test('it comes to an end where things hold each other, or others without end', () => {
  const ring: Record<string, unknown> = {}
  for (const place of PLACES) ring[place] = ring
  expect(findSessionError(ring)).toBeUndefined()
  let reads = 0
  const endless = (): object =>
    new Proxy(
      {},
      {
        get: () => {
          reads++
          return endless()
        },
      },
    )
  expect(findSessionError(endless())).toBeUndefined()
  expect(reads).toBeLessThan(5_000)
})
