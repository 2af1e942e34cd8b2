import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AuthServer, createTestClock } from 'refresh-once/testing'
import { expect, test } from 'vitest'
import { startServer, times } from '../../../setup.ts'
import { unexplained } from '../../redis/explain.ts'
import { newCrew, type Worker } from './crew.ts'
import { seed, sizes, soaking } from './soaking.ts'

/** Processes, expiries, calls; `npm run soak -- file` asks for more. */
const [processes = 8, cycles = 5, calls = 5] = sizes(process.env.SOAK_STORM)
/** Processes, rounds. */
const [hitProcesses = 4, rounds = 5] = sizes(process.env.SOAK_HITS)
const TTL = 2_000

test(`${processes} processes share one login for ${cycles} expiries, ${calls} calls each: one refresh each`, {
  timeout: 3_600_000,
}, async () => {
  const server = await startServer()
  const crew = newCrew(server)
  await crew.signIn()
  const workers = await Promise.all(times(processes, () => crew.start()))
  for (let cycle = 1; cycle <= cycles; cycle++) {
    server.expireAccessTokens()
    const answers = await Promise.all(workers.map((worker) => worker.request(calls)))
    expect(answers.flat(), server.explain()).toEqual(times(processes * calls, () => '200'))
    expect(server.count).toMatchObject({ refreshes: cycle, refreshRequests: cycle, reuses: 0 })
  }
  const line = `${processes} processes, ${cycles} expiries, ${calls} calls each, no grace: ${server.count.refreshes} refreshes, ${server.count.reuses} reuses, ${cycles * processes * calls} answers`
  if (soaking) console.log(line)
})

for (const grace of [0, 10_000]) {
  test(`processes are killed and stopped at random: ${grace ? 'with 10 s of grace nobody is signed out' : 'without grace every reuse is explained'}`, {
    timeout: 3_600_000,
  }, async () => {
    const server = await startServer({ grace })
    const crew = newCrew(server, { store: { ttl: TTL } })
    await crew.signIn()
    const workers: Worker[] = await Promise.all(times(hitProcesses, () => crew.start()))
    const { random } = createTestClock({ seed: seed + grace }).clock
    let ended = 0
    for (let round = 0; round < rounds; round++) {
      server.expireAccessTokens()
      const victim = Math.floor(random() * hitProcesses)
      const [aimed, fatal, patience] = [random() < 0.5, random() < 0.5, random() * 120]
      const gate = aimed ? server.hold('/token') : undefined
      const requests = workers.map((worker) => worker.request(5))
      // Either its answer is on the way, or it is anywhere.
      if (gate) await Promise.race([gate.untilArrived(1), Promise.all(requests)])
      else await sleep(patience)
      const struck = workers[aimed ? holder(crew.journal(), workers) : victim] as Worker
      const resumed = fatal ? struck.kill() : stopFor(struck, TTL * 1.6)
      if (gate) {
        await sleep(patience)
        gate.release()
      }
      const answers = await Promise.all(requests)
      await resumed
      if (fatal) workers[workers.indexOf(struck)] = await crew.start()
      const revoked = revocations(server) > ended
      if (revoked) {
        ended++
        await crew.signIn()
        // They hear of it, or look when they need it.
        await Promise.all(workers.map((worker) => worker.request()))
      } else {
        const others = answers.flatMap((answer, index) => (workers[index] === struck ? [] : (answer ?? [])))
        expect(new Set(others.length ? others : ['200']), server.explain()).toEqual(new Set(['200']))
      }
    }
    expect(unexplained(server.log, crew.journal(), crew.blows)).toEqual([])
    if (grace) expect(ended).toBe(0)
    expect(readdirSync(crew.path).filter((name) => name.endsWith('.unreadable'))).toEqual([])
    const line = `${hitProcesses} processes, ${rounds} rounds, ${crew.blows.length} blows, ${grace / 1000} s of grace, seed ${seed}: ${server.count.refreshes} refreshes, ${server.count.reuses} reuses, all explained; ${ended} sessions ended`
    if (soaking) console.log(line)
  })
}

/** Who has sent last. */
function holder(
  journal: readonly { what: string; at: number; process: number }[],
  workers: readonly Worker[],
): number {
  const sent = journal.filter(({ what }) => what === 'sent').sort((a, b) => b.at - a.at)[0]
  return Math.max(
    0,
    workers.findIndex(({ name }) => name === sent?.process),
  )
}

async function stopFor(worker: Worker, ms: number): Promise<void> {
  worker.stop()
  await sleep(ms)
  worker.resume()
}

function revocations({ log }: AuthServer): number {
  return log.filter((entry) => entry.kind === 'reuse' && entry.revoked).length
}
