/** Agents and their workers: processes that share a login in a folder. */
import { afterEach, expect, test } from 'vitest'
import { sizes, soaking } from '../../stores/file/processes/soaking.ts'
import { startWorld, type World } from '../world.ts'
import { type Crew, startCrew } from './crew.mjs'

/** Processes, expiries, calls; `npm run soak -- mcp` asks for more. */
const [processes = 8, cycles = 4, calls = 5] = sizes(process.env.SOAK_STORM)

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function setUp(processes: number): Promise<{ world: World; crew: Crew }> {
  const world = await startWorld()
  closing.push(() => world.close())
  const crew = await startCrew(world, 'ours', processes)
  closing.push(() => crew.end())
  await crew.signIn()
  return { world, crew }
}

test(`${processes} processes, ${calls} calls of tools each, at ${cycles} expiries: all are answered, and each expiry is one refresh`, {
  timeout: 3_600_000,
}, async () => {
  const { world, crew } = await setUp(processes)
  for (let cycle = 1; cycle <= cycles; cycle++) {
    world.expire()
    expect((await crew.storm(calls, cycle)).filter((answer) => answer !== 'answered')).toEqual([])
    expect(world.count).toMatchObject({ refreshes: cycle, reuses: 0, exchanges: 1 })
  }
  expect(world.added.size).toBe(processes * cycles * calls)
  expect([...world.added.values()].every((count) => count === 1)).toBe(true)
  const line = `${processes} processes, ${cycles} expiries, ${calls} calls of tools each, no grace: ${world.count.refreshes} refreshes, ${world.count.reuses} reuses, ${world.added.size} answers`
  if (soaking) console.log(line)
})

test('one is killed in the middle of its refresh: the others go on, and nobody is signed out', async () => {
  const { world, crew } = await setUp(4)
  world.expire()
  let killed: string | undefined
  world.holding((name) => {
    killed = name
    crew.workers.find((worker) => worker.name === name)?.kill()
  })
  const answers = await crew.storm(5, 0)
  expect(killed).toBeDefined()
  expect(answers).toEqual(Array.from({ length: 15 }, () => 'answered'))
  expect(world.count).toMatchObject({ refreshes: 1, reuses: 0, exchanges: 1 })
})
