/** Bodies of requests that wait, and of answers that stream. */
import { getEventListeners, once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import nodeFetch from 'node-fetch'
import { type SessionRequestInit, withSession } from 'refresh-once/fetch'
import { expect, onTestFinished, test } from 'vitest'
import { deferred, failureOf, open, startServer, times } from '../../setup.ts'
import { stage } from './stage.ts'

test('a body that waits is sent as fetch would have sent it at the call', async () => {
  const { server, api, at, received } = await stage({ expired: true })
  const refresh = server.hold('/token')
  const bytes = Buffer.from('a')
  const whole = Uint8Array.from(bytes)
  const params = new URLSearchParams({ item: '1' })
  const form = new FormData()
  form.set('item', 'first')
  const sent = [bytes, whole.buffer, params, form].map((body) =>
    api(at('/api/echo'), { method: 'POST', body }),
  )
  await refresh.untilArrived()
  bytes.write('b')
  whole.fill(0)
  params.set('item', '2')
  form.set('item', 'last')
  refresh.release()
  await Promise.all(sent)
  const [parts, ...others] = received.map(({ body }) => `${body}`).sort()
  expect(others).toEqual(['a', 'a', 'item=1'])
  expect(parts).toContain('first')
})

test('a body that waits is sent as it was, also where its request is to be skipped by then', async () => {
  let skips = false
  const { server, api, at, received } = await stage({ expired: true, session: { skip: () => skips } })
  const refresh = server.hold('/token')
  const body = Buffer.from('a')
  const held = api(at('/api/echo'), { method: 'POST', body })
  await refresh.untilArrived()
  body.write('b')
  skips = true
  refresh.release()
  expect((await held).status).toBe(401)
  expect(received.map(({ body }) => `${body}`)).toEqual(['a'])
})

test.each([
  ['the FormData of React Native', { append() {}, getParts: () => [] }],
  ['a Map, which the app’s own fetch writes down', new Map([['item', 'first']])],
])('what waits and cannot be copied is sent as it is: %s', async (_, body) => {
  const sent: unknown[] = []
  const own: typeof fetch = async (_, init) => {
    sent.push(init?.body)
    return new Response()
  }
  const { api, at } = await stage({ expired: true, fetch: { fetch: own } })
  expect((await api(at('/api/echo'), { method: 'POST', body: body as never })).status).toBe(200)
  expect(sent).toEqual([body])
  expect(sent[0]).toBe(body)
})

test('a body that is sent at once is not copied', async () => {
  const body = Buffer.from('much')
  const sent: unknown[] = []
  const own: typeof fetch = async (_, init) => {
    sent.push(init?.body)
    return new Response(null, { status: sent.length > 1 ? 200 : 401 })
  }
  const { api, at } = await stage({ fetch: { fetch: own } })
  expect((await api(at('/api/echo'), { method: 'POST', body })).status).toBe(200)
  expect(sent.map((each) => each === body)).toEqual([true, true])
})

test('a stream in whose place a factory makes another may fail, also while the replay waits', async () => {
  const { server, api, at, received } = await stage({ expired: true })
  server.fault('custom', { on: '/api/echo', respond: { status: 401 } })
  const refresh = server.hold('/token')
  const body = Readable.from(['never'])
  const init = { method: 'POST', body, session: { body: () => 'sent' } } as unknown as SessionRequestInit
  const answer = api(at('/api/echo'), init)
  await refresh.untilArrived()
  refresh.release(1)
  await refresh.untilArrived(2)
  body.emit('error', new Error('the file is gone'))
  refresh.release()
  expect((await answer).status).toBe(200)
  expect(received.map(({ body }) => `${body}`)).toEqual(['sent', 'sent'])
})

test('an aborted request that waits cancels its body, with the reason', async () => {
  const { server, api, at } = await stage({ expired: true })
  const refresh = server.hold('/token')
  const reasons: unknown[] = []
  const body = new ReadableStream({ cancel: (reason) => void reasons.push(reason) })
  const aborter = new AbortController()
  const init = { method: 'POST', body, duplex: 'half', signal: aborter.signal }
  const held = failureOf(api(at('/api/echo'), init))
  await refresh.untilArrived()
  const why = new Error('enough')
  aborter.abort(why)
  expect(await held).toBe(why)
  expect(reasons[0]).toBe(why)
  refresh.release()
})

test.each<[string, (url: string, init: RequestInit) => Parameters<typeof fetch>]>([
  ['in init', (url, init) => [url, init]],
  ['in a Request', (url, init) => [new Request(url, init)]],
])('a request that is refused before it is sent cancels its body, %s', async (_, call) => {
  const { server, api, at } = await stage({ expired: true, session: { retries: 0 } })
  server.fault('503')
  const cancelled = deferred<void>()
  const body = new ReadableStream({ cancel: () => cancelled.resolve() })
  const init = { method: 'POST', body, duplex: 'half' } as RequestInit
  expect(await failureOf(api(...call(at('/api/echo'), init)))).toMatchObject({ code: 'refresh_failed' })
  await cancelled.promise
})

test('a stream that the caller has given is sent to its end, also where the answer comes first', async () => {
  let upload: Promise<string> | undefined
  const server = createServer((request, response) => {
    upload = text(request)
    response.end('early')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const session = open({ tokens: 'mine', refresh: () => 'unused' })
  const api = withSession(session, { origins: url, fetch: nodeFetch as unknown as typeof fetch })
  const body = new Readable({ read() {} })
  body.push('the first half, ')
  const answer = await api(url, { method: 'POST', body } as unknown as RequestInit)
  expect(await answer.text()).toBe('early')
  expect(body.destroyed).toBe(false)
  body.push('and the second')
  body.push(null)
  expect(await upload).toBe('the first half, and the second')
})

test('a body in whose place a factory makes another is cancelled', async () => {
  const { api, at, received } = await stage()
  let cancelled = false
  const cancel = () => {
    cancelled = true
  }
  const init = { method: 'POST', body: new ReadableStream({ cancel }), session: { body: () => 'sent' } }
  expect((await api(at('/api/echo'), init)).status).toBe(200)
  expect(received.map(({ body }) => `${body}`)).toEqual(['sent'])
  expect(cancelled).toBe(true)
})

test('a file in whose place a factory makes another is read by nobody, also where it cannot be', async () => {
  const { api, at, received } = await stage()
  const body = createReadStream('/no/such/file')
  const closed = new Promise<void>((close) => body.on('close', close))
  const init = { method: 'POST', body, session: { body: () => 'sent' } } as unknown as SessionRequestInit
  expect((await api(at('/api/echo'), init)).status).toBe(200)
  await closed
  expect(received.map(({ body }) => `${body}`)).toEqual(['sent'])
})

test('a file that cannot be read rejects the request that waits for a refresh', async () => {
  const { server, session } = await stage({ expired: true })
  const refresh = server.hold('/token')
  const api = withSession(session, { origins: [server.url], fetch: nodeFetch as unknown as typeof fetch })
  const body = createReadStream('/no/such/file') as unknown as ReadableStream
  expect((await failureOf(api(`${server.url}/api/echo`, { method: 'POST', body }))).message).toContain(
    'ENOENT',
  )
  refresh.release()
})

test('twenty requests that wait with one signal have one listener there', async () => {
  const { server, api, at } = await stage({ expired: true })
  const refresh = server.hold('/token')
  const aborter = new AbortController()
  const { signal } = aborter
  const held = times(20, () => failureOf(api(at('/api/items'), { signal })))
  await refresh.untilArrived()
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  aborter.abort(new Error('enough'))
  expect((await Promise.all(held)).map(({ message }) => message)).toEqual(times(20, () => 'enough'))
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  refresh.release()
})

test('node-fetch takes no token to another port, and keeps it within the origin', async () => {
  const other = await startServer()
  const { server, session, at } = await stage()
  const api = withSession(session, { origins: [server.url], fetch: nodeFetch as unknown as typeof fetch })
  server.fault('redirect', { on: '/api/items', location: `${other.url}/public/echo` })
  const answer = await api(at('/api/items'))
  expect(answer.redirected).toBe(true)
  expect(JSON.stringify(await answer.json())).not.toContain('earer')
  server.fault('redirect', { on: '/api/items', location: '/api/echo' })
  expect((await api(at('/api/items'))).status).toBe(200)
})

test('a value that no header can hold is not repeated by the error', async () => {
  const { api, at } = await stage({
    session: {
      applyToken: ({ accessToken }) => ({ headers: { Authorization: `Token ${accessToken}; a="\n"` } }),
    },
  })
  expect((await failureOf(api(at('/api/items')))).message).toBe('Authorization: invalid header value')
})

test.each<[string, (url: string, init: RequestInit) => Parameters<typeof fetch>]>([
  ['in init', (url, init) => [url, init]],
  ['in a Request', (url, init) => [new Request(url, init)]],
])('a request without CORS is bare: its mode is %s', async (_, call) => {
  const handed: unknown[] = []
  const own: typeof fetch = async (_, init) => {
    handed.push(init?.headers)
    return new Response()
  }
  const { api, at } = await stage({ fetch: { fetch: own } })
  await api(...call(at('/api/echo'), { mode: 'no-cors' }))
  expect(handed).toEqual([undefined])
})

test.each([
  ['that streams', { 'content-type': 'text/event-stream' }],
  ['that is long', { 'content-type': 'application/json', 'content-length': 2 ** 16 + 1 }],
])('json() waits for nothing %s', async (_, headers) => {
  const seen: unknown[] = []
  const { server, api, at } = await stage({
    session: {
      async shouldRefresh(response) {
        seen.push(await response.json())
        return undefined
      },
    },
  })
  server.fault('custom', {
    on: '/api/items',
    respond: (_, response) => void response.writeHead(200, headers).write('data: 1\n\n'),
  })
  const answer = await api(at('/api/items'))
  expect(seen).toEqual([undefined])
  await answer.body?.cancel()
})

test('a body that fails at the last moment is not sent', async () => {
  const body = Readable.from(['half'])
  const gone = new Error('the file is gone')
  const { api, at, received } = await stage({
    expired: true,
    session: {
      applyToken({ accessToken }) {
        body.emit('error', gone)
        return { headers: { Authorization: `Bearer ${accessToken}` } }
      },
    },
  })
  const init = { method: 'POST', body, duplex: 'half' } as unknown as RequestInit
  expect(await failureOf(api(at('/api/echo'), init))).toBe(gone)
  expect(received).toEqual([])
})

test('a body that fails when it has been answered takes nobody his answer', async () => {
  const body = Readable.from(['whole'])
  const { server, api, at } = await stage({
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
  const init = { method: 'POST', body, duplex: 'half' } as unknown as RequestInit
  expect((await api(at('/api/echo'), init)).status).toBe(401)
})
