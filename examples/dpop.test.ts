import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import axios from 'axios'
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose'
import { createSession } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { createAuthServer } from 'refresh-once/testing'
import { afterAll, expect, test } from 'vitest'
import { createDpop } from './dpop.ts'

const { applyToken, thumbprint } = await createDpop()
const verdicts: string[] = []
let good = 'first'

/** What an API checks by RFC 9449 §4.3. */
async function judge({ method, url, headers }: IncomingMessage): Promise<string> {
  const token = /^DPoP (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
  const { payload, protectedHeader } = await jwtVerify(String(headers.dpop), EmbeddedJWK, { typ: 'dpop+jwt' })
  if (!protectedHeader.jwk || (await calculateJwkThumbprint(protectedHeader.jwk)) !== thumbprint) return 'key'
  if (payload.htm !== method || payload.htu !== `${server.url}${url?.split('?')[0]}`) return 'request'
  if (payload.ath !== createHash('sha256').update(token).digest('base64url')) return 'token'
  if (payload.nonce !== 'n1') return 'use_dpop_nonce'
  return token === good ? 'ok' : 'invalid_token'
}

const server = await createAuthServer({
  async fallback(request, response) {
    const verdict = await judge(request).catch(String)
    verdicts.push(verdict)
    if (verdict === 'ok') return void response.end('{}')
    response.writeHead(401, { 'www-authenticate': `DPoP error="${verdict}"`, 'dpop-nonce': 'n1' }).end()
  },
})
const session = createSession({ applyToken, tokens: 'first', refresh: () => 'second' })
const api = axios.create({ baseURL: server.url, proxy: false })
attachSession(api, session)

afterAll(async () => {
  session.close()
  await server.close()
})

test('the nonce that the server asks for is signed into the same request, and remembered for the next', async () => {
  await api.get('/things?page=2')
  await api.post('/things', { name: 'x' })
  expect(verdicts.splice(0)).toEqual(['use_dpop_nonce', 'ok', 'ok'])
  expect(session.state.generation).toBe(1)
})

test('a token that has expired is refreshed once, and the replay is signed anew', async () => {
  good = 'second'
  expect((await api.get('/things')).status).toBe(200)
  expect(verdicts.splice(0)).toEqual(['invalid_token', 'ok'])
  expect(session.state.generation).toBe(2)
})
