import { storeContract } from 'refresh-once/testing'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { memoryStore } from '../../../src/stores/memory.ts'
import { inEachEngine, raiseStage, type Stage, type StagedTab } from './stage.ts'

/** Only their names: the page runs its own. */
const checks = storeContract(() => memoryStore())

inEachEngine('the store keeps its contract', (_, engine) => {
  let stage: Stage
  let tab: StagedTab
  beforeAll(async () => {
    stage = await raiseStage(engine())
    tab = await stage.open()
  })
  afterAll(() => stage?.end())

  describe.each(['memory', 'disk'] as const)('with tokens in %s', (persist) => {
    for (const [index, { name }] of checks.entries()) test(name, () => tab.call('check', index, persist))
  })
})
