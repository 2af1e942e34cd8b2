import { describe, expect, test } from 'vitest'
import { readResult, Setback } from '../../src/core/outcome.ts'
import { newClock } from '../setup.ts'

const REFUSED = { error: 'invalid_grant' }

/** What is made of an answer that `refresh` has thrown, or returned. */
async function settle(result: Promise<unknown>): Promise<{ kind: string; patience: number }> {
  const { clock } = newClock()
  try {
    await readResult(result, clock, false, undefined, undefined)
    return { kind: 'tokens', patience: 0 }
  } catch (thrown) {
    if (!Setback.is(thrown)) throw thrown
    return { kind: thrown.kind, patience: Math.max(0, thrown.notBefore - clock.now()) }
  }
}

const thrown = (members: object, message = 'refresh failed') =>
  settle(Promise.reject(Object.assign(new Error(message), members)))

describe('an error of any make tells what was answered', () => {
  test.each([
    ['originalError', { originalError: Object.assign(new Error('no'), { status: 401 }) }],
    ['innerException', { innerException: Object.assign(new Error('no'), { status: 401 }) }],
    ['reason', { reason: { status: 401 } }],
    ['resp', { resp: { status: 401, headers: {} } }],
    ['payload', { payload: REFUSED }],
    ['info', { info: REFUSED }],
    ['errors', { errors: [new Error('a'), Object.assign(new Error('b'), { statusCode: 401 })] }],
    ['details', { details: 'UNAUTHENTICATED' }],
    ['httpStatus', { httpStatus: 401 }],
    ['code, a number', { code: 401 }],
  ])('in a member of its own: %s', async (_, members) => {
    expect((await thrown(members)).kind).toBe('rejected')
  })

  test('but not what was sent, nor what its maker would answer', async () => {
    const sent = { error: 'invalid_grant', status: 401 }
    for (const name of ['config', 'request', 'req', 'options', 'input', 'operation', 'output'])
      expect((await thrown({ [name]: sent })).kind).toBe('final')
  })

  test('but not what its client says of its connection', async () => {
    const socket = { localAddress: '10.0.0.1', state: 'open' }
    expect((await thrown({ status: 403, data: '<html></html>', socket })).kind).toBe('definite')
  })

  test('in its message, where that is the body', async () => {
    const message = JSON.stringify({ error: 'invalid_grant', error_description: 'It was revoked' })
    expect((await thrown({}, message)).kind).toBe('rejected')
  })

  test.each([
    [{ name: 'AxiosError', message: 'Network Error', code: 'ERR_NETWORK' }, 'doubt'],
    [{ name: 'Error', message: 'connect ECONNREFUSED 10.0.0.1:80', code: 'ECONNREFUSED' }, 'definite'],
    [{ name: 'TypeError', message: 'fetch failed' }, 'doubt'],
    [{ name: 'Error', message: 'refresh failed' }, 'final'],
  ])('once it was serialised: %o', async (error, kind) => {
    const { stack } = new Error(error.message)
    expect((await settle(Promise.reject({ ...error, stack }))).kind).toBe(kind)
  })

  test('nor any number that it has', async () => {
    expect((await thrown({ errno: 401, code: 16, line: 500 })).kind).toBe('final')
  })

  test.each([
    ['read ETIMEDOUT', 'doubt'],
    ['write EPIPE', 'doubt'],
    ['getaddrinfo EAI_FAIL id.example.com', 'definite'],
  ])('of a connection: %s', async (message, kind) => {
    expect((await thrown({ code: message.split(' ')[1] }, message)).kind).toBe(kind)
  })
})

describe('clients of other worlds are understood', () => {
  const TOKENS = { access_token: 'new', expires_in: 60 }

  test.each([
    ['16 UNAUTHENTICATED: no credentials', 16, 'rejected'],
    ['14 UNAVAILABLE: no healthy upstream', 14, 'definite'],
    ['8 RESOURCE_EXHAUSTED: enough', 8, 'definite'],
    ['7 PERMISSION_DENIED: not here', 7, 'definite'],
    ['4 DEADLINE_EXCEEDED: too slow', 4, 'doubt'],
  ])('gRPC: %s', async (message, code, kind) => {
    const [, , details] = message.split(/ (.*): /)
    expect((await thrown({ code, details }, message)).kind).toBe(kind)
  })

  test.each([
    ['tokens', { statusCode: 200, data: TOKENS }, 'tokens'],
    ['tokens as text', { statusCode: 200, data: JSON.stringify(TOKENS) }, 'tokens'],
    ['a refusal', { statusCode: 401, data: { message: 'no' } }, 'rejected'],
    ['trouble', { statusCode: 503, data: '' }, 'definite'],
  ])('mini programs: %s', async (_, answer, kind) => {
    const header = { 'Content-Type': 'application/json', 'Retry-After': '17' }
    const told = kind === 'definite' ? header : {}
    const found = await settle(
      Promise.resolve({ errMsg: 'request:ok', cookies: [], header: told, ...answer }),
    )
    expect(found).toEqual({ kind, patience: kind === 'definite' ? 17_000 : 0 })
  })

  test('mini programs: no answer', async () => {
    const { kind } = await settle(Promise.reject({ errMsg: 'request:fail timeout', errno: 5 }))
    expect(kind).toBe('doubt')
  })

  test.each([
    ['Android', 'Unable to resolve host "id.test": No address associated with hostname', 'definite'],
    ['iOS', 'A server with the specified hostname could not be found.', 'definite'],
    [
      'Deno',
      'error sending request for url (http://x/): client error (Connect): dns error: failed to lookup address information',
      'definite',
    ],
    ['Tauri', 'error sending request for url (http://127.0.0.1:1/)', 'doubt'],
    ['Node, of a certificate', 'self-signed certificate', 'definite'],
    ['Node, of another', 'unable to verify the first certificate', 'definite'],
  ])('%s: %s', async (_, message, kind) => {
    expect((await thrown({}, message)).kind).toBe(kind)
  })

  test('an app that cannot read what it was given has not been refused (jwt-decode)', async () => {
    const message = 'Invalid token specified: must be a string'
    expect((await thrown({ name: 'InvalidTokenError' }, message)).kind).toBe('final')
    expect((await thrown({ name: 'InvalidTokenError' }, 'it was refused')).kind).toBe('rejected')
  })

  test.each(['NotAuthorizedException', 'InteractionRequiredAuthError'])(
    'an error by its name: %s',
    async (name) => {
      expect((await thrown({ name }, 'the user has to sign in')).kind).toBe('rejected')
    },
  )
})

describe('a body of bytes is read', () => {
  const TOKENS = { access_token: 'new', expires_in: 60 }
  const KINDS: [string, (bytes: Uint8Array<ArrayBuffer>) => unknown][] = [
    ['Uint8Array', (bytes) => bytes],
    ['Buffer', (bytes) => Buffer.from(bytes)],
    ['ArrayBuffer', (bytes) => bytes.buffer],
    ['Blob', (bytes) => new Blob([bytes])],
  ]

  test.each(KINDS)('%s', async (_, make) => {
    const respond = (status: number, body: unknown) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      return settle(Promise.resolve({ status, headers: {}, data: make(new TextEncoder().encode(text)) }))
    }
    expect((await respond(200, TOKENS)).kind).toBe('tokens')
    expect((await respond(400, { error: 'invalid_client' })).kind).toBe('final')
    expect((await respond(403, '<html></html>')).kind).toBe('definite')
  })
})

describe('Retry-After', () => {
  const KEPT = [
    ['as the server writes it', { 'Retry-After': '17' }],
    ['in capitals', { 'RETRY-AFTER': 17 }],
    ['in lower case', { 'retry-after': ['17'] }],
    ['in a Map', new Map([['retry-after', '17']])],
    ['in Headers', new Headers({ 'Retry-After': '17' })],
  ] as const

  test.each(KEPT)('is found in the headers of any client: %s', async (_, headers) => {
    expect((await thrown({ response: { status: 429, headers } })).patience).toBe(17_000)
  })

  test.each([400, 401, 403, 409])('of a %d says that it is no refusal', async (status) => {
    const answer = () => new Response('{"message":"Not now"}', { status, headers: { 'retry-after': '17' } })
    expect(await settle(Promise.resolve(answer()))).toEqual({ kind: 'definite', patience: 17_000 })
  })

  test.each([
    [{ message: 'You are being rate limited.', retry_after: 64.5 }, 64_500],
    [{ error: 'Too many', retryAfter: '17' }, 17_000],
    [{ ok: false, parameters: { retry_after: 35 } }, 35_000],
    [
      { error: { status: 'RESOURCE_EXHAUSTED', details: [{ '@type': 'RetryInfo', retryDelay: '3.5s' }] } },
      3_500,
    ],
    [{ retry_after: null }, 0],
    [{ retry_after: -3 }, 0],
    [{ retryAfter: 'soon' }, 0],
  ])('is found in the body, where scripts may not see the header: %o', async (body, patience) => {
    const respond = (headers: Record<string, string>) =>
      settle(Promise.resolve(Response.json(body, { status: 429, headers })))
    expect(await respond({})).toEqual({ kind: 'definite', patience })
    expect(await respond({ 'retry-after': '2' })).toEqual({ kind: 'definite', patience: 2_000 })
  })
})
