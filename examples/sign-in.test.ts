import { withSession } from 'refresh-once/fetch'
import { afterEach, expect, test, vi } from 'vitest'
import { serving } from '../test/oauth/server.ts'

const start = serving()

afterEach(() => {
  vi.unstubAllGlobals()
})

/** Follows a link as a browser does, with cookies, until it leads back to the app. */
async function follow(link: string, home: string): Promise<string> {
  const cookies = new Map<string, string>()
  for (let url = link, steps = 0; steps < 12; steps++) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    url = new URL(response.headers.get('location') ?? '', url).href
    if (url.startsWith(home)) return url
  }
  throw new Error('the sign-in goes round in circles')
}

test('a page signs in by code and PKCE, refreshes, signs out, and the tokens are revoked', async () => {
  const home = 'http://localhost:8765'
  const server = await start({ redirectUris: [`${home}/back`] })
  const items = new Map<string, string>()
  const page = { origin: home, href: `${home}/`, assign: vi.fn<(url: string) => void>() }
  vi.stubGlobal('location', page)
  vi.stubGlobal('history', { replaceState: () => {} })
  vi.stubGlobal('sessionStorage', {
    getItem: (name: string) => items.get(name) ?? null,
    setItem: (name: string, value: string) => items.set(name, value),
    removeItem: (name: string) => items.delete(name),
  })
  vi.stubGlobal('ISSUER', server.issuer)
  const { comeBack, session, signIn, signOut } = await import('./sign-in.ts')

  await signIn()
  page.href = await follow(page.assign.mock.lastCall?.[0] ?? '', home)
  await comeBack()
  expect(session.state.status).toBe('signed-in')

  const api = withSession(session, { origins: [server.issuer] })
  expect((await api(`${server.issuer}/me`)).status).toBe(200)
  await server.refuse(await session.getAccessToken())
  const answers = await Promise.all(Array.from({ length: 20 }, () => api(`${server.issuer}/me`)))
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
  expect(server.count).toMatchObject({ token: 2, granted: 2, reuses: 0 })

  const last = await session.getAccessToken()
  await signOut()
  expect([session.state.status, server.count.revocations]).toEqual(['signed-out', 1])
  expect(await server.accepts(last)).toBe(false)
  session.close()
})
