import { memoryStore, type Session } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { audience, refreshTokenGrant, shareStore } from 'refresh-once/oauth'
import { describe, expect, test, vi } from 'vitest'
import { failureOf, open, times, watch } from '../setup.ts'
import { movable } from './cycles.ts'
import { type Server, serving } from './server.ts'

const start = serving()

interface Setting {
  server: Server
  /** Sessions for the APIs `/api/a` and `/api/b`, and the user's own. */
  a: Session
  b: Session
  user: Session
  refreshToken: string
  pass: (ms?: number) => void
  get: (name: 'a' | 'b') => Promise<number>
  grant: ReturnType<typeof refreshTokenGrant>
}

async function signedIn(more: { retries?: number } = {}): Promise<Setting> {
  const server = await start()
  const { clock, pass } = movable()
  const resources = times(2, (index) => `${server.issuer}/api/${'ab'[index]}`)
  const tokens = await server.mint({ resources })
  const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
  const share = shareStore(memoryStore({ clock }))
  const user = open({ ...grant, ...more, clock, store: share() })
  await user.signIn(tokens)
  const [a, b] = resources.map((resource) =>
    open({ ...audience({ grant, store: share(), resource }), ...more, clock }),
  ) as [Session, Session]
  const fetches = {
    a: withSession(a, { origins: [server.issuer] }),
    b: withSession(b, { origins: [server.issuer] }),
  }
  const get = async (name: 'a' | 'b') => (await fetches[name](`${server.issuer}/api/${name}`)).status
  return { server, a, b, user, refreshToken: tokens.refresh_token, pass, get, grant }
}

const fifty = (setting: Setting) =>
  Promise.all([...times(50, () => setting.get('a')), ...times(50, () => setting.get('b'))])

describe('two audiences of one refresh token', () => {
  test('get a token each, when they first need one: two token requests, one after the other', async () => {
    const setting = await signedIn()
    expect(setting.a.state.status).not.toBe('signed-out')
    expect(await fifty(setting)).toEqual(times(100, () => 200))
    expect(setting.server.count).toMatchObject({ token: 2, granted: 2, most: 1, reuses: 0, unauthorized: 0 })
    expect([setting.a.state.status, setting.b.state.status]).toEqual(['signed-in', 'signed-in'])
  })

  test('both expired at once: two token requests, never at the same time, and the grant lives on', async () => {
    const setting = await signedIn()
    await fifty(setting)
    for (let cycle = 2; cycle <= 5; cycle++) {
      setting.pass()
      expect(await fifty(setting)).toEqual(times(100, () => 200))
      expect(setting.server.count).toMatchObject({ granted: cycle * 2, token: cycle * 2, most: 1, reuses: 0 })
    }
  })

  test.each(['a', 'b'] as const)(
    'one expired, %s revoked unseen: a hundred answers for two token requests',
    async (revoked) => {
      const setting = await signedIn()
      const { server } = setting
      await setting.get(revoked)
      setting.pass(1_800_000)
      await setting.get(revoked === 'a' ? 'b' : 'a')
      // The first one, which is older, has expired now; the other is good, as far as its session knows.
      setting.pass(1_800_000)
      await server.refuse(await setting[revoked === 'a' ? 'b' : 'a'].getAccessToken())
      const { granted } = server.count
      expect(await fifty(setting)).toEqual(times(100, () => 200))
      expect(server.count).toMatchObject({ granted: granted + 2, token: granted + 2, most: 1, reuses: 0 })
    },
  )

  test('both revoked unseen: a hundred answers for two token requests', async () => {
    const setting = await signedIn()
    await fifty(setting)
    await setting.server.refuse(await setting.a.getAccessToken())
    await setting.server.refuse(await setting.b.getAccessToken())
    expect(await fifty(setting)).toEqual(times(100, () => 200))
    expect(setting.server.count).toMatchObject({ granted: 4, token: 4, most: 1, reuses: 0 })
  })

  test('the rotation of one is no news to the other: not an event, not a new state', async () => {
    const setting = await signedIn()
    await fifty(setting)
    const seen = watch(setting.a)
    const { state } = setting.a
    const states: unknown[] = []
    setting.a.subscribe((state) => states.push(state))
    await setting.b.refresh()
    await setting.user.refresh()
    expect([seen.events, states, setting.a.state]).toEqual([[], [], state])
    // And yet it goes on with the newest refresh token.
    await setting.a.refresh()
    await setting.b.refresh()
    expect(setting.server.count.reuses).toBe(0)
  })

  test('a refresh that is asked for is one of its own', async () => {
    const setting = await signedIn()
    await fifty(setting)
    const before = await Promise.all([setting.a, setting.b, setting.user].map((one) => one.getAccessToken()))
    await Promise.all([setting.a, setting.b, setting.user].map((one) => one.refresh()))
    const after = await Promise.all([setting.a, setting.b, setting.user].map((one) => one.getAccessToken()))
    expect(after.filter((token) => before.includes(token))).toEqual([])
    expect(setting.server.count).toMatchObject({ granted: 5, token: 5, most: 1, reuses: 0 })
  })

  test('a sign-out of one is that of all, and revokes the refresh token', async () => {
    const setting = await signedIn()
    await fifty(setting)
    await setting.b.signOut({ server: setting.grant.revoke })
    await vi.waitFor(() =>
      expect([setting.a, setting.b, setting.user].map(({ state }) => state.status)).toEqual(
        times(3, () => 'signed-out'),
      ),
    )
    expect(setting.server.count.revocations).toBe(1)
  })

  test.each(['a', 'user'] as const)(
    'what only the token of %s is refused for keeps no other from its own',
    async (whose) => {
      const setting = await signedIn({ retries: 0 })
      const { server, a, b, user } = setting
      await fifty(setting)
      const target = `${server.issuer}/api/a`
      server.faults.token = (form) =>
        form.get('resource') === (whose === 'a' ? target : null)
          ? [400, { 'content-type': 'application/json' }, '{"error":"invalid_target"}']
          : undefined
      const sessions = { a, b, user }
      for (let cycle = 0; cycle < 3; cycle++) {
        setting.pass()
        expect(await failureOf(sessions[whose].getAccessToken())).toMatchObject({ code: 'refresh_failed' })
        for (const other of Object.values(sessions))
          if (other !== sessions[whose]) expect(await other.getAccessToken()).toBeTruthy()
        expect(await setting.get('b')).toBe(200)
      }
      expect(server.count.reuses).toBe(0)
    },
  )

  test('a grant that has ended ends all', async () => {
    const setting = await signedIn()
    await fifty(setting)
    setting.server.faults.token = () => [
      400,
      { 'content-type': 'application/json' },
      '{"error":"invalid_grant"}',
    ]
    expect(await failureOf(setting.a.refresh())).toMatchObject({ code: 'session_expired' })
    await vi.waitFor(() =>
      expect([setting.b.state.status, setting.user.state.status]).toEqual(['signed-out', 'signed-out']),
    )
  })

  test('the next user gets no token of the former', async () => {
    const setting = await signedIn()
    await fifty(setting)
    const former = await setting.a.getAccessToken()
    const resources = times(2, (index) => `${setting.server.issuer}/api/${'ab'[index]}`)
    await setting.user.signIn(await setting.server.mint({ account: 'bob', resources }))
    expect(await setting.a.getAccessToken()).not.toBe(former)
    expect(await fifty(setting)).toEqual(times(100, () => 200))
  })
})
