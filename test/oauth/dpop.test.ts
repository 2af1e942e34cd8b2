import { decodeJwt } from 'jose'
import type { Session } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { createDpop, type Dpop, refreshTokenGrant } from 'refresh-once/oauth'
import { describe, expect, test } from 'vitest'
import { failureOf, open, times, withoutJitter } from '../setup.ts'
import { expire, movable, setWrong } from './cycles.ts'
import { type Server, serving } from './server.ts'

const start = serving()

async function signedIn(): Promise<{
  server: Server
  session: Session
  dpop: Dpop
  pass: () => void
  token: string
}> {
  const server = await start({ dpop: true })
  const { clock, pass } = movable()
  const dpop = createDpop()
  const jkt = await (await dpop.handle()).calculateThumbprint()
  const tokens = await server.mint({ jkt })
  const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app', dpop })
  const session = open({ ...grant, clock, tokens })
  return { server, session, dpop, pass, token: tokens.access_token }
}

describe('DPoP', () => {
  test('with nonces at both endpoints: one refresh at each expiry, and every request is answered', async () => {
    const { server, session, pass } = await signedIn()
    const cycles = Number(process.env.SOAK_EXPIRIES ?? 10)
    const statuses = await expire(server, session, { cycles, pass })
    expect(statuses).toEqual(times(cycles * 20, () => 200))
    // One more token request, the first: nobody knew the nonce.
    expect(server.count).toMatchObject({ granted: cycles, token: cycles + 1, reuses: 0, most: 1 })
  })

  test('a nonce is learnt from every answer: it is asked for once', async () => {
    const { server, session } = await signedIn()
    const api = withSession(session, { origins: [server.issuer] })
    for (const _ of times(5, () => 0)) expect((await api(`${server.issuer}/me`)).status).toBe(200)
    expect(server.count).toMatchObject({ api: 6, unauthorized: 1, token: 0 })
  })

  test('a nonce that is asked for after a refresh, by the same request, is answered', async () => {
    const proofs: (string | undefined)[] = []
    const { server, session, dpop } = await signedIn()
    const wants = ['first', undefined, 'second']
    const { applyToken } = dpop
    const other = open({
      applyToken: (tokens, target) => {
        proofs.push(target.nonce)
        return applyToken(tokens, target)
      },
      clock: withoutJitter(),
      tokens: { accessToken: 'a', refreshToken: 'r' },
      refresh: () => 'b',
    })
    let sends = 0
    const api = withSession(other, {
      origins: [server.issuer],
      fetch: async () => {
        const nonce = wants[sends++]
        if (sends > 3) return new Response()
        return new Response(null, {
          status: 401,
          headers: nonce
            ? { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': nonce }
            : { 'www-authenticate': 'DPoP error="invalid_token"' },
        })
      },
    })
    expect((await api(`${server.issuer}/me`)).status).toBe(200)
    expect([sends, proofs]).toEqual([4, [undefined, 'first', 'first', 'second']])
    session.close()
  })

  test('each attempt has a proof of its own, for its method and its address without the query', async () => {
    const { server, dpop, token } = await signedIn()
    const target = { method: 'PUT', url: `${server.issuer}/me?a=1#b`, nonce: 'n' }
    const signed = await Promise.all(
      times(2, () => dpop.applyToken({ accessToken: token, token_type: 'DPoP' }, target)),
    )
    const claims = signed.map(({ headers }) => decodeJwt(headers?.DPoP ?? ''))
    expect(claims[0]).toMatchObject({ htm: 'PUT', htu: `${server.issuer}/me`, nonce: 'n' })
    expect(claims[0]?.jti).not.toBe(claims[1]?.jti)
    expect(signed[0]?.headers?.Authorization).toBe(`DPoP ${token}`)
  })

  test('tokens that are not bound are sent as such', async () => {
    const { dpop } = await signedIn()
    const target = { method: 'GET', url: 'https://api.example.com/', nonce: undefined }
    expect(await dpop.applyToken({ accessToken: 'a', token_type: 'bearer' }, target)).toEqual({
      headers: { Authorization: 'Bearer a' },
    })
  })

  test.each([3_600_000, -3_600_000])(
    'a clock that is off by %i ms: proofs have the time of the server',
    async (off) => {
      const { server, session } = await signedIn()
      setWrong(off)
      const api = withSession(session, { origins: [server.issuer] })
      await session.refresh()
      expect((await api(`${server.issuer}/me`)).status).toBe(200)
      expect(server.count.reuses).toBe(0)
    },
  )

  test('a key that cannot be had is a failure, not the end, and is asked for again', async () => {
    const server = await start({ dpop: true })
    let broken = true
    const pair = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
      'verify',
    ])) as CryptoKeyPair
    const dpop = createDpop({
      key: () => {
        if (broken) throw new Error('the disk')
        return pair
      },
    })
    const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app', dpop })
    const before = open({ ...grant, retries: 0, clock: withoutJitter(), tokens: await server.mint() })
    expect(await failureOf(before.refresh())).toMatchObject({ code: 'refresh_failed' })
    expect(before.state.status).toBe('signed-in')
    broken = false
    const jkt = await (await dpop.handle()).calculateThumbprint()
    await before.signIn(await server.mint({ jkt }))
    await before.refresh()
    expect(server.count).toMatchObject({ granted: 1, reuses: 0 })
  })
})
