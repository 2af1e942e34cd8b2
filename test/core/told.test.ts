/** What is told of what others wrote: servers, stores, clients. It may hold our tokens, and end on a terminal. */
import { inspect } from 'node:util'
import { memoryStore, SessionError, type SessionOptions, type TokenInput } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { failureOf, open, startServer, watch } from '../setup.ts'

const FORMER = {
  accessToken: 'at-former-0123456789',
  refreshToken: 'rt-former+/"0123456789',
  id_token: 'id-former-1',
}
const HELD = {
  accessToken: 'at-held-0123456789',
  refreshToken: `rt-held-${'+/"~'.repeat(40)}`,
  id_token: 'id-held-012',
}
const SECRETS = [FORMER, HELD].flatMap((tokens) => Object.values(tokens))

/** Text as texts repeat it. */
const FORMS: [form: string, of: (token: string) => string][] = [
  ['as it is', (token) => token],
  ['in a URL', encodeURIComponent],
  [
    'in a URL in lower case',
    (token) => encodeURIComponent(token).replace(/%../g, (hex) => hex.toLowerCase()),
  ],
  ['in a URL of a URL', (token) => encodeURIComponent(encodeURIComponent(token))],
  ['in a URL of a URL of a URL', (token) => [1, 2, 3].reduce((text) => encodeURIComponent(text), token)],
  ['from a form that was not escaped', (token) => token.replaceAll('+', ' ')],
  ['in a page', (token) => token.replace(/\W/g, (char) => `&#${char.charCodeAt(0)};`)],
  [
    'in a page of another kind',
    (token) => token.replace(/\W/g, (char) => `&#x${char.charCodeAt(0).toString(16)};`),
  ],
  ['cut off', (token) => (token.length < 18 ? token : token.slice(0, -2))],
  ['in a form', (token) => String(new URLSearchParams({ token }))],
  ['in JSON', (token) => JSON.stringify({ token })],
  ['in JSON of JSON', (token) => JSON.stringify(JSON.stringify({ token }))],
  [
    'in JSON with all characters escaped',
    (token) => token.replace(/./gs, (char) => `\\u00${char.charCodeAt(0).toString(16)}`),
  ],
  ...['', 'a', 'ab', 'abc'].map((before): [string, (token: string) => string] => [
    `in base64 behind ${before.length} bytes`,
    (token) => btoa(`${before}${token}:x`),
  ]),
  ['in the base64 of URLs', (token) => Buffer.from(token).toString('base64url')],
]

/** Control characters, an escape sequence, what turns the direction, what nobody sees, half a pair. */
const ODD = '\r\nat evil (x)\u001b[31m\u0000\u007f\u0085\u2028\u2029\u200b\u202e\u2066\ufeff\ud800'
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** All that is in an error and its causes, but for the line breaks of stacks. */
function textOf(value: unknown): string {
  return inspect(value, { depth: 9, showHidden: true, maxStringLength: null }).replace(/\n/g, ' ')
}

/** What of a token cannot be in a text by chance. */
function piecesOf(token: string): string[] {
  return FORMS.map(([, of]) => of(token).slice(6, 16))
}

type Telling = (words: string) => Partial<SessionOptions>

/** Where strangers have a say. */
const TELLERS: [who: string, telling: Telling][] = [
  ['a server, in `error`', (error) => ({ refresh: () => Response.json({ error }, { status: 400 }) })],
  [
    'a server that refuses',
    (error) => ({ refresh: () => Response.json({ error: `invalid_grant ${error}` }, { status: 400 }) }),
  ],
  ['a server, beside no token', (word) => ({ refresh: () => Response.json({ [word]: 1 }) })],
  [
    'a server, by its type of content',
    (word) => ({ refresh: () => ({ status: 200, headers: { 'content-type': word }, data: '' }) }),
  ],
  ['an error, in its message', (message) => ({ refresh: () => Promise.reject(new Error(message)) })],
  [
    'an error, in its name',
    (name) => ({ refresh: () => Promise.reject(Object.assign(new Error('x'), { name })) }),
  ],
  [
    'an error, in its code',
    (code) => ({ refresh: () => Promise.reject(Object.assign(new Error('x'), { code })) }),
  ],
  [
    'an error, in its status',
    (status) => ({ refresh: () => Promise.reject(Object.assign(new Error('x'), { status })) }),
  ],
  [
    'an error, in its stack',
    (stack) => ({
      refresh: () => Promise.reject(Object.assign(new Error('x'), { stack: `x\n    at ${stack}` })),
    }),
  ],
  [
    'an error, in the code of its cause',
    (code) => ({ refresh: () => Promise.reject(new Error('x', { cause: { code } })) }),
  ],
  [
    'an error around another one',
    (word) => ({ refresh: () => Promise.reject(new TypeError('fetch failed', { cause: new Error(word) })) }),
  ],
  ['a text that is thrown', (word) => ({ refresh: () => Promise.reject(word) })],
  [
    'a session error',
    (message) => ({ refresh: () => Promise.reject(new SessionError('session_expired', message)) }),
  ],
  [
    '`isTerminal`',
    (message) => ({
      refresh: () => new Response(null, { status: 400 }),
      isTerminal: () => {
        throw new Error(message)
      },
    }),
  ],
  ['a store', (message) => ({ store: { ...memoryStore(), load: () => Promise.reject(new Error(message)) } })],
  [
    'a member that is no time',
    (name) => ({ refresh: () => ({ accessToken: 'x', expires_in: {}, [name]: 1 }) }),
  ],
]

async function told(telling: Telling, words: string): Promise<string> {
  const session = open({ retries: 0, refresh: () => 'x', ...telling(words) })
  const seen = watch(session)
  await session.signIn(FORMER).catch(() => {})
  await session.update(HELD).catch(() => session.signIn(HELD).catch(() => {}))
  const [outcome] = await Promise.allSettled([session.refresh()])
  return `${textOf(seen.events)} ${textOf(outcome)}`
}

describe.each(TELLERS)('the words of %s', (_, telling) => {
  test.each(FORMS)('hold none of our tokens, %s', async (_, of) => {
    const all = await told(telling, SECRETS.map((token) => `${of(token)} `).join(''))
    for (const token of SECRETS)
      for (const piece of [token, ...piecesOf(token)]) expect(all).not.toContain(piece)
  })

  test('are short, and nothing in them is obeyed by terminals, logs and eyes', async () => {
    const all = await told(telling, `${ODD}${'x'.repeat(100_000)}${HELD.refreshToken}${ODD}`)
    expect(all).not.toMatch(UNPRINTABLE)
    expect(Math.max(...all.split(' ').map((word) => word.length))).toBeLessThan(2_000)
  })
})

test('a challenge that repeats the token is told without it', async () => {
  const server = await startServer()
  const session = open({ tokens: HELD, refresh: () => Promise.reject(new Error('no')), retries: 0 })
  const seen = watch(session)
  server.fault('custom', {
    on: '/api/items',
    respond: {
      status: 401,
      headers: {
        'www-authenticate': `Bearer error="invalid_token", error_description="${HELD.accessToken}"`,
      },
    },
  })
  await withSession(session, { origins: [server.url] })(`${server.url}/api/items`)
  expect(seen.of('request-rejected').map(({ challenge }) => challenge)).toEqual([
    'Bearer error="invalid_token", error_description="[token]"',
  ])
})

test('that a foreign origin answers 401 is told to those who begin to observe after the first one', async () => {
  const session = open({ tokens: 'mine', refresh: () => 'unused' })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: async () => new Response(null, { status: 401 }),
  })
  await api('https://other.example.com/items')
  const seen = watch(session)
  await api('https://other.example.com/items')
  expect(seen.of('degraded').map(({ reason }) => reason)).toEqual([
    expect.stringContaining('https://other.example.com'),
  ])
})

test('a path with a token in it is told without it', async () => {
  const server = await startServer()
  const session = open({ tokens: HELD, refresh: () => 'x' })
  const seen = watch(session)
  await withSession(session, { origins: [server.url] })(
    `${server.url}/revoke/${encodeURIComponent(HELD.refreshToken)}`,
  )
  const urls = seen.events.flatMap((event) => ('request' in event ? event.request.url : []))
  expect([...new Set(urls)]).toEqual([`${server.url}/revoke/[token]`])
})

test('what a store says of itself is told without them, and short', async () => {
  let say: (reason: string) => void = () => {}
  const store = memoryStore()
  const watching = (_: unknown, degraded?: (reason: string) => void) => {
    say = degraded ?? say
    return () => {}
  }
  const session = open({ tokens: HELD, store: { ...store, watch: watching }, refresh: () => 'x' })
  const seen = watch(session)
  await session.getAccessToken()
  say(`cannot write ${JSON.stringify(HELD)}${ODD}${'x'.repeat(9_000)}`)
  const all = textOf(seen.of('degraded'))
  for (const token of Object.values(HELD)) expect(all).not.toContain(token)
  expect(all).not.toMatch(UNPRINTABLE)
  expect(all.length).toBeLessThan(2_000)
})

test('what is no secret stays readable', async () => {
  const message = 'connect to https://user:pass@example.com/token?x=1 failed: “ünïcode” 😀 (code 7)'
  const session = open({ tokens: 'old', retries: 0, refresh: () => Promise.reject(new Error(message)) })
  const { cause } = await failureOf(session.refresh())
  expect((cause as Error).message).toContain(
    'connect to https://…@example.com/token?… failed: “ünïcode” 😀 (code 7)',
  )
  expect((cause as Error).stack).toContain('told.test.ts')
})

describe('an error that a refresh has met', () => {
  const met = async (
    thrown: unknown,
    tokens: TokenInput = HELD,
  ): Promise<Error & Record<string, unknown>> => {
    const session = open({ tokens, retries: 0, refresh: () => Promise.reject(thrown) })
    return (await failureOf(session.refresh())).cause as Error & Record<string, unknown>
  }
  const said = async (words: string, tokens?: TokenInput): Promise<string> =>
    (await met(Object.assign(new Error(words), { code: 'E_NONE' }), tokens)).message

  test('keeps its name, its code or that of its cause, and its status as a number', async () => {
    const cause = Object.assign(new Error('no'), { code: 'ECONNREFUSED', status: 7 })
    expect(await met(new TypeError('x', { cause }))).toMatchObject({
      name: 'TypeError',
      code: 'ECONNREFUSED',
      status: undefined,
    })
    const own = Object.assign(new Error('x', { cause }), { code: 'E_OWN', status: 500 })
    expect(await met(own)).toMatchObject({ name: 'Error', code: 'E_OWN', status: 500 })
    expect(await met(new Error('x'))).toMatchObject({ code: undefined })
  })

  test('has a stack that says what and where, in few lines', async () => {
    const deep = (n: number): Error => (n ? deep(n - 1) : new RangeError('x'))
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 50
    const error = await met(deep(30))
    Error.stackTraceLimit = stackTraceLimit
    const [first, ...frames] = String(error.stack).split('\n')
    expect(first).toBe('RangeError: x')
    expect(frames.length).toBeGreaterThan(5)
    expect(frames.length).toBeLessThan(20)
    for (const frame of frames) expect(frame).toMatch(/^ +at .*deep.*told\.test\.ts/)
  })

  test.each([
    ['as it is', (token: string) => token, 0],
    ['in base64', (token: string) => btoa(token), 0],
    ['in base64, behind a byte', (token: string) => btoa(`x${token}`), 2],
    ['in base64, behind two bytes', (token: string) => btoa(`xy${token}`), 3],
  ])('is told without a token, %s, and nothing of it is left', async (_, of, left) => {
    const written = of(HELD.accessToken)
    expect(await said(`a ${written} b`)).toBe(`a ${written.slice(0, left)}[token] b`)
  })

  test('repeats what is escaped as it came where there is no token in it', async () => {
    const words = 'GET /a%20b&#47;c?d+e \\"f\\" failed: 100 % +1'
    expect(await said(words)).toBe(words.replace('?d+e', '?…'))
  })

  test('shows what nobody would see by its number, and the beginning of what is long', async () => {
    expect(await said('a\u001b[31m\u0085\u202eb\u{e0041}')).toBe('a\\u{1b}[31m\\u{85}\\u{202e}b\\u{e0041}')
    expect(await said(`first ${'more '.repeat(1_000)}`)).toMatch(/^first (more ){20,200}(more?|mo?)?…$/)
  })

  test('is told without short tokens, unless they are words', async () => {
    for (const token of ['password', 'abc-123', 'ab1'])
      expect(await said(`<${token}>`, token)).toBe('<[token]>')
    for (const word of ['refresh', 'no']) expect(await said(`<${word}>`, word)).toBe(`<${word}>`)
  })

  test('repeats what a token set says beside its tokens', async () => {
    const more = { issuer: 'https://as.example', scope: 'read:all', nextToken: { of: 7 }, lastToken: 7 }
    const words = 'https://as.example/x: read:all'
    expect(await said(words, { ...HELD, ...more })).toBe(words)
  })
})
