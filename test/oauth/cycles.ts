import axios from 'axios'
import type { Clock, Session } from 'refresh-once'
import { attachSession } from 'refresh-once/axios'
import { withSession } from 'refresh-once/fetch'
import { vi } from 'vitest'
import { times, withoutJitter } from '../setup.ts'
import type { Server } from './server.ts'

/** A clock that goes ahead when told. */
export function movable(): { clock: Clock; pass: (ms?: number) => void } {
  const own = withoutJitter()
  let ahead = 0
  return {
    clock: { ...own, now: () => own.now() + ahead, monotonic: () => own.monotonic() + ahead },
    pass: (ms = 3_600_000) => {
      ahead += ms
    },
  }
}

/** The clock of this machine is off; the provider takes the true time, which it finds where it is asked. */
export function setWrong(off: number): void {
  const { now } = Date
  const stack = () => new Error('where').stack ?? ''
  vi.spyOn(Date, 'now').mockImplementation(() => now() + (/oidc-provider/.test(stack()) ? 0 : off))
}

/**
 * So many times the access token comes to its end, by turns seen (its time is over) and unseen (it is revoked), and each
 * time `requests` of fetch and axios want an answer of `/me`. Returns the statuses that they got.
 */
export async function expire(
  server: Server,
  session: Session,
  { cycles, requests = 20, pass }: { cycles: number; requests?: number; pass: () => void },
): Promise<number[]> {
  const api = withSession(session, { origins: [server.issuer] })
  const client = axios.create({ baseURL: server.issuer, proxy: false, validateStatus: () => true })
  attachSession(client, session)
  const statuses: number[] = []
  for (let cycle = 0; cycle < cycles; cycle++) {
    if (cycle % 2) pass()
    else await server.refuse(await session.getAccessToken())
    const answers = times(requests, (index) => (index % 2 ? api(`${server.issuer}/me`) : client.get('/me')))
    statuses.push(...(await Promise.all(answers)).map(({ status }) => status))
  }
  return statuses
}
