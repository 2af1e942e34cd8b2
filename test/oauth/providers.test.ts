import * as oauth from 'oauth4webapi'
import { findSessionError, type Session } from 'refresh-once'
import { entra, type OAuthClientOptions, redeemCode, refreshTokenGrant, slack } from 'refresh-once/oauth'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { PROVIDERS } from '../core/answers/providers.ts'
import { open, withoutJitter } from '../setup.ts'
import { type Server, serving } from './server.ts'

const start = serving()
afterEach(() => {
  vi.unstubAllGlobals()
})

const JSON_TYPE = { 'content-type': 'application/json' }

/** Where a provider has its token endpoint, and what it answers there, as its documentation shows it. */
function answering(body: unknown, status = 200): { asked: Request[]; fetch: typeof fetch } {
  const asked: Request[] = []
  return {
    asked,
    fetch: async (url, init) => {
      asked.push(new Request(url, init))
      return new Response(typeof body === 'string' ? body : JSON.stringify(body), {
        status,
        headers: JSON_TYPE,
      })
    },
  }
}

function signedIn(options: OAuthClientOptions): Session {
  return open({
    ...refreshTokenGrant(options),
    retries: 0,
    clock: withoutJitter(),
    tokens: { accessToken: 'a', refreshToken: 'r' },
  })
}

/** What a refresh has led to: new tokens, an end, or neither, and how often it was sent. */
async function outcomeOf(session: Session): Promise<string> {
  try {
    await session.refresh()
    return 'tokens'
  } catch (error) {
    return String(findSessionError(error)?.code)
  }
}

const GITHUB = {
  issuer: 'https://github.com',
  token_endpoint: 'https://github.com/login/oauth/access_token',
}
const GOOGLE = {
  issuer: 'https://accounts.google.com',
  token_endpoint: 'https://oauth2.googleapis.com/token',
}

describe('what providers answer, asked by the grant', () => {
  /** Their tokens have a type, or names, that no standard has: whoever uses them says so. */
  const OWN = ['tokens of a bot', 'tokens, under names of their own']

  test.each(PROVIDERS.filter(({ when }) => !OWN.includes(when)))(
    '$provider: $when',
    async ({ status, body, verdict }) => {
      const server: Server = await start()
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      server.faults.token = () => [status, text.startsWith('<') ? {} : JSON_TYPE, text]
      const session = signedIn({ issuer: server.issuer, clientId: 'app' })
      const outcome = await outcomeOf(session)
      if (verdict === 'tokens') expect(outcome).toBe('tokens')
      else expect(outcome).toBe(verdict === 'rejected' ? 'session_expired' : 'refresh_failed')
      expect(server.count.token).toBe(verdict === 'doubt' ? 2 : 1)
    },
  )
})

describe('GitHub', () => {
  test('is asked for JSON, and its tokens are taken as they are', async () => {
    const { asked, fetch } = answering({
      access_token: 'ghu_16C7e42F292c6912E7710c838347Ae178B4a',
      expires_in: 28800,
      refresh_token: 'ghr_1B4a2e77838347a7E420ce178F2E7c6912E169246c34E1ccbF66C46812d16D5B1A9Dc86A1498',
      refresh_token_expires_in: 15811200,
      scope: '',
      token_type: 'bearer',
    })
    const session = signedIn({ server: GITHUB, clientId: 'Iv1.8a61f9b3a7aba766', fetch })
    expect(await outcomeOf(session)).toBe('tokens')
    expect(asked[0]?.headers.get('accept')).toBe('application/json')
    expect(await session.getAccessToken()).toMatch(/^ghu_16C/)
  })

  test('ends a session in a 200', async () => {
    const { fetch, asked } = answering({
      error: 'bad_refresh_token',
      error_description: 'incorrect or expired',
    })
    expect(await outcomeOf(signedIn({ server: GITHUB, clientId: 'app', fetch }))).toBe('session_expired')
    expect(asked.length).toBe(1)
  })
})

test('Google sends no new refresh token: the one that there is is kept, and its other errors end nothing', async () => {
  const { asked, fetch } = answering({
    access_token: '1/fFAGRNJru1FTz70BzhT3Zg',
    expires_in: 3920,
    scope: 'https://www.googleapis.com/auth/drive.metadata.readonly',
    token_type: 'Bearer',
  })
  const session = signedIn({ server: GOOGLE, clientId: 'app', fetch })
  await session.refresh()
  await session.refresh()
  expect(
    await Promise.all(asked.map(async (one) => new URLSearchParams(await one.text()).get('refresh_token'))),
  ).toEqual(['r', 'r'])
})

test('Auth0 is asked for an API by its own parameter', async () => {
  const { asked, fetch } = answering({
    access_token: 'eyJz93a...k4laUWw',
    refresh_token: 'GEbRxBN...edjnXbL',
    token_type: 'Bearer',
    expires_in: 86400,
  })
  const server = {
    issuer: 'https://tenant.auth0.com/',
    token_endpoint: 'https://tenant.auth0.com/oauth/token',
  }
  const parameters = { audience: 'https://api.example.com' }
  expect(await outcomeOf(signedIn({ server, clientId: 'app', parameters, fetch }))).toBe('tokens')
  expect(new URLSearchParams(await asked[0]?.text()).get('audience')).toBe('https://api.example.com')
})

describe('Slack', () => {
  const clientAuth = oauth.ClientSecretPost('secret')
  const stub = (body: unknown): void => void vi.stubGlobal('fetch', answering(body).fetch)

  test.each(['bot', 'user'] as const)('refreshes the tokens of a %s', async (token_type) => {
    stub({
      ok: true,
      access_token: 'xoxe.xoxb-1-next',
      expires_in: 43200,
      refresh_token: 'xoxe-1-next',
      token_type,
    })
    const session = signedIn({ ...slack(token_type), clientId: '1.2', clientAuth })
    expect(await outcomeOf(session)).toBe('tokens')
    expect(await session.getAccessToken()).toBe('xoxe.xoxb-1-next')
  })

  test('ends a session in a 200, and not where it is in trouble', async () => {
    stub({ ok: false, error: 'invalid_refresh_token' })
    expect(await outcomeOf(signedIn({ ...slack(), clientId: '1.2', clientAuth }))).toBe('session_expired')
    stub({ ok: false, error: 'internal_error' })
    expect(await outcomeOf(signedIn({ ...slack(), clientId: '1.2', clientAuth }))).toBe('refresh_failed')
  })

  test.each([
    ['bot', 'xoxb-bot'],
    ['user', 'xoxp-user'],
  ] as const)('has the tokens of a %s in its answer to a code', async (whose, token) => {
    stub({
      ok: true,
      access_token: 'xoxb-bot',
      token_type: 'bot',
      refresh_token: 'xoxe-1-bot',
      authed_user: {
        id: 'U1234',
        access_token: 'xoxp-user',
        token_type: 'user',
        refresh_token: 'xoxe-1-user',
      },
    })
    const grant = refreshTokenGrant({ ...slack(whose), clientId: '1.2', clientAuth })
    const asked = { grant, redirectUri: 'https://app.example.com/back', verifier: 'v'.repeat(43), state: 's' }
    const tokens = await redeemCode({ ...asked, url: 'https://app.example.com/back?code=c&state=s' })
    expect(tokens).toMatchObject({
      access_token: token,
      refresh_token: `xoxe-1-${whose}`,
      token_type: 'bearer',
    })
  })

  test('a page of whoever stands in between is left as it is', async () => {
    stub('<html>')
    expect(await outcomeOf(signedIn({ ...slack(), clientId: '1.2', clientAuth }))).toBe('refresh_failed')
  })
})

describe('Entra ID', () => {
  const segment = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString('base64url')
  const tid = '9122040d-6c67-4c5b-b112-36a304b66dad'
  const answer = (iss: string) => {
    const claims = { iss, tid, aud: 'app', sub: 'AAAA', iat: 1_900_000_000, exp: 1_900_003_600 }
    const id_token = `${segment({ alg: 'RS256', typ: 'JWT' })}.${segment(claims)}.c2lnbmF0dXJl`
    return { access_token: 'next', refresh_token: 'r2', token_type: 'Bearer', expires_in: 3599, id_token }
  }

  test('has ID tokens of the account’s own tenant', async () => {
    vi.stubGlobal('fetch', answering(answer(`https://login.microsoftonline.com/${tid}/v2.0`)).fetch)
    expect(await outcomeOf(signedIn({ ...entra(), clientId: 'app' }))).toBe('tokens')
  })

  test('and of nobody else', async () => {
    vi.stubGlobal('fetch', answering(answer('https://login.example.com/v2.0')).fetch)
    const session = signedIn({ ...entra(), clientId: 'app' })
    expect(await outcomeOf(session)).toBe('tokens')
    expect((await session.getTokenSet()).id_token).toBeUndefined()
  })
})
