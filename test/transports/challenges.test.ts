import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { calculateJwkThumbprint, EmbeddedJWK, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { parseChallenges, type Session, type SessionEvent, type SessionOptions } from 'refresh-once'
import type { AuthServer } from 'refresh-once/testing'
import { describe, expect, test } from 'vitest'
import { open, signIn, startServer, watch } from '../setup.ts'
import { type Api, CLIENTS } from './client.ts'

interface Setting {
  api: Api
  session: Session
  events: readonly SessionEvent[]
}

type Rejection = Extract<SessionEvent, { type: 'request-rejected' }>

function rejections(events: readonly SessionEvent[]): Rejection[] {
  return events.filter((event): event is Rejection => event.type === 'request-rejected')
}

/** The next answers of `/api/items` are a 401 with these WWW-Authenticate headers. */
function challenge(server: AuthServer, headers: string[], times = 1): void {
  server.fault('custom', {
    on: '/api/items',
    times,
    respond: { status: 401, headers: { 'www-authenticate': headers }, body: {} },
  })
}

describe.each(CLIENTS)('$name', (client) => {
  /** A client that is signed in at `server`. */
  function connect(server: AuthServer): Setting {
    const session = signIn(server)
    const { events } = watch(session)
    return { api: client.attach(server, session), session, events }
  }

  describe('a challenge that a new token cures leads to one refresh', () => {
    test.each([
      ['invalid_token', ['Bearer error="invalid_token"']],
      ['in one header with another scheme', ['Basic realm="x", Bearer error="invalid_token"']],
      ['in one header with a scheme that has no parameters', ['Basic, Bearer error="invalid_token"']],
      ['in two headers', ['Basic realm="x"', 'Bearer realm="api", error="invalid_token"']],
      ['in two headers, the other way round', ['Bearer error="invalid_token"', 'Basic realm="x"']],
      ['behind a token68', ['Negotiate YIIab+/c==', 'Bearer error="invalid_token"']],
      ['in upper case', ['BEARER ERROR="invalid_token"']],
      ['unquoted', ['Bearer error=invalid_token']],
      ['Bearer without an error', ['Bearer realm="api"']],
      ['Bearer alone', ['Bearer']],
      ['DPoP', ['DPoP error="invalid_token", algs="ES256"']],
      ['another scheme altogether', ['Basic realm="x"']],
      [
        'beside an error of another challenge',
        ['Bearer error="insufficient_scope"', 'DPoP error="invalid_token"'],
      ],
      ['an error that nobody knows', ['Bearer error="token_revoked"']],
      ['malformed', ['Bearer error="invalid_token']],
      ['empty', ['']],
    ])('%s', async (_, headers) => {
      const server = await startServer()
      const { api, events } = connect(server)
      challenge(server, headers)
      const { data } = await api('/api/items?id=1')
      expect(data.generation).toBe(2)
      expect(server.count).toMatchObject({ api: 2, refreshes: 1, reuses: 0 })
      expect(rejections(events)).toHaveLength(1)
      expect(rejections(events)[0]?.challenge).toBe(headers.join(', '))
    })
  })

  describe('words in a quoted string are not misread', () => {
    test.each([
      ['Bearer error="invalid_token", error_description="error=insufficient_scope"'],
      ['Bearer error_description="error=insufficient_scope"'],
      ['Bearer error_description="x, error=\\"insufficient_scope\\"", error="invalid_token"'],
      ['Bearer error_description="\\\\", error="invalid_token"'],
      ['Bearer realm="insufficient_scope"'],
      ['Bearer realm="Bearer error=invalid_request"'],
      ['Bearer realm="use_dpop_nonce", scope="insufficient_user_authentication"'],
      ['Bearer x_error="insufficient_scope"'],
    ])('%s: refresh', async (header) => {
      const server = await startServer()
      const { api } = connect(server)
      challenge(server, [header])
      expect((await api('/api/items?id=1')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ api: 2, refreshes: 1 })
    })

    test('nor does a description that calls the token invalid cure anything', async () => {
      const server = await startServer()
      const { api } = connect(server)
      challenge(server, ['Bearer error="insufficient_scope", error_description="error=\\"invalid_token\\""'])
      const error = await api('/api/items')
      expect(error.status).toBe(401)
      expect(server.count).toMatchObject({ api: 1, refreshes: 0 })
    })
  })

  describe('what a new token would not cure is passed through', () => {
    test('403 insufficient_scope', async () => {
      const server = await startServer()
      const { api, events } = connect(server)
      const error = await api('/api/forbidden')
      expect(error.status).toBe(403)
      expect(error.why).toBeUndefined()
      expect(parseChallenges(error.header('www-authenticate'))[0]?.parameters).toMatchObject({
        error: 'insufficient_scope',
        scope: 'admin',
      })
      expect(server.count).toMatchObject({ api: 1, refreshes: 0, refreshRequests: 0 })
      expect(events.map(({ type }) => type)).toEqual(['request-sent', 'request-settled'])
    })

    test.each([
      ['401 invalid_request', 'Bearer error="invalid_request"'],
      ['401 insufficient_scope', 'Bearer error="insufficient_scope", scope="admin"'],
    ])('%s', async (_, header) => {
      const server = await startServer()
      const { api, events, session } = connect(server)
      challenge(server, [header])
      const error = await api('/api/items')
      expect(error.status).toBe(401)
      expect(error.why).toBeUndefined()
      expect(server.count).toMatchObject({ api: 1, refreshRequests: 0 })
      expect(events.map(({ type }) => type)).toEqual(['request-sent', 'request-rejected', 'request-settled'])
      expect(session.state).toMatchObject({ status: 'signed-in', generation: 1 })
    })
  })

  describe('401 insufficient_user_authentication', () => {
    const STEP_UP =
      'Bearer error="insufficient_user_authentication", error_description="A different authentication level is required", acr_values="myACR phr", max_age="5"'

    test('is surfaced with acr_values and max_age: in the event, and on the error’s response', async () => {
      const server = await startServer()
      const { api, events, session } = connect(server)
      challenge(server, [STEP_UP])
      const error = await api('/api/items?id=1')
      const wanted = { error: 'insufficient_user_authentication', acr_values: 'myACR phr', max_age: '5' }
      expect(parseChallenges(error.header('www-authenticate'))[0]?.parameters).toMatchObject(wanted)
      expect(rejections(events)).toHaveLength(1)
      expect(rejections(events)[0]).toMatchObject({
        status: 401,
        request: { method: 'GET', url: `${server.url}/api/items` },
      })
      expect(parseChallenges(rejections(events)[0]?.challenge)).toMatchObject([
        { scheme: 'bearer', parameters: wanted },
      ])
      expect(error.status).toBe(401)
      expect(server.count).toMatchObject({ api: 1, refreshRequests: 0 })
      expect(session.state).toMatchObject({ status: 'signed-in', generation: 1 })
    })

    test('every time: it starts no refresh, however often it comes', async () => {
      const server = await startServer()
      const { api } = connect(server)
      challenge(server, [STEP_UP], 10)
      for (let turn = 0; turn < 10; turn++) {
        const { status } = await api('/api/items')
        expect(status).toBe(401)
      }
      expect(server.count).toMatchObject({ api: 10, refreshRequests: 0 })
      expect((await api('/api/items?id=1')).data.generation).toBe(1)
    })
  })

  describe('use_dpop_nonce', () => {
    interface DpopApi {
      server: AuthServer
      /** What arrived, and what the server thought of it. */
      verdicts: string[]
      nonces: (string | undefined)[]
      bodies: string[]
    }

    /**
     * An API that wants DPoP proofs (RFC 9449) and verifies them.
     *
     * @param nonceFor the nonce that the nth request must carry, if any
     */
    async function dpopApi(nonceFor: (n: number) => string | undefined): Promise<DpopApi> {
      const verdicts: string[] = []
      const nonces: (string | undefined)[] = []
      const bodies: string[] = []
      const used = new Set<unknown>()
      const good = new Set<string>()

      async function judge(request: IncomingMessage, wanted: string | undefined): Promise<string> {
        const [, token = ''] = /^DPoP (.+)$/.exec(request.headers.authorization ?? '') ?? []
        const { payload, protectedHeader } = await jwtVerify(String(request.headers.dpop), EmbeddedJWK, {
          typ: 'dpop+jwt',
        })
        nonces.push(payload.nonce as string | undefined)
        if (used.has(payload.jti)) return 'a proof came twice'
        used.add(payload.jti)
        if (payload.htm !== request.method) return 'another method'
        if (payload.htu !== `${server.url}${request.url?.split('?')[0]}`) return 'another URL'
        if (payload.ath !== createHash('sha256').update(token).digest('base64url')) return 'another token'
        if (!protectedHeader.jwk || !(await calculateJwkThumbprint(protectedHeader.jwk))) return 'no key'
        if (wanted !== undefined && payload.nonce !== wanted) return 'use_dpop_nonce'
        return good.has(token) ? 'ok' : 'invalid_token'
      }

      async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
        let body = ''
        for await (const chunk of request) body += chunk
        bodies.push(body)
        const wanted = nonceFor(verdicts.length + 1)
        const verdict = await judge(request, wanted).catch(String)
        verdicts.push(verdict)
        if (verdict === 'ok') return void response.end('{}')
        response.setHeader('www-authenticate', `DPoP error="${verdict}", algs="ES256"`)
        if (verdict === 'use_dpop_nonce') response.setHeader('dpop-nonce', wanted ?? '')
        response.writeHead(401).end()
      }

      const server = await startServer({ fallback: (request, response) => void answer(request, response) })
      good.add('at_1').add('at_2')
      return {
        server,
        verdicts,
        nonces,
        bodies,
      }
    }

    /** A session whose tokens are bound to a key. */
    async function dpopSession(
      options: Partial<SessionOptions> = {},
    ): Promise<{ session: Session; refreshes: () => number }> {
      const { privateKey, publicKey } = await generateKeyPair('ES256')
      const jwk = await exportJWK(publicKey)
      let refreshes = 0
      const session = open({
        tokens: 'at_1',
        refresh: () => `at_${++refreshes + 1}`,
        async applyToken({ accessToken }, { method, url, nonce }) {
          const { origin, pathname } = new URL(url)
          const proof = await new SignJWT({
            htm: method,
            htu: origin + pathname,
            ath: createHash('sha256').update(accessToken).digest('base64url'),
            jti: randomUUID(),
            ...(nonce !== undefined && { nonce }),
          })
            .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
            .setIssuedAt()
            .sign(privateKey)
          return { headers: { Authorization: `DPoP ${accessToken}`, DPoP: proof } }
        },
        ...options,
      })
      return { session, refreshes: () => refreshes }
    }

    test('a server that wants no nonce: one request', async () => {
      const { server, verdicts, nonces } = await dpopApi(() => undefined)
      const { session, refreshes } = await dpopSession()
      const { status } = await client.attach(server, session)('/things?page=2')
      expect(status).toBe(200)
      expect(verdicts).toEqual(['ok'])
      expect(nonces).toEqual([undefined])
      expect(refreshes()).toBe(0)
    })

    test('one re-sign with the nonce, no refresh', async () => {
      const { server, verdicts, nonces, bodies } = await dpopApi(() => 'nonce-1')
      const { session, refreshes } = await dpopSession()
      const json = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"name":"x"}' }
      const events: SessionEvent[] = []
      session.observe((event) => void events.push(event))
      const { status } = await client.attach(server, session)('/things', json)
      expect(status).toBe(200)
      expect(verdicts).toEqual(['use_dpop_nonce', 'ok'])
      expect(nonces).toEqual([undefined, 'nonce-1'])
      expect(bodies).toEqual(['{"name":"x"}', '{"name":"x"}'])
      expect(refreshes()).toBe(0)
      expect(events.filter(({ type }) => type.startsWith('refresh'))).toEqual([])
      expect(session.state).toMatchObject({ generation: 1, refreshing: false })
    })

    test('endless nonces: stops after one re-sign, and the 401 is the caller’s', async () => {
      const { server, verdicts, nonces } = await dpopApi((n) => `nonce-${n}`)
      const { session, refreshes } = await dpopSession()
      const error = await client.attach(server, session)('/things')
      expect(error.status).toBe(401)
      expect(error.header('dpop-nonce')).toBe('nonce-2')
      expect(verdicts).toEqual(['use_dpop_nonce', 'use_dpop_nonce'])
      expect(nonces).toEqual([undefined, 'nonce-1'])
      expect(refreshes()).toBe(0)
    })

    test('20 requests at once: each is signed anew once, none is refreshed', async () => {
      const { server, verdicts } = await dpopApi(() => 'nonce-1')
      const { session, refreshes } = await dpopSession()
      const api = client.attach(server, session)
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => api(`/things/${n}`)))
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200))
      expect(verdicts.filter((verdict) => verdict === 'use_dpop_nonce')).toHaveLength(20)
      expect(verdicts).toHaveLength(40)
      expect(refreshes()).toBe(0)
    })

    test('an `applyToken` that remembers the nonce: the next request is good at once', async () => {
      const { server, verdicts } = await dpopApi(() => 'nonce-1')
      let remembered: string | undefined
      const { privateKey, publicKey } = await generateKeyPair('ES256')
      const jwk = await exportJWK(publicKey)
      const { session, refreshes } = await dpopSession({
        async applyToken({ accessToken }, { method, url, nonce = remembered }) {
          remembered = nonce
          const ath = createHash('sha256').update(accessToken).digest('base64url')
          const claims = { htm: method, htu: url, ath, jti: randomUUID(), ...(nonce && { nonce }) }
          const header = { alg: 'ES256', typ: 'dpop+jwt', jwk }
          const proof = await new SignJWT(claims).setProtectedHeader(header).setIssuedAt().sign(privateKey)
          return { headers: { Authorization: `DPoP ${accessToken}`, DPoP: proof } }
        },
      })
      const api = client.attach(server, session)
      await api('/things')
      await api('/things')
      expect(verdicts).toEqual(['use_dpop_nonce', 'ok', 'ok'])
      expect(refreshes()).toBe(0)
    })

    test('then a 401 because of the token: one refresh, one replay, signed with the new token', async () => {
      const { server, verdicts, nonces } = await dpopApi(() => 'nonce-1')
      const { session, refreshes } = await dpopSession({ tokens: 'at_expired', refresh: () => 'at_1' })
      const seen: SessionEvent[] = []
      session.observe((event) => void seen.push(event))
      const { status } = await client.attach(server, session)('/things')
      expect(status).toBe(200)
      expect(verdicts).toEqual(['use_dpop_nonce', 'invalid_token', 'ok'])
      expect(nonces).toEqual([undefined, 'nonce-1', 'nonce-1'])
      expect(seen.filter(({ type }) => type === 'refresh-started')).toHaveLength(1)
      expect(refreshes()).toBe(0)
    })

    test('a request that may not be sent again: the 401 is the caller’s, nothing is sent twice', async () => {
      const { server, verdicts } = await dpopApi(() => 'nonce-1')
      const { session, refreshes } = await dpopSession()
      const api = client.attach(server, session)
      const error = await api('/things', { method: 'POST', body: 'once', session: { replay: false } })
      expect(error).toMatchObject({ status: 401, code: 'not_replayable' })
      expect(verdicts).toEqual(['use_dpop_nonce'])
      expect(refreshes()).toBe(0)
    })

    test('without an `applyToken` that could sign: the 401 is the caller’s', async () => {
      const server = await startServer()
      const { api } = connect(server)
      server.fault('custom', {
        on: '/api/items',
        times: Number.POSITIVE_INFINITY,
        respond: {
          status: 401,
          headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': 'n' },
        },
      })
      const { status } = await api('/api/items')
      expect(status).toBe(401)
      expect(server.count).toMatchObject({ api: 1, refreshRequests: 0 })
    })

    test('without a DPoP-Nonce header: the 401 is the caller’s', async () => {
      const server = await startServer()
      const { session, refreshes } = await dpopSession()
      server.fault('custom', {
        on: '/api/items',
        times: Number.POSITIVE_INFINITY,
        respond: { status: 401, headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"' } },
      })
      const { status } = await client.attach(server, session)('/api/items')
      expect(status).toBe(401)
      expect(server.count.api).toBe(1)
      expect(refreshes()).toBe(0)
    })
  })

  describe('a 401 without WWW-Authenticate, as CORS hides it', () => {
    test('leads to one refresh', async () => {
      const server = await startServer()
      const { api, events } = connect(server)
      server.fault('custom', { on: '/api/items', respond: { status: 401 } })
      expect((await api('/api/items?id=1')).data.generation).toBe(2)
      expect(server.count).toMatchObject({ api: 2, refreshes: 1 })
      expect(rejections(events).map(({ challenge }) => parseChallenges(challenge))).toEqual([[]])
    })

    test('for ever: to exactly one refresh and one replay, then the 401 is the caller’s', async () => {
      const server = await startServer()
      const { api } = connect(server)
      server.fault('custom', { on: '/api/items', times: Number.POSITIVE_INFINITY, respond: { status: 401 } })
      const error = await api('/api/items')
      expect(error.status).toBe(401)
      expect(server.count).toMatchObject({ api: 2, refreshes: 1 })
    })
  })
})
