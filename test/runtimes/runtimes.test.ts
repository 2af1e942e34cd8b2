import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installedRuntimes, type Runtime } from '../../scripts/runtimes.mjs'
import { proves } from '../cells.ts'
import { runInChromium } from './chromium.ts'
import type { Given, Outcome, Results } from './outcome.ts'
import { installPacked, type Packed } from './packed.ts'
import { runInProcess } from './process.ts'
import { closeScene, openScene, type Scene, type Script, scripts } from './scenes.ts'
import { runInWorkerd } from './workerd.ts'

let packed: Packed
beforeAll(() => {
  packed = installPacked()
}, 240_000)
afterAll(() => packed.remove())

interface Stage {
  name: string
  run(given: Results<Given>): Promise<Results<Outcome>>
}

const stages: Stage[] = installedRuntimes().map((runtime) => ({
  name: runtime.name,
  run: (given) =>
    runtime.kind === 'workerd'
      ? runInWorkerd(runtime, packed.folder, given)
      : runInProcess(runtime, packed.folder, given),
}))
if (process.env.CHROMIUM_PATH !== '')
  stages.push({ name: 'Chromium', run: (given) => runInChromium(packed.folder, given) })

/** Has the program perform every check in a runtime, each in a scene of its own, before the tests begin. */
function perform({ run }: Stage): (subject: string, check: string) => { scene: Scene; outcome: Outcome } {
  const scenes: Results<Scene> = {}
  let outcomes: Results<Outcome> = {}

  beforeAll(async () => {
    const given: Results<Given> = {}
    for (const [subject, checks] of Object.entries(scripts)) {
      for (const [check, script] of Object.entries(checks)) {
        const scene = await openScene(script)
        scenes[subject] = { ...scenes[subject], [check]: scene }
        given[subject] = { ...given[subject], [check]: { url: scene.server.url, tokens: scene.tokens } }
      }
    }
    outcomes = await run(given)
  }, 240_000)

  afterAll(async () => {
    await Promise.all(Object.values(scenes).flatMap((checks) => Object.values(checks).map(closeScene)))
  })

  return (subject, check) => {
    const [scene, outcome] = [scenes[subject]?.[check], outcomes[subject]?.[check]]
    if (!scene || !outcome) throw new Error('the program has no such check')
    return { scene, outcome }
  }
}

function review({ verify }: Script, { scene, outcome }: { scene: Scene; outcome: Outcome }): void {
  expect(outcome.error, scene.server.explain()).toBeUndefined()
  expect(outcome.passed).toBe(true)
  verify(scene, outcome)
}

describe.each(stages)('the packed package in $name', (stage) => {
  const performance = perform(stage)

  describe.each(Object.entries(scripts))('%s', (subject, checks) => {
    for (const [check, script] of Object.entries(checks)) {
      test(check, proves({ table: 'runtimes', row: stage.name, column: subject }), () => {
        review(script, performance(subject, check))
      })
    }
  })
})

/** A date before which workerd kept Authorization at a redirect to another origin. */
const OLD = '2024-09-23'

const workerd = installedRuntimes().find(({ kind }) => kind === 'workerd')
describe.each(workerd ? [workerd] : [])(`the packed package in a Worker of ${OLD}`, (runtime: Runtime) => {
  const performance = perform({
    name: runtime.name,
    run: (given) => runInWorkerd(runtime, packed.folder, given, OLD),
  })

  test.each(['axios', 'fetch'])('%s: a redirect is given to its caller, with nobody else told', (subject) => {
    const check = 'a redirect to another origin takes no Authorization along'
    const { scene, outcome } = performance(subject, check)
    expect(outcome).toEqual({ passed: true, saw: 'its caller gets the 307' })
    expect(scene.seen.elsewhere).toEqual([])
  })
})
