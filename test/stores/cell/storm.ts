/** Processes that share a session in somebody else's engine: what any such engine has to show. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSession } from 'refresh-once'
import { type Cell, cellStore } from 'refresh-once/cell'
import { type AuthServer, storeContract } from 'refresh-once/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { startServer, times } from '../../setup.ts'
import { buildFor } from './build.ts'

/** Where processes find the engine. */
export interface Reach {
  engine: 'postgres' | 'upstash'
  url: string
  token?: string
}

interface Crew {
  start(): Promise<Member>
}
interface Member {
  readonly child: ChildProcess
  request(calls: number): Promise<string[]>
  untilSignedOut(): Promise<unknown>
}

/** The contract, and what several processes come to. */
export function engineTests(reach: () => Reach, cells: () => (id: string) => Cell): void {
  const folder = fileURLToPath(new URL('../../../.cache', import.meta.url))
  let place = ''
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true })
    place = mkdtempSync(join(folder, 'storm-'))
    await buildFor(
      'node',
      'storm-worker.ts',
      join(place, 'storm-worker.mjs'),
      /^(?:pg|@upstash\/redis|node:.*)$/,
    )
  })
  afterAll(() => rmSync(place, { recursive: true, force: true }))

  const children: ChildProcess[] = []
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode) continue
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
  })

  function crewAt({ url, tokenEndpoint }: AuthServer): Crew {
    return {
      async start() {
        const task = JSON.stringify({ reach: reach(), api: url, tokenEndpoint })
        const child = fork(join(place, 'storm-worker.mjs'), [task], {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        })
        children.push(child)
        const signedOut = new Promise((resolve) =>
          child.on('message', (told) => Object(told).heard && resolve(told)),
        )
        const answer = async (): Promise<string[]> => {
          for (;;) {
            const [told] = await once(child, 'message')
            if (Object(told).statuses) return Object(told).statuses
          }
        }
        await answer()
        return {
          child,
          request(calls) {
            const answered = answer()
            child.send({ calls })
            return answered
          },
          untilSignedOut: () => signedOut,
        }
      },
    }
  }

  async function signIn(server: AuthServer): Promise<void> {
    const session = createSession({
      store: cellStore(cells()('alice')),
      refresh: () => 'never',
      tokens: null,
    })
    await session.signIn(server.mint('alice'))
    session.close()
  }

  for (const { name, run } of storeContract((at, lease) => cellStore(cells()(at), { lease }))) test(name, run)

  test('four processes share one session for ten expiries, five calls each: one refresh each', async () => {
    const server = await startServer({ grace: 0 })
    await signIn(server)
    const crew = crewAt(server)
    const members = await Promise.all(times(4, () => crew.start()))
    for (const _ of times(10, Boolean)) {
      server.expireAccessTokens()
      const statuses = (await Promise.all(members.map((member) => member.request(5)))).flat()
      expect(statuses).toEqual(times(20, () => '200'))
    }
    expect(server.count, server.explain()).toMatchObject({ refreshes: 10, reuses: 0 })
    const heard = members.map((member) => member.untilSignedOut())
    const session = createSession({ store: cellStore(cells()('alice')), refresh: () => 'never' })
    await session.signOut()
    session.close()
    await Promise.all(heard)
  })

  test('the turn of a process that is killed in its refresh passes on', async () => {
    const server = await startServer({ grace: 30_000 })
    await signIn(server)
    const crew = crewAt(server)
    const [first, second] = [await crew.start(), await crew.start()]
    server.expireAccessTokens()
    server.fault('hang')
    void first.request(1)
    await server.until(() => server.count.refreshRequests === 1)
    first.child.kill('SIGKILL')
    expect(await second.request(5)).toEqual(times(5, () => '200'))
  })

  test('an id that could be taken for another is refused', () => {
    expect(() => cells()('alice\ud800')).toThrow()
  })
}
