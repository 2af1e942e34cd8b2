import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import axios from 'axios'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { createAuthServer } from 'refresh-once/testing'
import { afterAll, expect, test } from 'vitest'
import { upload } from './streams.ts'

const server = await createAuthServer({ onRequest: ({ body }) => void arrived.push(digest(body)) })
const arrived: string[] = []
const folder = await mkdtemp(join(tmpdir(), 'refresh-once-'))
const file = join(folder, 'large')
await writeFile(file, randomBytes(1_000_000))

const session = createSession({
  tokens: server.mint('alice'),
  refresh: ({ tokens, signal }) =>
    fetch(server.tokenEndpoint, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens?.refreshToken ?? '' }),
      signal,
    }),
})
const api = axios.create({ baseURL: server.url, proxy: false })
attachSession(api, session)

afterAll(async () => {
  session.close()
  await server.close()
  await rm(folder, { recursive: true })
})

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('a stream is sent again after a 401, whole, from its beginning', async () => {
  server.expireAccessTokens()
  await upload(api, file)
  const whole = digest(await readFile(file))
  expect(arrived).toEqual([whole, whole])
  expect(server.count).toMatchObject({ refreshes: 1, api: 2 })
})
