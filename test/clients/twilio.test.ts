/** Clients of Twilio connect to its own servers: what is tried here is what they document of their tokens. */
import { EventEmitter } from 'node:events'
import type { Session } from 'refresh-once'
import { withSession } from 'refresh-once/fetch'
import type { AuthServer } from 'refresh-once/testing'
import { beforeEach, expect, test } from 'vitest'
import { openTwilio } from '../../examples/clients/twilio.ts'
import { newClock, open, signIn, startServer, type TurnedClock } from '../setup.ts'

/** An hour, as Twilio's tokens live by default. */
const LIFE = 3_600_000

let server: AuthServer
let time: TurnedClock
let issued: number
let twilio: Session

beforeEach(async () => {
  server = await startServer()
  time = newClock()
  issued = 0
  server.api('/api/twilio-token', () => ({
    status: 200,
    body: { accessToken: `twilio-${++issued}`, expiresIn: LIFE / 1000 },
  }))
  const user = signIn(server)
  const api = withSession(user, { origins: [server.url] })
  twilio = open({
    clock: time.clock,
    refresh: () => api(`${server.url}/api/twilio-token`, { method: 'POST' }),
  })
})

class Client extends EventEmitter {
  readonly tokens: string[]
  constructor(token: string) {
    super()
    this.tokens = [token]
  }
  async updateToken(token: string): Promise<this> {
    this.tokens.push(token)
    this.emit('updated')
    return this
  }
}

const openOne = (): Promise<Client> => {
  const opened: Promise<Client> = openTwilio(
    twilio,
    (token) => new Client(token),
    async (problem) => (await opened).emit('problem', problem),
  )
  return opened
}

const updated = (client: Client): Promise<void> => new Promise((done) => client.once('updated', done))

test('three minutes before its token ends, a client gets another one', async () => {
  const client = await openOne()
  expect(client.tokens).toEqual(['twilio-1'])
  await time.advance(LIFE - 180_000)
  const next = updated(client)
  client.emit('tokenAboutToExpire')
  await next
  expect(client.tokens).toEqual(['twilio-1', 'twilio-2'])
})

test('several clients whose token is over cost one request for another', async () => {
  const clients: Client[] = []
  for (let n = 0; n < 5; n++) clients.push(await openOne())
  expect(issued).toBe(1)
  const next = Promise.all(clients.map(updated))
  for (const client of clients) client.emit('tokenExpired')
  await next
  expect(clients.map(({ tokens }) => tokens.at(-1))).toEqual(Array(5).fill('twilio-2'))
  expect(issued).toBe(2)
})

test('where the user is not signed in any more, the app is told so', async () => {
  const client = await openOne()
  server.api('/api/twilio-token', () => ({ status: 401, body: {} }))
  const told = new Promise((resolve) => client.once('problem', resolve))
  client.emit('tokenExpired')
  expect(await told).toMatchObject({ code: 'session_expired' })
  expect(client.tokens).toEqual(['twilio-1'])
})
