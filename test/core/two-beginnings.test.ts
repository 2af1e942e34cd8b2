/** Contexts that begin at one moment, at a place that holds nothing yet: with the same tokens they are one sign-in. */
import { setImmediate as macrotask } from 'node:timers/promises'
import type { Session, SessionStore, TokenSet } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import { expect, test } from 'vitest'
import { createSharedStore } from '../laws/shared-store.ts'
import { deferred, failureOf, open, times, watch, withoutJitter } from '../setup.ts'

const tokens = { accessToken: 'old', refreshToken: 'first' }

/** Two contexts at one place; what the other one saves is on its way until it is let through. */
function openPlace(): { own: SessionStore; slow: SessionStore; saving: Promise<void>; proceed: () => void } {
  const unheard = (): void => {}
  const place = createSharedStore({
    schedule: (_, run) => void setImmediate(run),
    clock: { ...withoutJitter(), random: Math.random },
    spy: { saving: unheard, told: unheard, watched: unheard, leased: unheard },
    lease: 60_000,
    steals: true,
  })
  const [saving, proceed] = [deferred<void>(), deferred<void>()]
  const other = place.open(2)
  const save: SessionStore['save'] = async (next) => {
    saving.resolve()
    await proceed.promise
    return other.save(next)
  }
  return { own: place.open(1), slow: { ...other, save }, saving: saving.promise, proceed: proceed.resolve }
}

/** What was sent, by which each refresh token is spent. */
function rotation() {
  const sent: (string | undefined)[] = []
  const refresh = async ({ tokens }: { tokens?: TokenSet | undefined }) => {
    sent.push(tokens?.refreshToken)
    return { accessToken: `new-${sent.length}`, refreshToken: `next-${sent.length}` }
  }
  return { sent, refresh }
}

const api = 'https://api.example.com'

test('what one has refreshed is not replaced by what the other has begun with', async () => {
  // Where their names are random, either may be the greater.
  for (let round = 0; round < 8; round++) {
    const { own, slow, saving, proceed } = openPlace()
    const { sent, refresh } = rotation()
    const one = open({ refresh, tokens, store: own })
    const other = open({ refresh, tokens, store: slow })
    const heard = watch(other).until('refresh-adopted')
    await saving
    await one.refresh()
    proceed()
    await heard
    expect([await one.getAccessToken(), await other.getAccessToken()]).toEqual(['new-1', 'new-1'])
    await other.refresh()
    expect(sent).toEqual(['first', 'next-1'])
    expect((await own.load())?.tokens).toMatchObject({ accessToken: 'new-2', refreshToken: 'next-2' })
  }
})

test('a request that is refused meanwhile is sent again, and is not told of another sign-in', async () => {
  for (let round = 0; round < 8; round++) {
    const { own, slow, saving, proceed } = openPlace()
    const { sent, refresh } = rotation()
    const one = open({ refresh, tokens, store: own })
    const other = open({ refresh, tokens, store: slow })
    const refusal = deferred<Response>()
    const answers = [refusal.promise, Response.json('served')]
    const send = withSession(other, {
      origins: [api],
      fetch: async () => answers.shift() ?? Response.error(),
    })
    const posted = send(`${api}/items`, { method: 'POST', body: 'once' })
    await saving
    await one.refresh()
    proceed()
    refusal.resolve(new Response(null, { status: 401 }))
    expect((await posted).status).toBe(200)
    expect(sent).toEqual(['first'])
  }
})

test('somebody who signs in meanwhile is not replaced', async () => {
  const { own, slow, saving, proceed } = openPlace()
  const { refresh } = rotation()
  const signing = open({ refresh, tokens: null, store: own })
  const beginning = open({ refresh, tokens, store: slow })
  await saving
  const heard = watch(beginning).until('signed-in')
  await signing.signIn('hers')
  proceed()
  await heard
  expect(await beginning.getAccessToken()).toBe('hers')
  expect((await own.load())?.tokens).toMatchObject({ accessToken: 'hers' })
})

test('with the same refresh token they are one sign-in, whatever access token is beside it', async () => {
  for (const accessTokens of [
    ['old', undefined],
    [undefined, 'old'],
    ['one', 'other'],
  ]) {
    const { own, slow, saving, proceed } = openPlace()
    const { sent, refresh } = rotation()
    const [one, other] = accessTokens.map((accessToken, index) =>
      open({
        refresh,
        tokens: { accessToken, refreshToken: 'first' } as TokenSet,
        store: index ? slow : own,
      }),
    ) as [Session, Session]
    await saving
    await one.refresh()
    proceed()
    await other.refresh()
    expect(sent).toEqual(['first', 'next-1'])
  }
})

test('with refresh tokens alone of two users they are two sign-ins: what was asked for one is not served by the other', async () => {
  for (const [first, late] of [
    ['user-12', 'user-21'],
    ['user-21', 'user-12'],
  ] as const) {
    const { own, slow, saving, proceed } = openPlace()
    const refresh = ({ tokens }: { tokens?: TokenSet | undefined }) => ({
      accessToken: `new-${tokens?.refreshToken}`,
    })
    const one = open({ refresh, tokens: { refreshToken: first }, store: own })
    const other = open({ refresh, tokens: { refreshToken: late }, store: slow })
    await saving
    const wanted = [one, other].map((session) => session.getAccessToken().catch(({ code }) => code))
    proceed()
    const [his, hers] = await Promise.all(wanted)
    expect([`new-${first}`, 'session_changed']).toContain(his)
    expect([`new-${late}`, 'session_changed']).toContain(hers)
  }
})

test('with refresh tokens that differ in one letter, wherever it is, they are two sign-ins', () => {
  const long = 'x'.repeat(500)
  const names = ['', 'a', 'b'].flatMap((part) =>
    [`${part}${long}`, `${long}${part}`].map((refreshToken) => {
      const session = open({ refresh: () => 'unused', tokens: { accessToken: 'one-for-all', refreshToken } })
      return session.state.signIn
    }),
  )
  expect(new Set(names).size).toBe(5)
})

test('with other tokens they are two sign-ins, of which one lasts: nobody is served in the name of the other', async () => {
  for (const [first, late] of [
    ['user-12', 'user-21'],
    ['user-21', 'user-12'],
  ] as const) {
    const { own, slow, saving, proceed } = openPlace()
    const one = open({ refresh: () => `${first}-anew`, tokens: first, store: own })
    const other = open({ refresh: () => `${late}-anew`, tokens: late, store: slow })
    const refusal = deferred<Response>()
    const answers = [refusal.promise, Response.json('served')]
    const seen: (string | null)[] = []
    const send = withSession(other, {
      origins: [api],
      async fetch(input, init) {
        seen.push(new Request(input, init).headers.get('authorization'))
        return answers.shift() ?? Response.error()
      },
    })
    const posted = send(`${api}/items`, { method: 'POST', body: 'once' })
    await saving
    await one.getAccessToken()
    proceed()
    await own.exclusive(async () => {})
    refusal.resolve(new Response(null, { status: 401 }))
    const lasting = (await own.load())?.tokens?.accessToken
    expect((await posted).status).toBe(lasting === late ? 200 : 401)
    expect(seen.filter((value) => !value?.startsWith(`Bearer ${late}`))).toEqual([])
  }
})

test('what is called before the first save has come is done after it', async () => {
  const { own, slow, saving, proceed } = openPlace()
  const { sent, refresh } = rotation()
  const session = open({ refresh, tokens, store: slow })
  const updated = session.update({ accessToken: 'better' })
  const refreshed = session.refresh()
  await saving
  proceed()
  await Promise.all([updated, refreshed])
  expect(sent).toEqual(['first'])
  const stored = await own.load()
  expect(stored?.tokens).toMatchObject({ refreshToken: 'next-1' })
  // Each by a turn of its own: nobody else had that number.
  expect(stored?.version.generation).toBe(3)
})

test('an update that waits for the first save is not for the one who signs in meanwhile', async () => {
  const { own, slow, saving, proceed } = openPlace()
  const { refresh } = rotation()
  const signing = open({ refresh, tokens: null, store: own })
  const session = open({ refresh, tokens, store: slow })
  await saving
  const updated = session.update({ accessToken: 'better' }).catch(({ code }) => code)
  const heard = watch(session).until('signed-in')
  await signing.signIn('hers')
  await heard
  proceed()
  expect(await updated).toBe('session_changed')
  expect((await own.load())?.tokens).toMatchObject({ accessToken: 'hers' })
})

test('a refusal that comes before the first save has come is found by the next page', async () => {
  const { own, slow, saving, proceed } = openPlace()
  const refuse = () => Response.json({ error: 'invalid_grant' }, { status: 400 })
  const session = open({ refresh: refuse, tokens, store: slow })
  const refused = failureOf(session.refresh())
  await saving
  for (const turn of times(10, () => macrotask)) await turn()
  proceed()
  expect(await refused).toMatchObject({ code: 'session_expired' })
  expect(await own.load()).toMatchObject({ ended: 'rejected' })
})

test('who knows of nobody comes before one who has tokens, and takes his', async () => {
  for (let round = 0; round < 8; round++) {
    const { own, slow, saving, proceed } = openPlace()
    const { sent, refresh } = rotation()
    const unknowing = open({ refresh, store: slow })
    const asked = unknowing.getAccessToken()
    await saving
    const knowing = open({ refresh, tokens, store: own })
    expect(await knowing.getAccessToken()).toBe('old')
    proceed()
    expect(await asked).toBe('old')
    expect((await own.load())?.tokens).toMatchObject(tokens)
    expect(sent).toEqual([])
  }
})

test('who begins where somebody has signed in meanwhile takes that from its own save, too', async () => {
  const { own, slow, saving, proceed } = openPlace()
  const session = open({ refresh: () => 'unused', tokens, store: { ...slow, watch: () => () => {} } })
  const other = open({ refresh: () => 'unused', tokens: null, store: own })
  const seen = watch(session)
  await saving
  await other.signIn('theirs')
  const adopted = seen.until('signed-in', 2)
  proceed()
  await adopted
  expect(await session.getAccessToken()).toBe('theirs')
})
