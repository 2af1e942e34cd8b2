import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AuthServer, createTestClock } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, times } from '../../setup.ts'
import { type Client, kinds } from './clients.ts'
import { unexplained } from './explain.ts'
import { type Fleet, type FleetOptions, startFleet } from './fleet.ts'
import { type RedisServer, startRedis } from './redis-server.ts'

/** Processes, sessions, cycles: `npm run soak` asks for more. */
const [processes = 8, sessions = 50, cycles = 3] = sizes(process.env.SOAK_FLEET)
const [hitProcesses = 4, hitSessions = 24, hitCycles = 3] = sizes(process.env.SOAK_BLOWS)
const seed = Number(process.env.SOAK_SEED ?? randomInt(2 ** 31))
const soaking = process.env.SOAK_FLEET !== undefined
const testTimeout = soaking ? 3_600_000 : 120_000

let redis: RedisServer
let seeder: Client
beforeAll(async () => {
  redis = await startRedis()
  const [kind] = kinds
  if (!kind) throw new Error('there is no client')
  seeder = await kind.open(redis.url)
})
afterAll(async () => {
  await seeder.close()
  await redis.close()
})

async function withFleet(
  server: AuthServer,
  options: Partial<FleetOptions>,
  use: (fleet: Fleet) => Promise<void>,
): Promise<void> {
  // Another fleet has left its records.
  await redis.kill()
  await redis.start()
  await seeder.answered()
  const fleet = await startFleet(
    {
      processes,
      sessions,
      kinds: ['redis', 'ioredis'],
      redisUrl: redis.url,
      server,
      ttl: 5_000,
      ...options,
    },
    seeder,
  )
  try {
    await use(fleet)
  } finally {
    await fleet.end()
  }
}

function count(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

test(`${processes} processes share ${sessions} sessions for ${cycles} expiries: one refresh each`, {
  timeout: testTimeout,
}, async () => {
  const server = await startServer()
  await withFleet(server, {}, async (fleet) => {
    let commands = 0
    for (let cycle = 1; cycle <= cycles; cycle++) {
      server.expireAccessTokens()
      const answers = await fleet.request()
      commands += answers.commands
      expect(count(answers.outcomes)).toEqual({ 200: processes * sessions })
      expect(server.count).toMatchObject({ refreshes: cycle * sessions, reuses: 0 })
    }
    // What was on its way without being waited for arrives with these; then there is nothing left to ask.
    commands += (await fleet.request()).commands
    expect(await fleet.request()).toEqual({ outcomes: times(processes * sessions, () => '200'), commands: 0 })
    expect(server.count.refreshRequests).toBe(cycles * sessions)
    report(
      `${processes} processes, ${sessions} sessions, ${cycles} cycles, no grace: ${server.count.refreshes} refreshes, ` +
        `${server.count.reuses} reuses, ${server.count.api} API requests, ` +
        `${(commands / server.count.refreshes).toFixed(1)} commands per refresh over all processes`,
    )
  })
})

describe('processes are killed and stopped while they refresh', () => {
  for (const grace of [0, 10_000]) {
    test(`${grace / 1000} s of grace: ${grace ? 'no session ends' : 'every reuse is explained'}`, {
      timeout: testTimeout,
    }, async () => {
      const server = await startServer({ grace })
      const ttl = soaking ? 4_000 : 2_000
      const options = { processes: hitProcesses, sessions: hitSessions, ttl }
      const { random } = createTestClock({ seed: seed + grace }).clock
      await withFleet(server, options, async (fleet) => {
        for (let cycle = 0; cycle < hitCycles; cycle++) {
          const alive = hitSessions - endedSessions(server)
          if (!alive) break
          server.expireAccessTokens()
          const victim = Math.floor(random() * hitProcesses)
          const [aimed, fatal, patience] = [random() < 0.5, random() < 0.5, random() * 150]
          const gate = aimed ? server.hold('/token') : undefined
          const requesting = fleet.request()
          // Either their answers are on the way, or they are anywhere.
          if (gate) await gate.untilArrived(1 + Math.floor((random() * alive) / 2))
          else await sleep(patience)
          const blow = fatal ? fleet.kill(victim) : fleet.stop(victim, ttl * 2)
          if (gate) {
            await sleep(patience)
            gate.release()
          }
          await Promise.all([requesting, blow])
        }
        server.expireAccessTokens()
        const { outcomes } = await fleet.request()
        const ended = endedSessions(server)
        expect(unexplained(server.log, fleet.journal(), fleet.blows)).toEqual([])
        const expected: Record<string, number> = {}
        if (ended < hitSessions) expected['200'] = hitProcesses * (hitSessions - ended)
        if (ended) expected['401'] = hitProcesses * ended
        expect(count(outcomes), server.explain()).toEqual(expected)
        if (grace) expect(ended).toBe(0)
        report(
          `${hitProcesses} processes, ${hitSessions} sessions, ${hitCycles} cycles, ${fleet.blows.length} blows, ` +
            `${grace / 1000} s of grace, seed ${seed}: ${server.count.refreshes} refreshes, ` +
            `${server.count.reuses} reuses, all explained; ${ended} sessions ended`,
        )
      })
    })
  }
})

function endedSessions({ log }: AuthServer): number {
  return log.filter((entry) => entry.kind === 'reuse' && entry.revoked).length
}

function sizes(text: string | undefined): number[] {
  return text?.split('x').map(Number) ?? []
}

function report(line: string): void {
  if (soaking) console.log(line)
}
