import * as oauth from 'oauth4webapi'
import { withSession } from 'refresh-once/fetch'
import { createDpop, type OAuthClientOptions, redeemCode, refreshTokenGrant } from 'refresh-once/oauth'
import { describe, expect, test } from 'vitest'
import { failureOf, open, times } from '../setup.ts'
import { setWrong } from './cycles.ts'
import { type Server, type ServerOptions, serving } from './server.ts'

const start = serving()
const redirectUri = 'http://localhost:8765/back'

/** Follows a link as a browser does, with cookies, until it leads back to the app. */
async function follow(link: URL): Promise<string> {
  const cookies = new Map<string, string>()
  for (let url = link.href, steps = 0; steps < 12; steps++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    url = new URL(response.headers.get('location') ?? '', url).href
    if (url.startsWith(redirectUri)) return url
  }
  throw new Error('the sign-in goes round in circles')
}

/** A user who has come back with a code, and what is to be redeemed. */
async function comeBack(
  options: ServerOptions = {},
  client: (server: Server) => Partial<OAuthClientOptions> = () => ({}),
) {
  const server = await start({ redirectUris: [redirectUri], ...options })
  const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app', ...client(server) })
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()]
  const link = new URL((await grant.server()).authorization_endpoint ?? '')
  const asks = {
    client_id: grant.client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid offline_access',
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  }
  for (const one of Object.entries(asks)) link.searchParams.set(...one)
  return { server, grant, redeem: { grant, redirectUri, verifier, state, url: await follow(link) } }
}

describe('a code is redeemed', () => {
  test.each([
    ['by a public client', {}, () => ({})],
    [
      'by a public client, with proofs of possession and a nonce',
      { dpop: true },
      () => ({ dpop: createDpop() }),
    ],
    [
      'by private_key_jwt',
      {},
      ({ privateKey }) => ({ clientId: 'jwt', clientAuth: oauth.PrivateKeyJwt(privateKey) }),
    ],
    [
      'by private_key_jwt, with proofs of possession and a nonce',
      { dpop: true },
      ({ privateKey }) => ({
        clientId: 'jwt',
        clientAuth: oauth.PrivateKeyJwt(privateKey),
        dpop: createDpop(),
      }),
    ],
    [
      'by a client with a secret',
      {},
      ({ secret }) => ({ clientId: 'basic', clientAuth: oauth.ClientSecretBasic(secret) }),
    ],
  ] as [string, ServerOptions, (server: Server) => Partial<OAuthClientOptions>][])(
    '%s, and the session goes on with what it brings',
    async (_, options, client) => {
      const { server, grant, redeem } = await comeBack(options, client)
      const session = open({ ...grant })
      await session.signIn(await redeemCode(redeem))
      const api = withSession(session, { origins: [server.issuer] })
      await server.refuse(await session.getAccessToken())
      const answers = await Promise.all(times(20, () => api(`${server.issuer}/me`)))
      expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200))
      expect(server.count).toMatchObject({ granted: 2, reuses: 0 })
      await session.signOut({ server: grant.revoke })
      expect(server.count.revocations).toBe(1)
    },
  )

  /** Another origin does not show it to a page. */
  const withoutDate: typeof fetch = async (url, init) => {
    const response = await fetch(url, init)
    const headers = new Headers(response.headers)
    headers.delete('date')
    return new Response(response.body, { status: response.status, headers })
  }

  test.each([3_600_000, -3_600_000])(
    'by a clock that is off by %i ms, and of which nobody knows',
    async (off) => {
      const { server, grant, redeem } = await comeBack({}, () => ({ fetch: withoutDate }))
      setWrong(off)
      const session = open({ ...grant })
      await session.signIn(await redeemCode(redeem))
      await session.refresh()
      expect(server.count).toMatchObject({ granted: 2, reuses: 0 })
    },
  )

  test.each([3_600_000, -3_600_000])('by a clock that is off by %i ms', async (off) => {
    const { server, grant, redeem } = await comeBack({}, ({ privateKey }) => ({
      clientId: 'jwt',
      clientAuth: oauth.PrivateKeyJwt(privateKey),
    }))
    setWrong(off)
    const session = open({ ...grant })
    await session.signIn(await redeemCode(redeem))
    await session.refresh()
    expect(server.count).toMatchObject({ granted: 2, reuses: 0 })
  })

  test('for the resource that is named', async () => {
    const { server, redeem } = await comeBack()
    const forms: URLSearchParams[] = []
    server.faults.token = (form) => void forms.push(form)
    await redeemCode({ ...redeem, resource: `${server.issuer}/api/a` }).catch(() => {})
    expect(forms.map((form) => form.get('resource'))).toEqual([`${server.issuer}/api/a`])
  })
})

describe('nothing is redeemed', () => {
  test.each([
    ['with another state', { state: 'another' }, /state/],
    ['without a state', { state: undefined as never }, /state/],
  ])('%s: the server is not asked', async (_, wrong, message) => {
    const { server, redeem } = await comeBack()
    expect((await failureOf(redeemCode({ ...redeem, ...wrong }))).message).toMatch(message)
    expect(server.count.token).toBe(0)
  })

  // The page was loaded again, or nobody has asked here: what an app reads from its storage is not there.
  test.each([
    ['a link without a state, where none was kept', { state: undefined as never }, ['state']],
    ['a link with a code, where no verifier was kept', { verifier: undefined as never }, []],
    ['a link with a code, where the verifier is null', { verifier: null as never }, []],
    ['a link with a code, where the verifier is empty', { verifier: '' }, []],
    ['a link without a code', {}, ['code']],
  ] as [string, object, string[]][])('%s: the server is not asked', async (_, kept, gone) => {
    const { server, redeem } = await comeBack()
    const url = new URL(redeem.url)
    for (const name of gone) url.searchParams.delete(name)
    const error = await failureOf(redeemCode({ ...redeem, ...kept, url }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch('is missing')
    expect(server.count.token).toBe(0)
  })

  test('where the ID token does not hold', async () => {
    const { grant, redeem } = await comeBack()
    const odd = refreshTokenGrant({
      server: await grant.server(),
      clientId: 'app',
      async fetch(url, init) {
        const answer = await fetch(url, init)
        return Response.json({ ...(await answer.json()), id_token: 'none' })
      },
    })
    expect((await failureOf(redeemCode({ ...redeem, grant: odd }))).message).toMatch('JWT')
  })

  test('where the user has said no: the server is not asked', async () => {
    const { server, redeem } = await comeBack()
    const url = new URL(redeem.url)
    url.searchParams.delete('code')
    url.searchParams.set('error', 'access_denied')
    expect(await failureOf(redeemCode({ ...redeem, url }))).toMatchObject({ error: 'access_denied' })
    expect(server.count.token).toBe(0)
  })

  test('of another issuer: the server is not asked', async () => {
    const { server, redeem } = await comeBack()
    const url = new URL(redeem.url)
    url.searchParams.set('iss', 'https://other.example.com')
    expect((await failureOf(redeemCode({ ...redeem, url }))).message).toMatch(/issuer/)
    expect(server.count.token).toBe(0)
  })

  test('by another verifier: the error is the server’s', async () => {
    const { redeem } = await comeBack()
    const verifier = oauth.generateRandomCodeVerifier()
    expect(await failureOf(redeemCode({ ...redeem, verifier }))).toMatchObject({ error: 'invalid_grant' })
  })

  test('by a client that the server does not know: the error names the option', async () => {
    const { server, redeem } = await comeBack()
    server.faults.token = () => [401, { 'content-type': 'application/json' }, '{"error":"invalid_client"}']
    expect((await failureOf(redeemCode(redeem))).message).toMatch(/clientId and clientAuth/)
  })

  test('by an answer without a token', async () => {
    const { server, redeem } = await comeBack()
    server.faults.token = () => [
      200,
      { 'content-type': 'application/json' },
      '{"error":"bad_verification_code"}',
    ]
    expect((await failureOf(redeemCode(redeem))).message).toMatch(/access_token/)
  })
})
