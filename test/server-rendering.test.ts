import axios from 'axios'
import type { Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import { signIn, startServer, times } from './setup.ts'

const USERS = 1_000
const ROUNDS = 2
/** How many are rendered at once. */
const AT_ONCE = 100

/** A page for one user: two requests at once, and who the server says that they came from. */
type Render = () => Promise<unknown[]>

function byFetch(server: AuthServer, session: Session, user: string): Render {
  const api = withSession(session, { origins: [server.url] })
  return () =>
    Promise.all(
      times(2, async (part) => {
        const response = await api(`${server.url}/api/page?user=${user}&part=${part}`)
        return (await response.json()).user
      }),
    )
}

function byAxios(server: AuthServer, session: Session, user: string): Render {
  const api = axios.create({ baseURL: server.url })
  attachSession(api, session)
  return () =>
    Promise.all(times(2, async (part) => (await api.get('/api/page', { params: { user, part } })).data.user))
}

/** Always the same for one seed: the order of the users, another one in each round. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  const order = items.map((item, index) => [(index * 7_919 + seed * 104_729) % 1_009, item] as const)
  return order.sort(([a], [b]) => a - b).map(([, item]) => item)
}

test('a thousand users in one process: no request carries the token of another', async () => {
  const mistakes: string[] = []
  const server = await startServer()
  server.api('/api/page', ({ user, query }) => {
    // The token says who it is, and the URL who it has to be.
    if (user !== query.get('user')) mistakes.push(`${user} on the page of ${query.get('user')}`)
    return { body: { user } }
  })
  const people = times(USERS, (number) => {
    const user = `user-${number}`
    // However slow the machine is: here it does not matter how long somebody waits.
    const session = signIn(server, { tokens: server.mint(user), deadline: 60_000 })
    const render = (number % 2 ? byAxios : byFetch)(server, session, user)
    return { user, session, render }
  })
  let revoked = 0

  for (let round = 0; round < ROUNDS; round++) {
    const waiting = shuffled(people, round)
    const worker = async (): Promise<void> => {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        // A refresh in between, for every third.
        if (waiting.length % 3 === 0) {
          server.expireAccessTokens(next.user)
          revoked++
        }
        expect(await next.render()).toEqual([next.user, next.user])
      }
    }
    await Promise.all(times(AT_ONCE, worker))
  }

  expect(mistakes).toEqual([])
  expect(revoked).toBeGreaterThan((USERS * ROUNDS) / 4)
  expect(server.count).toMatchObject({ refreshes: revoked, refreshRequests: revoked, reuses: 0 })
  expect(people.every(({ session }) => session.state.status === 'signed-in')).toBe(true)
}, 120_000)

test('the same client under two sessions, in turn: each request is the one of its session', async () => {
  const server = await startServer()
  const sessions = ['alice', 'bob'].map((user) => signIn(server, { tokens: server.mint(user) }))
  const clients = sessions.map((session) => withSession(session, { origins: [server.url] }))
  server.expireAccessTokens()
  const user = async (api: typeof fetch): Promise<string> =>
    (await (await api(`${server.url}/api/items?id=1`)).json()).user
  const answers = await Promise.all(times(20, () => clients.map(user)).flat())
  expect(answers).toEqual(times(20, () => ['alice', 'bob']).flat())
  expect(server.count).toMatchObject({ refreshes: 2, refreshRequests: 2, reuses: 0 })
})
