import axios from 'axios'
import { findSessionError, type Session, type TokenInput } from 'refresh-once'
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
): Promise<Setting> {
  const server = await start()
  server.stepUp.wanted = 'gold silver'
  const grant = refreshTokenGrant({ issuer: server.issuer, clientId: 'app' })
  const asked: StepUpChallenge[] = []
  const session: Session = open({
    ...grant,
    clock: withoutJitter(),
    // A person takes longer.
    deadline: 50,
    tokens: await server.mint(),
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
    const { get } = await signedIn(async (server) => {
      await new Promise((resolve) => setTimeout(resolve, 150))
      return strongly(server)
    })
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
