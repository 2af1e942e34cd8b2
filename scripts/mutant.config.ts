/** Runs the tests of core and transports with one mutant (`mutants.mjs`), until the first of them fails. */
import { join, relative } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type Reporter, type TestSpecification } from 'vitest/node'
import { root } from './setup.mjs'
import { sourceAliases } from './subpaths.ts'

interface Mutant {
  file: string
  start: number
  end: number
  becomes: string
}

interface Run {
  /** Nothing is changed where there is none. */
  mutant?: Mutant
  /** The package that stands in for axios. */
  axios: string
  /** The files of tests, from the root. */
  order: string[]
}

const { mutant, axios, order } = JSON.parse(process.env.MUTANT ?? '') as Run

/** In the order that is asked for. */
class InOrder extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => order.indexOf(relative(root, moduleId))
    return specifications.sort((a, b) => place(a) - place(b))
  }
}

/** Tells who started this which file of tests has noticed the mutant, and how many milliseconds each has taken. */
const telling: Reporter = {
  onTestRunEnd: (modules, errors) => {
    const failed = modules.find((module) => !module.ok())
    const durations = modules.map((module) => [module.relativeModuleId, module.diagnostic().duration])
    process.send?.({
      noticed: failed?.relativeModuleId ?? (errors.length > 0 ? 'an error that nobody caught' : undefined),
      durations,
    })
  },
}

export default defineConfig({
  resolve: { alias: [...sourceAliases(), { find: /^axios$/, replacement: axios }] },
  plugins: [
    {
      name: 'mutant',
      enforce: 'pre',
      transform: (code, id) =>
        mutant && id === join(root, mutant.file)
          ? code.slice(0, mutant.start) + mutant.becomes + code.slice(mutant.end)
          : null,
    },
  ],
  test: {
    root,
    include: ['test/{core,transports,laws}/**/*.test.ts'],
    testTimeout: 30_000,
    // Ends with the process, also where a mutant runs for ever.
    pool: 'threads',
    maxWorkers: 1,
    bail: 1,
    sequence: { sequencer: InOrder },
    reporters: [telling],
  },
})
