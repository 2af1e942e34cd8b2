import { type Session, type SessionOptions, tokenSource } from 'refresh-once'
import { expect, test } from 'vitest'
import { deferred, failureOf, open, times } from './setup.ts'

interface Given {
  session: Session
  readonly calls: number
}

/** A session whose first token is `token-1`, and its n-th is `token-n`. */
function given(options: Partial<SessionOptions> = {}): Given {
  let calls = 0
  const session = open({ tokens: 'token-1', refresh: () => `token-${++calls + 1}`, ...options })
  return {
    session,
    get calls() {
      return calls
    },
  }
}

test('a token that was refused is not handed out again', async () => {
  const g = given()
  const { token, refused } = tokenSource(g.session)
  expect([await token(), await token()]).toEqual(['token-1', 'token-1'])
  // A callback for events does not wait.
  void refused()
  expect([await token(), g.calls]).toEqual(['token-2', 1])
})

test('ten sockets that are closed late, one after the other, cost one refresh', async () => {
  const g = given()
  const sources = times(10, () => tokenSource(g.session))
  for (const { token } of sources) await token()
  for (const { refused, token } of sources) {
    await refused()
    expect(await token()).toBe('token-2')
  }
  expect(g.calls).toBe(1)
})

test('ten sockets that are closed at once cost one refresh', async () => {
  const g = given()
  const sources = times(10, () => tokenSource(g.session))
  await Promise.all(sources.map(({ token }) => token()))
  const next = sources.map(({ refused, token }) => {
    void refused()
    return token()
  })
  expect([await Promise.all(next), g.calls]).toEqual([times(10, () => 'token-2'), 1])
})

test('where several are on their way, it can be told which was refused', async () => {
  const g = given()
  const { token, refused } = tokenSource(g.session)
  const first = await token()
  await g.session.refresh()
  await token()
  await refused(first)
  expect([await token(), g.calls]).toEqual(['token-2', 1])
  await refused()
  expect([await token(), g.calls]).toEqual(['token-3', 2])
})

test('nothing was refused before anything was handed out', async () => {
  const g = given()
  await tokenSource(g.session).refused()
  expect(g.calls).toBe(0)
})

test('a refresh that fails is told to both, and needs nobody to hear of it', async () => {
  const g = given({ retries: 0, refresh: () => new Response(null, { status: 400 }) })
  const { token, refused } = tokenSource(g.session)
  await token()
  const refusal = refused()
  expect(await failureOf(token())).toMatchObject({ code: 'session_expired' })
  expect(await failureOf(refusal)).toMatchObject({ code: 'session_expired' })
  void refused()
})

test('who leaves is told so, and the refresh goes on', async () => {
  const answer = deferred<string>()
  const g = given({ refresh: () => answer.promise })
  const leaving = new AbortController()
  const { token, refused } = tokenSource(g.session, { signal: leaving.signal })
  await token()
  const refusal = refused()
  const next = token()
  leaving.abort('gone')
  await expect(refusal).rejects.toBe('gone')
  await expect(next).rejects.toBe('gone')
  answer.resolve('new')
  expect(await g.session.getAccessToken()).toBe('new')
})

test('a token for a socket is good for as long as it says', async () => {
  const g = given({ tokens: { accessToken: 'token-1', expiresAt: Date.now() + 20_000 } })
  expect(await tokenSource(g.session, { minValidity: 30_000 }).token()).toBe('token-2')
})
