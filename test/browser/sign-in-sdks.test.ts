import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { bundle } from './bundle.ts'
import { call, openSite } from './page-site.ts'

type Kit = typeof import('./sign-in-sdks-page.ts')

type Reply = string | { status: number; body: object | string; headers?: Record<string, string> }

const PAGE = '<html><title>Just a moment</title></html>'
const later = { 'retry-after': '17' }

/** What a token endpoint answers, or what the browser says of it; and what that is to be. */
const REPLIES: [what: string, reply: Reply, verdict: 'refused' | 'failed'][] = [
  [
    'a refusal',
    { status: 400, body: { error: 'invalid_grant', error_description: 'Token is not active' } },
    'refused',
  ],
  ['a mistake', { status: 401, body: { error: 'invalid_client' } }, 'failed'],
  ['the page of a firewall', { status: 403, body: PAGE }, 'failed'],
  ['a 404', { status: 404, body: PAGE }, 'failed'],
  ['a 429', { status: 429, body: { error: 'slow_down' }, headers: later }, 'failed'],
  ['a 429 in a word', { status: 429, body: 'Too Many Requests', headers: later }, 'failed'],
  ['a 500', { status: 500, body: { error: 'server_error', error_description: 'Internal error' } }, 'failed'],
  ['the page of a 502', { status: 502, body: 'Bad Gateway' }, 'failed'],
  ['the page of a 503', { status: 503, body: PAGE, headers: later }, 'failed'],
  ['the page of a hotspot', { status: 200, body: PAGE }, 'failed'],
  ['nothing in a 200', { status: 200, body: '' }, 'failed'],
  ['a server that refuses connections', 'connectionrefused', 'failed'],
  ['a connection that breaks', 'connectionreset', 'failed'],
  ['no network', 'internetdisconnected', 'failed'],
]

/** Answers for `token`, and as their servers would for all else. */
async function serve(page: Page, answer: () => Reply): Promise<void> {
  await page.route(/^https:/, async (route) => {
    const request = route.request()
    const cors = {
      'access-control-allow-origin': request.headers().origin ?? '*',
      'access-control-allow-credentials': 'true',
      'access-control-allow-headers': 'content-type',
    }
    const url = new URL(request.url())
    if (request.method() === 'OPTIONS') return route.fulfill({ status: 204, headers: cors })
    if (url.pathname.endsWith('/authorize')) {
      // Nobody is signed in there either.
      const fragment = new URLSearchParams({
        error: 'login_required',
        state: url.searchParams.get('state') ?? '',
      })
      return route.fulfill({
        status: 302,
        headers: { location: `${url.searchParams.get('redirect_uri')}#${fragment}` },
      })
    }
    const reply = answer()
    if (typeof reply === 'string') return route.abort(reply)
    const { status, headers, body } = reply
    const [contentType, text] =
      typeof body === 'string' ? ['text/html', body] : ['application/json', JSON.stringify(body)]
    return route.fulfill({ status, contentType, body: text, headers: { ...cors, ...headers } })
  })
}

type Sdk = Parameters<Kit['open']>[0]

/** A page where either SDK has good tokens each time, and then meets this. */
async function openPage() {
  const site = await openSite()
  site.publish(await bundle(fileURLToPath(new URL('./sign-in-sdks-page.ts', import.meta.url))))
  const page = await site.open()
  const good: Reply = { status: 200, body: await page.evaluate(() => Object(globalThis).page.tokens) }
  let reply: Reply = good
  await serve(page, () => reply)
  return async (sdk: Sdk, next: Reply = good, forget = false) => {
    reply = good
    await call<Kit, 'open'>(page, 'open', sdk)
    if (forget) await call<Kit, 'forget'>(page, 'forget')
    reply = next
    return call<Kit, 'ask'>(page, 'ask')
  }
}

const ENDED = ['signed-out', 'session_expired']

test.each<[string, Sdk, keeps: boolean]>([
  ['auth0-spa-js', 'auth0', true],
  ['keycloak-js', 'keycloak', false],
  // It asks in a frame whether somebody is signed in at the server, and keeps what it has.
  ['msal-browser', 'msal', true],
])(
  'where %s has the refresh token, only a refusal ends the session',
  { timeout: 120_000 },
  async (_, sdk, keeps) => {
    const ask = await openPage()
    expect(await ask(sdk)).toEqual(['signed-in', 'tokens', true])
    const seen: Record<string, unknown> = {}
    const expected: Record<string, unknown> = {}
    for (const [what, reply, verdict] of REPLIES) {
      seen[what] = await ask(sdk, reply)
      expected[what] = verdict === 'refused' ? [...ENDED, keeps] : ['signed-in', 'refresh_failed', true]
    }
    expect(seen).toEqual(expected)
  },
)

test('what an SDK has forgotten ends the session, whatever was answered', { timeout: 120_000 }, async () => {
  const ask = await openPage()
  const ended = [...ENDED, false]
  expect(await ask('keycloak', { status: 400, body: PAGE })).toEqual(ended)
  expect(await ask('keycloak', { status: 200, body: {} })).toEqual(ended)
  expect(await ask('auth0', undefined, true)).toEqual(ended)
  expect(await ask('keycloak', undefined, true)).toEqual(ended)
  expect(await ask('msal', undefined, true)).toEqual(ended)
})
