import { isSessionError, type Session } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import type { DetailedError } from 'tus-js-client'
import { beforeEach, expect, test } from 'vitest'
import { createUpload } from '../../examples/clients/tus.ts'
import { expired, signIn, startServer, times } from '../setup.ts'

let server: AuthServer
let stored: string[]

/** A server that keeps uploads in memory (tus 1.0.0: creation and core protocol). */
beforeEach(async () => {
  server = await startServer()
  stored = []
  const headers = { 'tus-resumable': '1.0.0' }
  server.api('/files', () => ({
    status: 201,
    headers: { ...headers, location: `/files/${stored.push('') - 1}` },
    body: '',
  }))
  server.api('/files/*', ({ request, body }) => {
    const id = Number(request.url?.split('/').at(-1))
    stored[id] += body.toString()
    const offset = String(stored[id]?.length)
    return request.method === 'HEAD'
      ? { headers: { ...headers, 'upload-offset': offset, 'upload-length': '10' }, body: '' }
      : { status: 204, headers: { ...headers, 'upload-offset': offset }, body: '' }
  })
})

function upload(session: Session, onChunkComplete: () => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    createUpload(session, Buffer.from('0123456789'), {
      endpoint: `${server.url}/files`,
      chunkSize: 5,
      retryDelays: [0, 0, 0],
      onChunkComplete,
      onSuccess: () => resolve(),
      onError: reject,
    }).start()
  })
}

test('a token that is revoked between two chunks is refreshed, and no byte is sent twice', async () => {
  let chunks = 0
  await upload(signIn(server), () => {
    if (++chunks === 1) server.expireAccessTokens()
  })
  expect(stored).toEqual(['0123456789'])
  expect(server.count).toMatchObject({ refreshRequests: 1, rejected: 1 })
})

test('ten uploads whose token was revoked unseen cost one refresh', async () => {
  const session = signIn(server)
  server.expireAccessTokens()
  await Promise.all(times(10, () => upload(session)))
  expect(stored).toEqual(times(10, () => '0123456789'))
  expect(server.count).toMatchObject({ refreshRequests: 1, rejected: 10 })
})

test('what the session refuses is not tried again', async () => {
  const session = signIn(server, { tokens: expired(server.mint()) })
  server.revokeFamily('alice')
  const error: DetailedError = await upload(session).then(
    () => expect.unreachable(),
    (reason) => reason,
  )
  expect(isSessionError(error.causingError, 'session_expired')).toBe(true)
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 0 })
})

test('a server that refuses new tokens is not asked for ever', async () => {
  server.api('/files', () => ({ status: 401, body: {} }))
  await expect(upload(signIn(server))).rejects.toThrow('401')
  expect(server.count).toMatchObject({ refreshRequests: 1, api: 2 })
})
