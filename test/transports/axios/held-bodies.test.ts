/** Streams that fail, or are never sent; bodies that change while their request waits. */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import axios, { type AxiosAdapter, AxiosError, type AxiosRequestConfig } from 'axios'
import { attachSession } from 'refresh-once/axios'
import { expect, onTestFinished, test, vi } from 'vitest'
import { open } from '../../setup.ts'
import { errorOf, stage } from './stage.ts'

const OCTETS = { 'content-type': 'application/octet-stream' }
const MISSING = '/no/such/file'

test('a body that can be read once is not recalled, whoever asks for it', async () => {
  const { server, api, received } = await stage({ session: { recall: 'safe', recallAfter: 1 } })
  server.expireAccessTokens()
  const late = server.hold('/api/echo')
  const refresh = server.hold('/token')
  const search = errorOf(
    api.post('/api/echo', Readable.from(['whole']), { headers: OCTETS, session: { recall: true } }),
  )
  await late.untilArrived()
  const other = api.get('/api/items')
  await refresh.untilArrived()
  refresh.release()
  await other
  late.release()
  expect((await search).response?.status).toBe(401)
  const sent = received.filter(({ method }) => method === 'POST')
  expect(sent.map(({ body }) => `${body}`)).toEqual(['whole'])
})

test('a stream that fails while its request is held rejects it, as it would on the wire', async () => {
  const { server, api, bare } = await stage({ expired: true })
  const refresh = server.hold('/token')
  const bared = await errorOf(bare.post('/public/echo', createReadStream(MISSING)))
  const held = await errorOf(api.post('/api/echo', createReadStream(MISSING)))
  expect([held.code, held.message]).toEqual([bared.code, bared.message])
  expect(held.config).toMatchObject({ url: '/api/echo' })
  refresh.release()
})

test('a stream that is never sent is destroyed: given up, or replaced by the factory', async () => {
  const { server, api } = await stage({ expired: true })
  const refresh = server.hold('/token')
  const given = Readable.from(['never'])
  const aborter = new AbortController()
  const held = errorOf(api.post('/api/echo', given, { headers: OCTETS, signal: aborter.signal }))
  await refresh.untilArrived()
  aborter.abort()
  await held
  expect(given.destroyed).toBe(true)
  refresh.release()
  const replaced = Readable.from(['never'])
  const session = { body: () => Readable.from(['sent']) }
  await api.post('/api/echo', replaced, { headers: OCTETS, session })
  expect(replaced.destroyed).toBe(true)
})

test.each([
  // As without us: it hands bytes on as they are when they are sent.
  ['http', 'b'],
  ['fetch', 'a'],
] as const)(
  'a form that waits is sent as it was at the call by the %s adapter, and bytes as it sends them to others',
  async (adapter, expected) => {
    const { server, api, received } = await stage({ expired: true, client: { adapter } })
    const refresh = server.hold('/token')
    const bytes = Buffer.from('a')
    const form = new FormData()
    form.set('item', 'first')
    const sent = [api.post('/api/echo', bytes, { headers: OCTETS }), api.post('/api/echo', form)]
    await refresh.untilArrived()
    bytes.write('b')
    form.set('item', 'last')
    refresh.release()
    const [one, two] = await Promise.all(sent)
    expect(one?.config.data).toBe(bytes)
    expect(two?.config.data).toBe(form)
    const bodies = received.map(({ body }) => `${body}`)
    expect(bodies.filter((body) => body === expected)).toHaveLength(1)
    expect(bodies.filter((body) => body.includes('first'))).toHaveLength(1)
  },
)

test('a body that waits is sent as it was, also where its request is to be skipped by then', async () => {
  let skips = false
  const { server, api, received } = await stage({
    expired: true,
    client: { adapter: 'fetch' },
    session: { skip: () => skips },
  })
  const refresh = server.hold('/token')
  const bytes = Buffer.from('a')
  const held = errorOf(api.post('/api/echo', bytes, { headers: OCTETS }))
  await refresh.untilArrived()
  bytes.write('b')
  skips = true
  refresh.release()
  expect((await held).config?.data).toBe(bytes)
  expect(received.map(({ body }) => `${body}`)).toEqual(['a'])
})

test('a body that can be sent again is nobody’s to destroy, whatever its members are called', async () => {
  const { server, api } = await stage({ expired: true, session: { retries: 0 } })
  server.fault('503')
  const destroy = vi.fn()
  const body = { destroy, cancel: destroy }
  const error = await errorOf(api.post('/api/echo', body, { transformRequest: [(data) => data] }))
  expect(error.code).toBe('refresh_failed')
  expect(destroy).not.toHaveBeenCalled()
})

test('a body that is sent at once is not copied', async () => {
  const body = Buffer.from('much')
  const sent: unknown[] = []
  const adapter: AxiosAdapter = async (config) => {
    sent.push(config.data)
    const response = { status: sent.length > 1 ? 200 : 401, statusText: '', data: '', headers: {}, config }
    if (response.status === 200) return response
    throw new AxiosError('401', AxiosError.ERR_BAD_REQUEST, config, undefined, response)
  }
  const { api } = await stage({ client: { adapter } })
  expect((await api.post('/api/echo', body, { headers: OCTETS })).status).toBe(200)
  expect(sent.map((each) => each === body)).toEqual([true, true])
})

test('a stream in whose place a factory makes another may fail, also while the replay waits', async () => {
  const { server, api, received } = await stage({ expired: true })
  server.fault('custom', { on: '/api/echo', respond: { status: 401 } })
  const refresh = server.hold('/token')
  const body = Readable.from(['never'])
  const session = { body: () => 'sent' }
  const answer = api.post('/api/echo', body, { headers: OCTETS, session })
  await refresh.untilArrived()
  refresh.release(1)
  await refresh.untilArrived(2)
  body.emit('error', new Error('the file is gone'))
  refresh.release()
  expect((await answer).status).toBe(200)
  expect(received.map(({ body }) => `${body}`)).toEqual(['sent', 'sent'])
})

test('a body that fails at the last moment is not sent', async () => {
  const body = Readable.from(['half'])
  const gone = new Error('the file is gone')
  const { api, received } = await stage({
    expired: true,
    session: {
      applyToken({ accessToken }) {
        body.emit('error', gone)
        return { headers: { Authorization: `Bearer ${accessToken}` } }
      },
    },
  })
  expect((await errorOf(api.post('/api/echo', body, { headers: OCTETS }))).message).toBe(gone.message)
  expect(received).toEqual([])
})

test('a body that fails when it has been answered takes nobody his answer', async () => {
  const body = Readable.from(['whole'])
  const { server, api } = await stage({
    expired: true,
    session: {
      async shouldRefresh(response) {
        await response.json()
        body.emit('error', new Error('too late'))
        return undefined
      },
    },
  })
  server.fault('custom', { on: '/api/echo', respond: { status: 401 } })
  expect((await errorOf(api.post('/api/echo', body, { headers: OCTETS }))).response?.status).toBe(401)
})

test('a body that a factory has made is let go of where its connection breaks', async () => {
  const { server, api } = await stage()
  server.fault('destroy-before', { on: '/api/echo' })
  const made: Readable[] = []
  const body = () => {
    const stream = new Readable({ read() {} })
    stream.push('the first half')
    made.push(stream)
    return stream
  }
  expect((await errorOf(api.post('/api/echo', undefined, { headers: OCTETS, session: { body } }))).code).toBe(
    'ECONNRESET',
  )
  expect(made.map(({ destroyed }) => destroyed)).toEqual([true])
})

test.each<[string, (body: Readable) => AxiosRequestConfig]>([
  ['a factory has made', (body) => ({ session: { body: () => body } })],
  ['the caller has given', (data) => ({ data })],
])('a body that %s is sent to its end, also where the answer comes first', async (_, given) => {
  let upload: Promise<string> | undefined
  const server = createServer((request, response) => {
    upload = text(request)
    response.end('early')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const api = axios.create({ baseURL, headers: OCTETS })
  attachSession(api, open({ tokens: 'mine', refresh: () => 'unused' }))
  const made = new Readable({ read() {} })
  made.push('the first half, ')
  expect((await api.request({ method: 'post', url: '/', ...given(made) })).data).toBe('early')
  expect(made.destroyed).toBe(false)
  made.push('and the second')
  made.push(null)
  expect(await upload).toBe('the first half, and the second')
})
