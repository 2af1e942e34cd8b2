/** One readable line for each event. */
import { logTo, SessionError, type SessionEvent } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { failureOf, open, received, signIn, startServer } from './setup.ts'

function newLog(): { info(line: string): void; warn(line: string): void; lines: string[] } {
  const lines: string[] = []
  return {
    lines,
    info: (line) => void lines.push(line),
    warn: (line) => void lines.push(`! ${line}`),
  }
}

test('a life in lines: sent, refused, refreshed, sent again, signed out', async () => {
  const server = await startServer()
  const session = signIn(server)
  const log = newLog()
  session.observe(logTo(log))
  const api = withSession(session, { origins: [server.url] })
  server.expireAccessTokens()
  await api(`${server.url}/api/items?secret=1`)
  await session.signOut()
  const request = `#1 GET ${server.url}/api/items`
  expect(log.lines).toEqual([
    `refresh-once: request-sent ${request}`,
    expect.stringMatching(`^refresh-once: request-rejected ${request}, 401`),
    'refresh-once: refresh-started, rejected',
    'refresh-once: refresh-succeeded, signed-in',
    `refresh-once: request-replayed ${request}`,
    `refresh-once: request-settled ${request}, 200`,
    'refresh-once: signed-out, signed-out',
  ])
})

test('the bare 401 of a session that is signed out says so, and no other does', async () => {
  const server = await startServer()
  const session = open({ refresh: () => 'unused', tokens: null })
  const log = newLog()
  session.observe(logTo(log))
  const api = withSession(session, { origins: [server.url] })
  const settled = (): string | undefined =>
    log.lines.filter((line) => line.includes('request-settled')).at(-1)
  expect((await api(`${server.url}/api/items`)).status).toBe(401)
  expect(settled()).toBe(
    `refresh-once: request-settled #1 GET ${server.url}/api/items, 401, nobody is signed in`,
  )
  await session.signIn(server.mint('alice'))
  server.api('/api/locked', () => ({ status: 401, body: {} }))
  await api(`${server.url}/api/locked`)
  expect(settled()).toMatch(/401$/)
})

test('a failure is a warning with its code, its reason and the next try; a request without an answer says so', async () => {
  const log = newLog()
  const session = open({
    refresh: () => {
      throw new SessionError('refresh_failed', 'the proxy is away', { retryAt: Date.now() + 60_000 })
    },
    retries: 0,
  })
  session.observe(logTo(log))
  await failureOf(withSession(session, { origins: ['https://api.test'] })('https://api.test/x'))
  expect(log.lines.slice(0, 2)).toEqual([
    'refresh-once: refresh-started, unknown',
    'refresh-once: request-held #1 GET https://api.test/x',
  ])
  expect(log.lines.find((line) => line.startsWith('!'))).toMatch(
    /^! refresh-once: refresh-failed, unknown, refresh_failed, .*the proxy is away, next try \d{4}-\S+Z$/,
  )
  expect(log.lines.at(-1)).toBe(
    'refresh-once: request-settled #1 GET https://api.test/x, no answer, refresh_failed',
  )
})

test('each is one line without a token, also of what strangers wrote', async () => {
  const server = await startServer()
  const tokens = received(server.mint('alice'))
  const log = newLog()
  const session = open({
    tokens,
    retries: 0,
    refresh: ({ tokens }) => {
      throw new Error(`the server says\n${tokens?.refreshToken}\u001b[31m and ${tokens?.accessToken}`)
    },
  })
  session.observe(logTo(log))
  const answer = (): Response =>
    new Response(null, {
      status: 401,
      headers: { 'www-authenticate': `Bearer error="invalid_token", was="${tokens.access_token}"` },
    })
  const api = withSession(session, { origins: ['https://api.test'], fetch: async () => answer() })
  await api(`https://api.test/${tokens.access_token}?token=${tokens.access_token}`)
  await failureOf(session.refresh())
  const all = log.lines.join('|')
  expect(all).toContain('refresh-failed')
  expect(all).toContain('invalid_token')
  for (const token of [tokens.access_token, String(tokens.refresh_token)]) expect(all).not.toContain(token)
  expect(all).not.toMatch(/\p{Cc}/u)
})

test('the end of the session is a date, and one beyond all dates breaks nothing', () => {
  const log = newLog()
  const tell = logTo(log)
  const state = { status: 'signed-in', refreshing: false, generation: 1 } as const
  for (const endsAt of [Date.UTC(2030, 0), 1e300])
    tell({ type: 'session-ending', endsAt, at: 0, state } satisfies SessionEvent)
  expect(log.lines).toEqual([
    'refresh-once: session-ending, signed-in, ends 2030-01-01T00:00:00.000Z',
    'refresh-once: session-ending, signed-in, ends 1e+300',
  ])
})
