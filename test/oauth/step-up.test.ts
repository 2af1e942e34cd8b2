import axios from 'axios'
import { findSessionError, type Session, type SessionOptions, type TokenInput } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { refreshTokenGrant, type StepUpChallenge, stepUp } from 'refresh-once/oauth'
import { describe, expect, test } from 'vitest'
import { deferred, failureOf, open, times, watch, withoutJitter } from '../setup.ts'
import { type Server, serving } from './server.ts'

const start = serving()

interface Setting {
  server: Server
  session: Session
  asked: StepUpChallenge[]
  get: (signal?: AbortSignal) => Promise<Response>
}

async function signedIn(
  onStepUp?: (
    server: Server,
    challenge: StepUpChallenge,
  ) => TokenInput | undefined | Promise<TokenInput | undefined>,
  more: Pick<SessionOptions, 'applyToken' | 'deadline'> = {},
): Promise<Setting> {
  const server = await start()
  server.stepUp.wanted = 'gold silver'
  const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
  const asked: StepUpChallenge[] = []
  const session: Session = open({
    ...grant,
    clock: withoutJitter(),
    tokens: await server.mint(),
    ...more,
    shouldRefresh: stepUp({
      session: () => session,
      shouldRefresh: grant.shouldRefresh,
      ...(onStepUp && {
        onStepUp: (challenge: StepUpChallenge) => {
          asked.push(challenge)
          return onStepUp(server, challenge)
        },
      }),
    }),
  })
  const api = withSession(session, { origins: [server.issuer] })
  const get = (signal?: AbortSignal) => api(`${server.issuer}/api/pay`, signal ? { signal } : {})
  return { server, session, asked, get }
}

/** The user authenticates anew. */
async function strongly(server: Server): Promise<TokenInput> {
  const tokens = await server.mint()
  server.stepUp.strong.add(tokens.access_token)
  return tokens
}

describe('step-up', () => {
  test('twenty at once ask once, and all are answered', async () => {
    const { server, asked, get } = await signedIn(strongly)
    const answers = await Promise.all(times(20, () => get()))
    expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200))
    expect(asked).toEqual([{ acr_values: 'gold silver', max_age: '300' }])
    expect(server.count).toMatchObject({ token: 0, api: 40 })
  })

  test('late siblings are sent again, however the answers come', async () => {
    const { server, asked, session } = await signedIn(strongly)
    // Answers of the API come one by one, the later ones long after the question was answered.
    let number = 0
    const slow = withSession(session, {
      origins: [server.issuer],
      fetch: async (url, init) => {
        const mine = number++
        const response = await fetch(url, init)
        if (mine < 20) await new Promise((resolve) => setTimeout(resolve, mine * 10))
        return response
      },
    })
    const answers = await Promise.all(times(20, () => slow(`${server.issuer}/api/pay`)))
    expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200))
    expect(asked.length).toBe(1)
  })

  test('by axios, too', async () => {
    const { server, asked, session } = await signedIn(strongly)
    const client = axios.create({ baseURL: server.issuer, proxy: false })
    attachSession(client, session)
    const answers = await Promise.all(times(20, () => client.get('/api/pay')))
    expect(answers.map(({ status }) => status)).toEqual(times(20, () => 200))
    expect(asked.length).toBe(1)
  })

  test('where nobody can be asked, the reason is with the answer, and observers hear of it', async () => {
    const { session, get, server } = await signedIn()
    const seen = watch(session)
    const answer = await get()
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)).toMatchObject({
      code: 'step_up_required',
      acr_values: 'gold silver',
      max_age: '300',
    })
    expect(seen.of('request-rejected')[0]?.challenge).toContain('acr_values="gold silver"')
    expect(seen.of('request-settled')[0]?.code).toBe('step_up_required')
    expect(server.count).toMatchObject({ token: 0, api: 1 })
    expect(session.state.status).toBe('signed-in')
  })

  test('what is not enough is sent once more, and no more', async () => {
    const { asked, get, server } = await signedIn((server) => server.mint())
    const answers = await Promise.all(times(20, () => get()))
    expect(answers.map((answer) => findSessionError(answer)?.code)).toEqual(
      times(20, () => 'step_up_required'),
    )
    expect(asked.length).toBe(1)
    expect(server.count).toMatchObject({ token: 0, api: 40 })
  })

  test('a user who does not want to is asked once for all that were sent by then, and again for the next', async () => {
    const { asked, session, server } = await signedIn(() => undefined)
    let number = 0
    const slow = withSession(session, {
      origins: [server.issuer],
      fetch: async (url, init) => {
        const mine = number++
        const response = await fetch(url, init)
        await new Promise((resolve) => setTimeout(resolve, mine * 10))
        return response
      },
    })
    const answers = await Promise.all(times(10, () => slow(`${server.issuer}/api/pay`)))
    expect(answers.map((answer) => findSessionError(answer)?.code)).toEqual(
      times(10, () => 'step_up_required'),
    )
    expect(asked.length).toBe(1)
    await slow(`${server.issuer}/api/pay`)
    expect(asked.length).toBe(2)
  })

  test('a question that fails is the reason', async () => {
    const { get } = await signedIn(() => Promise.reject(new Error('the popup was blocked')))
    const answers = await Promise.all(times(5, () => get()))
    for (const answer of answers)
      expect(findSessionError(answer)).toMatchObject({
        code: 'step_up_required',
        cause: { message: /popup/ },
      })
  })

  test('whoever leaves does not wait for the answer, and the others go on', async () => {
    const begun = deferred<void>()
    const answered = deferred<TokenInput>()
    const { server, get, session } = await signedIn(() => {
      begun.resolve()
      return answered.promise
    })
    const leaving = new AbortController()
    const gone = get(leaving.signal)
    const stays = get()
    await begun.promise
    leaving.abort()
    expect(await failureOf(gone)).toMatchObject({ name: 'AbortError' })
    // Requests that need no more are not held.
    const others = withSession(session, { origins: [server.issuer] })
    expect((await others(`${server.issuer}/me`)).status).toBe(200)
    answered.resolve(await strongly(server))
    expect((await stays).status).toBe(200)
  })

  test('a person may take longer than the deadline', async () => {
    const { get } = await signedIn(
      async (server) => {
        await new Promise((resolve) => setTimeout(resolve, 150))
        return strongly(server)
      },
      { deadline: 50 },
    )
    expect((await get()).status).toBe(200)
  })

  test('another look at the answers that fails while somebody is asked fails its own request, and is heard of', async () => {
    const begun = deferred<void>()
    const answered = deferred<TokenInput>()
    const server = await start()
    server.stepUp.wanted = 'gold'
    let looks = 0
    const session: Session = open({
      refresh: () => 'never',
      clock: withoutJitter(),
      tokens: await server.mint(),
      shouldRefresh: stepUp({
        session: () => session,
        shouldRefresh: async () => {
          if (++looks === 2) throw new Error('the look')
          return undefined
        },
        onStepUp: () => {
          begun.resolve()
          return answered.promise
        },
      }),
    })
    const api = withSession(session, { origins: [server.issuer] })
    const first = api(`${server.issuer}/api/pay`)
    await begun.promise
    expect((await failureOf(api(`${server.issuer}/api/pay`))).message).toBe('the look')
    answered.resolve(await strongly(server))
    expect((await first).status).toBe(200)
  })

  test('another wish is another question', async () => {
    const { server, asked, get } = await signedIn(strongly)
    expect((await get()).status).toBe(200)
    server.stepUp.wanted = 'platinum'
    server.stepUp.strong.clear()
    expect((await get()).status).toBe(200)
    expect(asked.map(({ acr_values }) => acr_values)).toEqual(['gold silver', 'platinum'])
  })

  test('the same wish may come again when the answer is too old', async () => {
    const { server, asked, get } = await signedIn(strongly)
    expect((await get()).status).toBe(200)
    server.stepUp.strong.clear()
    expect((await get()).status).toBe(200)
    expect(asked.length).toBe(2)
  })

  test('a request that needed more than one send has been asked for no more than its question', async () => {
    const { server, asked, session } = await signedIn(strongly, {
      applyToken: ({ accessToken }) => ({ headers: { Authorization: `Bearer ${accessToken}` } }),
    })
    // Each send of a new token asks for a nonce, as a server does whose nonces turn over.
    const turning = withSession(session, {
      origins: [server.issuer],
      fetch: (() => {
        let sends = 0
        return async (url: string, init: RequestInit) =>
          sends++ % 2
            ? fetch(url, init)
            : new Response(null, {
                status: 401,
                headers: { 'dpop-nonce': `${sends}`, 'www-authenticate': 'DPoP error="use_dpop_nonce"' },
              })
      })() as typeof fetch,
    })
    for (const round of [1, 2, 3]) {
      expect((await turning(`${server.issuer}/api/pay`)).status).toBe(200)
      expect(asked.length).toBe(round)
      // The same wish, as the sign-in has become too old.
      server.stepUp.strong.clear()
    }
  })

  test('two wishes at once are two questions, and each is asked once', async () => {
    const { server, asked, session } = await signedIn((server) => server.mint())
    const wanting = (acr: string) =>
      withSession(session, {
        origins: [server.issuer],
        fetch: async () =>
          new Response(null, {
            status: 401,
            headers: {
              'www-authenticate': `Bearer error="insufficient_user_authentication", acr_values="${acr}"`,
            },
          }),
      })
    const apis = [wanting('gold'), wanting('silver')]
    const answers = await Promise.all(times(12, (index) => apis[index % 2]?.(`${server.issuer}/api/pay`)))
    expect(answers.map((answer) => findSessionError(answer)?.code)).toEqual(
      times(12, () => 'step_up_required'),
    )
    expect(asked.map(({ acr_values }) => acr_values)).toEqual(['gold', 'silver'])
  })

  test.each([
    [
      'quoted',
      'Bearer error="insufficient_user_authentication", acr_values="a\\"b c", max_age="5"',
      'a"b c',
      '5',
    ],
    ['bare', 'Bearer ERROR=insufficient_user_authentication, Max_Age=5, ACR_Values=a', 'a', '5'],
    [
      'beside another challenge',
      'Basic realm="acr_values=x", DPoP error="insufficient_user_authentication", max_age=0',
      undefined,
      '0',
    ],
  ])('reads what is wanted where it is %s', async (_, challenge, acr_values, max_age) => {
    const look = stepUp({ session: () => open({ refresh: () => 'never' }) })
    const response = { status: 401, headers: new Headers({ 'www-authenticate': challenge }), url: '' }
    const sent = { stale: false, age: 0, attempt: 1, patience: 1000 }
    const looking = Promise.resolve(look({ ...response, json: async () => undefined }, undefined, sent))
    expect(await failureOf(looking)).toMatchObject({ code: 'step_up_required', acr_values, max_age })
  })

  test('leaves a challenge that only speaks of it to others', async () => {
    const look = stepUp({ session: () => open({ refresh: () => 'never' }) })
    const challenge = 'Bearer error="invalid_token", error_description="not insufficient_user_authentication"'
    const response = { status: 401, headers: new Headers({ 'www-authenticate': challenge }), url: '' }
    const sent = { stale: false, age: 0, attempt: 1, patience: 1000 }
    expect(await look({ ...response, json: async () => undefined }, undefined, sent)).toBeUndefined()
  })
})

describe('from within onStepUp', () => {
  /** What onStepUp calls, before it brings a stronger token. */
  type Inner = (setting: Setting) => unknown

  async function stepping(inner: Inner): Promise<Setting & { outcome: Promise<unknown> }> {
    let outcome: Promise<unknown> = Promise.resolve()
    const setting: Setting = await signedIn(async (server) => {
      const calling = (async () => inner(setting))()
      outcome = calling
      await calling.catch(() => {})
      return strongly(server)
    })
    expect((await setting.get()).status).toBe(200)
    return Object.assign(setting, { outcome })
  }

  test.each<[string, Inner]>([
    ['at once', async ({ get }) => findSessionError(await get())],
    [
      'later',
      async ({ get }) => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return findSessionError((await Promise.all([get(), get()]))[1])
      },
    ],
    [
      'by axios, with interceptors that wait',
      async ({ server, session }) => {
        const client = axios.create({ baseURL: server.issuer, proxy: false })
        client.interceptors.request.use(async (config) => config)
        client.interceptors.response.use(async (response) => response)
        attachSession(client, session)
        return findSessionError(await failureOf(client.get('/api/pay')))
      },
    ],
    [
      'for another wish',
      async ({ get, server }) => {
        server.stepUp.wanted = 'platinum'
        return findSessionError(await get())
      },
    ],
  ])('a request that asks for a step-up itself is told so: %s', async (_, inner) => {
    const { outcome, asked } = await stepping(inner)
    expect(await outcome).toMatchObject({
      code: 'step_up_required',
      message: expect.stringMatching(/onStepUp.*itself/),
    })
    expect(asked.length).toBe(1)
  })

  test('a request of another session has a question of its own', async () => {
    const { outcome } = await stepping(async () => {
      const other = await signedIn(strongly)
      return (await other.get()).status
    })
    expect(await outcome).toBe(200)
  })

  test.each<[string, Inner]>([
    [
      'a request that needs no more',
      ({ server, session }) => withSession(session, { origins: [server.issuer] })(`${server.issuer}/me`),
    ],
    [
      'a request whose token was revoked',
      async ({ server, session }) => {
        await server.refuse(await session.getAccessToken())
        return withSession(session, { origins: [server.issuer] })(`${server.issuer}/me`)
      },
    ],
    ['refresh', ({ session }) => session.refresh()],
    ['getAccessToken', ({ session }) => session.getAccessToken()],
    ['getAccessToken with a validity', ({ session }) => session.getAccessToken({ minValidity: 9e9 })],
    ['update', async ({ server, session }) => session.update({ ...(await server.mint()) }, { replay: true })],
  ])('%s waits for nothing', async (_, inner) => {
    // What waits for itself is rejected at its deadline.
    const { outcome } = await stepping(async (setting) => void (await inner(setting)))
    expect(await outcome).toBeUndefined()
  })

  test('a sign-out waits for nothing, and ends the waiting', async () => {
    const { server, session, get } = await signedIn(async () => {
      await session.signOut({ server: () => {} })
      return undefined
    })
    const answer = await get()
    expect(answer.status).toBe(401)
    expect(findSessionError(answer)?.code).toBe('session_changed')
    expect(session.state.status).toBe('signed-out')
    expect(server.count.api).toBe(1)
  })

  test('what the user is asked for late is not brought to who has signed in meanwhile', async () => {
    const { server, session, get } = await signedIn(async (server) => {
      await session.signIn({ ...(await server.mint({ account: 'bob' })), access_token: 'of-bob' })
      return strongly(server)
    })
    expect(findSessionError(await get())?.code).toBe('session_changed')
    expect(await session.getAccessToken()).toBe('of-bob')
    expect(server.count.api).toBe(1)
  })

  test('a sign-in waits for nothing: what was asked for by the former user is not sent again', async () => {
    const { server, session, get } = await signedIn(async (server) => {
      await session.signIn(await server.mint({ account: 'bob' }))
      return undefined
    })
    expect(findSessionError(await get())?.code).toBe('session_changed')
    expect(server.count.api).toBe(1)
  })
})
