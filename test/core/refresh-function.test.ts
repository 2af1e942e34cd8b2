import {
  isSessionError,
  type RefreshFailure,
  type Session,
  SessionError,
  type SessionOptions,
} from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, newClock, open, type TurnedClock, times, watch } from '../setup.ts'

const SEED = { accessToken: 'first', refreshToken: 'r1', expiresAt: 1 }

/** A session whose token has expired: the next call needs `refresh`. */
function given(
  refresh: SessionOptions['refresh'],
  options: Partial<SessionOptions> = {},
): { session: Session; time: TurnedClock } {
  const time = newClock()
  return { time, session: open({ refresh, tokens: SEED, clock: time.clock, retries: 0, ...options }) }
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers })
}

/** What fetch got: its URL is the one after all redirects. */
function page(url: string): Response {
  const response = new Response('<!doctype html><title>Sign in</title>', {
    headers: { 'content-type': 'text/html' },
  })
  return Object.defineProperty(response, 'url', { value: url })
}

describe('what a refresh may return', () => {
  const good: [name: string, refresh: SessionOptions['refresh']][] = [
    ['a promise of the access token', async () => 'second'],
    ['the access token, without a promise', () => 'second'],
    ['a token set', async () => ({ accessToken: 'second', refreshToken: 'r2', expiresIn: 300 })],
    ['a token set, without a promise', () => ({ accessToken: 'second' })],
    [
      'an OAuth token response',
      async () => ({ access_token: 'second', token_type: 'Bearer', expires_in: 300 }),
    ],
    ['a Response', async () => json(200, { access_token: 'second' })],
    ['a Response, without a promise', () => json(200, { accessToken: 'second' })],
    ['the answer of axios', async () => ({ status: 200, headers: {}, data: { access_token: 'second' } })],
  ]
  for (const [name, refresh] of good) {
    test(`${name} serves everybody`, async () => {
      const { session } = given(refresh)
      expect(await Promise.all(times(3, () => session.getAccessToken()))).toEqual(times(3, () => 'second'))
      expect(session.state.status).toBe('signed-in')
    })
  }

  const bad: [name: string, refresh: SessionOptions['refresh'], message: RegExp][] = [
    ['nothing', () => undefined, /return/],
    ['a promise of nothing', async () => undefined, /return/],
    ['an empty string', () => '', /access token/],
    ['an object without an access token', async () => ({ access_token: '' }), /access token/],
    ['a Response without an access token', () => json(200, { id_token: 'x' }), /expected an access token/],
    ['a token of another type', async () => ({ access_token: 'x', token_type: 'mac' }), /token_type/],
    [
      'an envelope around the tokens',
      async () => json(200, { code: 0, data: { accessToken: 'x' } }),
      /code, ?data\.\{accessToken\}/,
    ],
    [
      'a page',
      async () => page('https://app.test/login?secret=1'),
      /text\/html of https:\/\/app\.test\/login\. Is the path right\?$/,
    ],
  ]
  for (const [name, refresh, message] of bad) {
    test(`${name} is an error that says so, and the tokens are kept`, async () => {
      const { session } = given(refresh)
      const error = await failureOf(session.getAccessToken())
      expect(isSessionError(error, 'refresh_failed')).toBe(true)
      expect(error.message).toMatch(message)
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
    })
  }

  test('a forgotten `return` is not tried again: it would be forgotten again', async () => {
    let calls = 0
    const { session } = given(
      () => {
        calls++
        return undefined
      },
      { retries: 5 },
    )
    await failureOf(session.getAccessToken())
    expect(calls).toBe(1)
  })

  test('in cookie mode nothing, and an empty Response, are success', async () => {
    for (const refresh of [
      () => undefined,
      async () => undefined,
      async () => new Response(null, { status: 204 }),
    ]) {
      const { session } = given(refresh, { mode: 'cookie', tokens: undefined })
      await session.refresh()
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
    }
  })

  test('it is given the tokens to renew and a signal, and in cookie mode no tokens', async () => {
    const seen: unknown[] = []
    const refresh: SessionOptions['refresh'] = ({ tokens, signal }) => {
      seen.push(tokens?.refreshToken, signal.aborted)
      return 'second'
    }
    await given(refresh).session.getAccessToken()
    await given(refresh, { mode: 'cookie', tokens: undefined }).session.refresh()
    expect(seen).toEqual(['r1', false, undefined, false])
  })
})

describe('what a refresh may throw', () => {
  test('one that throws before it returns a promise fails like any other, and nothing hangs', async () => {
    const { session, time } = given(() => {
      throw new Error('thrown at once')
    })
    const errors = await Promise.all(times(3, () => failureOf(session.getAccessToken())))
    for (const error of errors) {
      expect(isSessionError(error, 'refresh_failed')).toBe(true)
      expect(error.message).toContain('thrown at once')
    }
    expect(session.state.refreshing).toBe(false)
    expect(time.pending).toBe(0)
  })

  test('something that is no error is reported as well', async () => {
    const { session } = given(() => Promise.reject('just a string'))
    expect((await failureOf(session.getAccessToken())).message).toContain('just a string')
    const other = given(() => Promise.reject(undefined))
    expect(isSessionError(await failureOf(other.session.getAccessToken()), 'refresh_failed')).toBe(true)
  })

  test('the cause of the failure is an Error with a name, whatever was thrown', async () => {
    for (const thrown of ['just a string', undefined, null, 42, { message: 'an object' }]) {
      const { cause } = await failureOf(given(() => Promise.reject(thrown)).session.getAccessToken())
      expect(cause).toBeInstanceOf(Error)
      expect(cause).toMatchObject({ name: 'Error' })
    }
  })

  test('a session error with the code session_expired ends the session', async () => {
    const { session } = given(() => {
      throw new SessionError('session_expired', 'no refresh token left')
    })
    expect(isSessionError(await failureOf(session.getAccessToken()), 'session_expired')).toBe(true)
    expect(session.state.status).toBe('signed-out')
  })

  test('the error of an HTTP client is read as its answer', async () => {
    const refused = Object.assign(new Error('Request failed'), {
      response: { status: 400, headers: {}, data: { error: 'invalid_grant' } },
    })
    const { session } = given(() => Promise.reject(refused))
    expect(isSessionError(await failureOf(session.getAccessToken()), 'session_expired')).toBe(true)
  })
})

describe('what an error says of an answer', () => {
  const TEXT = 'a text that is none: is it JSON, or does it begin with a scheme?'
  test.each<[string, () => unknown, string]>([
    ['nothing', () => undefined, 'expected an access token, got nothing: is a return missing?'],
    ['an empty text', () => '', 'expected an access token, got an empty string'],
    ['a sentence', () => 'Bearer a b', `expected an access token, got ${TEXT}`],
    ['a number', () => ({ accessToken: 7 }), 'expected an access token, got number: accessToken'],
    ['a status alone', () => new Response(null, { status: 401 }), 'the refresh was answered with 401'],
    [
      'a status and an error',
      () => json(400, { error: 'invalid_grant' }),
      'the refresh was answered with 400 invalid_grant',
    ],
    ...['/auth/refresh', 'https://id.example.com/auth/refresh'].map(
      (url): [string, () => unknown, string] => [
        `an address without what may be secret: ${url}`,
        () => ({ status: 404, headers: {}, url: `${url}?secret=1#secret`, data: '' }),
        `the refresh was answered with 404: ${url}`,
      ],
    ),
    [
      'an address that is somebody’s picture',
      () => ({ status: 400, headers: {}, data: { url: 'https://cdn.example.com/me.png' } }),
      'the refresh was answered with 400',
    ],
  ])('%s', async (_, refresh, message) => {
    const { session } = given(refresh as never)
    const error = await failureOf(session.getAccessToken())
    expect((error.cause as Error).message).toBe(message)
  })

  test('an empty body is no forgotten return, and a page of an unknown address has none', async () => {
    const page = { status: 200, headers: { 'content-type': 'text/html' }, data: '<p>' }
    for (const answer of [new Response(null), page]) {
      const { message } = await failureOf(given(() => answer).session.getAccessToken())
      expect(message).not.toMatch(/return|of undefined/)
    }
  })
})

describe('what ends a session', () => {
  const html = (status: number): Response =>
    new Response('<!doctype html><title>x</title>', { status, headers: { 'content-type': 'text/html' } })

  const cases: [name: string, answer: () => Response, ends: boolean][] = [
    ['400 invalid_grant', () => json(400, { error: 'invalid_grant' }), true],
    ['401 with JSON', () => json(401, {}), true],
    ['401 without a body', () => new Response(null, { status: 401 }), true],
    ['403 with JSON', () => json(403, { message: 'no' }), true],
    ['400 without a body', () => new Response(null, { status: 400 }), true],
    ['400 HTML', () => html(400), false],
    ['403 HTML', () => html(403), false],
    ['200 HTML', () => html(200), false],
    ['401 invalid_client', () => json(401, { error: 'invalid_client' }), false],
    ['400 unsupported_grant_type', () => json(400, { error: 'unsupported_grant_type' }), false],
    ['400 invalid_scope', () => json(400, { error: 'invalid_scope' }), false],
    ['400 temporarily_unavailable', () => json(400, { error: 'temporarily_unavailable' }), false],
    ['404', () => json(404, {}), false],
    ['429', () => json(429, {}), false],
    ['500', () => json(500, {}), false],
    ['503', () => html(503), false],
    ['302', () => new Response(null, { status: 302 }), false],
    ['200 with an OAuth error', () => json(200, { error: 'invalid_grant' }), true],
    ['200 with another error', () => json(200, { error: 'server_error' }), false],
  ]
  for (const [name, answer, ends] of cases) {
    test(`${name} ${ends ? 'ends the session' : 'keeps it'}`, async () => {
      const { session } = given(async () => answer())
      const error = await failureOf(session.getAccessToken())
      expect(isSessionError(error, ends ? 'session_expired' : 'refresh_failed')).toBe(true)
      expect(session.state.status).toBe(ends ? 'signed-out' : 'signed-in')
    })
  }

  test('`isTerminal` decides where it says something', async () => {
    const seen: RefreshFailure[] = []
    const isTerminal = (failure: RefreshFailure): boolean | undefined => {
      seen.push(failure)
      return failure.status === 418 ? true : failure.status === 401 ? false : undefined
    }
    const outcomes: string[] = []
    for (const status of [418, 401, 403]) {
      const { session } = given(async () => json(status, { error: `e${status}` }), { isTerminal })
      await failureOf(session.getAccessToken())
      outcomes.push(session.state.status)
    }
    expect(outcomes).toEqual(['signed-out', 'signed-in', 'signed-out'])
    expect(seen.map(({ status, error }) => `${status} ${error}`)).toEqual([
      '418 e418',
      '401 e401',
      '403 e403',
    ])
  })
})

describe('an `isTerminal` that throws', () => {
  const broken = (code: string) => () => {
    throw Object.assign(new Error('nobody there'), { code })
  }
  const failures: [name: string, fail: () => Response][] = [
    ['a refusal', () => json(400, { error: 'invalid_grant' })],
    ['a 401 without a body', () => new Response(null, { status: 401 })],
    ['a 503', () => new Response(null, { status: 503 })],
    ['a 500', () => new Response(null, { status: 500 })],
    ['a Retry-After', () => json(429, {}, { 'retry-after': '1' })],
    ['a 200 with an error', () => json(200, { error: 'server_error' })],
    ['a connection that was refused', broken('ECONNREFUSED')],
    ['a connection that broke', broken('ECONNRESET')],
  ]
  for (const mode of ['token', 'cookie'] as const) {
    test.each(failures)(
      `at %s does not make the refresh token be sent again, and ends nothing (${mode} mode)`,
      async (_, fail) => {
        let calls = 0
        const { session, time } = given(
          () => {
            calls++
            return fail()
          },
          {
            mode,
            tokens: mode === 'token' ? SEED : undefined,
            retries: 2,
            isTerminal: () => {
              throw new Error('a bug of the app')
            },
          },
        )
        const { status } = session.state
        const failed = failureOf(session.refresh())
        await time.advance(5_000)
        expect(calls).toBe(1)
        const error = await failed
        expect(isSessionError(error, 'refresh_failed')).toBe(true)
        expect(error.message).toContain('a bug of the app')
        expect(session.state).toMatchObject({ status, refreshing: false })
      },
    )

    test(`leaves the next refresh to itself (${mode} mode)`, async () => {
      let calls = 0
      const { session, time } = given(
        () => (++calls === 1 ? json(400, { error: 'invalid_grant' }) : 'second'),
        {
          mode,
          tokens: mode === 'token' ? SEED : undefined,
          isTerminal: () => {
            throw new Error('a bug of the app')
          },
        },
      )
      await failureOf(session.refresh())
      await time.advance(1_000)
      await session.refresh()
      expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
      // Nobody waited for a reservation that was left behind.
      expect([calls, time.clock.monotonic()]).toEqual([2, 1_000])
    })
  }
})

describe('what `isTerminal` is told', () => {
  const answers: [client: string, refresh: SessionOptions['refresh']][] = [
    [
      'the Response of fetch',
      () => json(400, { error: 'E1', error_description: 'gone', more: 7 }, { 'x-why': 'theft' }),
    ],
    [
      'an error of axios',
      () => {
        const response = {
          status: 400,
          headers: { 'x-why': 'theft' },
          data: { error: 'E1', error_description: 'gone', more: 7 },
        }
        throw Object.assign(new Error('Request failed with status code 400'), { response })
      },
    ],
  ]
  test.each(answers)('all that was read, and it may take its time: %s', async (_, refresh) => {
    const seen: unknown[] = []
    const { session } = given(refresh, {
      async isTerminal({ status, error, description, body, headers }) {
        await Promise.resolve()
        seen.push(status, error, description, body, headers.get('X-Why'), headers.get('X-None'))
        return false
      },
    })
    expect(isSessionError(await failureOf(session.getAccessToken()), 'refresh_failed')).toBe(true)
    const body = { error: 'E1', error_description: 'gone', more: 7 }
    expect(seen).toEqual([400, 'E1', 'gone', body, 'theft', null])
  })

  test('a Response has been read already, and its parsed body is beside it', async () => {
    const seen: unknown[] = []
    const { session } = given(() => json(409, { reason: 'reused' }), {
      isTerminal({ cause, body }) {
        seen.push((cause as Response).bodyUsed, body)
        return true
      },
    })
    expect(isSessionError(await failureOf(session.getAccessToken()), 'session_expired')).toBe(true)
    expect(seen).toEqual([true, { reason: 'reused' }])
  })

  test('`error` is what the server calls so, wherever in its answer that stands', async () => {
    const seen: unknown[] = []
    const { session } = given(() => json(400, { message: 'gone', hint: 'sign in', error: 'E1' }), {
      isTerminal({ error, description }) {
        seen.push(error, description)
        return true
      },
    })
    await failureOf(session.getAccessToken())
    expect(seen).toEqual(['E1', 'gone'])
  })

  test.each([
    ['an empty body', () => new Response(null, { status: 401 }), [401, undefined]],
    ['a page', () => new Response('<p>no</p>', { status: 403 }), [403, undefined]],
    ['no answer', () => 'not a token' as never, [undefined, 'not a token']],
  ])('`body` is what was parsed, or what came in the place of an answer: %s', async (_, refresh, told) => {
    const seen: unknown[] = []
    const { session } = given(refresh, {
      isTerminal({ status, body }) {
        seen.push(status, body)
        return true
      },
    })
    await failureOf(session.getAccessToken())
    expect(seen).toEqual(told)
  })

  test('a refusal is none where the server says to come again, be that at once, and is one where it is not to wait', async () => {
    const now = new Date(1e12).toUTCString()
    for (const [code, headers] of [
      ['session_expired', { date: now, 'retry-after': now }],
      ['refresh_failed', { 'retry-after': '0.001' }],
    ] as const) {
      const { session } = given(() => json(401, {}, headers))
      expect(isSessionError(await failureOf(session.getAccessToken()), code)).toBe(true)
    }
  })

  test('`body` is the object that was parsed, also where it looks like what a client puts around one', async () => {
    const bodies = [{ data: null, error: 'E1' }, { meta: {}, message: 'no' }, {}]
    const seen: unknown[] = []
    for (const body of bodies) {
      const { session } = given(() => json(401, body), {
        isTerminal: (failure) => void seen.push(failure.body),
      })
      await failureOf(session.getAccessToken())
    }
    expect(seen).toEqual(bodies)
  })

  test.each<[string, () => Response | Promise<never>, number]>([
    ['a refusal with a status: asked again, as after any failure for now', () => json(401, {}), 3],
    [
      'a refusal in a 200: the answer came, and another would be the same',
      () => json(200, { error: 'invalid_grant' }),
      1,
    ],
    [
      'a refusal that a client tells without a status: the same',
      () => Promise.reject(Object.assign(new Error('sign in'), { name: 'InteractionRequiredAuthError' })),
      1,
    ],
  ])('where it says that it is none, %s', async (_, refuse, asked) => {
    let calls = 0
    const { session, time } = given(
      () => {
        calls++
        return refuse()
      },
      { retries: 2, isTerminal: () => false },
    )
    const failed = failureOf(session.getAccessToken())
    await time.advance(5_000)
    expect(isSessionError(await failed, 'refresh_failed')).toBe(true)
    expect([calls, session.state.status]).toEqual([asked, 'signed-in'])
  })

  test('it decides on what was returned without an answer, too', async () => {
    const { session } = given(() => null as never, { isTerminal: ({ cause }) => cause === null })
    expect(isSessionError(await failureOf(session.getAccessToken()), 'session_expired')).toBe(true)
  })

  test.each([
    [
      'at once',
      () => {
        throw new Error('a bug')
      },
    ],
    ['later', () => Promise.reject(new Error('a bug'))],
  ])('one that throws %s: the refresh has failed, once, and the tokens are kept', async (_, isTerminal) => {
    let calls = 0
    const { session } = given(
      () => {
        calls++
        return json(401, {})
      },
      { isTerminal, retries: 5 },
    )
    const error = await failureOf(session.getAccessToken())
    expect(isSessionError(error, 'refresh_failed')).toBe(true)
    expect(error.message).toContain('a bug')
    expect(session.state.status).toBe('signed-in')
    expect(calls).toBe(1)
  })
})

describe('a refresh that keeps to itself what was answered', () => {
  const silent: [name: string, refresh: SessionOptions['refresh']][] = [
    ["throw new Error('refresh failed')", () => Promise.reject(new Error('refresh failed'))],
    ['response.ok ? response.json() : null', () => null as never],
    ['throw await response.json()', () => Promise.reject({ message: 'E1234' })],
  ]
  test.each(silent)(
    '%s: nothing is guessed, nothing sent again, and the error says what to write',
    async (_, refresh) => {
      let calls = 0
      const { session } = given(
        (context) => {
          calls++
          return refresh(context)
        },
        { retries: 5 },
      )
      const error = await failureOf(session.getAccessToken())
      expect(isSessionError(error, 'refresh_failed')).toBe(true)
      expect(error.message).toMatch(/refusal.*failure.*return the response itself/i)
      expect(session.state.status).toBe('signed-in')
      expect(calls).toBe(1)
    },
  )

  test('an error that says what it is says nothing of the kind', async () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' })
    for (const refresh of [
      () => json(401, {}),
      () => Promise.reject(new TypeError('fetch failed', { cause })),
      () => Promise.reject(new TypeError("Cannot read properties of undefined (reading 'token')")),
    ]) {
      const { session } = given(refresh)
      expect((await failureOf(session.getAccessToken())).message).not.toMatch(/itself/)
    }
  })

  test('a mistake in `refresh` itself is not sent again: the answer may have come whole', async () => {
    let calls = 0
    const { session } = given(
      () => {
        calls++
        return Object(undefined).tokens.accessToken
      },
      { retries: 5 },
    )
    expect(isSessionError(await failureOf(session.getAccessToken()), 'refresh_failed')).toBe(true)
    expect(calls).toBe(1)
  })

  test('"fetch failed" is told with its code and its host', async () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' })
    const { session } = given(() => Promise.reject(new TypeError('fetch failed', { cause })))
    const { message } = await failureOf(session.getAccessToken())
    expect(message).toBe('no new access token: fetch failed: connect ECONNREFUSED 127.0.0.1:9')
  })
})

describe('trying again', () => {
  test('a failure for now is tried again twice, each time after a random delay below a growing limit', async () => {
    const calls: number[] = []
    const { session, time } = given(
      () => {
        calls.push(time.clock.monotonic())
        return calls.length < 3 ? new Response(null, { status: 503 }) : 'second'
      },
      { retries: 2 },
    )
    const token = session.getAccessToken()
    await time.advance(1_500)
    expect(await token).toBe('second')
    const [first = 0, second = 0, third = 0] = calls
    expect(calls).toHaveLength(3)
    expect(first).toBe(0)
    expect(second - first).toBeLessThanOrEqual(500)
    expect(third - second).toBeLessThanOrEqual(1_000)
  })

  test('where nothing else is said it is tried again twice, and no more', async () => {
    let calls = 0
    const { session, time } = given(
      () => {
        calls++
        return new Response(null, { status: 503 })
      },
      { retries: undefined },
    )
    const failed = failureOf(session.getAccessToken())
    await time.advance(9_000)
    await failed
    expect(calls).toBe(3)
  })

  test('the limit of the delay doubles with each try', async () => {
    const time = newClock()
    const calls: number[] = []
    const session = open({
      clock: { ...time.clock, random: () => 0.999_999 },
      tokens: SEED,
      retries: 3,
      refresh: () => {
        calls.push(time.clock.monotonic())
        throw Object.assign(new Error('nobody there'), { code: 'ECONNREFUSED' })
      },
    })
    const failed = failureOf(session.getAccessToken())
    await time.advance(5_000)
    await failed
    expect(calls.map(Math.round)).toEqual([0, 500, 1_500, 3_500])
  })

  test('the delays are jittered: sessions that fail together do not come back together', async () => {
    const calls: number[] = []
    const time = newClock()
    const tokens = times(20, () => {
      let asked = 0
      const session = open({
        clock: time.clock,
        tokens: SEED,
        refresh: () => {
          if (asked++ === 0) return new Response(null, { status: 503 })
          calls.push(time.clock.monotonic())
          return 'second'
        },
      })
      return session.getAccessToken()
    })
    await time.advance(500)
    await Promise.all(tokens)
    expect(calls).toHaveLength(20)
    expect(new Set(calls.map(Math.round)).size).toBeGreaterThan(15)
  })

  test.each([
    {},
    // Less than what we ask of ourselves by then.
    { 'retry-after': '1' },
  ])(
    'after the retries a cooldown begins, which grows with each failure up to half a minute (%j)',
    async (headers) => {
      let calls = 0
      const { session, time } = given(() => {
        calls++
        return new Response(null, { status: 503, headers })
      })
      const cooldowns: number[] = []
      for (let round = 1; round <= 8; round++) {
        const error = await failureOf(session.getAccessToken())
        if (!(error instanceof SessionError)) throw error
        expect(calls).toBe(round)
        const cooldown = (error.retryAt ?? 0) - time.clock.now()
        cooldowns.push(cooldown)
        await time.advance(cooldown - 1)
        expect(await failureOf(session.getAccessToken())).toBe(error)
        expect(calls).toBe(round)
        await time.advance(1)
      }
      expect(cooldowns).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    },
  )

  test('a success ends the growth of the cooldown', async () => {
    let broken = true
    const { session, time } = given(() => (broken ? new Response(null, { status: 503 }) : 'second'))
    for (const wait of [1_000, 2_000, 4_000]) {
      await failureOf(session.getAccessToken())
      await time.advance(wait)
    }
    broken = false
    expect(await session.getAccessToken()).toBe('second')
    broken = true
    const error = await failureOf(session.refresh())
    expect(error).toMatchObject({ retryAt: time.clock.now() + 1_000 })
  })

  const dates: [name: string, value: (now: number) => string][] = [
    ['in seconds', () => '5'],
    ['as a date', (now) => new Date(now + 5_000).toUTCString()],
  ]
  for (const [name, value] of dates) {
    test(`Retry-After ${name} is waited for before the next try`, async () => {
      let calls = 0
      const { session, time } = given(
        () => {
          if (calls++ > 0) return 'second'
          const headers = {
            'retry-after': value(time.clock.now()),
            date: new Date(time.clock.now()).toUTCString(),
          }
          return json(429, {}, headers)
        },
        { retries: 2 },
      )
      const token = session.getAccessToken()
      await time.advance(4_999)
      expect(calls).toBe(1)
      await time.advance(1)
      expect(await token).toBe('second')
      expect(calls).toBe(2)
    })
  }

  test('Retry-After as a date is measured by the server’s own clock', async () => {
    const { session, time } = given(() => {
      const theirs = time.clock.now() + 3_600_000
      const headers = {
        'retry-after': new Date(theirs + 60_000).toUTCString(),
        date: new Date(theirs).toUTCString(),
      }
      return json(503, {}, headers)
    })
    expect(await failureOf(session.getAccessToken())).toMatchObject({ retryAt: time.clock.now() + 60_000 })
  })

  test('a Retry-After of a day is capped at five minutes, and nonsense is passed over', async () => {
    for (const [value, wait] of [
      ['86400', 300_000],
      [new Date(Date.UTC(2099, 0, 1)).toUTCString(), 300_000],
      ['-5', 1_000],
      ['soon', 1_000],
      ['', 1_000],
      ['1e400', 300_000],
    ] as const) {
      const { session, time } = given(() => json(429, {}, { 'retry-after': value }))
      const error = await failureOf(session.getAccessToken())
      if (!(error instanceof SessionError)) throw error
      expect([value, (error.retryAt ?? 0) - time.clock.now()]).toEqual([value, wait])
    }
  })

  test('an answer that may have been lost is asked for again at once, with the same refresh token', async () => {
    const sent: unknown[] = []
    const { session, time } = given(({ tokens }) => {
      sent.push(tokens?.refreshToken)
      if (sent.length === 1) throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      return 'second'
    })
    expect(await session.getAccessToken()).toBe('second')
    expect(sent).toEqual(['r1', 'r1'])
    expect(time.clock.monotonic()).toBe(0)
  })

  test('an answer that is lost twice fails the refresh for now', async () => {
    let calls = 0
    const { session } = given(
      () => {
        calls++
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
      },
      { retries: 5 },
    )
    expect(isSessionError(await failureOf(session.getAccessToken()), 'refresh_failed')).toBe(true)
    expect(calls).toBe(2)
    expect(session.state.status).toBe('signed-in')
  })

  test('a mistake in the configuration is not tried again', async () => {
    for (const error of ['invalid_client', 'unauthorized_client', 'unsupported_grant_type']) {
      let calls = 0
      const { session } = given(
        () => {
          calls++
          return json(400, { error })
        },
        { retries: 5 },
      )
      await failureOf(session.getAccessToken())
      expect([error, calls]).toEqual([error, 1])
    }
  })
})

describe('a refresh that never settles', () => {
  test('waiters reject at the deadline, newcomers at their own, and the refresh token is not sent again', async () => {
    let calls = 0
    const { session, time } = given(() => {
      calls++
      return new Promise<string>(() => {})
    })
    const seen = watch(session)
    const settled: string[] = []
    const wait = (name: string): void => {
      session
        .getAccessToken()
        .catch((error) => settled.push(`${name} ${error.code} at ${time.clock.monotonic()}`))
    }
    wait('first')
    await time.advance(4_000)
    wait('second')
    await time.advance(9_000)
    wait('third')
    await time.advance(10_000)
    expect(settled).toEqual([
      'first refresh_timeout at 10000',
      'second refresh_timeout at 14000',
      'third refresh_timeout at 23000',
    ])
    expect(calls).toBe(1)
    expect(session.state.refreshing).toBe(true)
    expect(seen.of('refresh-started')).toHaveLength(1)
    session.close()
    await time.advance(0)
    expect(time.pending).toBe(0)
  })

  test('after the lease another one is tried, and serves the next call', async () => {
    const signals: AbortSignal[] = []
    const { session, time } = given(({ signal }) => {
      signals.push(signal)
      return signals.length === 1 ? new Promise<string>(() => {}) : 'second'
    })
    const first = failureOf(session.getAccessToken())
    await time.advance(59_999)
    expect(isSessionError(await first, 'refresh_timeout')).toBe(true)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    await time.advance(1)
    expect(signals[0]?.aborted).toBe(true)
    expect(await session.getAccessToken()).toBe('second')
    expect(signals).toHaveLength(2)
  })

  test('one that hangs for ever, again and again, is tried again by the next call after lease and cooldown', async () => {
    let calls = 0
    const { session, time } = given(() => {
      calls++
      return calls < 3 ? new Promise<string>(() => {}) : 'third'
    })
    const first = failureOf(session.getAccessToken())
    await time.advance(120_000)
    expect(isSessionError(await first)).toBe(true)
    expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
    expect(calls).toBe(2)
    await time.advance(30_000)
    expect(await session.getAccessToken()).toBe('third')
  })

  test('its late answer is committed, although nobody waits any more', async () => {
    const answer = deferred<string>()
    let calls = 0
    const { session, time } = given(() => {
      calls++
      return answer.promise
    })
    const seen = watch(session)
    const first = failureOf(session.getAccessToken())
    await time.advance(30_000)
    await first
    answer.resolve('second')
    await seen.until('refresh-succeeded')
    expect(await session.getAccessToken()).toBe('second')
    expect(calls).toBe(1)
  })

  test('an answer that comes after the end of the lease is committed: it may hold the only valid refresh token', async () => {
    const answers = [deferred<string>(), deferred<string>()]
    let calls = 0
    const { session, time } = given(() => answers[calls++]?.promise ?? 'none')
    const first = failureOf(session.getAccessToken())
    await time.advance(60_000)
    await first
    expect(calls).toBe(2)
    answers[0]?.resolve('late')
    await time.advance(0)
    expect(await session.getAccessToken()).toBe('late')
    expect(session.state.status).toBe('signed-in')
    answers[1]?.resolve('later')
    await time.advance(0)
    expect(await session.getAccessToken()).toBe('later')
  })

  test('a late answer beats the refusal of the attempt that came after it', async () => {
    const answers = [deferred<string | Response>(), deferred<string | Response>()]
    let calls = 0
    const { session, time } = given(async () => answers[calls++]?.promise)
    void failureOf(session.getAccessToken())
    await time.advance(60_000)
    answers[0]?.resolve('late')
    await time.advance(0)
    answers[1]?.resolve(json(400, { error: 'invalid_grant' }))
    await time.advance(0)
    expect(session.state).toMatchObject({ status: 'signed-in', refreshing: false })
    expect(await session.getAccessToken()).toBe('late')
  })

  test('the signal of a refresh fires when the session is closed, and not when all have stopped waiting', async () => {
    let signal: AbortSignal | undefined
    const { session, time } = given((context) => {
      signal = context.signal
      return new Promise<string>(() => {})
    })
    const waiting = failureOf(session.getAccessToken())
    await time.advance(10_000)
    await waiting
    expect(signal?.aborted).toBe(false)
    await session.signOut()
    expect(signal?.aborted).toBe(false)
    session.close()
    expect(signal?.aborted).toBe(true)
  })
})

describe('a refresh that calls its own session', () => {
  test('getAccessToken inside refresh, called directly, does not hang for ever', async () => {
    const { session, time } = given(() => session.getAccessToken())
    const outcome = failureOf(session.getAccessToken())
    await time.advance(10_000)
    expect(isSessionError(await outcome)).toBe(true)
    await time.advance(120_000)
    expect(session.state.refreshing).toBe(false)
  })

  test('session.refresh() inside refresh joins itself and ends at the deadline', async () => {
    let calls = 0
    const { session, time } = given(async () => {
      calls++
      await session.refresh()
      return 'second'
    })
    const outcome = failureOf(session.getAccessToken())
    await time.advance(10_000)
    expect(isSessionError(await outcome)).toBe(true)
    expect(calls).toBe(1)
    expect(session.state.refreshing).toBe(false)
  })
})

describe('an answer that came whole is not asked for again with the refresh token that it has spent', () => {
  const whole: [name: string, refresh: SessionOptions['refresh']][] = [
    ['a page', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['trouble', () => json(200, { error: 'server_error' })],
    [
      'words that errors of the network have, too',
      () => json(200, { error: 'NETWORK_ERROR', message: 'Error: connect ECONNRESET' }),
    ],
    ['a status of its own', () => json(200, { status: 0, message: 'timeout' })],
    ['a session that timed out', () => json(200, { message: 'the connection of the session was lost' })],
    [
      'read by somebody else',
      async () => {
        const response = json(200, { token: 'a' })
        await response.text()
        return response
      },
    ],
  ]
  test.each(whole)('%s', async (_, refresh) => {
    let calls = 0
    const { session } = given(
      (context) => {
        calls++
        return refresh(context)
      },
      { retries: 5 },
    )
    await failureOf(session.getAccessToken())
    expect(calls).toBe(1)
  })

  test('whereas a body that breaks off leaves doubt', async () => {
    let calls = 0
    const { session } = given(() => {
      if (calls++) return 'second'
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"access_token":"s'))
        },
        pull(controller) {
          controller.error(new TypeError('terminated'))
        },
      })
      return new Response(body)
    })
    expect(await session.getAccessToken()).toBe('second')
  })

  test('a member of a body that is called like a header is none', async () => {
    const time = newClock()
    const expiresAt = time.clock.now() + 3_600_000
    const answer = { access_token: 'second', expiresAt, date: new Date(1e12).toUTCString() }
    const { session } = given(() => json(200, answer), { clock: time.clock })
    expect(await session.getAccessToken()).toBe('second')
    expect(session.state.expiresAt).toBe(expiresAt)
  })

  test('what an app’s own members are called does not hide the token beside them', async () => {
    for (const more of [
      { meta: {} },
      { response: 'ok' },
      { data: {}, status: 1 },
      { data: {}, error: null },
      { headers: {} },
    ]) {
      for (const answer of [
        json(200, { access_token: 'second', ...more }),
        { status: 200, headers: {}, data: { access_token: 'second', ...more } },
        { access_token: 'second', ...more },
      ]) {
        const { session } = given(() => answer)
        expect(await session.getAccessToken()).toBe('second')
      }
    }
  })
})

test.each([
  ['session_expired', 'session_expired'],
  ['refresh_failed', 'refresh_failed'],
  ['session_closed', 'refresh_failed'],
] as const)(
  'a session within `refresh` that ends with %s means %s, whatever its own cause',
  async (inner, code) => {
    const cause = Object.assign(new Error('invalid_grant'), { status: 401 })
    let asked = 0
    const session = open({
      tokens: { accessToken: 'old', refreshToken: 'r', expiresAt: 1 },
      refresh: () => {
        asked++
        throw new SessionError(inner, 'of another session', { cause })
      },
    })
    await expect(session.getAccessToken()).rejects.toMatchObject({ code })
    expect(asked).toBe(1)
  },
)

test.each<[string, Response, string, string]>([
  ['is over', new Response(null, { status: 401 }), 'session_expired', 'signed-out'],
  ['has failed for now', new Response(null, { status: 503 }), 'refresh_failed', 'signed-in'],
])(
  'an answer that a session within `refresh` lets through, because that session %s, says the same of the outer one',
  async (_, refused, code, status) => {
    const inner = open({ tokens: 'inner', refresh: () => refused.clone(), retries: 0 })
    const api = withSession(inner, {
      origins: 'https://id.example.com',
      fetch: async () => new Response(null, { status: 401 }),
    })
    let asked = 0
    const { session } = given(
      () => {
        asked++
        return api('https://id.example.com/token')
      },
      { retries: 2 },
    )
    const error = await failureOf(session.getAccessToken())
    expect(isSessionError(error, code as 'session_expired')).toBe(true)
    expect([asked, session.state.status]).toEqual([1, status])
  },
)
