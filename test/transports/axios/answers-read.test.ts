/** A body that `shouldRefresh` has read is its caller's all the same, whole, and in the form that it was asked for. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf } from '../../setup.ts'
import { onWire } from '../wire.ts'
import { type Stage, stage } from './stage.ts'

/** What is longer is not read. */
const LONGEST = 2 ** 16

/** JSON of so many characters. */
const json = (length: number) => JSON.stringify({ code: 40101, a: 'x'.repeat(length - 21) })

type Form = [adapter: 'http' | 'fetch', responseType: 'arraybuffer' | 'blob' | 'stream' | 'text']

const FORMS: Form[] = [
  ['http', 'arraybuffer'],
  ['http', 'stream'],
  ['fetch', 'arraybuffer'],
  ['fetch', 'blob'],
  ['fetch', 'stream'],
]

interface Reading extends Stage {
  /** What `shouldRefresh` was given. */
  seen: unknown[]
}

async function reading([adapter, responseType]: Form): Promise<Reading> {
  const seen: unknown[] = []
  const given = await stage({
    client: { adapter, responseType },
    session: {
      async shouldRefresh(response) {
        seen.push(await response.json())
        return undefined
      },
    },
  })
  return { ...given, seen }
}

const TEXTS: Form[] = [
  ['http', 'text'],
  ['fetch', 'text'],
]

/** The next answer of `/api/items`, in chunks that arrive one by one. */
function answering({ server }: Reading, headers: object, ...chunks: (string | Uint8Array)[]): void {
  server.fault('custom', {
    on: '/api/items',
    async respond(_, response) {
      response.writeHead(200, { 'content-type': 'application/json', ...headers })
      for (const chunk of chunks) await new Promise((sent) => response.write(chunk, sent))
      response.end()
    },
  })
}

/** As an adapter of the app's own hands it over, and what `shouldRefresh` gets of it. */
async function handed(body: unknown): Promise<{ read: unknown; data: unknown }> {
  let read: unknown
  const headers = { 'content-type': 'application/json' }
  const { api } = await stage({
    client: { adapter: async (config) => ({ data: body, status: 200, statusText: '', headers, config }) },
    session: {
      async shouldRefresh(response) {
        read = await response.json()
        return undefined
      },
    },
  })
  const { data } = await api.get('/api/items')
  return { read, data }
}

const WHOLE = Buffer.from('{"code":40101,"who":"Zoë"}')
const HALF = WHOLE.indexOf('ë') + 1
const PIECES = [WHOLE.subarray(0, 5), WHOLE.subarray(5, HALF), WHOLE.subarray(HALF)]

test.each([...FORMS, ...TEXTS])('%s adapter, %s: JSON is read, and its caller’s', async (...form) => {
  const given = await reading(form)
  answering(given, {}, ...PIECES)
  const { data } = await given.api.get('/api/items')
  expect(given.seen).toEqual([JSON.parse(`${WHOLE}`)])
  expect(await new Response(data).text()).toBe(`${WHOLE}`)
})

test.each([
  ['of Node', () => Readable.from(PIECES, { objectMode: false })],
  ['of the web', () => Readable.toWeb(Readable.from(PIECES, { objectMode: false }))],
])('a stream %s, in pieces, one of them the half of a character, is read', async (_, make) => {
  const { read, data } = await handed(make())
  expect(read).toEqual(JSON.parse(`${WHOLE}`))
  expect(await new Response(data as BodyInit).text()).toBe(`${WHOLE}`)
})

describe.each([
  ['of a length that is told', true],
  ['of unknown length', false],
])('JSON %s', (_, told) => {
  test.each(FORMS)('%s adapter, %s: is read up to 64 kB', async (...form) => {
    const given = await reading(form)
    for (const length of [LONGEST, LONGEST + 1, 4 * LONGEST]) {
      const text = json(length)
      answering(given, told ? { 'content-length': length } : {}, text)
      const { data } = await given.api.get('/api/items')
      expect(await new Response(data).text()).toBe(text)
      expect(given.seen.splice(0)).toEqual([length > LONGEST ? undefined : JSON.parse(text)])
    }
  })
})

test.each(FORMS)('%s adapter, %s: what is no JSON is not touched', async (...form) => {
  const given = await reading(form)
  answering(given, { 'content-type': 'text/plain' }, '{"code":40101}')
  const { data } = await given.api.get('/api/items')
  expect(given.seen).toEqual([undefined])
  expect(await new Response(data).text()).toBe('{"code":40101}')
})

test.each([...FORMS, ...TEXTS])('%s adapter, %s: what is empty is no JSON', async (...form) => {
  const given = await reading(form)
  answering(given, {})
  const { data } = await given.api.get('/api/items')
  expect(given.seen).toEqual([undefined])
  expect(await new Response(data).text()).toBe('')
})

test('what an adapter of the app’s own has parsed is what it is, whatever its members are called', async () => {
  const bodies = [
    { size: 3 },
    { byteLength: 3 },
    { tee: 1, pipe: 1, next: 1 },
    { slice: 'a', size: 0 },
    [1],
    1,
    null,
  ]
  for (const body of bodies) {
    const { read, data } = await handed(body)
    expect(read).toBe(body)
    expect(data).toBe(body)
  }
})

/** An answer that has begun, with more than is read of it, and goes on for ever. */
async function endless(given: Reading): Promise<Readable & ReadableStream<Uint8Array>> {
  given.server.fault('custom', {
    on: '/api/items',
    respond: (_, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).write(json(2 * LONGEST)),
  })
  const { data } = await given.api.get('/api/items')
  expect(given.seen).toEqual([undefined])
  return data
}

describe.each(['http', 'fetch'] as const)('a stream of the %s adapter', (adapter) => {
  test.each(['before he has read of it', 'when he has read of it'])(
    'that its caller lets go of %s: its connection ends',
    async (when) => {
      const given = await reading([adapter, 'stream'])
      const data = await endless(given)
      if (when.startsWith('when')) {
        if (adapter === 'http') await once(data, 'readable').then(() => data.read(1))
        else {
          const reader = data.getReader()
          await reader.read()
          reader.releaseLock()
        }
      }
      if (adapter === 'http') data.destroy()
      else await data.cancel()
      await given.server.until(() => onWire(given.server, '/api/items')[0]?.aborted === true)
    },
  )

  test('that breaks off is read, and breaks off for its caller, too', async () => {
    const { server, api, seen } = await reading([adapter, 'stream'])
    server.fault('custom', {
      on: '/api/items',
      respond(_, response: ServerResponse) {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('{"code":', () => setImmediate(() => response.destroy()))
      },
    })
    const { data } = await api.get('/api/items')
    expect(seen).toEqual([undefined])
    let text = ''
    const read = async () => {
      for await (const chunk of data) text += Buffer.from(chunk)
    }
    const error = await failureOf(read())
    expect(error.message).toMatch(/abort|terminated/)
    // A web stream forgets what it has, as soon as it fails.
    expect(text).toBe(adapter === 'http' ? '{"code":' : '')
  })
})

test.each(['http', 'fetch'] as const)(
  'a stream of the %s adapter whose reading was not waited for is its caller’s, whole',
  async (adapter) => {
    let read: Promise<unknown> | undefined
    const { server, api } = await stage({
      client: { adapter, responseType: 'stream' },
      session: {
        shouldRefresh(response) {
          read = response.json()
          return undefined
        },
      },
    })
    const begun = deferred<ServerResponse>()
    server.fault('custom', {
      on: '/api/items',
      respond(_, response) {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"code":')
        begun.resolve(response)
      },
    })
    const { data } = await api.get('/api/items')
    const text = new Response(data).text()
    const response = await begun.promise
    for (const rest of ['40', '101']) await new Promise((sent) => response.write(rest, sent))
    response.end('}')
    expect(await text).toBe('{"code":40101}')
    expect(await read).toEqual({ code: 40101 })
  },
)

test('a stream of Node is one of bytes, as without us', async () => {
  const given = await reading(['http', 'stream'])
  answering(given, {}, '{"code":40101}')
  const { data } = await given.api.get('/api/items')
  await once(data, 'readable')
  expect(`${data.read(2)}`).toBe('{"')
  expect(`${data.read()}`).toBe('code":40101}')
})

test.each(['http', 'fetch'] as const)(
  'the 401 that nobody gets is let go of, as a stream of the %s adapter, too: its connection ends',
  async (adapter) => {
    const { server, api } = await stage({ client: { adapter, responseType: 'stream' } })
    server.fault('custom', {
      on: '/api/items',
      respond: (_, response) => void response.writeHead(401).write('never ends'),
    })
    const { data } = await api.get('/api/items')
    expect(await new Response(data).json()).toMatchObject({ generation: 2 })
    await server.until(() => onWire(server, '/api/items')[0]?.aborted === true)
  },
)
