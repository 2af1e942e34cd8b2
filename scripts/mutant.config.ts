/** Runs the tests of core and transports with one mutant (`mutants.mjs`), until the first of them fails. */
import { join } from 'node:path'
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

/** Nothing is changed where there is no mutant. `first` are files of tests, from the root. */
const { mutant, first } = JSON.parse(process.env.MUTANT ?? '') as { mutant?: Mutant; first: string[] }

/** What has noticed mutants before goes first, and the laws, which take longest, last. */
class MostSuccessfulFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = first.findIndex((file) => moduleId === join(root, file))
      return place >= 0 ? place : first.length + Number(moduleId.includes('/laws/'))
    }
    return specifications.sort((a, b) => rank(a) - rank(b))
  }
}

/** Tells who started this which file of tests has noticed the mutant. */
const telling: Reporter = {
  onTestRunEnd: (modules, errors) => {
    const failed = modules.find((module) => !module.ok())
    process.send?.({
      noticed: failed?.relativeModuleId ?? (errors.length > 0 ? 'an error that nobody caught' : undefined),
    })
  },
}

export default defineConfig({
  resolve: { alias: sourceAliases() },
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
    sequence: { sequencer: MostSuccessfulFirst },
    reporters: [telling],
  },
})
