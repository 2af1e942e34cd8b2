/** Agents and their workers: processes that share a login in a folder. */
import { afterEach, expect, test } from 'vitest'
import { startWorld, type World } from '../world.ts'
import { type Crew, startCrew } from './crew.mjs'

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

test('four processes, ten calls each, at three expiries: all are answered, and each expiry is one refresh', async () => {
  const { world, crew } = await setUp(4)
  for (let round = 0; round < 3; round++) {
    world.expire()
    expect((await crew.storm(10, round)).filter((answer) => answer !== 'answered')).toEqual([])
  }
  expect(world.count).toMatchObject({ refreshes: 3, reuses: 0, exchanges: 1 })
  expect(world.added.size).toBe(120)
  expect([...world.added.values()].every((count) => count === 1)).toBe(true)
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
