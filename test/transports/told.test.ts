/** Platforms and clients like to repeat what they could not send: headers, and URLs. It may be our token. */
import { inspect } from 'node:util'
import axios from 'axios'
import { memoryStore, type SessionOptions, type Stored } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { describe, expect, test } from 'vitest'
import { failureOf, NOBODY, open, startServer, watch } from '../setup.ts'
import { ALL_CLIENTS } from './client.ts'

const SECRET = 'secret-0123456789'

/** A session whose store holds a token that no header can carry: somebody else has written it. */
function stored(accessToken: string): Partial<SessionOptions> {
  const version = { epoch: '000001700000000', generation: 1, nonce: 'n' }
  const record: Stored = { version, tokens: { accessToken } }
  return { store: { ...memoryStore(), load: async () => record } }
}

const signing = (value: string, name = 'Authorization'): Partial<SessionOptions> => ({
  tokens: SECRET,
  applyToken: ({ accessToken }) => ({ headers: { [name]: `Token ${accessToken}; tenant="${value}"` } }),
})

/** What cannot be sent in a header. */
const UNSENDABLE: [what: string, options: Partial<SessionOptions>][] = [
  ['a stored token with a line break', stored(`${SECRET}\r\nX-Evil: 1`)],
  ['a stored token with NUL', stored(`${SECRET}\0`)],
  ['a stored token in another alphabet', stored(`${SECRET}Ω`)],
  ['a neighbour with a line break', signing('a\nb')],
  ['a neighbour in another alphabet', signing('Ω')],
  ['a header of another name', signing('a\rb', 'X-Token')],
  ['a header whose name is none', signing('a', 'X Token')],
  [
    'a signature that a promise brings',
    { tokens: SECRET, applyToken: async () => ({ headers: { Authorization: `${SECRET}\n` } }) },
  ],
]

/** All that an error tells, but for the request that clients keep: that is what was sent. */
function told(error: unknown): string {
  const { message, stack, cause, config } = error as Error & { config?: { headers: object; url: string } }
  return `${message} ${stack} ${inspect(cause, { depth: 9 })} ${JSON.stringify(error)} ${JSON.stringify([config?.headers, config?.url])}`
}

describe.each(ALL_CLIENTS)('$name', (client) => {
  test.each(UNSENDABLE)('%s is not repeated by the error that it makes', async (_, options) => {
    const server = await startServer()
    const session = open({ refresh: () => 'x', ...options })
    const seen = watch(session)
    const { settled } = await client.attach(server, session)('/api/items')
    expect(settled).toBeInstanceOf(Error)
    expect(told(settled)).not.toContain(SECRET)
    expect(inspect(seen.events, { depth: 9 })).not.toContain(SECRET)
    expect(server.count.api).toBe(0)
  })

  test('a token in a query is not repeated where nobody answers', async () => {
    const query = ({ accessToken }: { accessToken: string }) => ({ query: { access_token: accessToken } })
    const session = open({ refresh: () => 'x', tokens: SECRET, applyToken: query })
    const { settled } = await client.attach({ url: NOBODY }, session)('/api/items')
    expect(settled).toBeInstanceOf(Error)
    expect(told(settled)).not.toContain(SECRET)
  })
})

/** How platforms and packages name the URL: node-fetch, Deno, Bun, and a cause of a cause. */
const NAMERS: [who: string, namer: (url: string) => Error][] = [
  ['in the message', (url) => new TypeError(`request to ${url} failed, reason: connect ECONNREFUSED`)],
  [
    'in a member',
    (path) => Object.assign(new Error('Unable to connect'), { path, code: 'ConnectionRefused' }),
  ],
  [
    'in a cause',
    (url) => new TypeError('fetch failed', { cause: new Error('no', { cause: new Error(url) }) }),
  ],
  ['in a message that nobody may write', (url) => new DOMException(url, 'NetworkError')],
]

describe.each(NAMERS)('an error that names the URL %s', (_, namer) => {
  const applyToken = ({ accessToken }: { accessToken: string }) => ({ query: { access_token: accessToken } })

  test('names it without the token, and is the same error, from a fetch', async () => {
    let made: Error | undefined
    const fails = async (input: unknown): Promise<never> => {
      made = namer(String(input))
      throw made
    }
    const session = open({ refresh: () => 'x', tokens: SECRET, applyToken })
    const api = withSession(session, { origins: ['https://api.example.com'], fetch: fails as typeof fetch })
    const error = await failureOf(api('https://api.example.com/items'))
    expect(error).toBe(made)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(SECRET)
    expect(inspect(error, { depth: 9, showHidden: true })).toContain('/items?access_token=[token]')
  })

  test('leaves it to the app as any error: it may write its own message into it, and take members out', async () => {
    const fails = async (input: unknown): Promise<never> => Promise.reject(namer(String(input)))
    const session = open({ refresh: () => 'x', tokens: SECRET, applyToken })
    const api = withSession(session, { origins: ['https://api.example.com'], fetch: fails as typeof fetch })
    const error = await failureOf(api('https://api.example.com/items'))
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      for (const name of ['message', 'stack', 'path'].filter((name) => Object.hasOwn(each as object, name))) {
        expect(Reflect.set(each, name, 'mine'), name).toBe(true)
        expect(Reflect.deleteProperty(each, name), name).toBe(true)
      }
    }
  })

  test('names it without the token, and is the same error, from an adapter', async () => {
    let made: Error | undefined
    const api = axios.create({
      baseURL: 'https://api.example.com',
      adapter: async (config) => {
        made = namer(axios.getUri(config))
        throw made
      },
    })
    const session = open({ refresh: () => 'x', tokens: SECRET, applyToken })
    attachSession(api, session)
    const error = await failureOf(api.get('/items'))
    expect(error).toBe(made)
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(SECRET)
  })
})

test('an error without a token in it is the app’s as it came, also where it is its own cause', async () => {
  const made: Error & { code?: string } = Object.assign(new TypeError('fetch failed'), { code: 'E_ANY' })
  made.cause = made
  const before = Object.getOwnPropertyDescriptors(made)
  const session = open({ refresh: () => 'x', tokens: SECRET })
  const api = withSession(session, {
    origins: ['https://api.example.com'],
    fetch: () => Promise.reject(made),
  })
  expect(await failureOf(api('https://api.example.com/items'))).toBe(made)
  expect(Object.getOwnPropertyDescriptors(made)).toEqual(before)
})
