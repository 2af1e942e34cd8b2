import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { type SessionFetch, withSession } from 'refresh-once/fetch'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { open } from '../../setup.ts'

const TOKEN = 'at_of_the_session'

/** What came over each connection, byte for byte. */
const requests: string[] = []

/** Answers each request with 204 when it has arrived whole, and hangs up. */
const server = createServer((socket: Socket) => {
  let bytes = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    bytes += chunk.toString('latin1')
    const [head = '', ...rest] = bytes.split('\r\n\r\n')
    const body = rest.join('\r\n\r\n')
    const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
    const chunked = /^transfer-encoding: chunked$/im.test(head)
    if (!rest.length || (chunked ? !bytes.endsWith('0\r\n\r\n') : body.length < length)) return
    requests.push(bytes)
    socket.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')
  })
})

let origin = ''

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => void server.close())

/** The bytes of one call, with the boundary of a multipart body made the same for all. */
async function bytesOf(
  call: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>,
  make: Make,
): Promise<string> {
  requests.length = 0
  expect((await call(...make(origin))).status).toBe(204)
  expect(requests).toHaveLength(1)
  const [bytes = ''] = requests
  const boundary = /boundary=(\S+)/.exec(bytes)?.[1]
  return boundary ? bytes.replaceAll(boundary, 'BOUNDARY') : bytes
}

type Make = (origin: string) => [input: RequestInfo | URL, init?: RequestInit]

const calls: Record<string, Make> = {
  'a string': (origin) => [`${origin}/a?b=%20 c#d`],
  'a URL': (origin) => [new URL('/a', origin)],
  'a Request': (origin) => [new Request(`${origin}/a`)],
  'HEAD': (origin) => [origin, { method: 'HEAD' }], // biome-ignore format: a table
  'OPTIONS in lower case': (origin) => [origin, { method: 'options' }],
  'DELETE without a body': (origin) => [origin, { method: 'DELETE' }],
  'POST without a body': (origin) => [origin, { method: 'POST' }],
  'headers in the caller’s own spelling and order': (origin) => [
    origin,
    { headers: { 'X-Zeta': '1', accept: 'application/json', 'X-ALPHA': '2', 'User-Agent': 'mine' } },
  ],
  'headers as pairs, one twice': (origin) => [origin, { headers: [['X-A', '1'], ['x-b', '2'], ['X-A', '3']] }], // biome-ignore format: a table
  'headers of a Request': (origin) => [new Request(origin, { headers: { 'X-Mine': '1', Accept: 'a/b' } })],
  'a string as body': (origin) => [origin, { method: 'POST', body: 'naïve' }],
  'an empty string as body': (origin) => [origin, { method: 'POST', body: '' }],
  'JSON with its type': (origin) => [
    origin,
    { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"a":1}' },
  ],
  'URLSearchParams': (origin) => [origin, { method: 'POST', body: new URLSearchParams({ a: 'ü' }) }], // biome-ignore format: a table
  'a Blob with a type': (origin) => [origin, { method: 'PUT', body: new Blob(['x'], { type: 'a/b' }) }],
  'bytes': (origin) => [origin, { method: 'PUT', body: new Uint8Array([0, 1, 255]) }], // biome-ignore format: a table
  'FormData': (origin) => [origin, { method: 'POST', body: formData() }], // biome-ignore format: a table
  'a stream': (origin) => [
    origin,
    { method: 'POST', body: Readable.toWeb(Readable.from(['a', 'b'])), duplex: 'half' } as RequestInit,
  ],
  'a Request with a body': (origin) => [new Request(origin, { method: 'PATCH', body: 'some' })],
  'a Request with FormData': (origin) => [new Request(origin, { method: 'POST', body: formData() })],
  'a Request with a stream': (origin) => [
    new Request(origin, {
      method: 'POST',
      body: Readable.toWeb(Readable.from(['a', 'b'])),
      duplex: 'half',
    } as RequestInit),
  ],
  'a Request and init': (origin) => [
    new Request(origin, { method: 'PUT', headers: { 'X-A': '1' }, body: 'before' }),
    { headers: { 'X-B': '2' }, body: 'after' },
  ],
  'cache, referrer, credentials, keepalive': (origin) => [
    origin,
    { cache: 'no-cache', referrer: '', credentials: 'include', keepalive: true },
  ],
}

function formData(): FormData {
  const form = new FormData()
  form.append('name', 'Zoë')
  form.append('file', new Blob(['x'], { type: 'a/b' }), 'file.bin')
  return form
}

describe.each(['none', 'safe'] as const)('recall: %s', (recall) => {
  const guarded = (token = true): SessionFetch =>
    withSession(open({ recall, tokens: token ? TOKEN : null, refresh: () => TOKEN }), { origins: [origin] })

  test.each(Object.entries(calls))(
    '%s: with no 401 the bytes on the wire are those of fetch itself, but for the token',
    async (_, make) => {
      const bare = await bytesOf(fetch, make)
      const bytes = await bytesOf(guarded(), make)
      expect(bytes.replace(`Authorization: Bearer ${TOKEN}\r\n`, '')).toBe(bare)
      expect(bytes).not.toBe(bare)
    },
  )

  test.each(Object.entries(calls))(
    '%s: signed out, or opted out, they are those of fetch itself altogether',
    async (_, make) => {
      const bare = await bytesOf(fetch, make)
      expect(await bytesOf(guarded(false), make)).toBe(bare)
      expect(await bytesOf((input, init) => guarded()(input, { ...init, session: false }), make)).toBe(bare)
    },
  )
})
