import fc from 'fast-check'
import { createSession } from 'refresh-once'
import { createTestClock } from 'refresh-once/testing'
import { expect, test } from 'vitest'

/** What bodies are made of; nothing of it asks for patience, which is the one reason to come again. */
const words = fc.constantFrom(
  ...['network error', 'socket hang up', 'timeout', 'terminated', 'aborted', 'ECONNREFUSED', 'fetch failed'],
  ...['server_error', 'invalid_grant', 'invalid_client', 'unauthorized', 'token expired', 'missing', 'ok'],
  ...['<!doctype html>', '<html>', '{"access_token":', 'a=1&b=2', 'null', '', '\u0000', 'Ω'],
)
const value = fc.oneof(words, fc.constant(0), fc.integer(), fc.boolean(), fc.constant(null))
const names = fc.constantFrom(
  ...['error', 'error_description', 'message', 'status', 'statusCode', 'code', 'data', 'errors', 'name'],
  ...['accessToken', 'token', 'expires_in', 'refresh_token', 'cause', 'response', 'text', 'headers'],
)
const flat = fc.dictionary(names, value, { maxKeys: 4 })
const bodies = fc.oneof(
  words,
  fc.array(words, { maxLength: 3 }).map((some) => some.join(' ')),
  fc.oneof(value, flat, fc.array(flat, { maxLength: 2 }), fc.dictionary(names, flat, { maxKeys: 3 })),
)
const answers = fc.record({
  status: fc.constantFrom(200, 200, 201, 203, 206),
  type: fc.constantFrom('application/json', 'text/html', 'text/plain', 'application/x-www-form-urlencoded'),
  body: bodies,
  /** How it is handed over. */
  as: fc.constantFrom('Response', 'axios', 'an error of an interceptor'),
})

test('no success that was read whole leads to a second send of the same refresh token', async () => {
  let without = 0
  const property = fc.asyncProperty(answers, async ({ status, type, body, as }) => {
    const time = createTestClock()
    const sent: unknown[] = []
    const session = createSession({
      clock: time.clock,
      tokens: { accessToken: 'first', refreshToken: 'r1', expiresAt: 1 },
      refresh: ({ tokens }) => {
        sent.push(tokens?.refreshToken)
        const headers = { 'content-type': type }
        const response = { status, headers, data: body }
        if (as === 'axios') return response
        if (as !== 'Response') throw Object.assign(new Error('no tokens'), { response })
        return new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers })
      },
    })
    const outcome = session.getAccessToken().then(
      () => 'served',
      () => 'failed',
    )
    // No longer than the pause that follows a failure.
    for (let n = 0; n < 9; n++) await time.advance(100)
    if ((await outcome) === 'failed') without++
    session.close()
    expect(sent).toEqual(['r1'])
  })
  await fc.assert(property, { numRuns: 300, seed: 20_261_123 })
  expect(without).toBeGreaterThan(100)
})
