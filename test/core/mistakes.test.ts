import axios, { type AxiosInstance, type AxiosResponse, type InternalAxiosRequestConfig } from 'axios'
import { createSession, type Session, type SessionOptions } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { fileStore } from 'refresh-once/file'
import { mcpSession } from 'refresh-once/mcp'
import { expect, test } from 'vitest'
import { failureOf, open, watch } from '../setup.ts'

const refresh = (): string => 'new'

/** An answer that tells which token has come. */
function answerTo(config: InternalAxiosRequestConfig): AxiosResponse {
  return { data: config.headers.get('Authorization'), status: 200, statusText: '', headers: {}, config }
}

test.each<[string, object, RegExp]>([
  [
    'a storage for a store',
    { store: { getItem() {}, setItem() {} } },
    /has no load, save.*memoryStore\(\{ storage \}\)/,
  ],
  ['an option that there is not', { onLogout() {} }, /there is no option onLogout/],
  ['seconds for a deadline', { deadline: 5 }, /deadline cannot be 5/],
  ['seconds for a lease', { lease: 9 }, /lease cannot be 9: .*milliseconds/],
  ...['skip', 'shouldRefresh', 'isTerminal', 'revoke', 'applyToken'].flatMap((name) =>
    [[401], 'invalid_grant', true].map((value): [string, object, RegExp] => [
      `${name}: ${JSON.stringify(value)}`,
      { [name]: value },
      RegExp(`${name} cannot be ${value}$`),
    ]),
  ),
])('%s: a TypeError that says so', (_, options, message) => {
  expect(() => createSession({ refresh, ...options } as SessionOptions)).toThrow(message)
  expect(() => createSession({ refresh, ...options } as SessionOptions)).toThrow(TypeError)
})

const numbers = [
  'refreshAhead',
  'leeway',
  'deadline',
  'lease',
  'retries',
  'recallAfter',
  'replays',
  'endingNotice',
] as const

test.each(numbers)('%s may be 0, and many, but neither less nor no number', (name) => {
  const create = (value: unknown) => () => createSession({ refresh, [name]: value } as SessionOptions).close()
  for (const value of [0, 10, 60_000, Number.POSITIVE_INFINITY]) expect(create(value)).not.toThrow()
  for (const value of [-1, Number.NaN, '10', 10n, true]) expect(create(value)).toThrow(TypeError)
})

test.each(['deadline', 'lease'])('%s of less than ten milliseconds is one in seconds', (name) => {
  const create = (value: number) => () => createSession({ refresh, [name]: value }).close()
  for (const value of [1, 5, 9.9]) expect(create(value)).toThrow(`${name} cannot be ${value}`)
})

const KEYCHAIN = { getItem: () => null, setItem() {}, removeItem() {} }

test.each<[string, object]>([
  ['no time for a lease', { lease: 0 }],
  ['a lease as an environment variable has it', { lease: '60000' }],
  ['less than two seconds for a turn', { ttl: 1_999 }],
  ['a turn without an end', { ttl: Number.POSITIVE_INFINITY }],
  ['a turn as an environment variable has it', { ttl: '5000' }],
  ['a file to migrate from', { migrate: 'login.json' }],
  ...['getItem', 'setItem', 'removeItem'].map((name): [string, object] => [
    `a keychain without ${name}`,
    { secrets: { ...KEYCHAIN, [name]: undefined } },
  ]),
])('fileStore, %s: a TypeError that names the option', (_, option) => {
  expect(() => fileStore({ path: 'x', ...option } as never)).toThrow(
    RegExp(`^fileStore: expected .*; ${Object.keys(option)[0]} is something else$`),
  )
})

test('fileStore takes every option that it has', () => {
  for (const options of [
    {},
    { lease: 1, ttl: 2_000 },
    { lease: Number.POSITIVE_INFINITY, migrate: () => undefined, secrets: KEYCHAIN },
  ])
    expect(() => fileStore({ path: 'x', ...options } as never).close()).not.toThrow()
})

test.each<[string, object, string]>([
  ['no auth', { auth: undefined }, 'auth must be the function of the SDK'],
  ['no provider', { provider: undefined }, 'provider must be an OAuthClientProvider'],
  ['a provider that is none', { provider: {} }, 'provider must be an OAuthClientProvider'],
  [
    'a provider that signs proofs',
    { provider: { saveTokens() {}, dpop() {} } },
    'provider must be one without dpop()',
  ],
  ['an address that is none', { url: 'stdio:' }, 'url must be http or https'],
])('mcpSession, %s: a TypeError that says what was expected', (_, wrong, message) => {
  const right = { auth: async () => 'AUTHORIZED', provider: { saveTokens() {} }, url: 'https://mcp.test/' }
  const create = () => mcpSession({ ...right, ...wrong } as never)
  expect(create).toThrow(TypeError)
  expect(create).toThrow(`mcpSession: ${message}`)
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

test('swapped or missing arguments of withSession: a TypeError that says which come', () => {
  const session = open({ refresh })
  for (const given of [
    [fetch, session],
    [],
    [Promise.resolve(session)],
    [session, { fetch: 'fetch' }],
    [session, { fetch: {} }],
  ] as unknown as Parameters<typeof withSession>[])
    expect(() => withSession(...given)).toThrow(/withSession: a session, then/)
})

/** Over a network that answers everything. */
const guarded = (session: Session) =>
  withSession(session, { origins: 'https://api.example.com', fetch: async () => Response.json({}) })

test('what `applyToken` returns and nobody could send: a TypeError that says what was expected', async () => {
  const headers = { authorization: 'Bearer token' }
  const wrong = [
    undefined,
    null,
    'Bearer token',
    { headers: new Headers(headers) },
    { headers: Object.entries(headers) },
    { headers: new Map(Object.entries(headers)) },
  ]
  for (const given of wrong.flatMap((some) => [() => some, async () => some])) {
    const session = open({ refresh, tokens: 'token', applyToken: given as never })
    await expect(guarded(session)('https://api.example.com')).rejects.toThrow(
      /applyToken: expected \{ headers, query \}/,
    )
  }
})

test('`applyToken` that writes a whole token set, or a member that is not there: a TypeError that names the header', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: mistakes in JavaScript
  const wrong: ((tokens: any) => string)[] = [
    (token) => `Bearer ${token}`,
    ({ access_token }) => `Bearer ${access_token}`,
    ({ other = null }) => `${other}`,
  ]
  const places = [
    (value: string) => ({ headers: { 'X-Token': value } }),
    (value: string) => ({ query: { 'X-Token': value } }),
  ]
  for (const write of wrong)
    for (const place of places) {
      const session = open({ refresh, tokens: 'token', applyToken: (tokens) => place(write(tokens)) })
      await expect(guarded(session)('https://api.example.com')).rejects.toThrow(
        /applyToken: X-Token ends with "(undefined|null|\[object Object\])"; it gets a token set/,
      )
    }
  const session = open({
    refresh,
    tokens: 'token',
    applyToken: () => ({ headers: { 'X-Token': 'undefined-1', Gone: undefined } }),
  })
  expect((await guarded(session)('https://api.example.com')).status).toBe(200)
})

test('`applyToken` may return what has but a `then`', async () => {
  const settle = (resolve: (credentials: object) => void) => resolve({ headers: { 'x-token': 'mine' } })
  const session = open({
    refresh,
    tokens: 'token',
    applyToken: () => Object.fromEntries([['then', settle]]) as never,
  })
  const own: typeof fetch = async (_, init) => Response.json(new Headers(init?.headers).get('x-token'))
  const answer = await withSession(session, { origins: 'https://api.example.com', fetch: own })(
    'https://api.example.com',
  )
  expect(await answer.json()).toBe('mine')
})

test('one origin may be given without a list', async () => {
  const session = open({ refresh, tokens: 'token' })
  const sent: unknown[] = []
  const own: typeof fetch = async (_, init) => {
    sent.push(new Headers(init?.headers).get('authorization'))
    return new Response()
  }
  await withSession(session, { fetch: own, origins: 'https://api.test' })('https://api.test/items')
  await withSession(session, { fetch: own, insecureOrigins: 'http://api' })('http://api/items')
  expect(sent).toEqual(['Bearer token', 'Bearer token'])
})

test('who listens is a function', () => {
  const session = open({ refresh })
  for (const verb of ['observe', 'subscribe'] as const)
    for (const listener of [undefined, 'log', {}])
      expect(() => session[verb](listener as never)).toThrow(/expected a function that listens/)
})

test('a second session on one instance: a TypeError at once; the same one, or another after the first was detached, is none', async () => {
  const api = axios.create({ baseURL: 'https://api.test', adapter: async (config) => answerTo(config) })
  const detach = attachSession(api, open({ refresh: () => 'first' }))
  const second = open({ refresh: () => 'second' })
  expect(() => attachSession(api, second)).toThrow(/another session is attached.*detach/)
  expect(() => attachSession(api, second)).toThrow(TypeError)
  expect((await api.get('/x')).data).toBe('Bearer first')
  // Another instance is another matter.
  attachSession(axios.create(), second)
  detach()
  attachSession(api, second)
  attachSession(api, second)
  expect((await api.get('/x')).data).toBe('Bearer second')
})

test('seconds for expiresAt are seconds: nothing is refreshed at once, and the end is where it was said', async () => {
  let refreshes = 0
  const end = Math.floor(Date.now() / 1000) + 3_600
  const session = open({
    tokens: { accessToken: 'mine', expiresAt: end },
    refresh: () => {
      refreshes++
      return { accessToken: 'next', expiresAt: end + 1 }
    },
  })
  expect([await session.getAccessToken(), session.state.expiresAt]).toEqual(['mine', end * 1000])
  await session.refresh()
  expect([await session.getAccessToken(), refreshes]).toEqual(['next', 1])
  // Of one that has just come, by our clock.
  expect(Math.abs(Number(session.state.expiresAt) - (end + 1) * 1000)).toBeLessThan(60_000)
})

test('the 401 of an address that gets no token is explained, once, to those who observe', async () => {
  const session = open({ refresh, tokens: 'mine' })
  const send = async (status: number): Promise<Response> => new Response(null, { status })
  let status = 200
  const api = withSession(session, { origins: ['https://api.test'], fetch: () => send(status) })
  const client = axios.create({
    baseURL: 'https://api.test',
    validateStatus: null,
    adapter: async (config) => ({ ...answerTo(config), status }),
  })
  attachSession(client, session)
  const seen = watch(session)
  const reasons = (): unknown[] => seen.of('degraded').map(({ reason }) => reason)
  await api('https://other.test/x?secret=1')
  expect(reasons()).toEqual([])
  status = 401
  for (const url of ['https://other.test/x?secret=1', 'https://third.test/']) {
    expect((await client.get(url)).status).toBe(401)
    expect((await api(url)).status).toBe(401)
  }
  expect(reasons()).toEqual([
    'https://other.test has answered 401, and gets no token: if it is your API, name it in origins',
  ])
})

test('a refresh at an address that is not there names it, without its query', async () => {
  const answer = new Response('', { status: 404 })
  Object.defineProperty(answer, 'url', { value: 'https://app.test/refesh?secret=1' })
  const session = open({ refresh: () => answer })
  const { message } = await failureOf(session.getAccessToken())
  expect(message).toMatch(/answered with 404: https:\/\/app\.test\/refesh$/)
})

test('a page in the place of an answer is told to be one, also where its client does not say where it came from', async () => {
  const headers = { 'content-type': 'text/html' }
  const session = open({ refresh: () => ({ status: 200, headers, data: '<html>' }) })
  const { message } = await failureOf(session.getAccessToken())
  expect(message).toMatch(/text\/html\. Is the path right\?$/)
})

test('a refresh that reaches nobody keeps the code and the host', async () => {
  const session = open({ refresh: () => fetch('http://127.0.0.1:9'), retries: 0 })
  const error = await failureOf(session.getAccessToken())
  expect(error.message).toMatch(/fetch failed: .+/)
})
