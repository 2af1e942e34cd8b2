import type { Session, SessionOptions } from 'refresh-once'
import type { AuthServer, ReceivedRequest } from 'refresh-once/testing'
import { newClock, signIn, startServer, type TurnedClock } from '../setup.ts'
import type { Api, Client } from './client.ts'

export interface Stage {
  server: AuthServer
  session: Session
  /** In the care of the session. */
  api: Api
  /** What arrived whole at guarded routes, byte for byte. */
  received: ReceivedRequest[]
  time: TurnedClock
}

/** A server, Alice's session there, whose time stands still, and a client in its care. */
export async function stage(client: Client, options: Partial<SessionOptions> = {}): Promise<Stage> {
  const received: ReceivedRequest[] = []
  const time = newClock()
  const server = await startServer({ onRequest: (request) => received.push(request) })
  const session = signIn(server, { clock: time.clock, ...options })
  return { server, session, api: client.attach(server, session), received, time }
}
