/**
 * Runs the tests with one mutant after the other, for `mutants.mjs`, which ends this process where a mutant runs for ever.
 * All that was read stays; only the file with the mutant is read anew.
 */
import { join } from 'node:path'
import { createVitest } from 'vitest/node'
import { root } from './setup.mjs'

const vitest = await createVitest('test', { root, config: 'scripts/mutant.config.ts', watch: false })
const specifications = await vitest.globTestSpecifications()
await vitest.standalone()

/** So many files first: most mutants are noticed by one of them. */
const FIRST = 4

const nameOf = ({ moduleId }) => moduleId.slice(root.length)

/** Resolves with the file of tests that has noticed the mutant, if any has, and the milliseconds that each has taken. */
async function run({ mutant, order }) {
  const change = () => mutant && vitest.invalidateFile(join(root, mutant.file))
  globalThis.mutant = mutant
  change()
  const place = new Map(order.map((file, index) => [file, index]))
  const files = [...specifications].sort((a, b) => place.get(nameOf(a)) - place.get(nameOf(b)))
  const durations = []
  let noticed
  for (let from = 0, to = FIRST; from < files.length && !noticed; from = to, to = files.length) {
    // What has failed before is no reason to stop.
    vitest.state.filesMap.clear()
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(files.slice(from, to))
    for (const module of testModules) durations.push([nameOf(module), module.diagnostic().duration])
    const failed = testModules.find((module) => !module.ok())
    if (failed) noticed = nameOf(failed)
    else if (unhandledErrors.length > 0) noticed = 'an error that nobody caught'
  }
  change()
  return { noticed, durations }
}

process.on('message', async (task) => process.send(await run(task)))
